package main

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/workforce"
)

type workforceCmd struct {
	Show  workforceShowCmd  `cmd:"" help:"Print the providers and rules in force, with every default."`
	Check workforceCheckCmd `cmd:"" help:"Judge an access token and explain what it would allow. The token is not printed."`
}

// errNoWorkforce is for installations where nobody signs in.
var errNoWorkforce = errors.New("HOLDFAST_WORKFORCE_FILE is not set: nobody may sign in")

// staff reads the document.
func (e *env) staff(cfg config.Config) (workforce.Config, error) {
	if cfg.Workforce.File == "" {
		return workforce.Config{}, errNoWorkforce
	}
	return app.LoadWorkforce(cfg)
}

type workforceShowCmd struct{}

// Run prints the document with its defaults.
func (workforceShowCmd) Run(e *env) error {
	cfg, err := e.config(nil)
	if err != nil {
		return err
	}
	c, err := e.staff(cfg)
	if err != nil {
		return err
	}
	text, err := c.Render()
	if err != nil {
		return fault.Wrap(err, "render")
	}
	e.printf("%s", text)
	return nil
}

type workforceCheckCmd struct {
	File string `arg:"" help:"File with the token, or - for standard input: never an argument, which others can see."`
}

// Help tells what is needed.
func (workforceCheckCmd) Help() string {
	return `Needs HOLDFAST_WORKFORCE_FILE, a database (its clock judges) and a way to the token's issuer. The exit status is 3 for a token
that would be refused.`
}

// Run judges the token.
func (c workforceCheckCmd) Run(e *env) error {
	token, err := e.readToken(c.File)
	if err != nil {
		return err
	}
	cfg, err := e.config(nil)
	if err != nil {
		return err
	}
	staff, err := e.staff(cfg)
	if err != nil {
		return err
	}
	return e.withDB(func(db *postgres.DB) error {
		people, err := app.NewPeople(db, staff)
		if err != nil {
			return err
		}
		if !people.Claims(token) {
			e.printf("refused: it is no JWT of a configured issuer\n")
			return errCheckFailed
		}
		who, err := people.Authenticate(e.ctx, token)
		if err != nil {
			e.printf("refused: %s\n", err)
			return errCheckFailed
		}
		e.printPerson(who, staff.StepUp.Rule())
		return nil
	})
}

// readToken reads one token, with or without "Bearer" before it.
func (e *env) readToken(name string) (string, error) {
	in := e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", fault.Wrap(err, "open the token's file")
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return "", fault.Wrap(err, "read the token")
	}
	return strings.TrimPrefix(strings.TrimSpace(string(text)), "Bearer "), nil
}

func (e *env) printPerson(p credential.Principal, rule credential.StepUp) {
	s := p.Staff
	e.printf("accepted, until %s\n", moment(p.ExpiresAt))
	e.printf("issuer    %s\n", s.Issuer)
	e.printf("person    %s (what the audit trail calls them)\n", s.Person)
	e.printf("roles     %s\n", orNone(join(s.Roles)))
	e.printf("tenants   %s\n", orNone(join(s.Tenants)))
	e.printf("scopes    %s\n", orNone(join(p.Scopes)))
	signedIn := "unknown"
	if !s.AuthenticatedAt.IsZero() {
		signedIn = moment(s.AuthenticatedAt)
	}
	e.printf("signed in %s, acr %s, amr %s\n", signedIn, orNone(s.ACR), orNone(join(s.AMR)))
	if rule.Fresh(p) {
		e.printf("step-up   met: it may decide now\n")
		return
	}
	e.printf("step-up   not met: it wants a sign-in within %s, and acr of %s or amr of %s\n", rule.MaxAge, orNone(join(rule.ACR)), orNone(join(rule.AMR)))
}

func join[T ~string](items []T) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = string(item)
	}
	return strings.Join(texts, ", ")
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
