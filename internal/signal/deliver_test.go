package signal_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
)

// outbox is one delivery that can be claimed again and again, and what became of it.
type outbox struct {
	signal.Outbox
	work signal.Work

	mu       sync.Mutex
	returned int
	results  []signal.Result
}

func (o *outbox) Claim(context.Context, string, string) (*signal.Work, error) {
	w := o.work
	return &w, nil
}

func (o *outbox) Return(context.Context, signal.Work, time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.returned++
	return nil
}

func (o *outbox) Record(_ context.Context, _ signal.Work, r signal.Result) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.results = append(o.results, r)
	return nil
}

type pusher func(signal.Request) signal.Answer

func (p pusher) Push(_ context.Context, r signal.Request) signal.Answer { return p(r) }

type names struct{ err error }

func (n names) Ref(string, signal.Account) (string, error) { return "user-1042", n.err }

type metrics struct{}

func (metrics) Signal(string, string, string) {}

func sender(t *testing.T, o *outbox, p pusher, v names) *signal.Sender {
	t.Helper()
	ring, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	s, err := signal.NewSender(signal.SenderConfig{
		Outbox: o, Pusher: p, Vault: v, Signer: ring, Keys: ring, Issuer: "https://recovery.example.com", Clock: clock.Fixed(t0()), Metrics: metrics{},
	})
	require.NoError(t, err)
	key := signal.Key{Secret: make([]byte, 32), Seed: make([]byte, 32)}
	sealed, err := signal.SealKeys(ring, "acme", "whk_1", key)
	require.NoError(t, err)
	o.work.Tenant = "acme"
	o.work.Endpoint = signal.Endpoint{ID: "whk_1", Kind: signal.Webhook, URL: "https://rp.example.com", Keys: sealed}
	o.work.Delivery = signal.Delivery{ID: "dlv_1", Type: signal.Completed, At: t0(), Attempts: max(o.work.Attempts, 1)}
	o.work.Now, o.work.Account = t0(), signal.Account{ID: "acc_1"}
	return s
}

// A slow receiver takes two of a node's workers at the most; whoever comes third gives its delivery back, uncounted.
func TestDeliver_ASlowReceiverDoesNotTakeAllWorkers(t *testing.T) {
	t.Parallel()
	o := &outbox{}
	inside, release := make(chan struct{}, 3), make(chan struct{})
	s := sender(t, o, func(signal.Request) signal.Answer {
		inside <- struct{}{}
		<-release
		return signal.Answer{Status: 204}
	}, names{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _ = s.Deliver(context.Background(), "acme", "dlv_1") })
	}
	<-inside
	<-inside
	require.NoError(t, s.Deliver(t.Context(), "acme", "dlv_1"))
	require.Equal(t, 1, o.returned)
	close(release)
	wg.Wait()
	require.NoError(t, s.Deliver(t.Context(), "acme", "dlv_1"))
	require.Equal(t, 1, o.returned, "its places are free again")
	require.Len(t, o.results, 3)
}

// What cannot be prepared is not sent, fails as any attempt does, and ends among the dead letters.
func TestDeliver_FailsClosedWhenItCannotNameTheAccount(t *testing.T) {
	t.Parallel()
	o := &outbox{}
	s := sender(t, o, func(signal.Request) signal.Answer {
		t.Error("it was sent")
		return signal.Answer{}
	}, names{err: errors.New("sealed")})
	require.Error(t, s.Deliver(t.Context(), "acme", "dlv_1"))
	require.Equal(t, signal.Retry, o.results[0].Verdict)
	require.Equal(t, "not_prepared", o.results[0].Try.Outcome)
	o.work.Attempts = signal.Attempts()
	require.Error(t, s.Deliver(t.Context(), "acme", "dlv_1"))
	require.Equal(t, signal.Refused, o.results[1].Verdict)
}

// a token that does not pass the check stays here.
func TestDeliver_SendsNoTokenThatDoesNotPass(t *testing.T) {
	t.Parallel()
	o := &outbox{}
	s := sender(t, o, func(signal.Request) signal.Answer {
		t.Error("it was sent")
		return signal.Answer{}
	}, names{})
	o.work.Endpoint.Kind, o.work.Endpoint.Audience, o.work.Event = signal.SET, "rp", signal.SessionRevoked
	o.work.Claims = map[string]any{"initiating_entity": "user"} // without its reason
	require.ErrorContains(t, s.Deliver(t.Context(), "acme", "dlv_1"), "reason_admin")
	require.Equal(t, "not_prepared", o.results[0].Try.Outcome)
}
