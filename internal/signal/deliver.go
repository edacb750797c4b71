package signal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// The times of sending.
const (
	// AttemptFor is how long a receiver may take.
	AttemptFor = 15 * time.Second
	// LeaseFor is how long a claimed delivery belongs to who claimed it: an attempt, and time to record it.
	LeaseFor = 45 * time.Second
	// KeepEnded is how long what ended stays in the delivery log, and can be sent again.
	KeepEnded = 30 * 24 * time.Hour
	// AcknowledgeWithin is how long a session-revoked token may go unacknowledged before that is written down.
	AcknowledgeWithin = 5 * time.Minute

	// atOnce bounds the attempts to one endpoint at the same time on one node, so that a slow receiver does not take all
	// workers from the others.
	atOnce  = 2
	crowded = 2 * time.Second // when to look again
)

// SenderConfig is what a Sender is made of.
type SenderConfig struct {
	Outbox  Outbox
	Pusher  Pusher
	Vault   Vault
	Signer  Signer
	Keys    *secret.Keyring
	Issuer  string      // of tokens: the public URL
	Clock   clock.Clock // to measure how long an attempt took
	Rand    io.Reader   // jitter; crypto/rand when nil
	Metrics Metrics
}

// Sender sends what the outbox holds. It is safe for concurrent use.
type Sender struct {
	SenderConfig

	mu   sync.Mutex
	busy map[string]int // attempts under way by endpoint
}

// NewSender makes a Sender. It fails when something it needs is missing.
func NewSender(cfg SenderConfig) (*Sender, error) {
	if cfg.Outbox == nil || cfg.Pusher == nil || cfg.Vault == nil || cfg.Signer == nil || cfg.Keys == nil || cfg.Clock == nil || cfg.Metrics == nil || cfg.Issuer == "" {
		return nil, errors.New("signal: incomplete configuration")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Sender{SenderConfig: cfg, busy: map[string]int{}}, nil
}

// Deliver makes one attempt of a delivery, where one is due. Whether it is, the row says; a job only asks. A process that ends between
// sending and recording leaves a delivery that is sent again under the same id.
func (s *Sender) Deliver(ctx context.Context, tenant, id string) error {
	w, err := s.Outbox.Claim(ctx, tenant, id)
	if err != nil || w == nil {
		return fault.Wrap(err, "claim delivery")
	}
	leave, ok := s.enter(w.Endpoint.ID)
	if !ok {
		return fault.Wrap(s.Outbox.Return(ctx, *w, crowded), "return delivery")
	}
	defer leave()
	request, err := s.prepare(*w)
	if err != nil {
		// It cannot be made now, and perhaps never: it fails closed, is tried as often as any, and ends among the dead letters.
		return errors.Join(err, s.record(ctx, *w, Retry, Try{At: w.Now, Outcome: "not_prepared"}, 0))
	}
	begun := s.Clock.Now()
	answer := s.Pusher.Push(ctx, request)
	took := s.Clock.Now().Sub(begun)
	verdict, outcome := Judge(w.Endpoint.Kind, answer)
	return s.record(ctx, *w, verdict, Try{At: w.Now, Outcome: outcome, Status: answer.Status, TookMS: took.Milliseconds()}, answer.RetryAfter)
}

// record says what is next and writes it down, also where the attempt used up the job's own time.
func (s *Sender) record(ctx context.Context, w Work, v Verdict, t Try, asked time.Duration) error {
	r := Result{Verdict: v, Try: t}
	if v == Retry {
		wait, again := next(w.Attempts, asked, s.jitter())
		r.NextAt = w.Now.Add(time.Duration(t.TookMS) * time.Millisecond).Add(wait)
		if !again {
			r.Verdict = Refused
		}
	}
	s.Metrics.Signal(string(w.Endpoint.Kind), string(w.Type), t.Outcome)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LeaseFor-AttemptFor-10*time.Second)
	defer cancel()
	return fault.Wrap(s.Outbox.Record(ctx, w, r), "record delivery")
}

// prepare opens, builds, checks and signs.
func (s *Sender) prepare(w Work) (Request, error) {
	k, err := openKeys(s.Keys, w.Tenant, w.Endpoint.ID, w.Endpoint.Keys)
	if err != nil {
		return Request{}, err
	}
	ref := ""
	if w.Account.ID != "" {
		if ref, err = s.Vault.Ref(w.Tenant, w.Account); err != nil {
			return Request{}, fault.Wrap(err, "open account name")
		}
	}
	if w.Endpoint.Kind == SET {
		return s.set(w, k, ref)
	}
	body, err := encode(messageOf(w, ref))
	if err != nil {
		return Request{}, err
	}
	signature, err := Sign(k.live(w.Now), w.ID, w.Now, body)
	if err != nil {
		return Request{}, err
	}
	return Request{URL: w.Endpoint.URL, Body: body, Headers: map[string]string{
		"Content-Type": "application/json", "webhook-id": w.ID, "webhook-timestamp": strconv.FormatInt(w.Now.Unix(), 10), "webhook-signature": signature,
	}}, nil
}

func (s *Sender) set(w Work, k keys, ref string) (Request, error) {
	t := tokenOf(s.Issuer, w, ref)
	claims, err := encode(t)
	if err != nil {
		return Request{}, err
	}
	if err := CheckSET(claims); err != nil {
		return Request{}, err
	}
	signed, err := s.Signer.SignRS256(SETType, t)
	if err != nil {
		return Request{}, fault.Wrap(err, "sign token")
	}
	headers := map[string]string{"Content-Type": "application/" + SETType, "Accept": "application/json"}
	if k.Authorization != "" {
		headers["Authorization"] = k.Authorization
	}
	return Request{URL: w.Endpoint.URL, Body: []byte(signed), Headers: headers}, nil
}

// enter takes one of the endpoint's places on this node.
func (s *Sender) enter(endpoint string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[endpoint] >= atOnce {
		return nil, false
	}
	s.busy[endpoint]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.busy[endpoint]--; s.busy[endpoint] == 0 {
			delete(s.busy, endpoint)
		}
	}, true
}

// jitter draws a number from 0 to 1.
func (s *Sender) jitter() float64 {
	var b [4]byte
	_, _ = io.ReadFull(s.Rand, b[:]) // a source that fails makes no jitter
	return float64(binary.BigEndian.Uint32(b[:])) / (1 << 32)
}
