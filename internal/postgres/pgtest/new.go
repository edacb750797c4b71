package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/migrations"
)

// New gives the test a pool of at most eight connections on a database of its own that has Holdfast's current schema. The
// pool is closed when the test ends.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return Pool(t, URL(t))
}

// URL is New for tests that connect by themselves.
func URL(t testing.TB) string {
	t.Helper()
	version, err := schemaVersion()
	if err != nil {
		t.Fatalf("pgtest: read the migrations: %v", err)
	}
	return URLWith(t, func(ctx context.Context, url string) error {
		_, err := postgres.Migrate(ctx, url)
		return err
	}, version)
}

// schemaVersion is a hash of all migrations. River's own are not in it: its version cannot change during one run.
func schemaVersion() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations.FS, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.FS, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(sum, "%q %d\n%s", path, len(text), text)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}
