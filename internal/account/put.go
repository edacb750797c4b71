package account

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// Put registers an account, or makes an existing one as the registration says, and tells whether it was new. It may be
// repeated: a registration that changes nothing writes nothing.
//
// Addresses that stay keep their id and age; new ones begin now; removed ones still hear of what happens for a week
// and both are told to all addresses.
//
// Faults: CodeInvalidRequest; CodeIdentifierTaken for an identifier of another account; CodeRecoveryOpen for any change
// while a recovery is past its proofs or in probation; CodeUnavailable.
func (s *Service) Put(ctx context.Context, cmd PutCommand) (View, bool, error) {
	r, err := s.check(cmd.Tenant, cmd.Registration)
	if err != nil {
		return View{}, false, fault.Wrap(err, "put account")
	}
	return s.put(ctx, cmd.Caller, r)
}

func (s *Service) put(ctx context.Context, c Caller, r registration) (View, bool, error) {
	q := Query{Tenant: c.Tenant, RefHashes: r.refHashes, IdentifierHashes: r.identifierHashes()}
	var stored Stored
	var created bool
	err := s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		created = in.Account == nil
		change, next, err := s.judge(c, r, in)
		if err != nil {
			return err
		}
		stored = next
		if change == nil {
			return nil
		}
		return tx.Apply(ctx, *change)
	})
	if err != nil {
		return View{}, false, fault.Wrap(err, "put account")
	}
	v, err := s.view(c.Tenant, stored)
	return v, created, err
}

// judge says what a registration changes, nil for nothing, and what the account is afterwards.
func (s *Service) judge(c Caller, r registration, in Loaded) (*Change, Stored, error) {
	if err := r.checkTimes(in.Now); err != nil {
		return nil, Stored{}, err
	}
	if in.Taken {
		return nil, Stored{}, fault.Of(fault.CodeIdentifierTaken)
	}
	if in.Account == nil {
		next, err := s.seal(c.Tenant, r, in.Now)
		if err != nil {
			return nil, Stored{}, err
		}
		return &Change{
			Tenant: c.Tenant, Account: next.ID, At: in.Now, Create: &next,
			Events: []audit.Event{s.event(c, in.Now, audit.AccountRegistered, next.ID, map[string]any{
				"population": r.Population, "identifiers": len(next.Identifiers), "channels": len(next.Channels),
			})},
		}, next, nil
	}
	d := compare(r, *in.Account)
	if d.none() {
		return nil, *in.Account, nil
	}
	if in.frozen() {
		return nil, Stored{}, fault.Of(fault.CodeRecoveryOpen)
	}
	return s.replace(c, r, in, d)
}

// seal makes a new account's rows under a data key of its own.
func (s *Service) seal(tenant string, r registration, now time.Time) (Stored, error) {
	a := Stored{
		ID: s.newID("acc", now), Profile: r.profile(), CreatedAt: now, ChangedAt: now, RefHash: r.refHashes[0],
		Identifiers: make([]StoredIdentifier, 0, len(r.identifiers)), Channels: make([]StoredChannel, 0, len(r.channels)),
	}
	key, wrapped, err := s.Keys.NewDataKey(tenant, a.ID)
	if err != nil {
		return Stored{}, fault.Wrap(err, "new data key")
	}
	a.DataKey = wrapped
	if a.RefSealed, err = key.Seal([]byte(r.Ref), RefAAD(tenant, a.ID)); err != nil {
		return Stored{}, err
	}
	for _, id := range r.identifiers {
		sealed, err := sealIdentifier(key, tenant, a.ID, id)
		if err != nil {
			return Stored{}, err
		}
		a.Identifiers = append(a.Identifiers, sealed)
	}
	for i, ch := range r.channels {
		sealed, err := s.sealChannel(key, tenant, a.ID, ch, now, i, true)
		if err != nil {
			return Stored{}, err
		}
		a.Channels = append(a.Channels, sealed)
	}
	return a, nil
}

func sealIdentifier(key *secret.DataKey, tenant, account string, id namedIdentifier) (StoredIdentifier, error) {
	sealed, err := key.Seal(reveal(id.Value), IdentifierAAD(tenant, account, id.Type))
	return StoredIdentifier{Hash: id.hashes[0], Type: id.Type, Sealed: sealed}, err
}

// sealChannel makes a channel's row. Ids sort in the order in which the addresses were given: of two that are on file for as
// long, the first one is asked first.
func (s *Service) sealChannel(key *secret.DataKey, tenant, account string, ch namedChannel, now time.Time, nth int, firstSight bool) (StoredChannel, error) {
	id := s.newID("chn", now.Add(time.Duration(nth)*time.Microsecond))
	sealed, err := key.Seal([]byte(ch.address), ChannelAAD(tenant, account, id))
	return StoredChannel{ID: id, Kind: ch.kind, Hash: ch.hashes[0], Sealed: sealed, Since: ch.since(now, firstSight)}, err
}

// difference is what a registration would change. Hashes are compared under every key, so that a rotation changes nothing.
type difference struct {
	profile         bool
	addIdentifiers  []namedIdentifier
	dropIdentifiers [][]byte
	addChannels     []namedChannel
	removeChannels  []string
}

func (d difference) none() bool {
	return !d.profile && len(d.addIdentifiers)+len(d.dropIdentifiers)+len(d.addChannels)+len(d.removeChannels) == 0
}

func compare(r registration, a Stored) difference {
	d := difference{profile: r.profile() != a.Profile}
	for _, id := range r.identifiers {
		if !slices.ContainsFunc(a.Identifiers, func(have StoredIdentifier) bool { return among(id.hashes, have.Hash) }) {
			d.addIdentifiers = append(d.addIdentifiers, id)
		}
	}
	for _, have := range a.Identifiers {
		if !slices.ContainsFunc(r.identifiers, func(id namedIdentifier) bool { return among(id.hashes, have.Hash) }) {
			d.dropIdentifiers = append(d.dropIdentifiers, have.Hash)
		}
	}
	active := a.active()
	for _, ch := range r.channels {
		if !slices.ContainsFunc(active, ch.is) {
			d.addChannels = append(d.addChannels, ch)
		}
	}
	for _, have := range active {
		if !slices.ContainsFunc(r.channels, func(ch namedChannel) bool { return ch.is(have) }) {
			d.removeChannels = append(d.removeChannels, have.ID)
		}
	}
	return d
}

// is reports whether the channel is on file already. A suspect one that was verified again since is not: it takes the old
// one's place and begins anew.
func (c namedChannel) is(have StoredChannel) bool {
	return c.kind == have.Kind && among(c.hashes, have.Hash) && (have.SuspectAt.IsZero() || !c.verifiedAt.After(have.SuspectAt))
}

// active lists the channels that were not removed.
func (a Stored) active() []StoredChannel {
	out := make([]StoredChannel, 0, len(a.Channels))
	for _, c := range a.Channels {
		if c.RemovedAt.IsZero() {
			out = append(out, c)
		}
	}
	return out
}

// replace makes the change of an existing account.
func (s *Service) replace(c Caller, r registration, in Loaded, d difference) (*Change, Stored, error) {
	a := *in.Account
	key, err := s.Keys.OpenDataKey(a.DataKey, c.Tenant, a.ID)
	if err != nil {
		return nil, Stored{}, fault.Wrap(err, "open data key")
	}
	change := &Change{
		Tenant: c.Tenant, Account: a.ID, At: in.Now, DropIdentifiers: d.dropIdentifiers, RemoveChannels: d.removeChannels,
		Events: []audit.Event{s.event(c, in.Now, audit.AccountReplaced, a.ID, map[string]any{
			"profile": d.profile, "identifiers_added": len(d.addIdentifiers), "identifiers_removed": len(d.dropIdentifiers),
			"channels_added": len(d.addChannels), "channels_removed": len(d.removeChannels),
		})},
	}
	for _, id := range d.addIdentifiers {
		sealed, err := sealIdentifier(key, c.Tenant, a.ID, id)
		if err != nil {
			return nil, Stored{}, err
		}
		change.AddIdentifiers = append(change.AddIdentifiers, sealed)
	}
	for i, ch := range d.addChannels {
		sealed, err := s.sealChannel(key, c.Tenant, a.ID, ch, in.Now, i, false)
		if err != nil {
			return nil, Stored{}, err
		}
		change.AddChannels = append(change.AddChannels, sealed)
	}
	profile := r.profile()
	change.Profile = &profile
	next := change.after(a)
	if len(d.addChannels) > 0 {
		change.Notices = append(change.Notices, s.notices(c.Tenant, next, noticeChannelAdded, in.Now)...)
	}
	if len(d.removeChannels) > 0 {
		change.Notices = append(change.Notices, s.notices(c.Tenant, next, noticeChannelRemoved, in.Now)...)
	}
	return change, next, nil
}

// after is the account once the change of its registration is made.
func (c *Change) after(a Stored) Stored {
	a.Profile, a.ChangedAt = *c.Profile, c.At
	a.Identifiers = slices.DeleteFunc(slices.Clone(a.Identifiers), func(id StoredIdentifier) bool { return among(c.DropIdentifiers, id.Hash) })
	a.Identifiers = append(a.Identifiers, c.AddIdentifiers...)
	a.Channels = slices.Clone(a.Channels)
	for i := range a.Channels {
		if slices.Contains(c.RemoveChannels, a.Channels[i].ID) {
			a.Channels[i].RemovedAt = c.At
		}
	}
	a.Channels = append(a.Channels, c.AddChannels...)
	return a
}

func among(hashes [][]byte, hash []byte) bool {
	return slices.ContainsFunc(hashes, func(h []byte) bool { return bytes.Equal(h, hash) })
}
