package pgembed_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres/pgembed"
)

const (
	parentRole = "PGEMBED_TEST_PARENT" // names the role and the data directory of a re-executed test binary
	patience   = 30 * time.Second
)

// TestMain lets the test binary play the parent that is killed.
func TestMain(m *testing.M) {
	role, dir, isParent := strings.Cut(os.Getenv(parentRole), ":")
	if !isParent {
		os.Exit(m.Run())
	}
	os.Exit(beParent(role, dir))
}

// beParent starts a server, tells its process id and directory on standard output, and waits to be killed.
func beParent(role, dir string) int {
	ctx := context.Background()
	var server *pgembed.Server
	var err error
	if role == "throwaway" {
		var t *pgembed.Throwaway
		if t, err = pgembed.StartThrowaway(ctx, pgembed.Config{}); err == nil {
			server = t.Server
		}
	} else {
		server, err = pgembed.Start(ctx, pgembed.Config{DataDir: dir})
	}
	if err != nil {
		println(err.Error())
		return 1
	}
	conn, err := pgx.Connect(ctx, server.URL("postgres"))
	if err != nil {
		println(err.Error())
		return 1
	}
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&dir); err != nil {
		println(err.Error())
		return 1
	}
	if _, err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)"); err != nil {
		println(err.Error())
		return 1
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(server.PID()) + " " + dir + "\n")
	select {}
}

func startParent(t *testing.T, role, dir string) (parent *exec.Cmd, server int, dataDir string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	parent = exec.Command(self)
	parent.Env = append(os.Environ(), parentRole+"="+role+":"+dir)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	t.Cleanup(func() { _ = parent.Process.Kill(); _ = parent.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, dataDir, found := strings.Cut(strings.TrimSpace(line), " ")
	require.True(t, found)
	server, err = strconv.Atoi(pid)
	require.NoError(t, err)
	return parent, server, dataDir
}

func needsServer(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a database, and -short asks for the tests that need none")
	}
}

// dataDir is a place that the server's user can enter even when the tests run as root.
func dataDir(t *testing.T) string {
	t.Helper()
	needsServer(t)
	dir, err := pgembed.TempDir(false)
	require.NoError(t, err)
	t.Cleanup(func() {
		// A killed parent's socket directory is removed by its successor; in these tests there may be none.
		if socketDir, err := os.ReadFile(filepath.Join(dir, "data.lock")); err == nil && len(socketDir) > 0 {
			_ = os.RemoveAll(string(socketDir))
		}
		_ = os.RemoveAll(dir)
	})
	return filepath.Join(dir, "data")
}

func start(t *testing.T, cfg pgembed.Config) *pgembed.Server {
	t.Helper()
	server, err := pgembed.Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return server
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var got T
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&got))
	return got
}

func exe(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func TestStart_AnswersOnItsSocketAndNowhereElse(t *testing.T) {
	t.Parallel()
	server := start(t, pgembed.Config{DataDir: dataDir(t), MaxConnections: 17, ExtraSettings: map[string]string{"work_mem": "5MB"}})

	url := server.URL("postgres")
	require.Empty(t, query[string](t, url, "SHOW listen_addresses"))
	require.Equal(t, "17", query[string](t, url, "SHOW max_connections"))
	require.Equal(t, "5MB", query[string](t, url, "SHOW work_mem"))
	require.Equal(t, "off", query[string](t, url, "SHOW fsync"))
	require.Equal(t, "UTF8", query[string](t, url, "SHOW server_encoding"))
	require.Equal(t, "UTC", query[string](t, url, "SHOW timezone"))

	socketDir := query[string](t, url, "SHOW unix_socket_directories")
	info, err := os.Stat(socketDir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestStart_KeepsDataOverARestart(t *testing.T) {
	t.Parallel()
	cfg := pgembed.Config{DataDir: dataDir(t), Durable: true}
	first, err := pgembed.Start(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, first.EnsureDatabase(t.Context(), "holdfast"))
	require.NoError(t, first.EnsureDatabase(t.Context(), "holdfast"), "making it twice does no harm")
	exe(t, first.URL("holdfast"), "CREATE TABLE kept AS SELECT 42 AS n")
	require.NoError(t, first.Stop(t.Context()))
	require.NoError(t, first.Stop(t.Context()), "stopping twice does no harm")
	require.NoError(t, first.Err())

	second := start(t, cfg)
	require.Equal(t, 42, query[int](t, second.URL("holdfast"), "SELECT n FROM kept"))
	require.Equal(t, "on", query[string](t, second.URL("holdfast"), "SHOW fsync"))
}

func TestStart_RefusesADirectoryThatIsInUse(t *testing.T) {
	t.Parallel()
	cfg := pgembed.Config{DataDir: dataDir(t)}
	start(t, cfg)
	_, err := pgembed.Start(t.Context(), cfg)
	require.ErrorIs(t, err, pgembed.ErrInUse)
}

func TestStart_LeavesForeignFilesAlone(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	letter := filepath.Join(dir, "letter.txt")
	require.NoError(t, os.WriteFile(letter, []byte("mine"), 0o600))
	_, err := pgembed.Start(t.Context(), pgembed.Config{DataDir: dir})
	require.ErrorContains(t, err, "left alone")
	require.FileExists(t, letter)
}

func TestStart_SaysWhatTheServerSaidWhenItFails(t *testing.T) {
	t.Parallel()
	_, err := pgembed.Start(t.Context(), pgembed.Config{
		DataDir: dataDir(t), ExtraSettings: map[string]string{"no_such_setting": "1"},
	})
	require.ErrorContains(t, err, "no_such_setting")
}

func TestStart_RefusesAClusterOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("9\n"), 0o600))
	_, err := pgembed.Start(t.Context(), pgembed.Config{DataDir: dir})
	require.ErrorContains(t, err, "made by PostgreSQL 9")
}

func TestServer_TellsThatItDied(t *testing.T) {
	t.Parallel()
	server := start(t, pgembed.Config{DataDir: dataDir(t)})
	require.NoError(t, server.Err())
	require.NoError(t, syscall.Kill(server.PID(), syscall.SIGQUIT))
	<-server.Done()
	require.ErrorContains(t, server.Err(), "ended by itself")
}

func TestStart_RemovesAStalePidFileOfAnotherProgram(t *testing.T) {
	t.Parallel()
	cfg := pgembed.Config{DataDir: dataDir(t)}
	first, err := pgembed.Start(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, first.Stop(t.Context()))
	// After a reboot, the number in the file may be anybody's: here it is this test's own.
	require.NoError(t, os.WriteFile(filepath.Join(cfg.DataDir, "postmaster.pid"), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600))
	start(t, cfg)
}

func TestServer_DiesWithAKilledParentAndItsDataCanBeUsedAtOnce(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	parent, pid, _ := startParent(t, "keep", dir)
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()

	server := start(t, pgembed.Config{DataDir: dir}) // waits for the orphan, or stops it
	requireGone(t, pid)
	require.Equal(t, 1, query[int](t, server.URL("postgres"), "SELECT n FROM kept"))
}

func TestServer_NeedsNoSuccessorToDieWithItsParent(t *testing.T) {
	t.Parallel()
	parent, pid, _ := startParent(t, "keep", dataDir(t))
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	requireGone(t, pid)
}

func TestThrowaway_LeavesNothingWhenItsParentIsKilled(t *testing.T) {
	t.Parallel()
	needsServer(t)
	parent, pid, dir := startParent(t, "throwaway", "")
	require.DirExists(t, dir)
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	requireGone(t, pid)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Dir(dir))
		return os.IsNotExist(err)
	}, patience, 20*time.Millisecond)
}

func TestThrowaway_LeavesNothingAfterStop(t *testing.T) {
	t.Parallel()
	needsServer(t)
	server, err := pgembed.StartThrowaway(t.Context(), pgembed.Config{})
	require.NoError(t, err)
	dir := query[string](t, server.URL("postgres"), "SHOW data_directory")
	require.NoError(t, server.Stop(t.Context()))
	require.NoDirExists(t, filepath.Dir(dir))
}

// requireGone waits until no process has the number. A zombie, dead but not reaped by whoever inherited it, counts as gone.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err == nil {
			return strings.Contains(string(stat), ") Z ")
		}
		return syscall.Kill(pid, 0) != nil
	}, patience, 20*time.Millisecond)
}
