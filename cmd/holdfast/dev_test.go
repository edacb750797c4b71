package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/postgres/pgembed"
)

// devDescription is dev.json as design.md, section 10, has it: no member more, and none but the optional two less.
type devDescription struct {
	BaseURL     string `json:"base_url"`
	AdminURL    string `json:"admin_url"`
	Tenant      string `json:"tenant"`
	Credentials struct {
		App      string `json:"app"`
		Identity string `json:"identity"`
	} `json:"credentials"`
	Accounts []struct {
		AccountRef string `json:"account_ref"`
		Population string `json:"population"`
		Identifier struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"identifier"`
		Channels []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"channels"`
		TOTPSecret    string   `json:"totp_secret"`
		RecoveryCodes []string `json:"recovery_codes"`
	} `json:"accounts"`
}

// startDev runs `holdfast dev` on a folder and waits for what it prints when it is up.
func startDev(t *testing.T, dir string) (*process, devDescription) {
	t.Helper()
	environ := []string{"HOLDFAST_DATA_DIR=" + dir, "HOLDFAST_LISTEN=127.0.0.1:0", "HOLDFAST_ADMIN_LISTEN=127.0.0.1:0"}
	p := launch(t, environ, func(_ *process, line string) bool { return strings.HasPrefix(line, "`make demo`") }, "dev")
	text, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(dir, "dev.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "it holds secrets")
	var d devDescription
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	require.NoError(t, strict.Decode(&d))
	return p, d
}

// postmaster reads the process id of the cluster's server; 0 when there is none.
func postmaster(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	return pid
}

// Design.md, section 10: what `make run` promises to people and to scripts.
func TestDev_ComesUpByItselfAndComesBack(t *testing.T) {
	t.Parallel()
	_ = binary(t)
	dir, err := pgembed.TempDir(false)
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	p, d := startDev(t, dir)
	require.Equal(t, "demo", d.Tenant)
	populations := map[string]bool{}
	for _, a := range d.Accounts {
		populations[a.Population] = true
		require.NotEmpty(t, a.Channels)
		require.NotEmpty(t, a.Identifier.Value)
	}
	require.Len(t, populations, 5)
	status, _ := get(t, d.AdminURL+"/readyz")
	require.Equal(t, http.StatusOK, status)
	first := recoverInDev(t, d, "dev-1")
	checkInbox(t, d, first)
	checkDevClock(t, d)
	checkDevTokens(t, d)

	server := postmaster(dir)
	require.NotZero(t, server)
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.end(t), "%s", p.log)
	require.ErrorIs(t, syscall.Kill(server, 0), syscall.ESRCH, "PostgreSQL goes with it")

	p, again := startDev(t, dir)
	require.Equal(t, d.Credentials, again.Credentials, "what scripts keep stays valid")
	require.Equal(t, d.Accounts, again.Accounts)
	recoverInDev(t, again, "dev-2")

	server = postmaster(dir)
	require.NoError(t, p.cmd.Process.Kill())
	require.Error(t, p.end(t))
	require.Eventually(t, func() bool { return syscall.Kill(server, 0) != nil }, patience, 20*time.Millisecond, "and does not outlive even a kill -9")
}

// checkDevTokens gets an agent's token and has the issuer that it names tell its keys.
func checkDevTokens(t *testing.T, d devDescription) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.BaseURL+"/dev/tokens", strings.NewReader(`{"role":"agent","subject":"sam"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Timeout: patience}).Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, http.StatusOK, res.StatusCode)
	var said struct {
		Token  string `json:"token"`
		Type   string `json:"token_type"`
		Person string `json:"person"`
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&said))
	require.Equal(t, "Bearer", said.Type)
	require.Equal(t, credential.PersonID("sam@staff.example.com"), said.Person)
	issuer, ok := credential.PeekIssuer(said.Token)
	require.True(t, ok)
	status, body := get(t, issuer+"/.well-known/openid-configuration")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, issuer+"/jwks")
}

// recoverInDev starts a recovery of the first account and asks for a code; it gives the address that gets it.
func recoverInDev(t *testing.T, d devDescription, key string) (address string) {
	t.Helper()
	a := d.Accounts[0]
	api, err := client.NewClientWithResponses(d.BaseURL, client.WithBearer(d.Credentials.App))
	require.NoError(t, err)
	started, err := api.StartRecoveryWithResponse(t.Context(), &client.StartRecoveryParams{IdempotencyKey: client.QuoteKey(key + "-1")}, client.StartRequest{
		Identifier: client.Identifier{Type: client.IdentifierType(a.Identifier.Type), Value: a.Identifier.Value}, Reason: client.LostPassword,
	})
	require.NoError(t, err)
	require.NotNil(t, started.JSON201, "%s", started.Body)
	asked, err := api.CreateChallengeWithResponse(t.Context(), started.JSON201.ID, &client.CreateChallengeParams{IdempotencyKey: client.QuoteKey(key + "-2")},
		client.ChallengeRequest{Method: client.MethodEmail}, client.AsClaimant(started.JSON201.ClaimantToken))
	require.NoError(t, err)
	require.NotNil(t, asked.JSON201, "%s", asked.Body)
	identity, err := client.NewClientWithResponses(d.BaseURL, client.WithBearer(d.Credentials.Identity))
	require.NoError(t, err)
	got, err := identity.GetAccountStatusWithResponse(t.Context(), a.AccountRef)
	require.NoError(t, err)
	require.NotNil(t, got.JSON200, "%s", got.Body)
	return a.Channels[0].Address
}

// checkInbox reads the inbox as scripts do: newest first, by address, with the documented fields.
func checkInbox(t *testing.T, d devDescription, to string) {
	t.Helper()
	type message struct {
		ID      string    `json:"id"`
		At      time.Time `json:"at"`
		Channel string    `json:"channel"`
		To      string    `json:"to"`
		Kind    string    `json:"kind"`
		Subject string    `json:"subject"`
		Text    string    `json:"text"`
		Code    *string   `json:"code"`
		Links   []string  `json:"links"`
	}
	var inbox struct {
		Messages []message `json:"messages"`
	}
	var body string
	find := func(kind string) (message, bool) {
		for _, m := range inbox.Messages {
			if m.Kind == kind {
				return m, true
			}
		}
		return message{}, false
	}
	require.Eventually(t, func() bool {
		_, body = get(t, d.BaseURL+"/dev/inbox?to="+url.QueryEscape(to))
		strict := json.NewDecoder(strings.NewReader(body))
		strict.DisallowUnknownFields()
		inbox.Messages = nil
		require.NoError(t, strict.Decode(&inbox), body)
		_, code := find("recovery_code")
		_, started := find("recovery_started")
		return code && started
	}, patience, 50*time.Millisecond)
	code, _ := find("recovery_code")
	require.Regexp(t, `^\d{8}$`, *code.Code)
	require.Contains(t, code.Text, *code.Code)
	started, _ := find("recovery_started")
	require.Nil(t, started.Code)
	for i, m := range inbox.Messages {
		require.Equal(t, to, m.To)
		require.Equal(t, "email", m.Channel)
		require.NotNil(t, m.Links)
		require.NotEmpty(t, m.Subject)
		require.Equal(t, time.UTC, m.At.Location())
		require.True(t, i == 0 || !m.At.After(inbox.Messages[i-1].At.Add(time.Second)), "newest first")
	}
}

func checkDevClock(t *testing.T, d devDescription) {
	t.Helper()
	advance := func(body string) (int, time.Time) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.BaseURL+"/dev/clock", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req) //nolint:forbidigo // bounded by the test's context.
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		var out struct{ Now time.Time }
		_ = json.NewDecoder(res.Body).Decode(&out)
		return res.StatusCode, out.Now
	}
	status, before := advance(`{"advance":"1s"}`)
	require.Equal(t, http.StatusOK, status)
	for _, body := range []string{`{"advance":"72h"}`, fmt.Sprintf(`{"advance":%d}`, 72*3600)} {
		status, now := advance(body)
		require.Equal(t, http.StatusOK, status)
		require.WithinDuration(t, before.Add(72*time.Hour), now, time.Minute)
		before = now
	}
	for _, body := range []string{`{"advance":"-1h"}`, `{"advance":0}`, `{"advance":"soon"}`, `{"advance":"90000h"}`, `{}`} {
		status, _ := advance(body)
		require.GreaterOrEqual(t, status, 400, body)
		require.Less(t, status, 500, body)
	}
}
