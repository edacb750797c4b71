//go:build browser

package browser_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromium is the one browser of all tests; each test has its own context in it, as a private window has.
var chromium context.Context

func TestMain(m *testing.M) { os.Exit(all(m)) }

func all(m *testing.M) int {
	path, err := find()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	profile, err := os.MkdirTemp("", "holdfast-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(profile) }()
	allocated, release := chromedp.NewExecAllocator(context.Background(), flags(path, profile)...)
	defer release()
	ctx, cancel := chromedp.NewContext(allocated)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "start Chromium:", err)
		return 1
	}
	group := chromedp.FromContext(ctx).Browser.Process().Pid
	chromium = ctx
	code := m.Run()
	if err := chromedp.Cancel(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "stop Chromium:", err)
		code = 1
	}
	release()
	_ = syscall.Kill(-group, syscall.SIGKILL) // a helper that outlived it; most often there is none
	return code
}

// find looks Chromium up. A missing one fails the tests: they are run by who asked for them.
func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("these tests need Chromium: apt-get install chromium")
}

// flags start it without a screen and without a word to anybody but this machine.
func flags(path, profile string) []chromedp.ExecAllocatorOption {
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.UserDataDir(profile),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-pings", true), chromedp.Flag("disable-domain-reliability", true),
		chromedp.Flag("lang", "en-GB"), chromedp.Flag("font-render-hinting", "none"),
		chromedp.Env("TZ=Europe/Berlin"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			if cmd.SysProcAttr == nil {
				cmd.SysProcAttr = &syscall.SysProcAttr{}
			}
			cmd.SysProcAttr.Setpgid = true
		}),
	)
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium refuses to sandbox as root; the pages are our own
	}
	return opts
}

// screenshots is where pictures go: .bin of the repository, which git ignores.
func screenshots() string {
	dir, err := os.Getwd()
	if err != nil {
		return os.TempDir()
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".bin", "screenshots")
		}
		up := filepath.Dir(dir)
		if up == dir || strings.TrimSpace(up) == "" {
			return os.TempDir()
		}
		dir = up
	}
}
