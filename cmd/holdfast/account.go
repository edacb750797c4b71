package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
)

type accountCmd struct {
	Import accountImportCmd `cmd:"" help:"Import accounts from newline-delimited JSON."`
}

type accountImportCmd struct {
	File   string `arg:"" help:"The file, one account a line; - for standard input."`
	Tenant string `required:"" help:"The tenant they belong to."`
	JSON   bool   `help:"Print the report as JSON."`
}

// Help shows what a line looks like.
func (accountImportCmd) Help() string {
	return `One JSON object a line, as PUT /v1/accounts/{account_ref} takes it, with account_ref in it:
{"account_ref":"u1","population":"consumer","identifiers":[{"type":"email","value":"u1@example.com"}],
 "channels":[{"type":"email","address":"u1@example.com","verified_at":"2025-01-02T03:04:05Z"}],"assurance":{"aal":1,"ial":0},"locale":"en"}
A bad line is reported by its number and the rest goes in. Safe to repeat. Memory stays bounded, whatever the size. Exit code 3 when a line was refused.`
}

// Run imports and shows a progress line.
func (c accountImportCmd) Run(e *env) error {
	in := e.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fault.Wrap(err, "open import")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return e.withAccounts(func(accounts *account.Service) error {
		start := clock.System{}.Now()
		report, err := accounts.Import(e.ctx, account.ImportCommand{
			Caller: account.Caller{Tenant: c.Tenant, Client: operator().ID, Operator: true},
			Body:   bufio.NewReaderSize(in, 1<<20),
			Progress: func(r account.ImportReport) {
				_, _ = fmt.Fprintf(e.err, "\r%s", progressLine(r, clock.System{}.Now().Sub(start)))
			},
		})
		_, _ = fmt.Fprintf(e.err, "\r%s\n", progressLine(report, clock.System{}.Now().Sub(start)))
		if err != nil {
			return err
		}
		return c.print(e.out, report)
	})
}

func progressLine(r account.ImportReport, took time.Duration) string {
	return fmt.Sprintf("%d lines, %d imported, %d replaced, %d refused, %.0f/s", r.Lines, r.Imported, r.Replaced, r.Refused, float64(r.Lines)/max(took.Seconds(), 0.001))
}

func (c accountImportCmd) print(w io.Writer, r account.ImportReport) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	for _, bad := range r.Errors {
		_, _ = fmt.Fprintf(w, "line %d: %s: %s\n", bad.Line, bad.Code, bad.Detail)
	}
	if int64(len(r.Errors)) < r.Refused {
		_, _ = fmt.Fprintf(w, "… and %d more refused lines\n", r.Refused-int64(len(r.Errors)))
	}
	if r.Refused > 0 {
		return errCheckFailed
	}
	return nil
}

// withAccounts runs an operator's command on the accounts.
func (e *env) withAccounts(fn func(*account.Service) error) error {
	cfg, err := e.config(nil, config.ForOperating)
	if err != nil {
		return err
	}
	keys, err := app.ReadKeys(cfg)
	if err != nil {
		return err
	}
	return e.withDB(func(db *postgres.DB) error {
		accounts, err := app.NewAccounts(db, keys)
		if err != nil {
			return err
		}
		return fn(accounts)
	})
}

type keyringCmd struct {
	Generate keyringGenerateCmd `cmd:"" help:"Print a new keyring (JSON). Keep it secret, and keep a copy: without it nothing opens."`
	Rotate   keyringRotateCmd   `cmd:"" help:"Print the keyring with a new primary key; old ones stay, so that everything still opens."`
	Rewrap   keyringRewrapCmd   `cmd:"" help:"Bring every account under the primary key, so that an old one can be retired."`
}

type keyringGenerateCmd struct{}

// Run prints a new keyring.
func (keyringGenerateCmd) Run(e *env) error {
	k, err := secret.GenerateKeyring(rand.Reader)
	if err != nil {
		return err
	}
	if k, _, err = k.StageTokens(rand.Reader); err != nil {
		return err
	}
	return e.printKeyring(k)
}

type keyringRotateCmd struct {
	Stage   bool   `help:"Only add the new key; promote it once every node knows it."`
	Promote string `help:"Make a staged key the primary one, by its id."`
	Tokens  bool   `help:"The key that Security Event Tokens are signed with, in place of the root key. Receivers learn a staged one from the JWKS."`
}

// rotated is the changed keyring.
func (c keyringRotateCmd) rotated(k *secret.Keyring) (next *secret.Keyring, err error) {
	switch {
	case c.Tokens && c.Promote != "":
		return k.PromoteTokens(c.Promote)
	case c.Tokens && c.Stage:
		next, _, err = k.StageTokens(rand.Reader)
	case c.Tokens:
		return k.RotateTokens(rand.Reader)
	case c.Promote != "":
		return k.Promote(c.Promote)
	case c.Stage:
		next, _, err = k.Stage(rand.Reader)
	default:
		return k.Rotate(rand.Reader)
	}
	return next, err
}

// Run prints the changed keyring; the configured one is not touched.
func (c keyringRotateCmd) Run(e *env) error {
	cfg, err := e.config(nil)
	if err != nil {
		return err
	}
	k, err := app.ReadKeys(cfg)
	if err != nil {
		return err
	}
	if k, err = c.rotated(k); err != nil {
		return err
	}
	return e.printKeyring(k)
}

func (e *env) printKeyring(k *secret.Keyring) error {
	text, err := k.Reveal()
	if err != nil {
		return err
	}
	e.printf("%s\n", text)
	return nil
}
