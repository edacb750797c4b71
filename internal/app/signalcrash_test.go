package app_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/signal"
)

// outgoing is a signal.Pusher that keeps what it was given and answers 202.
type outgoing struct {
	mu  sync.Mutex
	got []signal.Request
}

func (w *outgoing) Push(_ context.Context, r signal.Request) signal.Answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, r)
	return signal.Answer{Status: http.StatusAccepted}
}

func (w *outgoing) all() []signal.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]signal.Request(nil), w.got...)
}

// killed is an outbox of a process that ends after it has sent and before it has recorded.
type killed struct{ signal.Outbox }

var errKilled = errors.New("the process ended")

func (killed) Record(context.Context, signal.Work, signal.Result) error { return errKilled }

type noNames struct{}

func (noNames) Ref(string, signal.Account) (string, error) {
	return "", errors.New("nothing is about an account here")
}

type noMetrics struct{}

func (noMetrics) Signal(string, string, string) {}

// node is one more node on the service's database, which sends by w.
func node(t *testing.T, s *apptest.Service, outbox signal.Outbox, w *outgoing) *signal.Sender {
	t.Helper()
	sender, err := signal.NewSender(signal.SenderConfig{
		Outbox: outbox, Pusher: w, Vault: noNames{}, Signer: s.App.Keys, Keys: s.App.Keys, Issuer: apptest.Public, Clock: clock.System{}, Rand: rand.Reader, Metrics: noMetrics{},
	})
	require.NoError(t, err)
	return sender
}

// idle is a service whose own workers do not run, with one endpoint.
func idle(t *testing.T) (*apptest.Service, client.Webhook, *postgres.Signals) {
	t.Helper()
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_ROLE=serve"))
	return s, hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: "https://hooks.example.com/in"}), postgres.NewSignals(s.App.DB)
}

// A process that is killed between sending and recording leaves a delivery that another one sends again, under the same id and
// with the same body: at least once.
func TestAKillBetweenSendingAndRecording_SendsAgainUnderTheSameID(t *testing.T) {
	t.Parallel()
	s, hook, outbox := idle(t)
	id := verification(t, s, hook.ID)
	w := &outgoing{}
	require.ErrorIs(t, node(t, s, killed{outbox}, w).Deliver(t.Context(), apptest.Tenant, id), errKilled)
	require.Len(t, w.all(), 1)
	survivor := node(t, s, outbox, w)
	require.NoError(t, survivor.Deliver(t.Context(), apptest.Tenant, id))
	require.Len(t, w.all(), 1, "as long as the dead one's lease runs nobody else sends")
	s.Advance(t, signal.LeaseFor+time.Second)
	n, err := outbox.Wake(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n, "it is due again")
	require.NoError(t, survivor.Deliver(t.Context(), apptest.Tenant, id))
	got := w.all()
	require.Len(t, got, 2)
	require.Equal(t, got[0].Headers["webhook-id"], got[1].Headers["webhook-id"])
	require.Equal(t, got[0].Body, got[1].Body)
	require.Equal(t, client.Delivered, deliveries(t, s, hook.ID)[0].Status)
	require.NoError(t, survivor.Deliver(t.Context(), apptest.Tenant, id))
	require.Len(t, w.all(), 2, "what was delivered is not sent again")
}

// Two nodes, sixteen workers, one delivery: one sends.
func TestTwoNodes_NeverSendOneDeliveryAtTheSameTime(t *testing.T) {
	t.Parallel()
	s, hook, outbox := idle(t)
	for range 5 {
		id := verification(t, s, hook.ID)
		w := &outgoing{}
		nodes := []*signal.Sender{node(t, s, outbox, w), node(t, s, postgres.NewSignals(s.App.DB), w)}
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			wg.Go(func() { errs[i] = nodes[i%2].Deliver(context.Background(), apptest.Tenant, id) })
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Len(t, w.all(), 1)
	}
}

// A late word of who lost the lease changes nothing.
func TestARecord_CountsFromTheLastClaimAlone(t *testing.T) {
	t.Parallel()
	s, hook, outbox := idle(t)
	id := verification(t, s, hook.ID)
	first, err := outbox.Claim(t.Context(), apptest.Tenant, id)
	require.NoError(t, err)
	require.NotNil(t, first)
	s.Advance(t, signal.LeaseFor+time.Second)
	second, err := outbox.Claim(t.Context(), apptest.Tenant, id)
	require.NoError(t, err)
	require.NotNil(t, second)
	require.NoError(t, outbox.Record(t.Context(), *first, signal.Result{Verdict: signal.Delivered, Try: signal.Try{Outcome: "accepted"}}))
	require.Equal(t, client.Pending, deliveries(t, s, hook.ID)[0].Status)
	require.NoError(t, outbox.Record(t.Context(), *second, signal.Result{Verdict: signal.Delivered, Try: signal.Try{Outcome: "accepted"}}))
	require.Equal(t, client.Delivered, deliveries(t, s, hook.ID)[0].Status)
}

// The names of events that were told are written once, whoever writes them, and the service cannot take endpoints away.
func TestTheOutbox_HoldsEachEventOnce(t *testing.T) {
	t.Parallel()
	s, hook, _ := idle(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	s.EnrolTOTP(t, "ada")
	require.Len(t, deliveries(t, s, hook.ID), 1)
	_, err := s.App.DB.Pool().Exec(t.Context(), `INSERT INTO signal_delivery (tenant_id, id, endpoint_id, event_id, nth, type, claims, txn, at, next_at, wake_at)
		SELECT tenant_id, id || '9', endpoint_id, event_id, nth, type, claims, txn, at, next_at, wake_at FROM signal_delivery`)
	require.ErrorContains(t, err, "signal_delivery_once")
	_, err = s.App.DB.Pool().Exec(t.Context(), `DELETE FROM webhook_endpoint`)
	require.ErrorContains(t, err, "permission denied")
}
