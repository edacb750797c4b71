package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

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
