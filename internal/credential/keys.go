package credential

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
)

// PublicKey is a key by which a client signs assertions (RFC 7523). Its form says the one algorithm that it verifies.
type PublicKey struct {
	ID        string // kid: 1 to 100 of A-Z, a-z, 0-9 and ._~-
	Algorithm string // EdDSA, ES256 or RS256
	JWK       string
}

// NewKey is a public key to store.
type NewKey struct {
	PublicKey
	ExpiresAt time.Time
}

// Key is a client's key without its numbers.
type Key struct {
	ID         string
	Algorithm  string
	CreatedAt  time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time // zero unless it was removed
	LastUsedAt time.Time // zero until it was used; up to a minute late
}

// Live reports whether an assertion signed by the key could be presented at that time.
func (k Key) Live(now time.Time) bool { return k.RevokedAt.IsZero() && now.Before(k.ExpiresAt) }

// KeyStore finds the keys of assertions and remembers which were presented. A database that does not answer is
// fault.CodeUnavailable.
type KeyStore interface {
	// FindKey gives a client's key with the client's standing and the database's time, in one query. None is
	// fault.CodeNotFound.
	FindKey(ctx context.Context, client, kid string) (PresentedKey, error)
	// Spend remembers an assertion. It reports false when it was presented before, or when its key or client ended meanwhile: of
	// any number of callers with the same one, one hears true.
	Spend(ctx context.Context, a SpentAssertion) (first bool, err error)
}

// PresentedKey is what is on file about the key that an assertion names.
type PresentedKey struct {
	Principal // ExpiresAt is the key's
	Key       PublicKey
	Now       time.Time
	Revoked   bool
	Disabled  bool // its client is
}

// SpentAssertion is an assertion that is used now and never again.
type SpentAssertion struct {
	Client    string
	Key       string
	JTI       [sha256.Size]byte // the hash of its jti
	ExpiresAt time.Time
}

// AddKeysCommand registers public keys of a client.
type AddKeysCommand struct {
	Tenant    string
	Client    string
	Keys      []PublicKey
	Lifetime  time.Duration // DefaultLifetime when zero; MaxLifetime at most
	By        audit.Actor
	RequestID string
	Key       idempotency.Key
}

// AddKeys registers public keys, by which the client may sign assertions instead of sending a credential. Two may be alive at
// once, so that one can follow another; more, and a name that was used before, are fault.CodeConflict. What lies in an app keeps
// no private key: a publishable client is fault.CodeInvalidRequest. A disabled client is fault.CodeNotFound. It gives the new keys.
func (s *Clients) AddKeys(ctx context.Context, cmd AddKeysCommand) ([]Key, error) {
	if cmd.Lifetime == 0 {
		cmd.Lifetime = DefaultLifetime
	}
	switch {
	case len(cmd.Keys) == 0 || len(cmd.Keys) > maxLive:
		return nil, invalid("/keys", "must be one or two")
	case cmd.Lifetime < time.Second || cmd.Lifetime > MaxLifetime:
		return nil, invalid("/lifetime", "must be 400 days at most")
	}
	var out answer[[]Key]
	err := s.Store.Changing(ctx, cmd.Tenant, cmd.Client, func(tx Tx, now time.Time, c Client) error {
		if done, err := out.again(ctx, tx, cmd.Key); done || err != nil {
			return err
		}
		if err := mayAddKeys(c, cmd.Keys, now); err != nil {
			return err
		}
		change := Change{Tenant: c.Tenant, Client: c.ID, At: now}
		change.AddKeys, out.Value = newKeys(cmd.Keys, now, cmd.Lifetime)
		change.Event = s.event(cmd.By, c, now, audit.ClientKeyAdded, map[string]any{"keys": keyIDs(cmd.Keys)})
		change.Event.RequestID = cmd.RequestID
		if err := tx.Apply(ctx, change); err != nil {
			return err
		}
		return out.keep(ctx, tx, cmd.Key, now)
	})
	return out.Value, fault.Wrap(err, "add keys")
}

func newKeys(keys []PublicKey, now time.Time, lifetime time.Duration) ([]NewKey, []Key) {
	add, shown := make([]NewKey, len(keys)), make([]Key, len(keys))
	for i, k := range keys {
		add[i] = NewKey{PublicKey: k, ExpiresAt: now.Add(lifetime)}
		shown[i] = Key{ID: k.ID, Algorithm: k.Algorithm, CreatedAt: now, ExpiresAt: add[i].ExpiresAt}
	}
	return add, shown
}

func keyIDs(keys []PublicKey) []string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	return ids
}

func mayAddKeys(c Client, keys []PublicKey, now time.Time) error {
	if !c.DisabledAt.IsZero() {
		return fault.Of(fault.CodeNotFound)
	}
	if c.Kind == Publishable {
		return invalid("/client", "is publishable: what lies in an app keeps no private key")
	}
	used, live := map[string]bool{}, 0
	for _, k := range c.Keys {
		used[k.ID] = true
		if k.Live(now) {
			live++
		}
	}
	if live+len(keys) > maxLive {
		return fault.Of(fault.CodeConflict).Detail("This client would have more than two live keys. Remove one of them first.")
	}
	for _, k := range keys {
		if used[k.ID] {
			return fault.Of(fault.CodeConflict).Detail("This client has, or had, a key of that name.")
		}
		used[k.ID] = true
	}
	return nil
}

// RemoveKeyCommand ends one key.
type RemoveKeyCommand struct {
	Tenant    string
	Client    string
	Key       string
	By        audit.Actor
	RequestID string
}

// RemoveKey ends a key at once, on every node: nothing about keys is remembered. Removing again changes nothing. A client or a
// key that the tenant does not have is fault.CodeNotFound.
func (s *Clients) RemoveKey(ctx context.Context, cmd RemoveKeyCommand) error {
	err := s.Store.Changing(ctx, cmd.Tenant, cmd.Client, func(tx Tx, now time.Time, c Client) error {
		for _, k := range c.Keys {
			if k.ID != cmd.Key {
				continue
			}
			if !k.RevokedAt.IsZero() {
				return nil
			}
			event := s.event(cmd.By, c, now, audit.ClientKeyRemoved, map[string]any{"keys": []string{k.ID}})
			event.RequestID = cmd.RequestID
			return tx.Apply(ctx, Change{Tenant: c.Tenant, Client: c.ID, At: now, EndKey: k.ID, Event: event})
		}
		return fault.Of(fault.CodeNotFound)
	})
	return fault.Wrap(err, "remove key")
}
