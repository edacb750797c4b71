package account

import (
	"bytes"
	"context"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// Rewrap brings every account of every tenant under the primary key: its data key is wrapped anew and all hashes are
// made anew from what is sealed, batch accounts to a transaction. It gives how many accounts needed it. It may be stopped and
// begun again at any time, and beside a running service; a key may be retired once a whole walk, begun after every node had
// the new primary, has found nothing to do.
//
// What it cannot bring over: saved codes, whose pepper stays the key they were hashed under. They work for as long
// as that key is held.
func (s *Service) Rewrap(ctx context.Context, batch int) (done int, err error) {
	if batch < 1 {
		return 0, fault.Of(fault.CodeInvalidRequest)
	}
	var at Cursor
	for {
		changed := 0
		next, err := s.Store.Rewriting(ctx, at, batch, func(accounts []Located) ([]Rewrite, error) {
			out, err := s.rewriteAll(accounts)
			changed = len(out)
			return out, err
		})
		if err != nil {
			return done, fault.Wrap(err, "rewrap accounts")
		}
		done += changed
		if next == (Cursor{}) {
			return done, nil
		}
		at = next
	}
}

func (s *Service) rewriteAll(accounts []Located) ([]Rewrite, error) {
	var out []Rewrite
	for _, a := range accounts {
		w, changed, err := s.rewrite(a)
		if err != nil {
			return nil, fault.Wrap(err, "account "+a.ID)
		}
		if changed {
			out = append(out, w)
		}
	}
	return out, nil
}

func (s *Service) rewrite(a Located) (Rewrite, bool, error) {
	w := Rewrite{Tenant: a.Tenant, Account: a.ID}
	wrapped, changed, err := s.Keys.Rewrap(a.DataKey, a.Tenant, a.ID)
	if err != nil {
		return w, false, err
	}
	if changed {
		w.DataKey = wrapped
	}
	key, err := s.Keys.OpenDataKey(wrapped, a.Tenant, a.ID)
	if err != nil {
		return w, false, err
	}
	ref, err := key.Open(a.RefSealed, RefAAD(a.Tenant, a.ID))
	if err != nil {
		return w, false, err
	}
	if hash := RefHashes(s.Keys, a.Tenant, string(ref))[0]; !bytes.Equal(hash, a.RefHash) {
		w.RefHash, changed = hash, true
	}
	if w.Identifiers, err = s.rehashIdentifiers(key, a); err != nil {
		return w, false, err
	}
	if w.Channels, err = s.rehashChannels(key, a); err != nil {
		return w, false, err
	}
	return w, changed || len(w.Identifiers)+len(w.Channels) > 0, nil
}

func (s *Service) rehashIdentifiers(key *secret.DataKey, a Located) ([]Rehash, error) {
	var out []Rehash
	for _, id := range a.Identifiers {
		value, err := key.Open(id.Sealed, IdentifierAAD(a.Tenant, a.ID, id.Type))
		if err != nil {
			return nil, err
		}
		canonical, err := Canonical(id.Type, secret.NewString(string(value)))
		if err != nil {
			return nil, err
		}
		if to := s.Keys.IdentifierHash(a.Tenant, id.Type, canonical); !bytes.Equal(to, id.Hash) {
			out = append(out, Rehash{From: id.Hash, To: to})
		}
	}
	return out, nil
}

func (s *Service) rehashChannels(key *secret.DataKey, a Located) ([]ChannelRehash, error) {
	var out []ChannelRehash
	for _, c := range a.Channels {
		typ, _ := addressType(c.Kind)
		address, err := key.Open(c.Sealed, ChannelAAD(a.Tenant, a.ID, c.ID))
		if err != nil {
			return nil, err
		}
		if to := addressHashes(s.Keys, a.Tenant, typ, string(address))[0]; !bytes.Equal(to, c.Hash) {
			out = append(out, ChannelRehash{Channel: c.ID, To: to})
		}
	}
	return out, nil
}
