package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/factor/savedcode"
	"github.com/holdfast/holdfast/internal/factor/totp"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
	"github.com/holdfast/holdfast/internal/support"
	"github.com/holdfast/holdfast/internal/throttle"
)

// limits is the edge's first and second wall behind the two ports that ask for them.
type limits struct {
	*throttle.Limits

	seen *sightings // from where credentials are used; every request of a client comes by here
}

// AllowRequest implements httpapi.Limits. A server-side client speaks for many people from few addresses, so its own
// budget is what it is held to, and the person's address where it states one (AllowStart). A start takes all its buckets
// at once, in the core, so that it costs one round trip.
//
// A quota is told where it lies in one bucket; the general budget lies in shares, of which one says nothing.
func (l limits) AllowRequest(ctx context.Context, class httpapi.Class, source netip.Addr, who *credential.Principal) (httpapi.Quota, error) {
	l.seen.add(who, source)
	if class == httpapi.ClassStart && who != nil {
		return httpapi.Quota{}, nil
	}
	var takes []throttle.Take
	whole := false
	if who != nil {
		rule, key := clientRule(class), who.Tenant+"/"+who.Name()
		if whole = rule != throttle.RequestClient; !whole {
			key = share(key)
		}
		takes = append(takes, throttle.Take{Rule: rule, Key: key, Own: who.Kind == credential.Service})
	}
	if rule, ok := sourceRule(class); ok && (who == nil || who.Kind == credential.Publishable) {
		takes = append(takes, throttle.Take{Rule: rule, Key: throttle.SourceKey(source)})
	}
	rooms, err := l.Judge(ctx, takes)
	if !whole || len(rooms) == 0 || !rooms[0].Own {
		return httpapi.Quota{}, err
	}
	r := rooms[0]
	return httpapi.Quota{Name: string(r.Rule), Limit: r.Limit, Window: r.Period, Remaining: r.Remaining, Reset: r.Reset}, err
}

// share splits a budget that everything of a client runs through into sixteen rows: the rule's numbers are those of one. One
// row would be a lock for which recoveries of different accounts contend.
func share(key string) string {
	var b [1]byte
	_, _ = rand.Read(b[:]) // it never fails, and any share would do
	return key + "/" + strconv.Itoa(int(b[0]%16))
}

func clientRule(class httpapi.Class) throttle.Name {
	switch class {
	case httpapi.ClassGrant:
		return throttle.GrantClient
	case httpapi.ClassAccount:
		return throttle.AccountClient
	case httpapi.ClassAudit:
		return throttle.AuditClient
	case httpapi.ClassCaseOpen:
		return throttle.CaseOpenAgent
	case httpapi.ClassCaseRead:
		return throttle.CaseReadAgent
	case httpapi.ClassCaseWork:
		return throttle.CaseWorkAgent
	case httpapi.ClassStart, httpapi.ClassChallenge, httpapi.ClassVerify, httpapi.ClassRead, httpapi.ClassObjection, httpapi.ClassPage,
		httpapi.ClassProvider:
		return throttle.RequestClient
	default:
		return throttle.RequestClient
	}
}

func sourceRule(class httpapi.Class) (throttle.Name, bool) {
	switch class {
	case httpapi.ClassChallenge:
		return throttle.ChallengeSource, true
	case httpapi.ClassVerify:
		return throttle.VerifySource, true
	case httpapi.ClassRead:
		return throttle.ReadSource, true
	case httpapi.ClassObjection:
		return throttle.ObjectionSource, true
	case httpapi.ClassPage:
		return throttle.DocsSource, true
	case httpapi.ClassProvider:
		return throttle.ProviderSource, true
	case httpapi.ClassStart, httpapi.ClassGrant, httpapi.ClassAccount, httpapi.ClassAudit, httpapi.ClassCaseOpen, httpapi.ClassCaseRead, httpapi.ClassCaseWork:
		return "", false
	default:
		return throttle.ReadSource, true
	}
}

// AllowClaimLinks implements support.Limits: independent buckets, both asked before anything is looked up.
func (l limits) AllowClaimLinks(ctx context.Context, tenant, agent string, account []byte) error {
	return l.Allow(ctx, []throttle.Take{
		{Rule: throttle.ClaimLinkAgent, Key: tenant + "/" + agent},
		{Rule: throttle.ClaimLinkAccount, Key: hex.EncodeToString(account)},
	})
}

// AllowRefusedCredential implements httpapi.Limits.
func (l limits) AllowRefusedCredential(ctx context.Context, source netip.Addr) error {
	return l.Allow(ctx, []throttle.Take{{Rule: throttle.CredentialSource, Key: throttle.SourceKey(source)}})
}

// AllowStart implements recovery.Limits: independent buckets, never one keyed on a pair.
func (l limits) AllowStart(ctx context.Context, tenant string, source netip.Addr, identifier, device []byte) (recovery.Velocity, error) {
	takes := []throttle.Take{
		{Rule: throttle.StartSource, Key: throttle.SourceKey(source)},
		{Rule: throttle.StartNetwork, Key: throttle.NetworkKey(source)},
		{Rule: throttle.StartIdentifier, Key: hex.EncodeToString(identifier)},
		{Rule: throttle.RequestClient, Key: share(tenant)},
	}
	if device != nil {
		takes = append(takes, throttle.Take{Rule: throttle.StartDevice, Key: hex.EncodeToString(device)})
	}
	rooms, err := l.Judge(ctx, takes)
	return recovery.Velocity{Source: busy(rooms, throttle.StartSource), Identifier: busy(rooms, throttle.StartIdentifier)}, err
}

// busy reads a bucket as a signal: the first window of its rule is half full, or fuller.
func busy(rooms []throttle.Room, rule throttle.Name) policy.State {
	for _, r := range rooms {
		switch {
		case r.Rule != rule:
		case 2*r.Used >= r.Limit:
			return policy.Present
		default:
			return policy.Absent
		}
	}
	return policy.Unknown
}

// identifiers is recovery.Identifiers by the rules under which accounts are registered.
type identifiers struct{}

// Canonical implements recovery.Identifiers.
func (identifiers) Canonical(typ recovery.IdentifierType, value secret.String) (exact, coarse string, err error) {
	if exact, err = account.Canonical(string(typ), value); err != nil {
		return "", "", err
	}
	coarse, err = account.ThrottleKey(string(typ), value)
	return exact, coarse, err
}

// savedCodes is the port of saved codes for both cores.
type savedCodes struct{ hasher *savedcode.Hasher }

// Parse implements recovery.SavedCodes.
func (savedCodes) Parse(typed secret.String) (prefix string, body secret.String, err error) {
	return savedcode.Parse(typed)
}

// Verify implements recovery.SavedCodes.
func (s savedCodes) Verify(ctx context.Context, phc string, body secret.String) (bool, error) {
	if phc == "" {
		return false, s.hasher.VerifyDummy(ctx, body)
	}
	ok, _, err := s.hasher.Verify(ctx, phc, body)
	return ok, err
}

// Mint implements the port.
func (s savedCodes) Mint(ctx context.Context) (prefix, phc string, plain secret.String, err error) {
	codes, err := savedcode.Mint(rand.Reader, 1)
	if err != nil {
		return "", "", secret.String{}, err
	}
	phc, err = s.hasher.Hash(ctx, codes[0].Body)
	return codes[0].Prefix, phc, codes[0].Plain, err
}

// timePasswords is the port of TOTP for both cores.
type timePasswords struct{}

// Generate implements account.TOTP.
func (timePasswords) Generate(issuer, label string) (seed, link secret.String, err error) {
	seed, link, err = totp.Generate(rand.Reader, issuer, label)
	if err != nil {
		return secret.String{}, secret.String{}, fault.Of(fault.CodeInvalidRequest).At("/label", "cannot be shown by an authenticator app").Because(err)
	}
	return seed, link, nil
}

// Text implements account.TOTP.
func (timePasswords) Text(seed secret.String) secret.String { return totp.Text(seed) }

// Verify implements the port.
func (timePasswords) Verify(seed []byte, code secret.String, now time.Time, lastStep int64) (int64, bool) {
	return totp.Verify(seed, code, now, lastStep)
}

// vault opens what accounts keep sealed, for the recoveries and the dispatcher.
type vault struct{ keys *secret.Keyring }

// AccountRef implements recovery.Vault.
func (v vault) AccountRef(tenant string, a recovery.Account) (string, error) {
	ref, err := v.open(tenant, a.ID, a.DataKey, a.RefSealed, account.RefAAD(tenant, a.ID))
	return string(ref), err
}

// Seed implements recovery.Vault.
func (v vault) Seed(tenant string, a recovery.Account, t recovery.TOTPFactor) ([]byte, error) {
	return v.open(tenant, a.ID, a.DataKey, t.Sealed, account.SeedAAD(tenant, a.ID, t.ID))
}

// RefHashes implements recovery.Vault.
func (v vault) RefHashes(tenant, ref string) [][]byte { return account.RefHashes(v.keys, tenant, ref) }

// Open implements support.Vault.
func (v vault) Open(tenant string, a recovery.Account, texts []support.Sealed) ([]support.Plain, error) {
	key, err := v.keys.OpenDataKey(a.DataKey, tenant, a.ID)
	if err != nil {
		return nil, fault.Wrap(err, "open data key")
	}
	out := make([]support.Plain, 0, len(texts))
	for _, t := range texts {
		var aad []byte
		switch t.Kind {
		case support.SealedRef:
			aad = account.RefAAD(tenant, a.ID)
		case support.SealedIdentifier:
			aad = account.IdentifierAAD(tenant, a.ID, t.ID)
		case support.SealedChannel:
			aad = account.ChannelAAD(tenant, a.ID, t.ID)
		default:
			return nil, fmt.Errorf("a sealed text of the unknown kind %q", t.Kind)
		}
		text, err := key.Open(t.Text, aad)
		if err != nil {
			return nil, fault.Wrap(err, "open sealed value")
		}
		out = append(out, support.Plain{Kind: t.Kind, ID: t.ID, Text: secret.NewString(string(text))})
	}
	return out, nil
}

// Address implements dispatch.Addresses.
func (v vault) Address(tenant, accountID, channel string, dataKey, sealed []byte) (secret.String, error) {
	text, err := v.open(tenant, accountID, dataKey, sealed, account.ChannelAAD(tenant, accountID, channel))
	return secret.NewString(string(text)), err
}

// Ref implements signal.Vault. An erased account's name is what was kept of it to tell that it is gone.
func (v vault) Ref(tenant string, a signal.Account) (string, error) {
	if a.RefSealed != nil {
		ref, err := v.open(tenant, a.ID, a.DataKey, a.RefSealed, account.RefAAD(tenant, a.ID))
		return string(ref), err
	}
	ref, err := v.keys.OpenBound(secret.PurposeSignal, secret.NewString(a.ID), a.LastSealed, account.FarewellAAD(tenant, a.ID))
	return string(ref), fault.Wrap(err, "open the name of an erased account")
}

func (v vault) open(tenant, accountID string, dataKey, sealed, aad []byte) ([]byte, error) {
	key, err := v.keys.OpenDataKey(dataKey, tenant, accountID)
	if err != nil {
		return nil, fault.Wrap(err, "open data key")
	}
	text, err := key.Open(sealed, aad)
	return text, fault.Wrap(err, "open sealed value")
}

// onePolicy is the policy of every tenant, until tenants bring their own.
type onePolicy struct{ *policy.Policy }

// Current implements recovery.Policies.
func (p onePolicy) Current(string) *policy.Policy { return p.Policy }

// waker has the dispatcher wake recoveries.
type waker struct{ recoveries *recovery.Service }

// Wake implements dispatch.Waker.
func (w waker) Wake(ctx context.Context, tenant, id string) error {
	return w.recoveries.Wake(ctx, recovery.DueRecovery{Tenant: tenant, ID: id})
}
