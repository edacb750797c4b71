package app

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
	"github.com/holdfast/holdfast/internal/webhook"
)

const (
	signalsAtOnce = 1000
	tidyAtOnce    = 1000
)

// NewEndpoints builds the use cases of webhooks and token streams on a database.
func NewEndpoints(db *postgres.DB, keys *secret.Keyring, cfg config.Config) (*signal.Endpoints, error) {
	return signal.NewEndpoints(signal.Config{Store: postgres.NewSignals(db), Keys: keys, Rand: rand.Reader, Insecure: cfg.Dev()})
}

// signalling builds what sends signals.
func (a *App) signalling() (*signal.Sender, error) {
	roots, err := authorities(a.Config.Signals.CA)
	if err != nil {
		return nil, fault.Wrap(err, "read receivers' authorities")
	}
	a.signals = postgres.NewSignals(a.DB)
	return signal.NewSender(signal.SenderConfig{
		Outbox: a.signals, Vault: vault{a.Keys}, Signer: a.Keys, Keys: a.Keys, Issuer: a.Config.HTTP.PublicURL, Clock: clock.System{}, Metrics: a.Metrics,
		Pusher: webhook.New(webhook.Config{Allowed: a.Config.Signals.Networks, Roots: roots, Now: clock.System{}.Now}),
	})
}

// authorities reads a file of certificates; the system's, nil, when there is none.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil is the system's.
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return roots, nil
}

// wakeSignals has jobs made for deliveries that are due. It does not go on at once however many there are: the next round comes within
// a second, and jobs that cannot be worked yet help nobody.
func (a *App) wakeSignals(ctx context.Context) (bool, error) {
	_, err := a.signals.Wake(ctx, signalsAtOnce)
	return false, err
}

// watchSignals writes down what is overdue and measures what waits.
func (a *App) watchSignals(ctx context.Context) (bool, error) {
	if _, err := a.signals.Overdue(ctx, signal.AcknowledgeWithin); err != nil {
		return false, err
	}
	b, err := a.signals.Backlog(ctx)
	if err == nil {
		a.Metrics.SignalBacklog(b.Pending, b.Dead, b.Unacknowledged, b.Oldest)
	}
	return false, err
}

func (a *App) tidySignals(ctx context.Context) (bool, error) {
	n, err := a.signals.Tidy(ctx, signal.KeepEnded, tidyAtOnce)
	return n == tidyAtOnce, err
}
