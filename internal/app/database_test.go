package app_test

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgembed"
)

// database is a PostgreSQL of a test's own that can be stopped and started, behind a socket that stays.
type database struct {
	cfg    pgembed.Config
	dir    string
	mu     sync.Mutex
	server *pgembed.Server
}

// startDatabase starts it, durable as in production, with the current schema.
func startDatabase(t *testing.T) *database {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a database, and -short asks for the tests that need none")
	}
	dir, err := pgembed.TempDir(true)
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cache, err := pgembed.DefaultCacheDir()
	require.NoError(t, err)
	d := &database{dir: t.TempDir(), cfg: pgembed.Config{DataDir: filepath.Join(dir, "data"), CacheDir: cache, Durable: true}}
	d.start(t)
	t.Cleanup(func() { d.stop(t) })
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(d.dir, ".s.PGSQL.5432"))
	require.NoError(t, err)
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { d.relay(conn) })
		}
	})
	require.NoError(t, d.current().EnsureDatabase(t.Context(), "holdfast"))
	_, err = postgres.Migrate(t.Context(), d.url())
	require.NoError(t, err)
	return d
}

func (d *database) url() string {
	return "postgres:///holdfast?" + url.Values{"host": {d.dir}, "port": {"5432"}, "user": {"postgres"}, "sslmode": {"disable"}}.Encode()
}

func (d *database) current() *pgembed.Server {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.server
}

func (d *database) start(t *testing.T) {
	t.Helper()
	server, err := pgembed.Start(t.Context(), d.cfg)
	require.NoError(t, err)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.server = server
}

// stop stops it as an operator would, cutting every connection.
func (d *database) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, d.current().Stop(context.WithoutCancel(t.Context())))
}

// crash ends it in the middle of whatever it does; the next start has to recover from its log.
func (d *database) crash(t *testing.T) {
	t.Helper()
	leader, err := os.FindProcess(d.current().PID())
	require.NoError(t, err)
	require.NoError(t, leader.Signal(os.Kill))
	<-d.current().Done()
}

// relay connects one client to the server of this moment.
func (d *database) relay(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	u, err := url.Parse(d.current().URL("holdfast"))
	if err != nil {
		return
	}
	back, err := net.Dial("unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))) //nolint:noctx // a socket of this machine.
	if err != nil {
		return
	}
	defer func() { _ = back.Close() }()
	go func() { _, _ = io.Copy(back, conn); _ = back.Close() }()
	_, _ = io.Copy(conn, back)
}

// Without its database the service says so, changes nothing, and goes on by itself when the database is back.
func TestWithoutItsDatabase_TheServiceAnswers503AndRecoversByItself(t *testing.T) {
	t.Parallel()
	d := startDatabase(t)
	s := apptest.New(t, apptest.WithDatabase(d.url()))
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ch := c.Ask(t, client.MethodEmail)
	code := s.Mail.Code(t, ch.ID, 1)
	settle(t, s)
	before := s.Rows(t)

	d.stop(t)
	answer := c.Request(http.MethodPost, "/challenges/"+ch.ID+"/answers", client.AnswerRequest{Code: code})
	answer.Key = "the-answer"
	for _, r := range []apptest.Request{
		{Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken, Body: apptest.Claimant{Identifier: apptest.Email(ada)}.Body()},
		c.Request(http.MethodGet, "", nil), c.Request(http.MethodPost, "/challenges", client.ChallengeRequest{Method: client.MethodSms}),
		answer, c.Request(http.MethodPost, "/grant", nil), c.Request(http.MethodPost, "/cancel", nil),
		{Method: http.MethodGet, Path: "/v1/accounts/ada/status", As: s.IdentityToken},
		{Method: http.MethodPut, Path: "/v1/accounts/bob", As: s.IdentityToken, Body: client.AccountRegistration{
			Population: "consumer", Identifiers: []client.Identifier{}, Channels: []client.Channel{}, Assurance: client.Assurance{Aal: 1},
		}},
		{Method: http.MethodPost, Path: "/v1/grants/redeem", As: s.IdentityToken, Body: client.RedeemRequest{Grant: "hfg_0000000000000000000000000000000000000000000"}},
		{Method: http.MethodPost, Path: "/v1/objections", Body: client.ObjectionRequest{Token: "hfo_k1_0000000000000000000000000000000000000000000"}},
	} {
		a := s.Do(t, r)
		require.Equal(t, http.StatusServiceUnavailable, a.Status, "%s %s: %s", r.Method, r.Path, a.Body)
		require.Contains(t, []string{"unavailable", "timeout"}, a.Code(), r.Path)
		require.NotContains(t, a.Body, "SQL")
		require.NotContains(t, a.Body, d.dir)
	}
	require.Equal(t, http.StatusOK, s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/.well-known/jwks.json"}).Status)
	require.Equal(t, http.StatusServiceUnavailable, readiness(t, s))

	d.start(t)
	require.Eventually(t, func() bool { return readiness(t, s) == http.StatusOK }, apptest.Patience, 50*time.Millisecond)
	require.Eventually(t, func() bool { return s.Owner.Ping(t.Context()) == nil }, apptest.Patience, 50*time.Millisecond)
	require.Empty(t, apptest.Grown(before, s.Rows(t)), "nothing half-done")
	require.Equal(t, http.StatusOK, s.Do(t, answer).Status, "the same request, repeated with its key")
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
}

func readiness(t *testing.T, s *apptest.Service) int {
	t.Helper()
	w := httptest.NewRecorder()
	s.App.Admin.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
	return w.Code
}

// A crash of the database under load: what was answered is there, and what was not is there once or not at all.
func TestADatabaseThatCrashesUnderLoad_LosesNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	d := startDatabase(t)
	s := apptest.New(t, apptest.WithDatabase(d.url()))
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	type tried struct {
		request apptest.Request
		answer  apptest.Answer
	}
	const starters, atLeast = 4, 12
	var wg sync.WaitGroup
	all, busy := make([][]tried, starters), make(chan struct{}, 1000)
	for w := range starters {
		wg.Go(func() {
			for refused := 0; refused < 3; {
				r := apptest.Request{
					Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken, Key: rand.Text(),
					Body: apptest.Claimant{Identifier: apptest.Email(rand.Text() + "@example.com")}.Body(),
				}
				a := s.Do(t, r)
				all[w] = append(all[w], tried{r, a})
				if a.Status != http.StatusCreated {
					refused++
				}
				select {
				case busy <- struct{}{}:
				default:
				}
			}
		})
	}
	for range atLeast {
		<-busy
	}
	d.crash(t)
	wg.Wait()
	d.start(t)
	require.Eventually(t, func() bool { return s.Owner.Ping(t.Context()) == nil && readiness(t, s) == http.StatusOK }, apptest.Patience, 50*time.Millisecond)

	answered := 0
	for _, x := range all {
		for _, one := range x {
			again := s.Do(t, one.request)
			require.Equal(t, http.StatusCreated, again.Status, again.Body)
			if one.answer.Status == http.StatusCreated {
				require.Equal(t, one.answer.Body, again.Body, "the stored answer")
				answered++
				continue
			}
			require.Equal(t, http.StatusServiceUnavailable, one.answer.Status, one.answer.Body)
		}
	}
	require.GreaterOrEqual(t, answered, atLeast)
	total := 0
	for _, x := range all {
		total += len(x)
	}
	require.Equal(t, total, s.Rows(t)["public.recovery"], "each once")
}
