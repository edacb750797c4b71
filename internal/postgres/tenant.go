package postgres

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// Tenant is one brand or app whose accounts are protected. Everything else belongs to one.
type Tenant struct {
	ID             string // a to z, 0 to 9, - and _, 63 characters at most
	Name           string // shown in messages and authenticator apps
	SupportContact string // shown in notices
	Locale         string // of messages to accounts that name none; en when empty
	CreatedAt      time.Time
	TextCountries  []string // where its text messages may go, ISO 3166; nil for what the installation says, empty for nowhere
	TextDay        int      // its codes by text a day; negative for what the installation says
	ClaimPage      string   // where claim links lead: a page of its own app; empty where no case is opened for an account
}

//nolint:gochecknoglobals // compiled once; they are constants.
var (
	tenantForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	tongueForm = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$`)
)

// CreateTenant adds a tenant and gives it back as it is on file. One that exists is fault.CodeConflict; a name that does not
// fit is CodeInvalidRequest.
func (db *DB) CreateTenant(ctx context.Context, t Tenant) (Tenant, error) {
	if t.Locale == "" {
		t.Locale = "en"
	}
	switch {
	case !tenantForm.MatchString(t.ID):
		return Tenant{}, fault.Of(fault.CodeInvalidRequest).At("/id", "must be a name of a to z, 0 to 9, - and _")
	case t.Name == "" || !isShown(t.Name, 100):
		return Tenant{}, fault.Of(fault.CodeInvalidRequest).At("/name", "must be 1 to 100 visible characters")
	case !isShown(t.SupportContact, 200):
		return Tenant{}, fault.Of(fault.CodeInvalidRequest).At("/support_contact", "must be 200 visible characters at most")
	case !tongueForm.MatchString(t.Locale):
		return Tenant{}, fault.Of(fault.CodeInvalidRequest).At("/locale", "must be a language tag")
	}
	at, err := db.q.CreateTenant(ctx, db.pool, dbsqlc.CreateTenantParams{ID: t.ID, Name: t.Name, SupportContact: t.SupportContact, Locale: t.Locale})
	if errors.Is(err, pgx.ErrNoRows) {
		return Tenant{}, fault.Of(fault.CodeConflict).Detail("There is such a tenant already.")
	}
	t.CreatedAt, t.TextDay = at.UTC(), -1
	return t, translate(err, "create tenant")
}

// Tenant gives one tenant, or fault.CodeNotFound.
func (db *DB) Tenant(ctx context.Context, id string) (Tenant, error) {
	row, err := db.q.GetTenant(ctx, db.pool, id)
	if err != nil {
		return Tenant{}, translate(err, "get tenant")
	}
	return tenantOf(row), nil
}

// SetTenantClaimPage says where a tenant's claim links lead, and writes down who said so; an empty page ends that cases are opened
// for accounts. The caller has checked that links may begin so. A tenant that is not there is fault.CodeNotFound.
func (db *DB) SetTenantClaimPage(ctx context.Context, id, page string, by audit.Actor) error {
	return db.inTx(ctx, func(p *pipeline) error {
		row, err := db.q.TenantExists(ctx, p, id)
		if err != nil {
			return err
		}
		if !row.Found {
			return fault.Of(fault.CodeNotFound)
		}
		if _, err := db.q.SetTenantClaimURL(ctx, p, dbsqlc.SetTenantClaimURLParams{ID: id, ClaimUrl: optional(page)}); err != nil {
			return err
		}
		return p.appendEvents(audit.Event{
			ID: newEventID(row.Now), Tenant: id, At: row.Now.UTC(), Actor: by, Action: audit.ClaimPageSet, Subject: id, Outcome: audit.Success,
			Details: map[string]any{"page": page},
		})
	})
}

// Tenants lists all tenants by id.
func (db *DB) Tenants(ctx context.Context) ([]Tenant, error) {
	rows, err := db.q.ListTenants(ctx, db.pool)
	if err != nil {
		return nil, translate(err, "list tenants")
	}
	out := make([]Tenant, 0, len(rows))
	for _, row := range rows {
		out = append(out, tenantOf(row))
	}
	return out, nil
}

func tenantOf(row dbsqlc.Tenant) Tenant {
	return Tenant{
		ID: row.ID, Name: row.Name, SupportContact: row.SupportContact, Locale: row.Locale, CreatedAt: row.CreatedAt.UTC(),
		TextCountries: row.TextCountries, TextDay: orNegative(row.TextDay), ClaimPage: text(row.ClaimUrl),
	}
}

// isShown reports whether people can be shown the text in one line.
func isShown(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
