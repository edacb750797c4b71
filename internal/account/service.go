package account

import (
	"errors"
	"io"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// Config is what a Service is made of.
type Config struct {
	Store      Store
	SavedCodes SavedCodes
	TOTP       TOTP
	Keys       *secret.Keyring
	Rand       io.Reader   // crypto/rand outside tests; used by several goroutines at once
	Clock      clock.Clock // for the pace of progress reports alone
	Texts      Texts       // whether numbers get text messages; nil where nobody knows
	Workers    int         // of an import; the number of processors when zero
}

// Service is the use cases of accounts. It is safe for concurrent use and holds no state of its own.
type Service struct{ Config }

// NewService makes a Service. It fails when something it needs is missing.
func NewService(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.SavedCodes == nil || cfg.TOTP == nil || cfg.Keys == nil || cfg.Rand == nil || cfg.Clock == nil {
		return nil, errors.New("account: incomplete configuration")
	}
	return &Service{Config: cfg}, nil
}

func (s *Service) newID(prefix string, now time.Time) string {
	return secret.NewID(prefix, now, s.Rand)
}

// query names the account. A reference that cannot be one names none.
func (s *Service) query(c Caller, ref string) Query {
	return Query{Tenant: c.Tenant, RefHashes: RefHashes(s.Keys, c.Tenant, ref)}
}

// event is an audit event about an account. Details hold numbers, ids and enumerations only.
func (s *Service) event(c Caller, now time.Time, action audit.Action, subject string, details map[string]any) audit.Event {
	actor := audit.Actor{Kind: audit.ActorClient, ID: c.Client}
	if c.Operator {
		actor.Kind = audit.ActorOperator
	}
	return audit.Event{
		ID: s.newID("evt", now), Tenant: c.Tenant, At: now, Actor: actor, Action: action, Subject: subject,
		Outcome: audit.Success, RequestID: c.RequestID, Details: details,
	}
}

// changeable gives the account of a change, or fault.CodeNotFound, or CodeRecoveryOpen while a recovery freezes it.
func changeable(in Loaded) (*Stored, error) {
	switch {
	case in.Account == nil:
		return nil, fault.Of(fault.CodeNotFound)
	case in.frozen():
		return nil, fault.Of(fault.CodeRecoveryOpen)
	default:
		return in.Account, nil
	}
}

// sealed is an answer as it is stored for a retry: the outcome, or the code of the refusal that was committed.
type sealed[T any] struct {
	Value   T          `json:"value"`
	Refusal fault.Code `json:"refusal,omitempty"`
}

func (a sealed[T]) err() error {
	if a.Refusal == "" {
		return nil
	}
	return fault.Of(a.Refusal)
}

// remember seals the answer for the Idempotency-Key; nil without one.
func (a sealed[T]) remember(key idempotency.Key) (*idempotency.Record, error) {
	if key.IsZero() {
		return nil, nil //nolint:nilnil // without a key there is nothing to remember.
	}
	outcome, err := key.Seal(a)
	if err != nil {
		return nil, fault.Wrap(err, "seal answer")
	}
	r := key.Record(outcome)
	return &r, nil
}

// replay opens the answer that was given to the same request before.
func (a *sealed[T]) replay(key idempotency.Key, r *idempotency.Record) error {
	if err := key.Check(*r); err != nil {
		return err
	}
	return key.Open(r.Outcome, a)
}
