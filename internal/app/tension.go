package app

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

// tension is what this node knows of guessing and probing under way: read with every decision, refreshed every few seconds.
// While the database does not answer it keeps what it knew. It is safe for concurrent use.
type tension struct {
	db    *postgres.DB
	known atomic.Pointer[map[string]tense]
}

// tense is what is under way at one tenant.
type tense struct {
	guessed bool
	probing []string
}

func newTension(db *postgres.DB) *tension {
	t := &tension{db: db}
	t.known.Store(&map[string]tense{})
	return t
}

// refresh reads the live alerts.
func (t *tension) refresh(ctx context.Context) error {
	found, err := t.db.LiveFindings(ctx)
	if err != nil {
		return fault.Wrap(err, "read findings")
	}
	known := map[string]tense{}
	for _, f := range found {
		x := known[f.Tenant]
		if f.Detector == "SourceDecoySurge" {
			x.probing = append(x.probing, f.Key)
		} else {
			x.guessed = true
		}
		known[f.Tenant] = x
	}
	t.known.Store(&known)
	return nil
}

// at is what is under way at a tenant, or everywhere.
func (t *tension) at(tenant string) tense {
	known := *t.known.Load()
	fleet, own := known[abuse.Fleet], known[tenant]
	return tense{guessed: fleet.guessed || own.guessed, probing: slices.Concat(fleet.probing, own.probing)}
}
