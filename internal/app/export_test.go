package app

import (
	"context"
	"net/netip"

	"github.com/holdfast/holdfast/internal/credential"
)

// SeeCredential plays a request of a client from an address.
func (a *App) SeeCredential(who *credential.Principal, from netip.Addr) { a.seen.add(who, from) }

// FlushSightings writes down what was seen, as each node does every few seconds.
func (a *App) FlushSightings(ctx context.Context) error { return a.seen.flush(ctx, a.Abuse.store.See) }

// TellAlertmanager tells what is live, as each node does every few seconds.
func (a *App) TellAlertmanager(ctx context.Context) (bool, error) { return a.tellAlertmanager(ctx) }

// Forget does one round of what retention asks for, as each working node does every minute.
func (a *App) Forget(ctx context.Context) error {
	for _, l := range a.retentionLoops() {
		if _, err := l.Work(ctx); err != nil {
			return err
		}
	}
	return nil
}
