package postgres_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/factor/savedcode"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
	"github.com/holdfast/holdfast/internal/secret"
)

const day = 24 * time.Hour

// scene is a recovery service on a database of its own, as the service's role. The test plays the clock, the sender and the
// claimants.
type scene struct {
	*recovery.Service
	t     testing.TB
	url   string
	db    *postgres.DB
	store *postgres.Recoveries
	root  *pgxpool.Pool // the schema's owner: looks, and does what the service may not
	keys  *secret.Keyring
	wire  *wire
}

func newScene(t testing.TB, change ...func(*recovery.Config)) *scene {
	t.Helper()
	return newSceneOf(t, 24, change...)
}

// newSceneOf is newScene with so many connections.
func newSceneOf(t testing.TB, conns int32, change ...func(*recovery.Config)) *scene {
	t.Helper()
	s := &scene{t: t, url: pgtest.URL(t), wire: &wire{}}
	s.root = pgtest.Pool(t, s.url)
	s.db = s.connect(conns)
	s.store = postgres.NewRecoveries(s.db)
	var err error
	s.keys, err = secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	s.Service, err = recoverytest.NewService(s.store, s.keys, change...)
	require.NoError(t, err)
	s.exec(`INSERT INTO tenant (id, name, created_at) VALUES ('demo', 'Demo', now())`)
	return s
}

// connect opens a pool as the service's role, and counts what goes over the wire.
func (s *scene) connect(conns int32) *postgres.DB {
	s.t.Helper()
	cfg, err := pgxpool.ParseConfig(s.url)
	require.NoError(s.t, err)
	cfg.MaxConns = conns
	cfg.ConnConfig.RuntimeParams["role"], cfg.ConnConfig.RuntimeParams["application_name"] = "holdfast_service", "service"
	cfg.ConnConfig.Tracer = s.wire
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: conn, trips: &s.wire.trips}, nil
	}
	pool, err := pgxpool.NewWithConfig(s.t.Context(), cfg)
	require.NoError(s.t, err)
	s.t.Cleanup(pool.Close)
	return postgres.New(pool)
}

// wire counts round trips, and the commits among what is sent.
type wire struct{ trips, commits atomic.Int64 }

func (w *wire) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	w.commits.Add(1) // a statement by itself commits by itself
	return ctx
}
func (*wire) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (*wire) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (w *wire) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if data.SQL == "commit" && data.Err == nil {
		w.commits.Add(1)
	}
}
func (*wire) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// countedConn counts how often something is sent and then waited for.
type countedConn struct {
	net.Conn
	trips *atomic.Int64
	asked atomic.Bool
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.asked.Store(true)
	return c.Conn.Write(b)
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.asked.Swap(false) {
		c.trips.Add(1)
	}
	return n, err
}

// exec runs a statement as the schema's owner, past triggers: tests bring about what only a long story would.
func (s *scene) exec(sql string, args ...any) {
	s.t.Helper()
	err := pgx.BeginFunc(s.t.Context(), s.root, func(tx pgx.Tx) error {
		if _, err := tx.Exec(s.t.Context(), `SET LOCAL session_replication_role = replica`); err != nil {
			return err
		}
		_, err := tx.Exec(s.t.Context(), sql, args...)
		return err
	})
	require.NoError(s.t, err)
}

// get runs a query of one value as the schema's owner.
func get[T any](s *scene, sql string, args ...any) T {
	s.t.Helper()
	var v T
	require.NoError(s.t, s.root.QueryRow(s.t.Context(), sql, args...).Scan(&v), sql)
	return v
}

// advance moves the one clock.
func (s *scene) advance(d time.Duration) {
	s.t.Helper()
	s.exec(`INSERT INTO clock_shift (by) VALUES ($1) ON CONFLICT (only_row) DO UPDATE SET by = clock_shift.by + EXCLUDED.by`, d)
}

func (s *scene) now() time.Time { return get[time.Time](s, `SELECT holdfast_now()`).UTC() }

// person is an account with everything that this service can prove.
type person struct {
	id, ref, identifier  string
	mailbox, phone, totp string // ids; empty for what the person does not have
	seed                 []byte
	codes                []secret.String
	population           string
	aal                  int
	since                time.Duration // how long all of it is on file
	noPhone, noTOTP      bool
}

// person registers somebody by SQL: a mailbox, a phone, an authenticator app and three saved codes, all on file for 90 days.
func (s *scene) person(name string, change ...func(*person)) *person {
	s.t.Helper()
	p := &person{
		id: "acc_" + name, ref: "user-" + name, identifier: name + "@example.com", mailbox: "chn_mail_" + name, phone: "chn_sms_" + name,
		totp: "fct_" + name, seed: []byte("seed of " + name), population: "consumer", aal: 2, since: 90 * day,
	}
	for _, c := range change {
		c(p)
	}
	since := s.now().Add(-p.since)
	s.exec(`INSERT INTO account (tenant_id, id, ref_hash, data_key, ref_sealed, population, aal, ial, locale, created_at, changed_at)
	        VALUES ('demo', $1, $2, 'key', $3, $4, $5, 0, 'en', $6, $6)`,
		p.id, recoverytest.Vault{Keys: s.keys}.RefHashes("demo", p.ref)[0], []byte(p.ref), p.population, p.aal, since)
	s.exec(`INSERT INTO identifier (tenant_id, hash, account_id, type, sealed) VALUES ('demo', $1, $2, 'email', '')`,
		s.keys.IdentifierHash("demo", "email", p.identifier), p.id)
	address := sha256.Sum256([]byte(p.identifier))
	channel := `INSERT INTO channel (tenant_id, id, account_id, kind, address_hash, sealed, since) VALUES ('demo', $1, $2, $3, $4, '', $5)`
	s.exec(channel, p.mailbox, p.id, "email", address[:], since)
	if p.noPhone {
		p.phone = ""
	} else {
		number := sha256.Sum256([]byte(p.phone))
		s.exec(channel, p.phone, p.id, "sms", number[:], since)
	}
	if p.noTOTP {
		return p
	}
	s.exec(`INSERT INTO factor (tenant_id, id, account_id, kind, sealed, enrolled_at, confirmed_at) VALUES ('demo', $1, $2, 'totp', $3, $4, $4)`,
		p.totp, p.id, p.seed, since)
	for i := range 3 {
		prefix, phc, plain, err := recoverytest.SavedCodes{}.Mint(s.t.Context())
		require.NoError(s.t, err)
		s.exec(`INSERT INTO saved_code (tenant_id, id, account_id, prefix, phc, issued_at) VALUES ('demo', $1, $2, $3, $4, $5)`,
			fmt.Sprintf("svc_%s_%d", name, i), p.id, prefix, phc, since)
		p.codes = append(p.codes, plain)
	}
	return p
}

// single is somebody with one mailbox and nothing else.
func single(p *person) { p.noPhone, p.noTOTP, p.aal = true, true, 1 }

// code is what the person's app shows now.
func (s *scene) code(p *person) secret.String { return recoverytest.TOTP{}.Code(p.seed, s.now()) }

// caller is the tenant's app.
func app() recovery.Caller {
	return recovery.Caller{Tenant: "demo", Client: "cli_app", Addr: netip.MustParseAddr("192.0.2.1"), RequestID: "req_1"}
}

// key is an Idempotency-Key for a route and body. The raw keys of two calls differ unless they are given the same.
func (s *scene) key(route, raw, body string) idempotency.Key {
	if raw == "" {
		raw = rand.Text()
	}
	return idempotency.New(s.keys, "demo/cli_app", route, secret.NewString(raw), []byte(body))
}

// claim is a recovery as its claimant holds it.
type claim struct {
	s   *scene
	id  string
	ref recovery.Ref
}

// startCommand is a start by a device that the app does not speak of: tier moderate, a day's hold.
func (s *scene) startCommand(identifier string) recovery.StartCommand {
	return recovery.StartCommand{
		Caller: app(), Type: recovery.IdentifierEmail, Value: secret.NewString(identifier), Reason: recovery.LostPassword,
		User: recovery.EndUser{Addr: netip.MustParseAddr("198.51.100.7"), UserAgent: "test"}, Key: s.key("POST /v1/recoveries", "", identifier),
	}
}

func (s *scene) start(identifier string) *claim {
	s.t.Helper()
	started, err := s.Start(s.t.Context(), s.startCommand(identifier))
	require.NoError(s.t, err)
	return &claim{s: s, id: started.ID, ref: recovery.Ref{ID: started.ID, Claimant: started.ClaimantToken}}
}

func (c *claim) challenge(m factor.Method) recovery.ChallengeView {
	c.s.t.Helper()
	view, err := c.tryChallenge(m)
	require.NoError(c.s.t, err)
	return view
}

func (c *claim) tryChallenge(m factor.Method) (recovery.ChallengeView, error) {
	return c.s.Challenge(c.s.t.Context(), recovery.ChallengeCommand{Caller: app(), Ref: c.ref, Method: m, Key: c.s.key("challenge", "", "")})
}

// mint plays the sender: the challenge's code is this one, and was sent long enough ago to be read by a person.
func (s *scene) mint(recoveryID, challengeID, code string) {
	s.t.Helper()
	s.exec(`UPDATE challenge SET code_hash = $1, minted_at = holdfast_now() - interval '5 seconds', accepted_at = holdfast_now() - interval '5 seconds' WHERE id = $2 AND channel_id IS NOT NULL`,
		s.keys.CodeHash(recoveryID, challengeID, secret.NewString(code)), challengeID)
}

func (c *claim) answer(challenge string, code secret.String) (recovery.View, error) {
	return c.s.Answer(c.s.t.Context(), recovery.AnswerCommand{
		Caller: app(), Ref: c.ref, Challenge: challenge, Code: code, Key: c.s.key("answer", "", ""),
	})
}

const goodCode, badCode = "12345678", "87654321"

// proveByCode proves the mailbox or the phone.
func (c *claim) proveByCode(m factor.Method) recovery.View {
	c.s.t.Helper()
	ch := c.challenge(m)
	c.s.mint(c.id, ch.ID, goodCode)
	return c.prove(ch.ID, secret.NewString(goodCode))
}

func (c *claim) prove(challenge string, code secret.String) recovery.View {
	c.s.t.Helper()
	view, err := c.answer(challenge, code)
	require.NoError(c.s.t, err)
	return view
}

// hold brings a claim of p into the hold, by a code to the mailbox and a saved code.
func (c *claim) hold(p *person) recovery.View {
	c.s.t.Helper()
	c.proveByCode(factor.Email)
	view := c.prove(c.challenge(factor.RecoveryCode).ID, p.codes[0])
	require.Equal(c.s.t, recovery.CoolingOff, view.State)
	return view
}

// accept plays the sender: these channels took the notices of the hold, all others failed.
func (c *claim) accept(channels ...string) {
	c.s.t.Helper()
	c.s.exec(`UPDATE notice SET accepted_at = holdfast_now() WHERE recovery_id = $1 AND channel_id = ANY ($2) AND accepted_at IS NULL`, c.id, channels)
	c.s.exec(`UPDATE notice SET failed_at = holdfast_now() WHERE recovery_id = $1 AND accepted_at IS NULL AND failed_at IS NULL`, c.id)
}

// ready brings a claim of p to the end of its hold.
func (c *claim) ready(p *person) {
	c.s.t.Helper()
	c.hold(p)
	c.accept(p.phone)
	c.s.advance(day + time.Minute)
	c.wake()
	require.Equal(c.s.t, recovery.Ready, c.state())
}

func (c *claim) wake() {
	c.s.t.Helper()
	require.NoError(c.s.t, c.s.Wake(c.s.t.Context(), recovery.DueRecovery{Tenant: "demo", ID: c.id}))
}

// state is what the row says, not what a view would show.
func (c *claim) state() recovery.State {
	c.s.t.Helper()
	return recovery.State(get[string](c.s, `SELECT state::text FROM recovery WHERE id = $1`, c.id))
}

func (c *claim) view() recovery.View {
	c.s.t.Helper()
	v, err := c.s.Get(c.s.t.Context(), recovery.GetCommand{Caller: app(), Ref: c.ref})
	require.NoError(c.s.t, err)
	return v
}

func (c *claim) grant() (recovery.GrantView, error) {
	return c.s.Grant(c.s.t.Context(), recovery.GrantCommand{Caller: app(), Ref: c.ref, Key: c.s.key("grant", "", "")})
}

func (s *scene) redeem(grant secret.String) (recovery.Redemption, error) {
	caller := app()
	caller.Client = "cli_idp"
	return s.Redeem(s.t.Context(), recovery.RedeemCommand{Caller: caller, Grant: grant, Key: s.key("redeem", "", "")})
}

// link is the secret of the notice that went to the channel.
func (c *claim) link(channel string) secret.String {
	c.s.t.Helper()
	id := get[string](c.s, `SELECT id FROM notice WHERE recovery_id = $1 AND channel_id = $2 AND objection_hash IS NOT NULL ORDER BY created_at LIMIT 1`, c.id, channel)
	return c.s.keys.ObjectionToken(id)
}

func (s *scene) object(token secret.String) (recovery.ObjectionView, error) {
	return s.Object(s.t.Context(), recovery.ObjectCommand{Addr: netip.MustParseAddr("203.0.113.9"), RequestID: "req_o", Token: token})
}

func (s *scene) objectFromApp(p *person, m factor.Method, code secret.String) ([]recovery.ObjectionView, error) {
	return s.ObjectFromApp(s.t.Context(), recovery.AppObjectCommand{Caller: app(), AccountRef: p.ref, Method: m, Code: code})
}

// trail lists a recovery's transitions from its audit events, in the order of its versions.
func (c *claim) trail() []string {
	c.s.t.Helper()
	rows, err := c.s.root.Query(c.s.t.Context(), `SELECT action || ' ' || coalesce(from_state::text, '-') || '>' || to_state
		FROM audit_event WHERE recovery_id = $1 AND recovery_version IS NOT NULL ORDER BY recovery_version`, c.id)
	require.NoError(c.s.t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		require.NoError(c.s.t, rows.Scan(&line))
		out = append(out, strings.TrimPrefix(line, "recovery."))
	}
	require.NoError(c.s.t, rows.Err())
	return out
}

// audited checks I10: every version has one event, and there are no others.
func (c *claim) audited() {
	c.s.t.Helper()
	require.True(c.s.t, get[bool](c.s, `
		SELECT (SELECT array_agg(recovery_version ORDER BY recovery_version) FROM audit_event
		         WHERE recovery_id = r.id AND recovery_version IS NOT NULL) = (SELECT array_agg(v) FROM generate_series(1, r.version) v)
		   AND (SELECT to_state FROM audit_event WHERE recovery_id = r.id AND recovery_version = r.version) = r.state
		  FROM recovery r WHERE id = $1`, c.id), "one event for each version, and the last one says the state")
}

func requireCode(t testing.TB, want fault.Code, err error) {
	t.Helper()
	require.Equal(t, want, fault.CodeOf(err), "%v", err)
}

// typed is a saved code as somebody might mistype it: well formed, and not on file.
func typed(t testing.TB) secret.String {
	t.Helper()
	codes, err := savedcode.Mint(rand.Reader, 1)
	require.NoError(t, err)
	return codes[0].Plain
}
