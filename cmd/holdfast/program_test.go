package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
)

// patience is how long a test waits for a process. It is far more than is needed.
const patience = 60 * time.Second

// program is the built command, once for all tests that run it as a process.
var program struct {
	once sync.Once
	dir  string
	path string
	out  []byte
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if program.dir != "" {
		_ = os.RemoveAll(program.dir)
	}
	os.Exit(code)
}

// binary builds the command once and gives its path.
func binary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs the program, and -short asks for what is quick")
	}
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "holdfast-test-"); program.err != nil { //nolint:usetesting // it outlives this test.
			return
		}
		program.path = filepath.Join(program.dir, "holdfast")
		build := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "build", "-o", program.path, ".")
		program.out, program.err = build.CombinedOutput()
	})
	require.NoError(t, program.err, "%s", program.out)
	return program.path
}

// process is a running command.
type process struct {
	cmd    *exec.Cmd
	public string // where it listens
	admin  string
	log    *output
	ended  chan error
}

// output keeps what a process writes. It is safe for concurrent use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) add(line []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(line)
	o.buf.WriteByte('\n')
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// launch starts the program and waits until a line that it logs is accepted by ready. It is killed with the test.
func launch(t *testing.T, environ []string, ready func(p *process, line string) bool, args ...string) *process {
	t.Helper()
	return launchFile(t, binary(t), environ, ready, args...)
}

// launchFile is launch for any program.
func launchFile(t *testing.T, file string, environ []string, ready func(p *process, line string) bool, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(file, args...), log: &output{}, ended: make(chan error, 1)} //nolint:noctx // it ends by signals.
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, environ...)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	require.NoError(t, p.cmd.Start())
	require.NoError(t, writer.Close())
	up := make(chan struct{})
	var once sync.Once
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines := bufio.NewScanner(reader)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.log.add(lines.Bytes())
			if ready(p, lines.Text()) {
				once.Do(func() { close(up) })
			}
		}
		_ = reader.Close()
	}()
	go func() {
		err := p.cmd.Wait()
		<-drained
		p.ended <- err
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.end(t)
	})
	select {
	case <-up:
	case err := <-p.ended:
		require.FailNow(t, "it did not start", "%v\n%s", err, p.log)
	case <-time.After(patience):
		require.FailNow(t, "it does not start", "%s", p.log)
	}
	return p
}

// serving recognises the line by which `holdfast serve` says where it listens.
func serving(p *process, line string) bool {
	var entry struct{ Msg, Public, Admin string }
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "listening" {
		return false
	}
	p.public, p.admin = "http://"+entry.Public, "http://"+entry.Admin
	return true
}

// end waits for the end of the process.
func (p *process) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		require.FailNow(t, "it does not end", "%s", p.log)
		return nil
	}
}

// command runs a command in this process, as main does, and gives what it printed.
func command(t *testing.T, environ []string, stdin string, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err = run(t.Context(), args, environ, strings.NewReader(stdin), &stdout, &stderr)
	return stdout.String(), err
}

// operate runs a command that has to succeed.
func operate(t *testing.T, environ []string, stdin string, args ...string) string {
	t.Helper()
	out, err := command(t, environ, stdin, args...)
	require.NoError(t, err, "%v\n%s", args, out)
	return out
}

// production is the environment of a production node on a database.
func production(t *testing.T, database string) []string {
	t.Helper()
	keys, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	text, err := keys.Reveal()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "keyring.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	t.Cleanup(func() { justified(context.WithoutCancel(t.Context()), t, database) })
	return []string{
		"HOLDFAST_DATABASE_URL=" + database, "HOLDFAST_KEYRING_FILE=" + file, "HOLDFAST_PUBLIC_URL=https://recovery.example.com",
		"HOLDFAST_LISTEN=127.0.0.1:0", "HOLDFAST_ADMIN_LISTEN=127.0.0.1:0",
	}
}

// justified holds every row against the log: whatever commands did, their events justify.
func justified(ctx context.Context, t *testing.T, database string) {
	t.Helper()
	db, err := postgres.Open(ctx, postgres.Config{URL: database, MaxConns: 2})
	if t.Failed() || err != nil { // not every test has a database
		return
	}
	defer db.Close()
	var made bool
	assert.NoError(t, db.Pool().QueryRow(ctx, `select to_regclass('audit_told_nth') is not null`).Scan(&made))
	if !made {
		return
	}
	var said []string
	_, err = app.Replay(ctx, db, "", func(text string) { said = append(said, text) })
	assert.NoError(t, err)
	assert.Empty(t, said, "rows that no event tells of")
}

// field reads a line "name   value" of a command's output.
func field(t *testing.T, out, name string) string {
	t.Helper()
	for line := range strings.Lines(out) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(strings.SplitN(strings.TrimSpace(value), ",", 2)[0])
		}
	}
	require.FailNow(t, "not printed", "%s in\n%s", name, out)
	return ""
}

// freeAddr is an address of this machine where nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once.
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
