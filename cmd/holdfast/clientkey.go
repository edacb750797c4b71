package main

import (
	"os"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/credential/assertion"
	"github.com/holdfast/holdfast/internal/fault"
)

type clientKeyCmd struct {
	Add    clientKeyAddCmd    `cmd:"" help:"Register public keys by which a client signs assertions."`
	List   clientKeyListCmd   `cmd:"" help:"List a client's keys with their expiry and last use."`
	Remove clientKeyRemoveCmd `cmd:"" help:"End a key at once."`
}

type clientKeyAddCmd struct {
	Client string        `arg:"" help:"The client's id (cli_…)."`
	File   string        `arg:"" help:"Its public keys: a JWK set, a JWK, or PEM. Ed25519, P-256 or RSA of 2048 to 4096 bits."`
	Tenant string        `required:"" help:"Its tenant."`
	Life   time.Duration `default:"2160h" help:"How long the keys live, up to 9600h (400 days)."`
}

// Run registers the keys.
func (c clientKeyAddCmd) Run(e *env) error {
	keys, err := readKeys(c.File)
	if err != nil {
		return err
	}
	return e.withClients(func(clients *credential.Clients) error {
		_, err := clients.AddKeys(e.ctx, credential.AddKeysCommand{Tenant: c.Tenant, Client: c.Client, Keys: keys, Lifetime: c.Life, By: operator()})
		if err != nil {
			return err
		}
		for _, k := range keys {
			e.printf("key  %s, %s\n", k.ID, k.Algorithm)
		}
		e.printf("The client may call by assertions of type %s that name the kid, and keep no credential: revoke those that it does not need.\n", assertion.Type)
		return nil
	})
}

func readKeys(file string) ([]credential.PublicKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(err, "read the keys")
	}
	return assertion.ParseKeys(text)
}

type clientKeyListCmd struct {
	Client string `arg:"" help:"The client's id (cli_…)."`
	Tenant string `required:"" help:"Its tenant."`
}

// Run lists the keys.
func (c clientKeyListCmd) Run(e *env) error {
	return e.withClients(func(clients *credential.Clients) error {
		all, err := clients.ListClients(e.ctx, c.Tenant)
		if err != nil {
			return err
		}
		for _, x := range all {
			if x.ID != c.Client {
				continue
			}
			w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
			t := &env{out: w}
			t.printf("KEY\tALGORITHM\tEXPIRES\tLAST USED\tREMOVED\n")
			for _, k := range x.Keys {
				t.printf("%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.ExpiresAt.Format(time.RFC3339), moment(k.LastUsedAt), moment(k.RevokedAt))
			}
			return w.Flush()
		}
		return fault.Of(fault.CodeNotFound)
	})
}

type clientKeyRemoveCmd struct {
	Client string `arg:"" help:"The client's id (cli_…)."`
	Key    string `arg:"" help:"The key's kid."`
	Tenant string `required:"" help:"Its tenant."`
}

// Run ends the key.
func (c clientKeyRemoveCmd) Run(e *env) error {
	return e.withClients(func(clients *credential.Clients) error {
		err := clients.RemoveKey(e.ctx, credential.RemoveKeyCommand{Tenant: c.Tenant, Client: c.Client, Key: c.Key, By: operator()})
		if err != nil {
			return err
		}
		e.printf("removed; every node heeds it at once\n")
		return nil
	})
}
