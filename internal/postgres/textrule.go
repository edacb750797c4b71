package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/textrule"
)

// TextRules is textrule's store on PostgreSQL.
type TextRules struct{ db *DB }

// NewTextRules makes the store.
func NewTextRules(db *DB) *TextRules { return &TextRules{db: db} }

var _ textrule.Store = (*TextRules)(nil)

// Loaded implements textrule.Store.
func (s *TextRules) Loaded(ctx context.Context, tenant string) (textrule.Loaded, error) {
	in, err := s.load(ctx, s.db.pool, tenant)
	return in, translate(err, "load text rules")
}

// Changing implements textrule.Store. The tenant's row is the lock: there may be no rules yet.
func (s *TextRules) Changing(ctx context.Context, tenant string, fn func(textrule.Tx, textrule.Loaded) error) error {
	return s.db.inTx(ctx, func(p *pipeline) error {
		if err := s.db.q.LockTenantTexts(ctx, p, tenant); err != nil {
			return err
		}
		in, err := s.load(ctx, p, tenant)
		if err != nil {
			return err
		}
		return fn(&textRuleTx{s, p}, in)
	})
}

func (s *TextRules) load(ctx context.Context, on dbsqlc.DBTX, tenant string) (textrule.Loaded, error) {
	row, err := s.db.q.LoadTextRules(ctx, on, tenant)
	if err != nil {
		return textrule.Loaded{}, err
	}
	own := ownTexts(row.Countries, row.Lines)
	own.PrefixHour, own.CountryDay, own.Day = orZero(row.PrefixHour), orZero(row.CountryDay), orZero(row.Day)
	return textrule.Loaded{
		Now: row.Now.UTC(), Version: row.Version, ChangedAt: instant(row.ChangedAt), ChangedBy: row.ChangedBy,
		Tenant: textrule.Tenant{Granted: textrule.Granted{Countries: row.TextCountries, Day: orNegative(row.TextDay)}, Own: own},
	}, nil
}

// ownTexts is what a tenant lets its own texts reach.
func ownTexts(countries, lines []string) textrule.Rules {
	r := textrule.Rules{Countries: countries}
	for _, l := range lines {
		r.Lines = append(r.Lines, phone.Line(l))
	}
	return r
}

// textRuleTx is the one write door of rules.
type textRuleTx struct {
	s *TextRules
	p *pipeline
}

// SetOwn implements textrule.Tx.
func (t *textRuleTx) SetOwn(ctx context.Context, next textrule.Loaded, event audit.Event) error {
	own := next.Tenant.Own
	_, err := t.s.db.q.SetTextRules(ctx, t.p, dbsqlc.SetTextRulesParams{
		TenantID: event.Tenant, Version: next.Version, Countries: own.Countries, Lines: namesOrNil(own.Lines), PrefixHour: positive(own.PrefixHour),
		CountryDay: positive(own.CountryDay), Day: positive(own.Day), ChangedAt: next.ChangedAt, ChangedBy: next.ChangedBy,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Of(fault.CodeConflict)
	}
	if err != nil {
		return err
	}
	return t.note(event)
}

// Grant implements textrule.Tx.
func (t *textRuleTx) Grant(ctx context.Context, g textrule.Granted, event audit.Event) error {
	var day *int32
	if g.Day >= 0 {
		n := bounded(g.Day)
		day = &n
	}
	if err := t.s.db.q.GrantTexts(ctx, t.p, dbsqlc.GrantTextsParams{ID: event.Tenant, Countries: g.Countries, PerDay: day}); err != nil {
		return err
	}
	return t.note(event)
}

func (t *textRuleTx) note(event audit.Event) error {
	event.ID = newEventID(event.At)
	return t.p.appendEvents(event)
}

func namesOrNil[T ~string](list []T) []string {
	if list == nil {
		return nil
	}
	return names(list)
}

// positive is nil for 0.
func positive(n int) *int32 {
	if n <= 0 {
		return nil
	}
	out := bounded(n)
	return &out
}

func orZero(n *int32) int {
	if n == nil {
		return 0
	}
	return int(*n)
}
