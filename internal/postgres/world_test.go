package postgres_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/factor/savedcode"
	"github.com/holdfast/holdfast/internal/factor/totp"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/migrations"
)

// world is a service on a database of its own, as the service's role, with two tenants.
type world struct {
	*account.Service
	t    testing.TB
	db   *postgres.DB
	root *pgxpool.Pool // the schema's owner, for looking and for what the service may not do
	keys *secret.Keyring
}

func newWorld(t testing.TB) *world {
	t.Helper()
	url := pgtest.URLWith(t, migrate, schemaVersion(t))
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, Role: "holdfast_service", MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	w := &world{t: t, db: db, root: pgtest.Pool(t, url)}
	for _, id := range []string{"demo", "other"} {
		_, err := db.CreateTenant(t.Context(), postgres.Tenant{ID: id, Name: "Demo: " + id, SupportContact: "help@example.com"})
		require.NoError(t, err)
	}
	w.keys, err = secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	w.Service = w.service(w.keys)
	return w
}

// service plays another node, perhaps with another keyring.
func (w *world) service(keys *secret.Keyring) *account.Service {
	w.t.Helper()
	s, err := account.NewService(account.Config{
		Store: postgres.NewAccounts(w.db), SavedCodes: fastCodes{}, TOTP: apps{}, Keys: keys, Rand: rand.Reader, Clock: clock.System{},
	})
	require.NoError(w.t, err)
	return s
}

func migrate(ctx context.Context, url string) error {
	_, err := postgres.Migrate(ctx, url)
	return err
}

// schemaVersion changes with every migration.
func schemaVersion(t testing.TB) string {
	t.Helper()
	sum := sha256.New()
	names, err := fs.Glob(migrations.FS, "*.sql")
	require.NoError(t, err)
	for _, n := range names {
		b, err := fs.ReadFile(migrations.FS, n)
		require.NoError(t, err)
		_, _ = sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// fastCodes mints real codes with a hash that costs nothing.
type fastCodes struct{}

func (fastCodes) Mint(context.Context) (string, string, secret.String, error) {
	c, err := savedcode.Mint(rand.Reader, 1)
	if err != nil {
		return "", "", secret.String{}, err
	}
	sum := sha256.Sum256([]byte(c[0].Body.Reveal()))
	return c[0].Prefix, hex.EncodeToString(sum[:]), c[0].Plain, nil
}

// apps is the real TOTP.
type apps struct{}

func (apps) Generate(issuer, label string) (seed, link secret.String, err error) {
	return totp.Generate(rand.Reader, issuer, label)
}
func (apps) Text(seed secret.String) secret.String { return totp.Text(seed) }
func (apps) Verify(seed []byte, code secret.String, now time.Time, last int64) (int64, bool) {
	return totp.Verify(seed, code, now, last)
}

func caller(tenant string) account.Caller {
	return account.Caller{Tenant: tenant, Client: "cli_test", RequestID: "req_test"}
}

func (w *world) key(c account.Caller, route, name string) idempotency.Key {
	return idempotency.New(w.keys, c.Tenant+"/"+c.Client, route, secret.NewString(name), nil)
}

func email(v string) account.Identifier {
	return account.Identifier{Type: "email", Value: secret.NewString(v)}
}

func channel(kind, address string) account.Channel {
	return account.Channel{Kind: kind, Address: secret.NewString(address), VerifiedAt: time.Now().Add(-90 * 24 * time.Hour)}
}

// ada is an account with two addresses.
func ada(tenant, ref string) account.PutCommand {
	return account.PutCommand{Caller: caller(tenant), Registration: account.Registration{
		Ref: ref, Population: "consumer", AAL: 2, IAL: 1, Locale: "en",
		Identifiers: []account.Identifier{email(ref + "@example.com")},
		Channels:    []account.Channel{channel("email", ref+"@example.com"), channel("sms", "+447700900123")},
	}}
}

func (w *world) put(cmd account.PutCommand) account.View {
	w.t.Helper()
	v, _, err := w.Put(w.t.Context(), cmd)
	require.NoError(w.t, err)
	return v
}

// scalar runs a query of one value as the schema's owner.
func scalar[T any](w *world, sql string, args ...any) T {
	w.t.Helper()
	var v T
	require.NoError(w.t, w.root.QueryRow(w.t.Context(), sql, args...).Scan(&v))
	return v
}

// exec runs statements as the schema's owner, past triggers and foreign keys: tests put rows where only a long story would.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	conn, err := w.root.Acquire(w.t.Context())
	require.NoError(w.t, err)
	defer conn.Release()
	_, err = conn.Exec(w.t.Context(), "set session_replication_role = replica")
	require.NoError(w.t, err)
	_, err = conn.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
	_, err = conn.Exec(w.t.Context(), "reset session_replication_role")
	require.NoError(w.t, err)
}

// recoveryIn puts a recovery of the account into a state.
func (w *world) recoveryIn(tenant, accountID, state string) {
	w.t.Helper()
	w.exec(fmt.Sprintf(`
		delete from recovery where tenant_id = '%[1]s' and account_id = '%[2]s';
		insert into recovery (tenant_id, id, reference, claimant_hash, account_id, subject, client_id, reason, signals, state, version, tier, plan,
			policy_version, created_at, changed_at, expires_at, not_before, ready_until, grant_id, contested_at, completed_at, probation_until, closed_at)
		select '%[1]s', 'rcv_%[2]s', 'HF-%[2]s', sha256('x'), '%[2]s', '%[2]s', 'cli_test', 'lost_all', '{}', s, 3, 'low', '{}', 'v1',
			now(), now(), now() + interval '2 days', now() + interval '1 day', now() + interval '2 days', 'grt_1',
			case when s = 'contested' then now() end,
			case when s in ('completed', 'closed', 'reversed') then now() end,
			case when s in ('completed', 'closed', 'reversed') then now() + interval '7 days' end,
			case when s in ('closed', 'rebind', 'vetoed', 'cancelled', 'expired', 'reversed') then now() end
		from (select '%[3]s'::recovery_state as s) x`, tenant, accountID, state))
}

// dump gives every row of every table as text.
func (w *world) dump() string {
	w.t.Helper()
	rows, err := w.root.Query(w.t.Context(), `select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'river')`)
	require.NoError(w.t, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(w.t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(w.t, rows.Err())
	var out strings.Builder
	for _, name := range tables {
		out.WriteString(name + "\n" + scalar[string](w, `select coalesce(string_agg(t::text, E'\n'), '') from `+name+` t`) + "\n")
	}
	return out.String()
}

// requireNowhere looks for the texts in the dump, as they are and as bytea shows them.
func requireNowhere(t *testing.T, dump string, texts ...string) {
	t.Helper()
	dump = strings.ToLower(dump)
	for _, text := range texts {
		require.NotEmpty(t, text)
		require.NotContains(t, dump, strings.ToLower(text))
		require.NotContains(t, dump, hex.EncodeToString([]byte(text)))
	}
}
