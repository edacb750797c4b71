// Package pgembed runs a PostgreSQL of its own as a child process, for `make run` and for tests. It is never used in
// production.
//
// The server is found on the machine or fetched once (Find, Fetch). It listens on a Unix socket in a private directory and
// on nothing else, and it does not outlive this process: on Linux the kernel tells it when its parent is gone, and
// elsewhere the next Start stops what was left behind. Ctrl-C in a terminal does not reach it, so that the parent can drain
// its work first and stop it last.
package pgembed

import "time"

// MinimumMajor is the oldest PostgreSQL that Holdfast runs on: the tests clone databases with STRATEGY FILE_COPY.
const MinimumMajor = 15

// TestEnv names the environment variable by which cmd/testpg tells test processes of their cluster: a connection string of a
// superuser for any database of it.
const TestEnv = "HOLDFAST_TEST_DATABASE_URL"

const (
	superuser = "postgres"
	port      = "5432" // names the socket file; nothing listens on TCP

	fastStopGrace = 20 * time.Second // checkpoint included
	hardStopGrace = 5 * time.Second
)

// Config says which binaries run which cluster, and how.
type Config struct {
	// BinDir is the directory of postgres and initdb. Empty means: look for it (see Find).
	BinDir string
	// CacheDir is where Fetch unpacks binaries and where Find looks last. Empty means: no cache.
	CacheDir string
	// DataDir holds the cluster. It is created when absent, kept by Stop, and never emptied: a directory that holds
	// anything but a cluster is refused.
	DataDir string
	// Durable keeps PostgreSQL's default promises. False gives them all up for speed: a crash of the machine may then
	// lose the cluster. For tests.
	Durable bool
	// MaxConnections is PostgreSQL's max_connections; 0 means 100.
	MaxConnections int
	// ExtraSettings are further server settings; they win over the ones set here.
	ExtraSettings map[string]string
	// Logf gets the server's own log, line by line, and remarks about starting and stopping. Nil is silence.
	Logf func(format string, args ...any)
}

func (c Config) logf(format string, args ...any) {
	if c.Logf != nil {
		c.Logf(format, args...)
	}
}
