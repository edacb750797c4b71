package postgres

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/secret"
)

// Abuse is the abuse package's stores on PostgreSQL: the journal, the alerts and the controls.
type Abuse struct{ db *DB }

// NewAbuse makes the stores.
func NewAbuse(db *DB) *Abuse { return &Abuse{db: db} }

var (
	_ abuse.Journal      = (*Abuse)(nil)
	_ abuse.Alerts       = (*Abuse)(nil)
	_ abuse.ControlStore = (*Abuse)(nil)
)

const (
	// abuseLock is the advisory lock of the one node that looks for abuse.
	abuseLock = 0x686f6c6466617374
	// foldAtOnce bounds the stretch of time that one transaction folds.
	foldAtOnce = time.Minute
	// foldBack is how far back a new installation, or one that stood still, begins to count.
	foldBack = 6 * time.Hour
	// sumRows bounds the rows that one detector's sums are made of.
	sumRows = 200_000
	// How long what detectors work with is kept: a week to compare with, an hour of networks, alerts for people.
	keepHours     = 8 * 24 * time.Hour
	keepSightings = time.Hour
	keepAlerts    = 90 * 24 * time.Hour
	// usedLately tells a credential in use from one that its owner lets run out.
	usedLately = 30 * 24 * time.Hour
)

// Alone implements abuse.Journal. The lock lies in a transaction of its own, so that it goes with its connection.
func (s *Abuse) Alone(ctx context.Context, fn func(context.Context, time.Time) error) (bool, error) {
	ran := false
	err := s.db.inTx(ctx, func(p *pipeline) error {
		row, err := s.db.q.AloneForAbuse(ctx, p, abuseLock)
		if err != nil || !row.Alone {
			return err
		}
		ran = true
		return fn(ctx, row.Now.UTC())
	})
	return ran, err
}

// Fold implements abuse.Journal. Stretches without an event are passed over in one step.
func (s *Abuse) Fold(ctx context.Context, now time.Time, settle, keep time.Duration) (upTo time.Time, more bool, err error) {
	err = s.db.inTx(ctx, func(p *pipeline) error {
		from, err := s.db.q.AbuseWatermark(ctx, p)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		settled := now.Add(-settle)
		from = latest(from.UTC(), now.Add(-foldBack))
		if !from.Before(settled) {
			upTo = from
			return nil
		}
		var first *time.Time
		if err := p.QueryRow(ctx, firstEvent, idAt(from)).Scan(&first); err != nil {
			return err
		}
		upTo = settled
		if first != nil && first.Before(settled) {
			from = latest(from, first.UTC().Add(-time.Second)) // an id may be a little older than its event
			upTo = earliest(from.Add(foldAtOnce), settled)
			if _, err := p.Exec(ctx, foldJournal, idAt(from), idAt(upTo)); err != nil {
				return err
			}
		}
		more = upTo.Before(settled)
		if err := s.forget(ctx, p, now, keep); err != nil {
			return err
		}
		return s.db.q.MoveAbuseWatermark(ctx, p, upTo)
	})
	return upTo, more, err
}

func (s *Abuse) forget(ctx context.Context, p *pipeline, now time.Time, keep time.Duration) error {
	measures := names(abuse.Measures())
	if err := s.db.q.ForgetTallies(ctx, p, dbsqlc.ForgetTalliesParams{Before: now.Add(-keep), Measures: measures}); err != nil {
		return err
	}
	if err := s.db.q.ForgetHours(ctx, p, now.Add(-keepHours)); err != nil {
		return err
	}
	if err := s.db.q.ForgetSightings(ctx, p, now.Add(-keepSightings)); err != nil {
		return err
	}
	before := now.Add(-keepAlerts)
	return s.db.q.ForgetAlerts(ctx, p, &before)
}

// idAt is the smallest id of an audit event of that time. Ids sort by time, so a range of them is a range of a tenant's
// primary key.
func idAt(at time.Time) string { return secret.NewID("evt", at, bytes.NewReader(make([]byte, 16))) }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func names[T ~string](list []T) []string {
	out := make([]string, 0, len(list))
	for _, x := range list {
		out = append(out, string(x))
	}
	return out
}

// Sums implements abuse.Journal.
func (s *Abuse) Sums(ctx context.Context, q abuse.Query, window time.Duration, upTo time.Time) ([]abuse.Sum, error) {
	until := upTo.Truncate(time.Minute).Add(time.Minute)
	rows, err := s.db.pool.Query(ctx, abuseSums, string(q.Per), names(q.Count), names(q.Against), until.Add(-window), until,
		sumRows, q.Total, q.Times > 0)
	if err != nil {
		return nil, translate(err, "sum the journal")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (abuse.Sum, error) {
		var x abuse.Sum
		err := row.Scan(&x.Tenant, &x.Key, &x.Total, &x.Subjects, &x.Sources, &x.Tenants, &x.Against, &x.Usual)
		x.Usual *= window.Hours()
		return x, err
	})
	return out, translate(err, "sum the journal")
}

// Probe implements abuse.Journal.
func (s *Abuse) Probe(ctx context.Context, d abuse.Detector, now time.Time) ([]abuse.Finding, error) {
	var out []abuse.Finding
	found := func(tenant, client, credential, what string, n int64) {
		out = append(out, abuse.Finding{
			Tenant: tenant, Key: credential, Count: n, Limit: d.Limit,
			Labels: map[string]string{"client": client, "credential": credential, what: strconv.FormatInt(n, 10)},
		})
	}
	switch d.Probe {
	case abuse.ProbeDormant:
		before := now.Add(-d.Window)
		rows, err := s.db.q.DormantCredentials(ctx, s.db.pool, dbsqlc.DormantCredentialsParams{Now: now, Before: &before})
		for _, r := range rows {
			found(r.TenantID, r.ClientID, r.PublicID, "days_unused", int64(now.Sub(r.Since).Hours()/24))
		}
		return out, translate(err, "find dormant credentials")
	case abuse.ProbeExpiring:
		used := now.Add(-usedLately)
		rows, err := s.db.q.ExpiringCredentials(ctx, s.db.pool, dbsqlc.ExpiringCredentialsParams{Now: now, Before: now.Add(d.Window), UsedSince: &used})
		for _, r := range rows {
			found(r.TenantID, r.ClientID, r.PublicID, "hours_left", int64(r.ExpiresAt.Sub(now).Hours()))
		}
		return out, translate(err, "find expiring credentials")
	case abuse.ProbeShared:
		rows, err := s.db.q.SharedCredentials(ctx, s.db.pool, dbsqlc.SharedCredentialsParams{Since: now.Add(-d.Window), AtLeast: d.Limit})
		for _, r := range rows {
			found(r.TenantID, r.ClientID, r.PublicID, "minutes_shared", r.Minutes)
		}
		return out, translate(err, "find shared credentials")
	case abuse.ProbePumping, abuse.ProbePaused:
		return s.probeTexts(ctx, d, now)
	case abuse.ProbeBudgets, abuse.ProbeSpent:
		return s.probeBudgets(ctx, d, now)
	case abuse.ProbeLooking, abuse.ProbeHasty, abuse.ProbePairs, abuse.ProbeMisused:
		return s.probeDesk(ctx, d, now)
	default:
		return nil, fault.Of(fault.CodeInternal).Because(errors.New("no such probe: " + string(d.Probe)))
	}
}

// Save implements abuse.Journal.
func (s *Abuse) Save(ctx context.Context, a abuse.Alert, event *audit.Event) error {
	return s.db.inTx(ctx, func(p *pipeline) error {
		if err := s.write(ctx, p, a); err != nil {
			return err
		}
		if event == nil {
			return nil
		}
		return s.note(p, *event)
	})
}

// note appends an event of an alert or a control.
func (s *Abuse) note(p *pipeline, e audit.Event) error {
	e.ID = newEventID(e.At)
	return p.appendEvents(e)
}

// See records from which networks credentials were used in this minute.
func (s *Abuse) See(ctx context.Context, credentials, networks []string) error {
	err := s.db.q.SeeCredentials(ctx, s.db.pool, dbsqlc.SeeCredentialsParams{PublicIds: credentials, Networks: networks})
	return translate(err, "see credentials")
}
