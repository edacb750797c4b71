package smtp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mailpit is a real mail server that keeps what it gets: https://mailpit.axllent.org.
type mailpit struct {
	host string
	port int
	api  string
}

// startMailpit runs the one on PATH or in GOPATH, and else builds the version that .tools/go.mod pins.
func startMailpit(t *testing.T, args ...string) mailpit {
	t.Helper()
	smtpAddr, apiAddr := freeAddr(t), freeAddr(t)
	args = append([]string{"--smtp", smtpAddr, "--listen", apiAddr, "--disable-version-check", "--smtp-disable-rdns", "--quiet"}, args...)
	cmd := exec.CommandContext(t.Context(), mailpitBinary(t), args...) //nolint:gosec // a tool of the tests.
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context, cancelled just before, has killed it

	host, port, err := net.SplitHostPort(smtpAddr)
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	m := mailpit{host: host, port: number, api: "http://" + apiAddr}
	require.Eventually(t, func() bool { return m.fetch(t, "/readyz", nil) == nil }, 30*time.Second, 20*time.Millisecond)
	return m
}

func mailpitBinary(t *testing.T) string {
	t.Helper()
	if found, err := exec.LookPath("mailpit"); err == nil {
		return found
	}
	if gopath, err := exec.CommandContext(t.Context(), "go", "env", "GOPATH").Output(); err == nil {
		found := filepath.Join(strings.TrimSpace(string(gopath)), "bin", "mailpit")
		if _, err := os.Stat(found); err == nil {
			return found
		}
	}
	tools, err := filepath.Abs("../../../.tools")
	require.NoError(t, err)
	built := filepath.Join(t.TempDir(), "mailpit")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", tools, "-o", built, "github.com/axllent/mailpit") //nolint:gosec // constants.
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "build mailpit: %s", out)
	return built
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // the next to listen there says so.
	return l.Addr().String()
}

// fetch gets a path of Mailpit's API, into out unless that is nil.
func (m mailpit) fetch(t *testing.T, path string, out any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.api+path, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end below.
	if res.StatusCode != http.StatusOK {
		return &net.AddrError{Err: res.Status, Addr: path}
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// mail is what Mailpit tells of one message.
type mail struct {
	ID        string
	MessageID string
	Subject   string
	Date      time.Time
	From      struct{ Name, Address string }
	To        []struct{ Name, Address string }
	Text      string
	HTML      string
}

// messages waits until there are n messages, and gives them newest first.
func (m mailpit) messages(t *testing.T, n int) []mail {
	t.Helper()
	var list struct{ Messages []mail }
	require.Eventually(t, func() bool {
		return m.fetch(t, "/api/v1/messages", &list) == nil && len(list.Messages) >= n
	}, 10*time.Second, 20*time.Millisecond)
	require.Len(t, list.Messages, n)
	out := make([]mail, n)
	for i, summary := range list.Messages {
		require.NoError(t, m.fetch(t, "/api/v1/message/"+summary.ID, &out[i]))
	}
	return out
}

func (m mailpit) headers(t *testing.T, id string) http.Header {
	t.Helper()
	var out map[string][]string
	require.NoError(t, m.fetch(t, "/api/v1/message/"+id+"/headers", &out))
	return out
}

// certificate makes a self-signed certificate for 127.0.0.1: the files of it and its key, and a pool that trusts it.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	now := time.Now() //nolint:forbidigo // the peer is real, and so is its clock.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)

	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(cert, certPEM, 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	pool = x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(certPEM))
	return cert, key, pool
}
