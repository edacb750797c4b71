package main

import (
	"fmt"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/signal"
)

type keyringRewrapCmd struct {
	Batch int `default:"500" help:"Accounts per transaction, 1 to 5000."`
}

// Help tells when to run it.
func (keyringRewrapCmd) Help() string {
	return `After a rotation: walks all accounts, wraps their data keys with the primary key and hashes their names under it, and seals the keys of
webhooks anew. Safe to interrupt and to repeat. Saved codes keep the key that they were hashed under, so keep an old key while codes of its time are out.`
}

// Run rewraps and shows progress.
func (c keyringRewrapCmd) Run(e *env) error {
	err := e.withEndpoints(func(s *signal.Endpoints) error {
		done, err := s.Rewrap(e.ctx)
		_, _ = fmt.Fprintf(e.err, "%d webhooks brought under the primary key\n", done)
		return err
	})
	if err != nil {
		return err
	}
	return e.withAccounts(func(accounts *account.Service) error {
		done, err := accounts.Rewrap(e.ctx, min(max(c.Batch, 1), 5000))
		_, _ = fmt.Fprintf(e.err, "%d accounts brought under the primary key\n", done)
		return err
	})
}
