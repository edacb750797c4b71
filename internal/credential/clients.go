package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// How long a credential lives. There is none without an expiry.
const (
	DefaultLifetime = 90 * 24 * time.Hour
	MaxLifetime     = 400 * 24 * time.Hour

	defaultEnvironment = "live"

	maxLive = 2 // two at once are a rotation
	maxName = 100
)

// Config is what a Service is made of.
type Config struct {
	Store       Store
	Rand        io.Reader   // crypto/rand outside tests
	Clock       clock.Clock // for the age of cache entries alone: whether a credential is good is the database's to say
	Environment string      // stands in the credentials so that people and scanners see where they belong, such as "live", which it is when empty
	Schemes     []Scheme    // further forms of credentials, such as people's tokens
}

// Clients is the use cases of clients and their credentials. It is safe for concurrent use.
type Clients struct {
	Config
	cache    *cache
	touched  *touched
	reported *lately
	schemes  []Scheme
}

// NewClients makes the use cases. It fails when something it needs is missing.
func NewClients(cfg Config) (*Clients, error) {
	if cfg.Store == nil || cfg.Rand == nil || cfg.Clock == nil {
		return nil, errors.New("credential: incomplete configuration")
	}
	if cfg.Environment == "" {
		cfg.Environment = defaultEnvironment
	}
	if _, err := secret.NewCredential(cfg.Rand, cfg.Environment); err != nil {
		return nil, fmt.Errorf("credential: the environment must be 1 to 16 characters of a to z and 0 to 9: %w", err)
	}
	s := &Clients{Config: cfg, cache: newCache(), touched: newTouched(), reported: newLately()}
	s.schemes = append([]Scheme{apiKeys{s}}, cfg.Schemes...)
	return s, nil
}

// CreateCommand makes a client with what it proves itself by.
type CreateCommand struct {
	Tenant    string
	Name      string
	Kind      Kind
	Owner     string // required: a human who answers for it
	Scopes    []Scope
	Keyless   bool          // without a credential of ours: it signs by its keys, or calls by its cluster's token (ADR 0030)
	Keys      []PublicKey   // by which it signs assertions; two at most, and none of a publishable client
	Lifetime  time.Duration // of the credential and the keys; DefaultLifetime when zero; MaxLifetime at most
	By        audit.Actor
	RequestID string
	Key       idempotency.Key
}

// Issued is a new credential. The token is shown once and kept nowhere. Both are zero for a client without one.
type Issued struct {
	Client     Client
	Credential Info
	Token      secret.String
}

// CreateClient makes a client with its first credential and its keys. What a client of each kind can have at most says
// Kind.Scopes: a publishable one may only start recoveries, for its credential lies in an app that anybody can open.
//
// Faults: CodeInvalidRequest, CodeNotFound for the tenant.
func (s *Clients) CreateClient(ctx context.Context, cmd CreateCommand) (Issued, error) {
	if err := checkClient(cmd); err != nil {
		return Issued{}, err
	}
	token, lifetime, err := s.mint(cmd.Lifetime)
	if err != nil {
		return Issued{}, err
	}
	var out answer[kept]
	err = s.Store.Creating(ctx, cmd.Tenant, func(tx Tx, now time.Time) error {
		if done, err := out.again(ctx, tx, cmd.Key); done || err != nil {
			return err
		}
		gone, err := tx.Switched(ctx, cmd.Tenant, PersonID(cmd.Owner))
		if err != nil {
			return err
		}
		if gone.Off {
			return invalid("/owner", "was disabled and answers for no new client")
		}
		c := Client{
			Tenant: cmd.Tenant, ID: secret.NewID("cli", now, s.Rand), Name: cmd.Name, Kind: cmd.Kind, Owner: cmd.Owner,
			Scopes: slices.Compact(slices.Sorted(slices.Values(cmd.Scopes))), CreatedAt: now,
		}
		change := Change{Tenant: c.Tenant, Client: c.ID, At: now, Create: &c}
		details := map[string]any{"kind": string(c.Kind), "scopes": c.Scopes, "owner": PersonID(c.Owner)}
		issued := Issued{Client: c}
		if !cmd.Keyless {
			issued = issue(c, token, now, lifetime)
			change.Add, details["credential"] = issued.stored(token), token.PublicID
		}
		if len(cmd.Keys) > 0 {
			change.AddKeys, issued.Client.Keys = newKeys(cmd.Keys, now, lifetime)
			details["keys"] = keyIDs(cmd.Keys)
		}
		change.Event = s.event(cmd.By, c, now, audit.ClientCreated, details)
		change.Event.RequestID = cmd.RequestID
		if err := tx.Apply(ctx, change); err != nil {
			return err
		}
		out.Value = keepable(issued)
		return out.keep(ctx, tx, cmd.Key, now)
	})
	return out.Value.issued(), fault.Wrap(err, "create client")
}

// kept is Issued with its token in clear, as it is sealed for a retry.
type kept struct {
	Client     Client `json:"client"`
	Credential Info   `json:"credential"`
	Token      string `json:"token"`
}

func keepable(i Issued) kept {
	return kept{Client: i.Client, Credential: i.Credential, Token: i.Token.Reveal()}
}

func (k kept) issued() Issued {
	return Issued{Client: k.Client, Credential: k.Credential, Token: secret.NewString(k.Token)}
}

func checkClient(cmd CreateCommand) error {
	switch {
	case !isLine(cmd.Name):
		return invalid("/name", "must be 1 to 100 visible characters")
	case !isLine(cmd.Owner):
		return invalid("/owner", "must name a person in 1 to 100 visible characters")
	case !slices.Contains(ClientKinds(), cmd.Kind):
		return invalid("/kind", "must be service, publishable or ai_agent")
	case len(cmd.Scopes) == 0:
		return invalid("/scopes", "must not be empty")
	case len(cmd.Keys) > maxLive:
		return invalid("/keys", "must be two at most")
	case cmd.Kind == Publishable && (cmd.Keyless || len(cmd.Keys) > 0):
		return invalid("/kind", "publishable has a credential and nothing else: what lies in an app keeps no private key")
	}
	for _, sc := range cmd.Scopes {
		if !slices.Contains(Scopes(), sc) {
			return invalid("/scopes", "has an unknown scope")
		}
		if !cmd.Kind.CanHold(sc) {
			return invalid("/scopes", "has a scope that a client of this kind cannot have")
		}
	}
	return nil
}

func isLine(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxName && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (s *Clients) mint(lifetime time.Duration) (secret.Credential, time.Duration, error) {
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	if lifetime < time.Second || lifetime > MaxLifetime {
		return secret.Credential{}, 0, invalid("/lifetime", "must be 400 days at most")
	}
	token, err := secret.NewCredential(s.Rand, s.Environment)
	return token, lifetime, fault.Wrap(err, "mint credential")
}

func issue(c Client, token secret.Credential, now time.Time, lifetime time.Duration) Issued {
	info := Info{PublicID: token.PublicID, CreatedAt: now, ExpiresAt: now.Add(lifetime)}
	c.Credentials = append(slices.Clone(c.Credentials), info)
	return Issued{Client: c, Credential: info, Token: token.Token}
}

func (i Issued) stored(token secret.Credential) *NewCredential {
	return &NewCredential{PublicID: token.PublicID, Hash: token.Hash, ExpiresAt: i.Credential.ExpiresAt}
}

// ListClients gives all clients of a tenant, the disabled ones too, without secrets.
func (s *Clients) ListClients(ctx context.Context, tenant string) ([]Client, error) {
	out, _, err := s.Store.List(ctx, tenant)
	return out, fault.Wrap(err, "list clients")
}

// Inventory is ListClients with the service's time, by which its reader judges what is over and what is dormant.
func (s *Clients) Inventory(ctx context.Context, tenant string) ([]Client, time.Time, error) {
	out, now, err := s.Store.List(ctx, tenant)
	return out, now, fault.Wrap(err, "list clients")
}

// RotateCommand asks for another credential.
type RotateCommand struct {
	Tenant    string
	Client    string
	Lifetime  time.Duration // DefaultLifetime when zero; MaxLifetime at most
	By        audit.Actor
	RequestID string
	Key       idempotency.Key
}

// Rotate gives a client another credential while its old one lives, so that it can be brought to its place first. With two
// alive it is fault.CodeConflict: revoke one. A disabled client is fault.CodeNotFound.
func (s *Clients) Rotate(ctx context.Context, cmd RotateCommand) (Issued, error) {
	token, lifetime, err := s.mint(cmd.Lifetime)
	if err != nil {
		return Issued{}, err
	}
	var out answer[kept]
	err = s.Store.Changing(ctx, cmd.Tenant, cmd.Client, func(tx Tx, now time.Time, c Client) error {
		if done, err := out.again(ctx, tx, cmd.Key); done || err != nil {
			return err
		}
		if !c.DisabledAt.IsZero() {
			return fault.Of(fault.CodeNotFound)
		}
		live := 0
		for _, k := range c.Credentials {
			if k.Live(now) {
				live++
			}
		}
		if live >= maxLive {
			return fault.Of(fault.CodeConflict).Detail("This client has two live credentials. Revoke one of them first.")
		}
		issued := issue(c, token, now, lifetime)
		event := s.event(cmd.By, c, now, audit.ClientRotated, map[string]any{"credential": token.PublicID})
		event.RequestID = cmd.RequestID
		if err := tx.Apply(ctx, Change{Tenant: c.Tenant, Client: c.ID, At: now, Add: issued.stored(token), Event: event}); err != nil {
			return err
		}
		out.Value = keepable(issued)
		return out.keep(ctx, tx, cmd.Key, now)
	})
	return out.Value.issued(), fault.Wrap(err, "rotate credential")
}

// RevokeCommand ends one credential, or the client with all of them.
type RevokeCommand struct {
	Tenant     string
	Client     string
	Credential string // a public id; empty for the whole client
	By         audit.Actor
	RequestID  string
}

// Revoke ends a credential, or disables a client for good. What is revoked is refused by every node within the time that an
// answer is cached (see Authenticate). Revoking again changes nothing. A client or a credential that the tenant does not have
// is fault.CodeNotFound.
func (s *Clients) Revoke(ctx context.Context, cmd RevokeCommand) error {
	var revoked []string
	err := s.Store.Changing(ctx, cmd.Tenant, cmd.Client, func(tx Tx, now time.Time, c Client) error {
		change := Change{Tenant: c.Tenant, Client: c.ID, At: now, Disable: cmd.Credential == ""}
		found := change.Disable
		for _, k := range c.Credentials {
			mine := cmd.Credential == "" || k.PublicID == cmd.Credential
			found = found || mine
			if mine && k.RevokedAt.IsZero() {
				change.Revoke = append(change.Revoke, k.PublicID)
			}
		}
		switch {
		case !found:
			return fault.Of(fault.CodeNotFound)
		case len(change.Revoke) == 0 && (!change.Disable || !c.DisabledAt.IsZero()):
			return nil
		}
		revoked = change.Revoke
		change.Event = s.event(cmd.By, c, now, audit.ClientRevoked, map[string]any{"credentials": change.Revoke, "client": change.Disable})
		change.Event.RequestID = cmd.RequestID
		return tx.Apply(ctx, change)
	})
	if err == nil {
		s.cache.drop(revoked)
	}
	return fault.Wrap(err, "revoke")
}

func (s *Clients) event(by audit.Actor, c Client, now time.Time, action audit.Action, details map[string]any) audit.Event {
	return audit.Event{
		ID: secret.NewID("evt", now, s.Rand), Tenant: c.Tenant, At: now, Actor: by, Action: action, Subject: c.ID,
		Outcome: audit.Success, Details: details,
	}
}

func invalid(pointer, detail string) error {
	return fault.Of(fault.CodeInvalidRequest).At(pointer, detail)
}
