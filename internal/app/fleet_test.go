package app_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
)

// at is the scene at another tenant, with people of its own and the same names.
func (s *scene) at(t *testing.T, tenant string, people int) *scene {
	t.Helper()
	other := &scene{Service: s.At(t, tenant), sre: s.sre}
	other.people(t, people)
	return other
}

// R-084, T14. Whoever tries two codes at each of many accounts and spreads them over tenants stays below what each of them would
// notice. The fleet's detector sees the sum, and every tenant is tightened, also one that was not tried.
func TestFleetCodeSpray_IsSeenOverTenantsWhereNoneOfThemSeesIt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 13)
	for _, at := range []*scene{s, s.at(t, "brand-b", 13)} {
		for i := range 13 {
			at.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodEmail, 2)
		}
	}
	require.Equal(t, []string{"FleetCodeSpray"}, s.look(t))
	require.Equal(t, []string{"_fleet critical 52 51"}, apptest.Texts(t, s.Service, `SELECT tenant_id || ' ' || severity || ' ' || count || ' ' || threshold FROM alert`))
	require.Empty(t, s.alerts(t, ""), "what other tenants suffer is not told to one of them")

	apart := s.at(t, "brand-c", 0)
	polls := 0
	require.Eventually(t, func() bool {
		polls++
		return apart.tier(t, apart.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("poll%d@example.com", polls))})) == "moderate"
	}, apptest.Patience, apptest.Patience/60)
}

// Three tenants with people who mistype a code once, and an office in one of them: more failures in all than the floor, each on its
// own account. And where a week of them is usual, two failures each are as well. R-084.
func TestMistakesAtSeveralTenants_RaiseNoAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 15)
	tenants := []*scene{s, s.at(t, "brand-b", 15), s.at(t, "brand-c", 15)}
	for _, at := range tenants {
		for i := range 15 {
			at.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodEmail, 1)
		}
	}
	require.Empty(t, s.look(t), "45 of them")
	_, err := s.Owner.Pool().Exec(t.Context(), `
		INSERT INTO abuse_hour SELECT b, 'failed', date_trunc('hour', holdfast_now()) - make_interval(hours => g), 120
		  FROM generate_series(1, 100) g, unnest('{acme,brand-b,brand-c}'::text[]) b`)
	require.NoError(t, err)
	for _, at := range tenants {
		for i := range 15 {
			at.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodTotp, 1)
		}
	}
	require.Empty(t, s.look(t), "90 in ten minutes, where 60 are usual")
}

// T21. The same list of addresses is tried at two tenants: at neither of them are there enough for a surge.
func TestFleetDecoySurge_IsSeenOverTenantsWhereNoneOfThemSeesIt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 2)
	other := s.at(t, "brand-b", 2)
	for i := range 25 {
		for _, at := range []*scene{s, other} {
			at.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("a%d@example.net", i))})
		}
	}
	for i := range 2 { // honest beside it
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(i))})
	}
	require.Equal(t, []string{"FleetDecoySurge"}, s.look(t))
	require.Equal(t, []string{"_fleet warning 50 50"}, apptest.Texts(t, s.Service, `SELECT tenant_id || ' ' || severity || ' ' || count || ' ' || threshold FROM alert`))
	require.Empty(t, s.alerts(t, ""))
}

// T21. Two busy tenants whose people mistype their address more often than fifty times in all, and still less often than not.
func TestMistypedAddressesAtSeveralTenants_RaiseNoAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 27)
	other := s.at(t, "brand-b", 27)
	for i := range 27 {
		for _, at := range []*scene{s, other} {
			at.Start(t, apptest.Claimant{Identifier: apptest.Email(email(i))})
			if i > 0 {
				at.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("a%d@example.net", i))})
			}
		}
	}
	require.Empty(t, s.look(t))
}
