package textrule

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/phone"
)

// Store keeps the rules of tenants.
type Store interface {
	// Loaded reads a tenant's rules, or gives fault.CodeNotFound.
	Loaded(ctx context.Context, tenant string) (Loaded, error)
	// Changing locks a tenant's rules and runs fn in one transaction, which commits when it returns nil.
	Changing(ctx context.Context, tenant string, fn func(tx Tx, in Loaded) error) error
}

// Tx is the one write door of rules. What is written takes effect with the next message, on every node.
type Tx interface {
	// SetOwn writes the tenant's own rules with their event.
	SetOwn(ctx context.Context, next Loaded, event audit.Event) error
	// Grant writes what operators let the tenant, with its event.
	Grant(ctx context.Context, g Granted, event audit.Event) error
}

// Loaded is a tenant's rules at one moment.
type Loaded struct {
	Now       time.Time
	Tenant    Tenant
	Version   int64 // of the tenant's own rules; 0 while it has none
	ChangedAt time.Time
	ChangedBy string
}

// View is what a tenant sees of its rules.
type View struct {
	Version   int64
	Own       Rules
	Ceiling   Rules
	Effective Rules
	ChangedAt time.Time
	ChangedBy string
}

// Service is the use cases. It is safe for concurrent use.
type Service struct {
	Store        Store
	Installation Rules // what this installation lets all: complete
}

// Get gives a tenant's rules. Fault: CodeNotFound.
func (s *Service) Get(ctx context.Context, tenant string) (View, error) {
	in, err := s.Store.Loaded(ctx, tenant)
	return s.view(in), fault.Wrap(err, "get text rules")
}

// SetCommand replaces a tenant's own rules.
type SetCommand struct {
	Tenant    string
	Version   int64 // of the rules that the caller has read
	Rules     Rules
	By        audit.Actor
	RequestID string
}

// Set replaces the tenant's own rules. The same rules once more change nothing, whatever their version: a request that is
// repeated finds its own work.
//
// Faults: CodeInvalidRequest for what is wider than operators let, with the bound; CodeConflict for a version that is not the
// current one; CodeNotFound.
func (s *Service) Set(ctx context.Context, cmd SetCommand) (View, error) {
	rules := cmd.Rules.tidy()
	var out View
	err := s.Store.Changing(ctx, cmd.Tenant, func(tx Tx, in Loaded) error {
		if in.Version > 0 && rules.same(in.Tenant.Own) {
			out = s.view(in)
			return nil
		}
		if err := rules.within(in.Tenant.Ceiling(s.Installation)); err != nil {
			return err
		}
		if cmd.Version != in.Version {
			return fault.Of(fault.CodeConflict).Detail("The rules were changed since they were read; read them again.")
		}
		next := in
		next.Tenant.Own, next.Version, next.ChangedAt, next.ChangedBy = rules, in.Version+1, in.Now, cmd.By.ID
		out = s.view(next)
		return tx.SetOwn(ctx, next, audit.Event{
			Tenant: cmd.Tenant, At: in.Now, Actor: cmd.By, Action: audit.TextRulesSet, Subject: cmd.Tenant, Outcome: audit.Success, RequestID: cmd.RequestID,
			Details: map[string]any{"version": next.Version, "before": in.Tenant.Own.details(), "after": rules.details()},
		})
	})
	return out, fault.Wrap(err, "set text rules")
}

// GrantCommand says what operators let a tenant.
type GrantCommand struct {
	Tenant  string
	Granted Granted
	By      audit.Actor
}

// mostDay bounds what a tenant can be let a day.
const mostDay = 10_000_000

// Grant says what operators let a tenant. Its own rules stay as they are and widen nothing.
//
// Faults: CodeInvalidRequest, CodeNotFound.
func (s *Service) Grant(ctx context.Context, cmd GrantCommand) error {
	if slices.ContainsFunc(cmd.Granted.Countries, func(c string) bool { return !phone.IsCountry(c) }) {
		return fault.Of(fault.CodeInvalidRequest).At("/countries", "must be countries in two capital letters")
	}
	g := Granted{Countries: cmd.Granted.Countries, Day: min(max(cmd.Granted.Day, -1), mostDay)}
	err := s.Store.Changing(ctx, cmd.Tenant, func(tx Tx, in Loaded) error {
		return tx.Grant(ctx, g, audit.Event{
			Tenant: cmd.Tenant, At: in.Now, Actor: cmd.By, Action: audit.TextsGranted, Subject: cmd.Tenant, Outcome: audit.Success,
			Details: map[string]any{"before": in.Tenant.Granted.details(), "after": g.details()},
		})
	})
	return fault.Wrap(err, "grant texts")
}

func (s *Service) view(in Loaded) View {
	return View{
		Version: in.Version, Own: in.Tenant.Own, Ceiling: in.Tenant.Ceiling(s.Installation), Effective: in.Tenant.Effective(s.Installation),
		ChangedAt: in.ChangedAt, ChangedBy: in.ChangedBy,
	}
}
