package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/signal"
)

// Signals is the signal.Store and the signal.Outbox on PostgreSQL.
type Signals struct{ db *DB }

// NewSignals makes the store.
func NewSignals(db *DB) *Signals { return &Signals{db: db} }

var _ signal.Store = (*Signals)(nil)

// Changing implements signal.Store.
func (s *Signals) Changing(ctx context.Context, q signal.Query, fn func(signal.Tx, signal.Loaded) error) error {
	for range replays {
		err := s.db.inTx(ctx, func(p *pipeline) error {
			if err := s.db.q.LockEndpoints(ctx, p, endpointLock(q.Tenant)); err != nil {
				return err
			}
			in, err := s.load(ctx, p, q)
			if err != nil {
				return err
			}
			return fn(&signalTx{q: s.db.q, p: p}, in)
		})
		if !errors.Is(err, errReplay) {
			return err
		}
	}
	return fault.Of(fault.CodeIdempotencyInFlight)
}

func endpointLock(tenant string) int64 {
	sum := sha256.Sum256([]byte("holdfast/v1/webhook-lock/" + tenant))
	return int64(binary.BigEndian.Uint64(sum[:])) //nolint:gosec // any 64 bits will do.
}

func (s *Signals) load(ctx context.Context, p *pipeline, q signal.Query) (signal.Loaded, error) {
	row, err := s.db.q.LoadEndpoints(ctx, p, dbsqlc.LoadEndpointsParams{TenantID: q.Tenant, IdempotencyLock: lockOf(q.Key), IdempotencyKey: q.Key.ID[:]})
	if err != nil {
		return signal.Loaded{}, err
	}
	in := signal.Loaded{Now: row.Now.UTC(), Count: int(row.Endpoints)}
	if !row.Tenant {
		return in, fault.Of(fault.CodeNotFound)
	}
	if in.Replay, err = replayOf(q.Key, row.Free, row.Fingerprint, row.Outcome); err != nil || in.Replay != nil || q.Endpoint == "" {
		return in, err
	}
	e, err := s.db.q.LoadEndpoint(ctx, p, dbsqlc.LoadEndpointParams{TenantID: q.Tenant, ID: q.Endpoint})
	if err != nil {
		return in, err
	}
	in.Endpoint = decodeEndpoint(e)
	if q.Delivery == "" {
		return in, nil
	}
	found, err := s.db.q.ListDeliveries(ctx, p, dbsqlc.ListDeliveriesParams{TenantID: q.Tenant, EndpointID: q.Endpoint, ID: &q.Delivery, AtMost: 1})
	if err != nil {
		return in, err
	}
	if len(found) == 0 {
		return in, fault.Of(fault.CodeNotFound)
	}
	in.Delivery, err = decodeDelivery(found[0])
	return in, err
}

// Endpoints implements signal.Store.
func (s *Signals) Endpoints(ctx context.Context, tenant string) ([]signal.Endpoint, error) {
	rows, err := s.db.q.ListEndpoints(ctx, s.db.pool, tenant)
	if err != nil {
		return nil, translate(err, "list endpoints")
	}
	out := make([]signal.Endpoint, 0, len(rows))
	for _, r := range rows {
		out = append(out, decodeEndpoint(r))
	}
	return out, nil
}

// Deliveries implements signal.Store.
func (s *Signals) Deliveries(ctx context.Context, q signal.DeliveryQuery) ([]signal.Delivery, error) {
	rows, err := s.db.q.ListDeliveries(ctx, s.db.pool, dbsqlc.ListDeliveriesParams{
		TenantID: q.Tenant, EndpointID: q.Endpoint, Status: optional(string(q.Status)), Before: optional(q.Before), AtMost: int32(q.Limit), //nolint:gosec // a hundred at most.
	})
	if err != nil {
		return nil, translate(err, "list deliveries")
	}
	out := make([]signal.Delivery, 0, len(rows))
	for _, r := range rows {
		d, err := decodeDelivery(r)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// rewriteAtOnce is how many endpoints one step of Rewriting reads.
const rewriteAtOnce = 100

// Rewriting implements signal.Store. A key that was rotated meanwhile is left alone: it is under the primary already.
func (s *Signals) Rewriting(ctx context.Context, fn func(tenant, endpoint string, sealed []byte) ([]byte, error)) error {
	after := dbsqlc.SealedEndpointsParams{AtMost: rewriteAtOnce}
	for {
		rows, err := s.db.q.SealedEndpoints(ctx, s.db.pool, after)
		if err != nil {
			return translate(err, "read webhook keys")
		}
		for _, r := range rows {
			fresh, err := fn(r.TenantID, r.ID, r.Keys)
			if err != nil {
				return err
			}
			if fresh == nil {
				continue
			}
			if err := s.db.q.ResealEndpoint(ctx, s.db.pool, dbsqlc.ResealEndpointParams{TenantID: r.TenantID, ID: r.ID, Keys: fresh, Was: r.Keys}); err != nil {
				return translate(err, "write webhook keys")
			}
		}
		if len(rows) < rewriteAtOnce {
			return nil
		}
		after.TenantID, after.ID = rows[len(rows)-1].TenantID, rows[len(rows)-1].ID
	}
}

func decodeEndpoint(r dbsqlc.WebhookEndpoint) signal.Endpoint {
	e := signal.Endpoint{
		Tenant: r.TenantID, ID: r.ID, Kind: signal.Kind(r.Kind), URL: r.Url, Description: r.Description, Audience: r.Audience,
		SubjectIssuer: r.SubjectIssuer, SavedCodeType: r.SavedCodeType, State: signal.State(r.State), Keys: r.Keys, PublicKeys: r.PublicKeys,
		PreviousUntil: instant(r.PreviousUntil), CreatedAt: r.CreatedAt.UTC(), ChangedAt: r.ChangedAt.UTC(),
	}
	for _, t := range r.Events {
		e.Events = append(e.Events, signal.Type(t))
	}
	return e
}

func decodeDelivery(r dbsqlc.ListDeliveriesRow) (signal.Delivery, error) {
	d := signal.Delivery{
		ID: r.ID, Endpoint: r.EndpointID, Type: signal.Type(r.Type), Event: signal.EventURI(r.EventUri), Cause: r.Txn, Recovery: text(r.RecoveryID),
		At: r.At.UTC(), Status: signal.Status(r.Status), Attempts: int(r.Attempts), NextAt: r.NextAt.UTC(), EndedAt: instant(r.EndedAt),
	}
	if err := json.Unmarshal(r.Tries, &d.Tries); err != nil {
		return signal.Delivery{}, fmt.Errorf("decode tries: %w", err)
	}
	return d, nil
}

// signalTx is the signal.Tx.
type signalTx struct {
	q *dbsqlc.Queries
	p *pipeline
}

var errNoEndpointEvent = errors.New("a change of an endpoint without its audit event")

// Apply implements signal.Tx.
func (t *signalTx) Apply(ctx context.Context, c signal.Change) error {
	if c.Event.ID == "" || c.Tenant == "" || c.Endpoint == "" || c.At.IsZero() {
		return errNoEndpointEvent
	}
	for _, write := range []func(context.Context, signal.Change) error{t.create, t.rekey, t.turn, t.verify, t.redeliver} {
		if err := write(ctx, c); err != nil {
			return err
		}
	}
	if err := t.p.appendEvents(c.Event); err != nil {
		return err
	}
	if c.Remember == nil {
		return nil
	}
	return t.q.Remember(ctx, t.p, dbsqlc.RememberParams{
		Key: c.Remember.Key[:], Fingerprint: c.Remember.Fingerprint[:], Outcome: c.Remember.Outcome, ExpiresAt: c.At.Add(rememberFor),
	})
}

func (t *signalTx) create(ctx context.Context, c signal.Change) error {
	e := c.Create
	if e == nil {
		return nil
	}
	events := make([]string, 0, len(e.Events))
	for _, name := range e.Events {
		events = append(events, string(name))
	}
	public := e.PublicKeys
	if public == nil {
		public = []string{}
	}
	return t.q.InsertEndpoint(ctx, t.p, dbsqlc.InsertEndpointParams{
		TenantID: c.Tenant, ID: e.ID, Kind: string(e.Kind), Url: e.URL, Description: e.Description, Events: events, Audience: e.Audience,
		SubjectIssuer: e.SubjectIssuer, SavedCodeType: e.SavedCodeType, State: string(e.State), Keys: e.Keys, PublicKeys: public, At: c.At,
	})
}

func (t *signalTx) rekey(ctx context.Context, c signal.Change) error {
	if c.Keys == nil {
		return nil
	}
	return t.q.RekeyEndpoint(ctx, t.p, dbsqlc.RekeyEndpointParams{
		TenantID: c.Tenant, ID: c.Endpoint, Keys: c.Keys.Sealed, PublicKeys: c.Keys.Public, PreviousUntil: nullable(c.Keys.PreviousUntil), At: c.At,
	})
}

func (t *signalTx) turn(ctx context.Context, c signal.Change) error {
	if c.State == "" {
		return nil
	}
	if err := t.q.TurnEndpoint(ctx, t.p, dbsqlc.TurnEndpointParams{TenantID: c.Tenant, ID: c.Endpoint, State: string(c.State), At: c.At}); err != nil {
		return err
	}
	switch c.State {
	case signal.Active:
		return t.q.ResumeDeliveries(ctx, t.p, dbsqlc.ResumeDeliveriesParams{TenantID: c.Tenant, EndpointID: c.Endpoint, At: c.At})
	case signal.Paused:
		return t.q.RestDeliveries(ctx, t.p, dbsqlc.RestDeliveriesParams{TenantID: c.Tenant, EndpointID: c.Endpoint})
	case signal.Disabled, signal.Deleted:
		return t.q.EndDeliveries(ctx, t.p, dbsqlc.EndDeliveriesParams{TenantID: c.Tenant, EndpointID: c.Endpoint, At: &c.At})
	default:
		return fmt.Errorf("turn endpoint: no such state")
	}
}

func (t *signalTx) verify(ctx context.Context, c signal.Change) error {
	v := c.Verify
	if v == nil {
		return nil
	}
	claims, err := json.Marshal(v.Data)
	if err != nil {
		return fmt.Errorf("encode verification: %w", err)
	}
	return t.q.InsertVerification(ctx, t.p, dbsqlc.InsertVerificationParams{
		TenantID: c.Tenant, ID: v.ID, EndpointID: c.Endpoint, EventID: c.Event.ID, EventUri: string(v.Event), Claims: claims, At: c.At,
	})
}

func (t *signalTx) redeliver(ctx context.Context, c signal.Change) error {
	r := c.Redeliver
	if r == nil {
		return nil
	}
	return t.q.RedeliverSignals(ctx, t.p, dbsqlc.RedeliverSignalsParams{
		TenantID: c.Tenant, EndpointID: c.Endpoint, ID: optional(r.Delivery), FromAt: nullable(r.From), ToAt: nullable(r.To),
		WithDelivered: r.All || r.Delivery != "", Now: c.At,
	})
}
