package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

func TestListEvents_GivesPagesThatDoNotMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for _, ref := range []string{"u-1", "u-2", "u-3", "u-4", "u-5"} {
		ids = append(ids, w.put(ada("demo", ref)).ID)
	}
	w.put(ada("other", "u-1"))

	first, cursor, err := w.db.ListEvents(t.Context(), postgres.EventFilter{Tenant: "demo", Limit: 2})
	require.NoError(t, err)
	require.Equal(t, []string{ids[4], ids[3]}, subjects(first), "newest first")
	w.put(ada("demo", "u-6"))
	rest, end, err := w.db.ListEvents(t.Context(), postgres.EventFilter{Tenant: "demo", Cursor: cursor})
	require.NoError(t, err)
	require.Equal(t, []string{ids[2], ids[1], ids[0]}, subjects(rest))
	require.Empty(t, end)

	e := first[1]
	require.Equal(t, audit.Actor{Kind: audit.ActorClient, ID: "cli_test"}, e.Actor)
	require.Equal(t, audit.AccountRegistered, e.Action)
	require.EqualValues(t, 2, e.Details["channels"])
	for name, f := range map[string]postgres.EventFilter{
		"subject": {Tenant: "demo", Subject: ids[3]},
		"time":    {Tenant: "demo", From: e.At, To: first[0].At},
	} {
		got, _, err := w.db.ListEvents(t.Context(), f)
		require.NoError(t, err, name)
		require.Equal(t, []string{ids[3]}, subjects(got), name)
	}
	for name, f := range map[string]postgres.EventFilter{
		"another action":   {Tenant: "demo", Action: audit.AccountErased},
		"another recovery": {Tenant: "demo", Recovery: "rcv_1"},
		"the future":       {Tenant: "demo", From: time.Now().Add(time.Hour)},
		"another tenant":   {Tenant: "nobody"},
	} {
		got, _, err := w.db.ListEvents(t.Context(), f)
		require.NoError(t, err, name)
		require.Empty(t, got, name)
	}
	for _, f := range []postgres.EventFilter{{}, {Tenant: "demo", Cursor: "x"}, {Tenant: "demo", Limit: 1001}} {
		_, _, err := w.db.ListEvents(t.Context(), f)
		requireFault(t, fault.CodeInvalidRequest, err)
	}
}

func subjects(events []audit.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Subject)
	}
	return out
}

func TestCreateTenant_IsOnceAndReadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want, err := w.db.CreateTenant(t.Context(), postgres.Tenant{ID: "shop", Name: "Shop", SupportContact: "help@example.com", Locale: "de"})
	require.NoError(t, err)
	got, err := w.db.Tenant(t.Context(), "shop")
	require.NoError(t, err)
	require.Equal(t, want, got)
	all, err := w.db.Tenants(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 3)
	_, err = w.db.CreateTenant(t.Context(), postgres.Tenant{ID: "shop", Name: "Other"})
	requireFault(t, fault.CodeConflict, err)
	_, err = w.db.Tenant(t.Context(), "nobody")
	requireFault(t, fault.CodeNotFound, err)
	for _, bad := range []postgres.Tenant{{ID: "Shop", Name: "x"}, {ID: "s", Name: ""}, {ID: "s", Name: "a\nb"}, {ID: "s", Name: "x", Locale: "de; DROP"}} {
		_, err := w.db.CreateTenant(t.Context(), bad)
		requireFault(t, fault.CodeInvalidRequest, err)
	}
}
