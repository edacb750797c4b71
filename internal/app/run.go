package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/job"
)

// drainFor is how long running requests may take when the service stops.
const drainFor = 15 * time.Second

// Listening tells where the service listens, once it does.
type Listening struct{ Public, Admin net.Addr }

// Run serves and works, as the role says, until ctx ends; then it drains and stops. ready is called when both ports
// listen. Every goroutine that it starts has ended when it returns.
func (a *App) Run(ctx context.Context, ready func(Listening)) error {
	public, err := a.listen(ctx, a.Config.HTTP.Listen)
	if err != nil {
		return err
	}
	defer func() { _ = public.Close() }()
	admin, err := a.listen(ctx, a.Config.HTTP.AdminListen)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done, err := a.startWork(work)
	if err != nil {
		return err
	}
	servers, failed, err := a.serve(public, admin)
	if err != nil {
		return err
	}
	ready(Listening{Public: public.Addr(), Admin: admin.Addr()})
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	a.Readiness.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	for _, s := range servers {
		cause = errors.Join(cause, s.Shutdown(drain))
	}
	stop()
	cause = errors.Join(cause, a.stopWork(drain))
	done.Wait()
	return cause
}

func (a *App) listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	return l, fault.Wrap(err, "listen on "+address)
}

// serve starts the HTTP servers. A node that only works serves its admin port alone.
func (a *App) serve(public, admin net.Listener) ([]*http.Server, <-chan error, error) {
	tlsConfig, err := tlsOf(a.Config.HTTP)
	if err != nil {
		return nil, nil, err
	}
	h := a.Config.HTTP
	base := http.Server{
		ReadHeaderTimeout: min(h.ReadTimeout, 5*time.Second), ReadTimeout: h.ReadTimeout, WriteTimeout: h.WriteTimeout, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
	}
	adminServer := &http.Server{Handler: a.Admin, ReadHeaderTimeout: base.ReadHeaderTimeout, ReadTimeout: base.ReadTimeout, WriteTimeout: base.WriteTimeout}
	servers := []*http.Server{adminServer}
	failed := make(chan error, 2)
	go func() { failed <- serving(adminServer.Serve(admin)) }()
	if !a.Config.Serves() {
		return servers, failed, public.Close()
	}
	base.Handler, base.TLSConfig = a.Handler, tlsConfig
	servers = append(servers, &base)
	go func() {
		if tlsConfig != nil {
			failed <- serving(base.ServeTLS(public, "", ""))
			return
		}
		failed <- serving(base.Serve(public))
	}()
	return servers, failed, nil
}

// serving turns the normal end of a server into none.
func serving(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// tlsOf builds TLS from the configuration; nil when a proxy ends it. A client authority makes client certificates be
// verified where they are shown; the redeeming route demands one.
func tlsOf(h config.HTTP) (*tls.Config, error) {
	if h.TLSCert == "" {
		return nil, nil //nolint:nilnil // no TLS here.
	}
	cert, err := tls.LoadX509KeyPair(h.TLSCert, h.TLSKey)
	if err != nil {
		return nil, fault.Wrap(err, "load TLS certificate")
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if h.TLSClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(h.TLSClientCA)
	if err != nil {
		return nil, fault.Wrap(err, "read client authorities")
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", h.TLSClientCA)
	}
	c.ClientAuth = tls.VerifyClientCertIfGiven
	return c, nil
}

// startWork starts jobs and loops. Loops that tidy run on every node, so that a node that only serves flushes what it counted.
func (a *App) startWork(ctx context.Context) (*sync.WaitGroup, error) {
	if a.Config.Works() {
		if err := a.jobs.Start(ctx); err != nil {
			return nil, err
		}
	}
	var wg sync.WaitGroup
	for _, l := range a.loops() {
		wg.Go(func() { l.Run(ctx) })
	}
	return &wg, nil
}

func (a *App) stopWork(ctx context.Context) error {
	err := errors.Join(a.Clients.Flush(ctx), a.seen.flush(ctx, a.Abuse.store.See))
	if a.Config.Works() {
		err = errors.Join(err, a.jobs.Stop(ctx))
	}
	return err
}

// loops lists what this node does again and again.
func (a *App) loops() []job.Loop {
	loops := []job.Loop{
		{Name: "credentials", Every: flushEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) { return false, a.Clients.Flush(ctx) }},
	}
	loops = append(loops, a.watchLoops()...)
	if !a.Config.Works() {
		return loops
	}
	return append(append(append(loops, a.auditLoops()...), a.retentionLoops()...),
		job.Loop{Name: "wake", Every: wakeEvery, Log: a.Log, Work: a.wake},
		job.Loop{Name: "cases", Every: settleEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			_, err := a.Cases.Settle(ctx, settleAtOnce)
			return false, err
		}},
		job.Loop{Name: "erasures", Every: sweepEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			n, err := a.Accounts.EraseDue(ctx, eraseAtOnce)
			return n == eraseAtOnce, err
		}},
		job.Loop{Name: "limits", Every: sweepEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			_, err := a.limiter.Sweep(ctx, sweepPages)
			return false, err
		}},
		job.Loop{Name: "texts", Every: sweepEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			n, err := a.DB.ForgetTexts(ctx, forgetAtOnce)
			return n == forgetAtOnce, err
		}},
		job.Loop{Name: "deliveries", Every: sweepEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			n, err := a.DB.ForgetDeliveries(ctx, forgetAtOnce)
			return n == forgetAtOnce, err
		}},
		job.Loop{Name: "idempotency", Every: sweepEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			n, err := a.DB.ForgetAnswers(ctx, forgetAtOnce)
			return n == forgetAtOnce, err
		}},
		job.Loop{Name: "assertions", Every: sweepEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			n, err := a.DB.ForgetAssertions(ctx, forgetAtOnce)
			return n == forgetAtOnce, err
		}},
		job.Loop{Name: "signals", Every: wakeEvery, Log: a.Log, Work: a.wakeSignals},
		job.Loop{Name: "signal backlog", Every: flushEvery, Log: a.Log, Work: a.watchSignals},
		job.Loop{Name: "signal log", Every: sweepEvery, Log: a.Log, Work: a.tidySignals},
	)
}

// wake judges what is due.
func (a *App) wake(ctx context.Context) (bool, error) {
	n, err := a.Recoveries.WakeAll(ctx, wakeAtOnce)
	return n == wakeAtOnce, err
}
