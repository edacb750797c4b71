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
