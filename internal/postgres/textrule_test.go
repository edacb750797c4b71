package postgres_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/textrule"
)

// Of sixteen who read the same version, and each want something else, one is heard.
func TestTextRules_OfOneVersionHaveOneWinner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &textrule.Service{Store: postgres.NewTextRules(w.db), Installation: dispatch.DefaultTextRules().Ceiling()}
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() {
			_, errs[n] = s.Set(t.Context(), textrule.SetCommand{
				Tenant: "demo", Rules: textrule.Rules{Day: n + 1}, By: audit.Actor{Kind: audit.ActorClient, ID: "cli_1"},
			})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			require.Equal(t, fault.CodeConflict, fault.CodeOf(err), "%v", err)
		}
	}
	require.Equal(t, 1, won)
	v, err := s.Get(t.Context(), "demo")
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Version)
	_, err = s.Get(t.Context(), "nobody")
	require.Equal(t, fault.CodeNotFound, fault.CodeOf(err))
}

// A tenant's bound of a country holds also where what is verified would let its budget grow.
func TestReserveText_ATenantsBoundOfACountryHoldsAgainstGrowth(t *testing.T) {
	t.Parallel()
	p := newPump(t, func(r *dispatch.TextRules) { r.CountryDay, r.PrefixHour, r.CountryMost = 500, 500, 10 })
	require.Equal(t, 8, p.many(12, "DE", 12), "the last fifth is for numbers with a history")
	require.Equal(t, 12, p.many(12, "FR", 12)+4, "each country for itself")
}
