package signal

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// rotateFor is how long the old key still signs after a rotation.
const rotateFor = 24 * time.Hour

// Config is what Endpoints are made of.
type Config struct {
	Store    Store
	Keys     *secret.Keyring
	Rand     io.Reader // crypto/rand outside tests
	Insecure bool      // plain HTTP and literal addresses are taken: development only
}

// Endpoints is the use cases of a tenant's endpoints. It is safe for concurrent use.
type Endpoints struct{ Config }

// NewEndpoints makes the use cases. It fails when something it needs is missing.
func NewEndpoints(cfg Config) (*Endpoints, error) {
	if cfg.Store == nil || cfg.Keys == nil || cfg.Rand == nil {
		return nil, errors.New("signal: incomplete configuration")
	}
	return &Endpoints{Config: cfg}, nil
}

// Caller is who asks, and for which tenant.
type Caller struct {
	Tenant    string
	By        audit.Actor
	RequestID string
	Key       idempotency.Key // zero for a call that is not to be remembered
}

// Created is an endpoint with its secret, which is shown once and never again. Tokens have none.
type Created struct {
	Endpoint Endpoint
	Secret   secret.String
}

// created is a Created as it is remembered for a retry.
type created struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// Create registers an endpoint, which is active at once.
//
// Faults: CodeInvalidRequest; CodeConflict with too many of them, or for tokens where the keyring has no key to sign them;
// CodeNotFound for the tenant; those of the Idempotency-Key.
func (s *Endpoints) Create(ctx context.Context, c Caller, r Registration) (Created, error) {
	if err := r.check(s.Insecure); err != nil {
		return Created{}, err
	}
	if r.Kind == SET && !s.Keys.SignsRS256() {
		return Created{}, fault.Of(fault.CodeConflict).Detail("This installation's keyring has no key for Security Event Tokens.")
	}
	key, err := newKey(s.Rand)
	if err != nil {
		return Created{}, err
	}
	var shown created
	err = s.Store.Changing(ctx, Query{Tenant: c.Tenant, Key: c.Key}, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(c.Key, in.Replay, &shown)
		}
		if in.Count >= MaxEndpoints {
			return fault.Of(fault.CodeConflict).Detail("This tenant has as many endpoints as it may have.")
		}
		e := r.endpoint(c.Tenant, secret.NewID("whk", in.Now, s.Rand), in.Now)
		sealed := keys{Current: key, Authorization: r.Authorization.Reveal()}
		if e.Keys, err = sealed.seal(s.Keys, e.Tenant, e.ID); err != nil {
			return err
		}
		shown = created{ID: e.ID}
		if e.Kind == Webhook {
			e.PublicKeys, shown.Secret = []string{key.Public()}, key.shown().Reveal()
		}
		return s.apply(ctx, tx, c, in, shown, Change{
			Endpoint: e.ID, Create: &e, Event: s.event(c, in.Now, audit.WebhookCreated, e.ID, map[string]any{"kind": string(e.Kind), "events": len(e.Events)}),
		})
	})
	if err != nil {
		return Created{}, fault.Wrap(err, "create endpoint")
	}
	e, err := s.Get(ctx, c.Tenant, shown.ID)
	return Created{Endpoint: e, Secret: secret.NewString(shown.Secret)}, err
}

func (r Registration) endpoint(tenant, id string, now time.Time) Endpoint {
	e := Endpoint{
		Tenant: tenant, ID: id, Kind: r.Kind, URL: r.URL, Description: r.Description, Events: r.Events, Audience: r.Audience,
		SubjectIssuer: r.SubjectIssuer, SavedCodeType: r.SavedCodeType, State: Active, CreatedAt: now, ChangedAt: now,
	}
	if e.Kind == SET && e.Audience == "" {
		e.Audience = r.URL
	}
	return e
}

// List gives a tenant's endpoints.
func (s *Endpoints) List(ctx context.Context, tenant string) ([]Endpoint, error) {
	out, err := s.Store.Endpoints(ctx, tenant)
	return out, fault.Wrap(err, "list endpoints")
}

// Get gives one endpoint, or CodeNotFound.
func (s *Endpoints) Get(ctx context.Context, tenant, id string) (Endpoint, error) {
	all, err := s.List(ctx, tenant)
	if err != nil {
		return Endpoint{}, err
	}
	for _, e := range all {
		if e.ID == id {
			return e, nil
		}
	}
	return Endpoint{}, fault.Of(fault.CodeNotFound)
}

// Pause has an endpoint's deliveries wait, and goes on writing them down. Pausing again changes nothing.
func (s *Endpoints) Pause(ctx context.Context, c Caller, id string) (Endpoint, error) {
	return s.turn(ctx, c, id, Paused, audit.WebhookPaused)
}

// Resume has what waited be sent, and takes an endpoint back that was disabled because its receiver answered 410. What was
// given up on meanwhile is sent again by Redeliver.
func (s *Endpoints) Resume(ctx context.Context, c Caller, id string) (Endpoint, error) {
	return s.turn(ctx, c, id, Active, audit.WebhookResumed)
}

func (s *Endpoints) turn(ctx context.Context, c Caller, id string, to State, action audit.Action) (Endpoint, error) {
	err := s.changing(ctx, c, Query{Endpoint: id}, func(in Loaded) (Change, error) {
		if in.Endpoint.State == to {
			return Change{}, nil
		}
		return Change{State: to, Event: s.event(c, in.Now, action, id, map[string]any{"was": string(in.Endpoint.State)})}, nil
	})
	if err != nil {
		return Endpoint{}, fault.Wrap(err, "turn endpoint")
	}
	return s.Get(ctx, c.Tenant, id)
}

// Delete ends an endpoint, destroys its keys and gives up on what waits for it. A second time is CodeNotFound.
func (s *Endpoints) Delete(ctx context.Context, c Caller, id string) error {
	err := s.changing(ctx, c, Query{Endpoint: id}, func(in Loaded) (Change, error) {
		return Change{State: Deleted, Event: s.event(c, in.Now, audit.WebhookDeleted, id, nil)}, nil
	})
	return fault.Wrap(err, "delete endpoint")
}

// Rotate gives a webhook another secret and key pair. For a day everything is signed with the old ones too, so that the receiver can
// change over without losing anything. While an older rotation is not over it is CodeConflict, as for tokens, whose keys are the
// service's own.
func (s *Endpoints) Rotate(ctx context.Context, c Caller, id string) (Created, error) {
	key, err := newKey(s.Rand)
	if err != nil {
		return Created{}, err
	}
	var shown created
	err = s.Store.Changing(ctx, Query{Tenant: c.Tenant, Endpoint: id, Key: c.Key}, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(c.Key, in.Replay, &shown)
		}
		e := in.Endpoint
		if e.Kind != Webhook {
			return fault.Of(fault.CodeConflict).Detail("Tokens are signed with the service's own keys; see the JWKS.")
		}
		if in.Now.Before(e.PreviousUntil) {
			return fault.Of(fault.CodeConflict).Detail("The last rotation is not over yet.")
		}
		old, err := openKeys(s.Keys, c.Tenant, id, e.Keys)
		if err != nil {
			return err
		}
		fresh := keys{Current: key, Previous: &old.Current, PreviousUntil: in.Now.Add(rotateFor), Authorization: old.Authorization}
		sealed, err := fresh.seal(s.Keys, c.Tenant, id)
		if err != nil {
			return err
		}
		shown = created{ID: id, Secret: key.shown().Reveal()}
		return s.apply(ctx, tx, c, in, shown, Change{
			Endpoint: id, Keys: &NewKeys{Sealed: sealed, Public: []string{key.Public(), old.Current.Public()}, PreviousUntil: fresh.PreviousUntil},
			Event: s.event(c, in.Now, audit.WebhookRotated, id, nil),
		})
	})
	if err != nil {
		return Created{}, fault.Wrap(err, "rotate webhook secret")
	}
	e, err := s.Get(ctx, c.Tenant, id)
	return Created{Endpoint: e, Secret: secret.NewString(shown.Secret)}, err
}

// Verify sends a signal that says nothing: SSF's verification event to a receiver of tokens, a webhook of that type to others. How
// it went stands in the delivery log under the id that is given. An endpoint that is not active is CodeConflict.
func (s *Endpoints) Verify(ctx context.Context, c Caller, id string) (string, error) {
	var out created
	err := s.Store.Changing(ctx, Query{Tenant: c.Tenant, Endpoint: id, Key: c.Key}, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(c.Key, in.Replay, &out)
		}
		if in.Endpoint.State != Active {
			return fault.Of(fault.CodeConflict).Detail("The endpoint is not active: resume it first.")
		}
		e := s.event(c, in.Now, audit.WebhookVerified, id, nil)
		state, err := secret.RandomText(s.Rand, "0123456789abcdefghjkmnpqrstvwxyz", 20)
		if err != nil {
			return err
		}
		v := Verify{ID: secret.NewID("dlv", in.Now, s.Rand) + "000", Data: map[string]any{"state": state.Reveal()}}
		if in.Endpoint.Kind == SET {
			v.Event = StreamVerification
		}
		e.Details = map[string]any{"delivery": v.ID}
		out = created{ID: v.ID}
		return s.apply(ctx, tx, c, in, out, Change{Endpoint: id, Verify: &v, Event: e})
	})
	return out.ID, fault.Wrap(err, "verify endpoint")
}

// maxPeriod bounds a redelivery to what the log still holds.
const maxPeriod = KeepEnded

// Redeliver sends one delivery again, or all of a period that were given up on, under the ids that they had. It may be
// repeated.
//
// Faults: CodeNotFound for the endpoint or the delivery; CodeInvalidRequest for a period that is none; CodeConflict for an
// endpoint that is not active or a delivery that waits already.
func (s *Endpoints) Redeliver(ctx context.Context, c Caller, id string, r Redelivery) error {
	if r.Delivery == "" && (!r.To.After(r.From) || r.To.Sub(r.From) > maxPeriod) {
		return invalid("/to", "must be after from, by 30 days at most")
	}
	err := s.changing(ctx, c, Query{Endpoint: id, Delivery: r.Delivery}, func(in Loaded) (Change, error) {
		if in.Endpoint.State != Active {
			return Change{}, fault.Of(fault.CodeConflict).Detail("The endpoint is not active: resume it first.")
		}
		if in.Delivery.ID != "" && in.Delivery.Status == StatusPending {
			return Change{}, fault.Of(fault.CodeConflict).Detail("This delivery is waiting to be sent.")
		}
		details := map[string]any{"all": r.All}
		if r.Delivery != "" {
			details = map[string]any{"delivery": r.Delivery}
		}
		return Change{Redeliver: &r, Event: s.event(c, in.Now, audit.SignalRedelivered, id, details)}, nil
	})
	return fault.Wrap(err, "redeliver")
}

// MaxDeliveries bounds one page of the delivery log.
const MaxDeliveries = 100

// Deliveries gives a page of an endpoint's delivery log, newest first. An endpoint that is not there is CodeNotFound.
func (s *Endpoints) Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error) {
	if _, err := s.Get(ctx, q.Tenant, q.Endpoint); err != nil {
		return nil, err
	}
	if q.Limit <= 0 || q.Limit > MaxDeliveries {
		q.Limit = MaxDeliveries
	}
	out, err := s.Store.Deliveries(ctx, q)
	return out, fault.Wrap(err, "list deliveries")
}

// Rewrap brings every endpoint's keys under the keyring's primary key, and says how many were not.
func (s *Endpoints) Rewrap(ctx context.Context) (int, error) {
	n := 0
	err := s.Store.Rewriting(ctx, func(tenant, endpoint string, sealed []byte) ([]byte, error) {
		if s.Keys.UnderPrimary(sealed) {
			return nil, nil
		}
		k, err := openKeys(s.Keys, tenant, endpoint, sealed)
		if err != nil {
			return nil, err
		}
		n++
		return k.seal(s.Keys, tenant, endpoint)
	})
	return n, fault.Wrap(err, "rewrap webhook keys")
}

// changing runs a change that answers nothing worth remembering but that it was made. A zero change writes nothing.
func (s *Endpoints) changing(ctx context.Context, c Caller, q Query, fn func(Loaded) (Change, error)) error {
	q.Tenant, q.Key = c.Tenant, c.Key
	return s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(c.Key, in.Replay, &created{})
		}
		change, err := fn(in)
		if err != nil || change.Event.Action == "" {
			return err
		}
		change.Endpoint = q.Endpoint
		return s.apply(ctx, tx, c, in, created{ID: q.Endpoint}, change)
	})
}

// apply completes a change and queues it, with the answer for a retry.
func (s *Endpoints) apply(ctx context.Context, tx Tx, c Caller, in Loaded, answer created, change Change) error {
	change.Tenant, change.At = c.Tenant, in.Now
	if !c.Key.IsZero() {
		outcome, err := c.Key.Seal(answer)
		if err != nil {
			return fault.Wrap(err, "seal answer")
		}
		r := c.Key.Record(outcome)
		change.Remember = &r
	}
	return tx.Apply(ctx, change)
}

func replay(key idempotency.Key, r *idempotency.Record, out *created) error {
	if err := key.Check(*r); err != nil {
		return err
	}
	return key.Open(r.Outcome, out)
}

func (s *Endpoints) event(c Caller, now time.Time, action audit.Action, subject string, details map[string]any) audit.Event {
	return audit.Event{
		ID: secret.NewID("evt", now, s.Rand), Tenant: c.Tenant, At: now, Actor: c.By, Action: action, Subject: subject,
		Outcome: audit.Success, RequestID: c.RequestID, Details: details,
	}
}
