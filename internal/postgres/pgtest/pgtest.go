// Package pgtest gives each test a PostgreSQL database of its own, already migrated, in a few milliseconds.
//
// The cluster is the one that HOLDFAST_TEST_DATABASE_URL names (cmd/testpg starts one for all test processes), or a
// throw-away cluster of this test process. The schema is migrated once per cluster into a template; a test's database is a
// copy of it. Databases are not dropped: the cluster is thrown away. A test that cannot have its database fails; it is
// skipped only under -short, which asks for the tests that need none.
package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast/holdfast/internal/postgres/pgembed"
)

const (
	maxConnections = 400 // of a cluster of our own
	poolSize       = 8   // of one test
	setUpTime      = 2 * time.Minute
	templateLock   = 0x686f6c64_66617374 // the advisory lock "holdfast"
)

// Migrate brings the database that url names to the current schema.
type Migrate func(ctx context.Context, url string) error

// cluster is the PostgreSQL of this test process and the templates that it is known to hold.
type cluster struct {
	start sync.Once
	url   string
	err   error

	mu        sync.Mutex
	templates map[string]bool
}

//nolint:gochecknoglobals // one cluster per test process is the point.
var shared = &cluster{templates: map[string]bool{}}

// NewWith gives the test a pool on a database of its own, migrated by migrate. The version stands for what migrate does:
// tests with equal versions share one template, so anything that changes the schema must change it (a hash of the
// migrations will do). The pool is closed when the test ends.
func NewWith(t testing.TB, migrate Migrate, version string) *pgxpool.Pool {
	t.Helper()
	return Pool(t, URLWith(t, migrate, version))
}

// Pool opens a small pool on a database, for tests that play several nodes. It is closed when the test ends.
func Pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatalf("pgtest: parse the connection string: %v", err)
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("pgtest: open a pool: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// URLWith is NewWith for tests that connect by themselves.
func URLWith(t testing.TB, migrate Migrate, version string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a database, and -short asks for the tests that need none")
	}
	ctx, cancel := context.WithTimeout(t.Context(), setUpTime)
	defer cancel()
	base, err := shared.base(ctx)
	if err != nil {
		t.Fatalf("pgtest: no PostgreSQL to test on: %v", err)
	}
	template := templateName(version)
	if err := shared.ensureTemplate(ctx, base, template, migrate); err != nil {
		t.Fatalf("pgtest: build the template database: %v", err)
	}
	name := "t_" + strings.ToLower(rand.Text())
	if err := clone(ctx, base, template, name); err != nil {
		t.Fatalf("pgtest: create the test's database: %v", err)
	}
	return withDatabase(base, name)
}

// base gives the cluster's connection string and starts a cluster if none is named.
func (c *cluster) base(ctx context.Context) (string, error) {
	c.start.Do(func() {
		if c.url = os.Getenv(pgembed.TestEnv); c.url != "" { //nolint:forbidigo // tests have no configuration
			return
		}
		// The first test's end must not end the others' cluster. It ends with this process.
		ctx := context.WithoutCancel(ctx)
		cache, err := pgembed.DefaultCacheDir()
		if err != nil {
			cache = "" // then only installed binaries are looked for
		}
		server, err := pgembed.StartThrowaway(ctx, pgembed.Config{CacheDir: cache, MaxConnections: maxConnections})
		if err != nil {
			c.err = err
			return
		}
		c.url = server.URL("postgres")
	})
	return c.url, c.err
}

// ensureTemplate builds the template unless this or another test process has. One builds; the others wait.
func (c *cluster) ensureTemplate(ctx context.Context, base, template string, migrate Migrate) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.templates[template] {
		return nil
	}
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // frees the lock too; nothing is lost
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(templateLock)); err != nil {
		return err
	}
	var built bool
	const q = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)`
	if err := conn.QueryRow(ctx, q, template).Scan(&built); err != nil {
		return err
	}
	if !built {
		if err := build(ctx, conn, base, template, migrate); err != nil {
			return err
		}
	}
	c.templates[template] = true
	return nil
}

// build makes the template. It is marked as one only when it is whole, and from then on nobody can connect to it, which
// would keep it from being copied.
func build(ctx context.Context, conn *pgx.Conn, base, template string, migrate Migrate) error {
	name := pgx.Identifier{template}.Sanitize()
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := migrate(ctx, withDatabase(base, template)); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	_, err := conn.Exec(ctx, "ALTER DATABASE "+name+" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
	return err
}

func clone(ctx context.Context, base, template, name string) error {
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost with it
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+
		" TEMPLATE "+pgx.Identifier{template}.Sanitize()+" STRATEGY FILE_COPY")
	return err
}

// withDatabase is base with another database name.
func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "" {
		return base + " dbname=" + name // keywords: the last one wins
	}
	u.Path = "/" + name
	return u.String()
}

func templateName(version string) string {
	sum := sha256.Sum256([]byte(version))
	return "template_" + hex.EncodeToString(sum[:8])
}

// Copy gives the test a copy of a database that one of these functions made and that nobody is connected to any more.
func Copy(t testing.TB, of string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setUpTime)
	defer cancel()
	base, err := shared.base(ctx)
	if err != nil {
		t.Fatalf("pgtest: no PostgreSQL to test on: %v", err)
	}
	config, err := pgx.ParseConfig(of)
	if err != nil {
		t.Fatalf("pgtest: parse the connection string: %v", err)
	}
	name := "t_" + strings.ToLower(rand.Text())
	if err := clone(ctx, base, config.Database, name); err != nil {
		t.Fatalf("pgtest: copy a database: %v", err)
	}
	return withDatabase(base, name)
}
