package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/fault"
)

// Description is what dev.json says, for scripts: design.md, section 10.
type Description struct {
	BaseURL     string      `json:"base_url"`
	AdminURL    string      `json:"admin_url"`
	Tenant      string      `json:"tenant"`
	Credentials Credentials `json:"credentials"`
	Accounts    []Account   `json:"accounts"`
}

// Credentials are the demo clients' bearer tokens.
type Credentials struct {
	App      string `json:"app"`      // may start recoveries
	Identity string `json:"identity"` // may register accounts, read status, redeem grants and object
}

// Account is a seeded account with the secrets that its owner would have.
type Account struct {
	AccountRef    string     `json:"account_ref"`
	Population    string     `json:"population"`
	Identifier    Identifier `json:"identifier"`
	Channels      []Channel  `json:"channels"`
	TOTPSecret    string     `json:"totp_secret,omitempty"` // base32
	RecoveryCodes []string   `json:"recovery_codes,omitempty"`
}

// Identifier is what the account's owner would type.
type Identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Channel is an address on file.
type Channel struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

const fileName = "dev.json"

// describe writes dev.json and prints what to try.
func (d *instance) describe(l app.Listening) error {
	out := &d.description
	out.BaseURL, out.AdminURL = reachable(l.Public), reachable(l.Admin)
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fault.Wrap(err, "encode dev.json")
	}
	path := filepath.Join(d.dataDir, fileName)
	if err := writeFile(path, append(text, '\n')); err != nil {
		return fault.Wrap(err, "write dev.json")
	}
	if !d.Quiet {
		d.say(nextSteps(*out, path))
	}
	return nil
}

// remembered reads dev.json of an earlier start: the only place where the demo's secrets stand in clear.
func (d *instance) remembered() (Description, error) {
	var out Description
	text, err := os.ReadFile(filepath.Join(d.dataDir, fileName))
	if errors.Is(err, os.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, fault.Wrap(err, "read dev.json")
	}
	return out, fault.Wrap(json.Unmarshal(text, &out), "read dev.json")
}

// reachable writes a listener's address as a URL on this machine.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// nextSteps is what a person reads after `make run`.
func nextSteps(d Description, path string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	a := d.Accounts[0]
	p("")
	p("Holdfast is up.")
	p("")
	p("  API        %s/v1        reference: %s/docs", d.BaseURL, d.BaseURL)
	p("  Inbox      %s/dev/inbox  every mail and text message lands here", d.BaseURL)
	p("  Admin      %s/readyz    metrics: %s/metrics", d.AdminURL, d.AdminURL)
	p("  Tenant     %s, with %d accounts; credentials and secrets are in %s", d.Tenant, len(d.Accounts), path)
	p("")
	p("Try it: start a recovery of %s, read its code in the inbox, answer.", a.Identifier.Value)
	p("")
	p("  APP=%s", d.Credentials.App)
	p("  curl -s %s/v1/recoveries -H \"Authorization: Bearer $APP\" -H 'Content-Type: application/json' \\", d.BaseURL)
	p("    -H 'Idempotency-Key: \"try-1\"' -d '{\"identifier\":{\"type\":\"%s\",\"value\":\"%s\"},\"reason\":\"lost_password\",\"client\":{\"user_agent\":\"curl\",\"known_device\":true,\"ip\":\"203.0.113.7\"}}'", a.Identifier.Type, a.Identifier.Value)
	p("  RCV=rcv_…   TOKEN=hfc_…   # from the answer")
	p("  curl -s %s/v1/recoveries/$RCV/challenges -H \"Authorization: Bearer $APP\" -H \"Holdfast-Claimant: $TOKEN\" \\", d.BaseURL)
	p("    -H 'Content-Type: application/json' -H 'Idempotency-Key: \"try-2\"' -d '{\"method\":\"email\"}'")
	p("  curl -s '%s/dev/inbox?to=%s' -H 'Accept: application/json'", d.BaseURL, a.Channels[0].Address)
	p("")
	p("People of the company sign in at a development issuer. A token for an agent, and one for an approver with a fresh sign-in:")
	p("")
	p("  curl -s %s/dev/tokens -H 'Content-Type: application/json' -d '{\"role\":\"agent\",\"subject\":\"sam\"}'", d.BaseURL)
	p("  curl -s %s/dev/tokens -H 'Content-Type: application/json' -d '{\"role\":\"approver\",\"subject\":\"ruth\"}'", d.BaseURL)
	p("")
	p("Roles are agent, approver, auditor, operator and security; \"signed_in_ago\":\"1h\" makes a sign-in stale, \"tenants\" chooses whom they serve.")
	p("")
	p("`make demo` walks whole recoveries and tells what happens. Ctrl-C stops everything; the data stays in %s.", filepath.Dir(path))
	return b.String()
}
