package recovery

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// Config is what a Service is made of.
type Config struct {
	Store       Store
	Limits      Limits
	Controls    Controls
	Identifiers Identifiers
	SavedCodes  SavedCodes
	TOTP        TOTP
	Policies    Policies
	Vault       Vault
	Keys        *secret.Keyring
	Signer      *secret.Signer
	Rand        io.Reader // crypto/rand outside tests
	Issuer      string    // the public URL, for statements
	Offered     []factor.Method
	CodeFor     time.Duration // how long a code is good; ten minutes when zero, which is also the most
}

// Service is the use cases of recoveries. It is safe for concurrent use and holds no state of its own.
type Service struct{ Config }

// NewService makes a Service. Every field of the Config is needed.
func NewService(cfg Config) *Service {
	cfg.CodeFor = min(cfg.CodeFor, challengeFor)
	return &Service{Config: cfg}
}

func (s *Service) newID(prefix string, now time.Time) string {
	return secret.NewID(prefix, now, s.Rand)
}

// jitter draws a number from 0 to 1 from the same source as everything else.
func (s *Service) jitter() float64 {
	var b [4]byte
	_, _ = io.ReadFull(s.Rand, b[:]) // a source that fails makes no jitter
	return float64(binary.BigEndian.Uint32(b[:])) / (1 << 32)
}

// replay opens the stored answer to a request that was made before with the same Idempotency-Key.
func replay[T any](key idempotency.Key, rec *idempotency.Record, out *sealed[T]) error {
	if err := key.Check(*rec); err != nil {
		return err
	}
	return key.Open(rec.Outcome, out)
}

// claimant is the actor of what is done with a claimant token, through the client that brought it.
func claimant(c Caller) audit.Actor { return audit.Actor{Kind: audit.ActorClaimant, ID: c.Client} }

// network truncates an address to its prefix: /24 and /48, which tell a place and no person.
func network(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	a = a.Unmap()
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// endUser is the address that stands for the person: what a server-side client states, else the connection's own. A
// publishable client's statement is not believed (design.md, section 3).
func endUser(c Caller, u EndUser) netip.Addr {
	if !c.Publishable && u.Addr.IsValid() {
		return u.Addr
	}
	return c.Addr
}

// change begins the change of a loaded recovery.
func (in Loaded) change(by audit.Actor, origin, requestID string, steps ...Step) Change {
	return Change{
		Tenant: in.Recovery.Tenant, Subject: in.Recovery.Subject, At: in.Now, Steps: steps, By: by, Origin: origin, RequestID: requestID,
	}
}
