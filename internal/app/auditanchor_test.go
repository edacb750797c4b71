package app_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/anchor/anchortest"
	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/secret"
)

// gauges hears what the sealer tells of itself.
type gauges struct {
	mu       sync.Mutex
	stopped  string
	anchored map[string]int // "anchor outcome"
	lag      map[string]time.Duration
}

func newGauges() *gauges { return &gauges{anchored: map[string]int{}, lag: map[string]time.Duration{}} }

func (g *gauges) Sealed(int, int64)        {}
func (g *gauges) SealingLag(time.Duration) {}

func (g *gauges) SealingStopped(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = reason
}

func (g *gauges) Anchored(anchor, outcome string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.anchored[anchor+" "+outcome]++
}

func (g *gauges) AnchorLag(anchor string, lag time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lag[anchor] = lag
}

func (g *gauges) reason() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

func (g *gauges) count(what string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.anchored[what]
}

// house is an installation of which only the audit log is built: a database, keys, and anchors that are named in its configuration.
type house struct {
	t    *testing.T
	url  string
	db   *postgres.DB
	keys *secret.Keyring
	cfg  config.Config
	n    int
}

func newHouse(t *testing.T) *house {
	t.Helper()
	keys, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	h := &house{t: t, url: pgtest.URL(t), keys: keys}
	h.cfg.Audit.Origin = "recovery.example.com/audit"
	h.cfg.Audit.AnchorNetworks = config.Prefixes{netip.MustParsePrefix("127.0.0.0/8")}
	h.open()
	return h
}

func (h *house) open() {
	h.t.Helper()
	db, err := postgres.Open(h.t.Context(), postgres.Config{URL: h.url, Role: "holdfast_service", MaxConns: 4})
	require.NoError(h.t, err)
	h.t.Cleanup(db.Close)
	h.db = db
}

// witness adds a witness that knows the log.
func (h *house) witness(name string, wrap func(http.Handler) http.Handler) *anchortest.Witness {
	h.t.Helper()
	var public []string
	for _, k := range h.keys.CheckpointKeys() {
		text, err := audit.VerifierKey(h.cfg.Audit.Origin, k.Public())
		require.NoError(h.t, err)
		public = append(public, text)
	}
	w := anchortest.NewWitness(h.t, name).Trust(h.cfg.Audit.Origin, public...)
	h.cfg.Audit.Witnesses = append(h.cfg.Audit.Witnesses, config.Witness{Key: w.VerifierKey(), Prefix: h.serve(wrap(w))})
	return w
}

func (h *house) serve(handler http.Handler) string {
	s := httptest.NewServer(handler)
	h.t.Cleanup(s.Close)
	return s.URL
}

// node begins a process on the database.
func (h *house) node() (*auditlog.Sealer, *gauges) {
	h.t.Helper()
	g := newGauges()
	s, err := app.NewSealer(h.cfg, h.db, h.keys, g)
	require.NoError(h.t, err)
	return s, g
}

// write commits events.
func (h *house) write(n int) {
	h.t.Helper()
	h.n++
	_, err := h.db.Pool().Exec(h.t.Context(), `insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, outcome)
		select 'acme', $1 || '_' || lpad(i::text, 8, '0'), holdfast_now(), 'client', 'cli_1', 'account.registered', 'acc_' || i, 'success' from generate_series(1, $2::int) i`,
		fmt.Sprintf("evt_%d", h.n), n)
	require.NoError(h.t, err)
}

func (h *house) leaves() int {
	h.t.Helper()
	var n int
	require.NoError(h.t, h.db.Pool().QueryRow(h.t.Context(), `select count(*) from audit_leaf`).Scan(&n))
	return n
}

func (h *house) signed() int {
	h.t.Helper()
	var n int
	require.NoError(h.t, h.db.Pool().QueryRow(h.t.Context(), `select count(*) from audit_checkpoint`).Scan(&n))
	return n
}

// seal seals until there are so many leaves: transactions of other tests of this cluster may hold it up.
func (h *house) seal(s *auditlog.Sealer, leaves int) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		require.NoError(h.t, s.Drain(h.t.Context()))
		return h.leaves() == leaves
	}, apptest.Patience, 10*time.Millisecond)
}

// backup copies the database as it stands and gives the copy's address.
func (h *house) backup() string {
	h.t.Helper()
	h.db.Close()
	u, err := url.Parse(h.url)
	require.NoError(h.t, err)
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	conn, err := pgx.Connect(h.t.Context(), u.String())
	require.NoError(h.t, err)
	defer conn.Close(context.WithoutCancel(h.t.Context())) //nolint:errcheck // nothing is lost with it.
	copied := name + "_backup"
	_, err = conn.Exec(h.t.Context(), "create database "+pgx.Identifier{copied}.Sanitize()+" template "+pgx.Identifier{name}.Sanitize())
	require.NoError(h.t, err)
	h.open()
	u.Path = "/" + copied
	return u.String()
}

func plain(h http.Handler) http.Handler { return h }

// T38: a service that was restored from an older database is told at once, by each kind of anchor, and signs nothing.
func TestRestoredBackup_IsToldByEveryKindOfAnchorBeforeAnythingIsSigned(t *testing.T) {
	t.Parallel()
	for kind, prepare := range map[string]func(*house){
		"file":    func(h *house) { h.cfg.Audit.AnchorFile = filepath.Join(h.t.TempDir(), "anchor") },
		"witness": func(h *house) { h.witness("witness.example/w1", plain) },
		"webhook": func(h *house) {
			h.cfg.Audit.WebhookURL, h.cfg.Audit.WebhookSecret = secret.NewString(h.serve(anchortest.NewReceiver())), secret.NewString(anchortest.Secret)
		},
		"webhook that tells no size": func(h *house) {
			r := anchortest.NewReceiver()
			r.Silent = true
			h.cfg.Audit.WebhookURL, h.cfg.Audit.WebhookSecret = secret.NewString(h.serve(r)), secret.NewString(anchortest.Secret)
		},
	} {
		for before, sealedBefore := range map[string]int{"in the middle of its life": 30, "before its first event": 0} {
			t.Run(kind+" "+before, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				prepare(h)
				s, _ := h.node()
				require.NoError(t, s.Anchor(t.Context()))
				if sealedBefore > 0 {
					h.write(sealedBefore)
					h.seal(s, sealedBefore)
					require.NoError(t, s.Anchor(t.Context()))
				}
				restored := h.backup()
				s, _ = h.node()
				require.NoError(t, s.Anchor(t.Context()))
				h.write(20)
				h.seal(s, sealedBefore+20)
				require.NoError(t, s.Anchor(t.Context()), "told")

				h.url = restored
				h.open()
				h.write(5)
				s, g := h.node()
				signed := h.signed()
				for range 3 { // whatever comes first, sealing or telling
					_, err := s.Round(t.Context())
					if err != nil {
						require.ErrorIs(t, err, auditlog.ErrWentBack)
					}
				}
				err := s.Anchor(t.Context())
				want := auditlog.ErrWentBack
				if strings.HasSuffix(kind, "no size") {
					want = auditlog.ErrForked
				}
				if kind != "file" {
					require.ErrorIs(t, err, want)
				}
				for range 3 {
					_, err = s.Round(t.Context())
					require.ErrorIs(t, err, want)
					require.Contains(t, []string{"went_back", "forked"}, g.reason())
				}
				require.Equal(t, sealedBefore, h.leaves(), "nothing is sealed")
				require.Equal(t, signed, h.signed(), "nothing is signed")
			})
		}
	}
}

// somebody let the restored database grow past what the anchors hold. By size nothing is wrong any more.
func TestRestoredBackupThatGrew_IsAForkToFileAndWitness(t *testing.T) {
	t.Parallel()
	for kind, prepare := range map[string]func(*house){
		"file":    func(h *house) { h.cfg.Audit.AnchorFile = filepath.Join(h.t.TempDir(), "anchor") },
		"witness": func(h *house) { h.witness("witness.example/w1", plain) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			prepare(h)
			restored := h.backup()
			s, _ := h.node()
			require.NoError(t, s.Anchor(t.Context()))
			h.write(20)
			h.seal(s, 20)
			require.NoError(t, s.Anchor(t.Context()))

			h.url = restored
			h.open()
			with := h.cfg.Audit
			h.cfg.Audit = config.Audit{Origin: with.Origin}
			h.write(30)
			s, _ = h.node()
			h.seal(s, 30)
			h.cfg.Audit = with
			s, g := h.node()
			if err := s.Anchor(t.Context()); kind == "witness" {
				require.ErrorIs(t, err, auditlog.ErrForked)
			}
			_, err := s.Round(t.Context())
			require.ErrorIs(t, err, auditlog.ErrForked)
			require.Equal(t, "forked", g.reason())
		})
	}
}

// gate is a way to a handler that can be closed.
type gate struct {
	mu   sync.Mutex
	shut bool
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
}

func (g *gate) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// The state of anchors that are down is known by name: before the first answer nothing is sealed, after it everything is, and the lag is
// told of each.
func TestAnchorsThatAreDown_HoldUpAStartAndNothingLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.Audit.WitnessQuorum = 2
	gates := [3]*gate{{shut: true}, {shut: true}, {shut: true}}
	for i, g := range gates {
		h.witness(fmt.Sprintf("witness.example/w%d", i), g.wrap)
	}
	s, g := h.node()
	h.write(4)
	_, err := s.Round(t.Context())
	require.NoError(t, err, "nobody was asked yet")
	require.Error(t, s.Anchor(t.Context()))
	_, err = s.Round(t.Context())
	require.ErrorContains(t, err, "witness.example/w2")
	require.Equal(t, "unheard", g.reason())
	gates[0].set(false)
	require.Error(t, s.Anchor(t.Context()))
	_, err = s.Round(t.Context())
	require.Error(t, err, "one of two")
	require.Zero(t, h.leaves())
	gates[1].set(false)
	require.Error(t, s.Anchor(t.Context()), "the third is still told")
	h.seal(s, 4)
	require.Empty(t, g.reason())

	gates[0].set(true)
	gates[1].set(true)
	require.Error(t, s.Anchor(t.Context()))
	h.write(4)
	h.seal(s, 8)
	_, err = s.Lag(t.Context())
	require.NoError(t, err)
	for name, lag := range g.lag {
		require.Positive(t, lag, name)
	}
	for _, one := range gates {
		one.set(false)
	}
	require.Eventually(t, func() bool { // one that failed is left out for a few rounds
		_ = s.Anchor(t.Context())
		_, err = s.Lag(t.Context())
		require.NoError(t, err)
		return len(g.lag) == 3 && g.lag["witness.example/w0"]+g.lag["witness.example/w1"]+g.lag["witness.example/w2"] == 0
	}, apptest.Patience, time.Millisecond)
	require.Positive(t, g.count("witness.example/w0 failed"))
	require.Positive(t, g.count("witness.example/w0 done"))
}

// An anchor that asks to be left alone is, by the one clock and within bounds: for a minute at most while sealing waits for its first answer,
// for five after it.
func TestAnAnchorThatAsksForIt_IsLeftAlone(t *testing.T) {
	t.Parallel()
	owner := func(h *house) *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: h.url, MaxConns: 2})
		require.NoError(t, err)
		t.Cleanup(db.Close)
		return db
	}
	h := newHouse(t)
	clock := owner(h)
	var busy atomic.Pointer[string] // for how long, in an answer of 429
	var asked atomic.Int64
	w := h.witness("witness.example/w1", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if after := busy.Load(); after != nil {
				w.Header().Set("Retry-After", *after)
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	ask := func(after string) { busy.Store(&after) }
	s, g := h.node()
	requireAsked := func(want int64, later time.Duration) {
		t.Helper()
		require.NoError(t, clock.AdvanceClock(t.Context(), later))
		before := asked.Load()
		for range 5 { // rounds
			_ = s.Anchor(t.Context())
		}
		require.Equal(t, want, asked.Load()-before)
	}

	ask("3600")
	require.ErrorContains(t, s.Anchor(t.Context()), "it answers 429, and asks to be left alone for 1h0m0s")
	requireAsked(0, 50*time.Second)
	requireAsked(1, 15*time.Second)
	h.write(1)
	_, err := s.Round(t.Context())
	require.Error(t, err)
	require.Equal(t, "unheard", g.reason())
	busy.Store(nil)
	requireAsked(1, time.Minute)
	h.seal(s, 1)

	ask("120")
	requireAsked(1, 0)
	requireAsked(0, 110*time.Second)
	ask("3600")
	requireAsked(1, 15*time.Second)
	requireAsked(0, 4*time.Minute+50*time.Second)
	busy.Store(nil)
	requireAsked(1, 15*time.Second)
	its, _ := w.Size(h.cfg.Audit.Origin)
	require.Equal(t, int64(1), its)
}

// Many nodes tell the same witness and receiver of a log that grows: whoever comes late is overtaken, and never taken for a fork.
func TestAnchors_OfManyNodesAreNoFork(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.witness("witness.example/w1", plain)
	r := anchortest.NewReceiver()
	h.cfg.Audit.WebhookURL, h.cfg.Audit.WebhookSecret = secret.NewString(h.serve(r)), secret.NewString(anchortest.Secret)
	var wg sync.WaitGroup
	for range 4 {
		s, _ := h.node()
		wg.Go(func() {
			for range 15 {
				if err := s.Anchor(t.Context()); err != nil && !strings.Contains(err.Error(), "another node has told more") &&
					!strings.Contains(err.Error(), "its size changes faster") {
					t.Errorf("anchor: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range 30 {
				if _, err := s.Round(t.Context()); err != nil {
					t.Errorf("round: %v", err)
				}
			}
		})
	}
	for range 20 {
		h.write(3)
	}
	wg.Wait()
	s, g := h.node()
	require.NoError(t, s.Anchor(t.Context()))
	h.seal(s, 60)
	require.NoError(t, s.Anchor(t.Context()))
	require.NoError(t, s.Anchor(t.Context()), "there is nothing more to tell")
	require.LessOrEqual(t, g.count("webhook done"), 2)
	size, _ := w.Size(h.cfg.Audit.Origin)
	require.Equal(t, int64(60), size)
	size, _, bad := r.Kept()
	require.Equal(t, int64(60), size)
	require.Zero(t, bad)
}

// checkpoints carry what witnesses added, and who asks for cosignatures gets the newest checkpoint that has them.
func TestCheckpoint_CarriesItsCosignatures(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	one, two := h.witness("witness.example/w1", plain), h.witness("witness.example/w2", plain)
	known, err := audit.ParseWitnesses([]string{one.VerifierKey(), two.VerifierKey()})
	require.NoError(t, err)
	s, _ := h.node()
	require.NoError(t, s.Anchor(t.Context()))
	log, err := app.NewAuditLog(h.cfg, h.db, h.keys)
	require.NoError(t, err)
	_, err = log.Checkpoint(t.Context(), 0)
	require.Error(t, err)
	h.write(3)
	h.seal(s, 3)
	require.NoError(t, s.Anchor(t.Context()))
	h.write(2)
	h.seal(s, 5)
	for cosignatures, size := range map[int]int64{0: 5, 1: 3, 2: 3} {
		note, err := log.Checkpoint(t.Context(), cosignatures)
		require.NoError(t, err)
		c, err := audit.OpenCheckpoint(note, log.Keys)
		require.NoError(t, err)
		require.Equal(t, size, c.Size)
		found, err := audit.Cosignatures(note, known)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(found), cosignatures)
	}
	_, err = log.Checkpoint(t.Context(), 3)
	require.Error(t, err)

	var out strings.Builder
	require.NoError(t, auditlog.WriteWhole(t.Context(), postgres.NewAuditLog(h.db), log.Origin, log.Keys, 2, &out))
	r, err := audit.Verify(strings.NewReader(out.String()), audit.VerifyConfig{Keys: log.Keys, Witnesses: known})
	require.NoError(t, err)
	require.Empty(t, r.Problems)
	require.Equal(t, int64(3), r.Events)
	require.Equal(t, int64(3), r.Waiting, "two, and the export itself")
	require.Len(t, r.Cosigned, 2)
}
