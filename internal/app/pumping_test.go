package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
)

// owners registers people whose numbers differ in their last digits alone.
func (s *scene) owners(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		s.Register(t, apptest.Person{Ref: ref(i), Email: ref(i) + "@example.com", Phone: "+4477009002" + two(i)})
	}
}

func (s *scene) textTo(t *testing.T, i int) *apptest.Claim {
	t.Helper()
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ref(i) + "@example.com")})
	c.Ask(t, client.MethodSms)
	settle(t, s.Service)
	return c
}

// T11, R-061. Codes to a block of numbers that nobody types in, until the block is paused.
func TestSMSPumping_IsSeenAndThenTheCollapse(t *testing.T) {
	t.Parallel()
	s := newScene(t, apptest.WithEnv("HOLDFAST_TEXT_PREFIX_HOUR=100", "HOLDFAST_TEXT_COUNTRY_DAY=200"))
	s.owners(t, 30)
	for i := range 10 {
		s.textTo(t, i)
	}
	s.Advance(t, 4*time.Minute)
	require.Equal(t, []string{"SMSPumping"}, s.lookNow(t))
	for i := range 15 {
		s.textTo(t, 10+i)
	}
	s.Advance(t, 4*time.Minute)
	s.textTo(t, 26) // the next one is where the watch stops it
	require.Subset(t, s.lookNow(t), []string{"ConversionCollapse", "SMSPumping"})
}

// T11. People of one block of numbers who type their codes in.
func TestTexts_ThatComeBackRaiseNoAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t, apptest.WithEnv("HOLDFAST_TEXT_PREFIX_HOUR=100", "HOLDFAST_TEXT_COUNTRY_DAY=200"))
	s.owners(t, 24)
	for i := range 24 {
		c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ref(i) + "@example.com")})
		if i%2 == 0 {
			c.ProveBy(t, client.MethodSms)
		} else {
			c.Ask(t, client.MethodSms)
			settle(t, s.Service)
		}
	}
	s.Advance(t, 4*time.Minute)
	require.Empty(t, s.lookNow(t))
}

// A stopped country gets no code, before anything is sent; the claimant sees nothing of it, and notices go out.
func TestStopCountry_ActsBeforeTheCodeIsSentAndLeavesNoticesAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.owners(t, 2)
	made := s.raise(t, client.StopCountry, "GB")
	c := s.textTo(t, 0)
	require.Equal(t, "text_country_stopped", refusedText(t, s.Service, c))
	require.Empty(t, s.Mail.To("+447700900200", notify.RecoveryCode))
	require.Equal(t, client.StateCoolingOff, c.ProveBy(t, client.MethodEmail).State, "other methods go on")
	s.Mail.Await(t, "+447700900200", notify.HoldEntered, 1)
	s.lift(t, made.ID)
	s.Mail.Code(t, s.Start(t, apptest.Claimant{Identifier: apptest.Email(ref(1) + "@example.com")}).Ask(t, client.MethodSms).ID, 1)
}

// R-060, T11, T12. A day's budget that is nearly used up is told once a day and budget, the tenant's end wakes somebody, and both end
// when the day has slid on. Texts that stay well below raise nothing.
func TestTextBudgets_AreToldBeforeTheyEndAndWhenTheyDo(t *testing.T) {
	t.Parallel()
	s := newScene(t, apptest.WithEnv("HOLDFAST_TEXT_PREFIX_HOUR=100", "HOLDFAST_TEXT_COUNTRY_DAY=200", "HOLDFAST_TEXT_TENANT_DAY=10"))
	s.owners(t, 10)
	for i := range 6 {
		s.textTo(t, i)
	}
	require.Empty(t, s.lookNow(t), "six of ten")
	s.textTo(t, 6)
	require.Equal(t, []string{"TextBudgetLow"}, s.lookNow(t))
	low := s.alerts(t, "")[0]
	require.Equal(t, client.Warning, low.Severity)
	require.Equal(t, []int{7, 7}, []int{low.Count, low.Threshold})
	require.Equal(t, []client.AlertLabel{{Name: "budget", Value: "tenant"}, {Name: "budget_size", Value: "10"}}, low.Labels)
	s.textTo(t, 7)
	require.Equal(t, []string{"TextBudgetLow", "TextBudgetSpent"}, s.lookNow(t))
	require.Equal(t, "text_tenant_spent", refusedText(t, s.Service, s.textTo(t, 8)))
	s.lookNow(t)
	require.Len(t, s.alerts(t, ""), 2, "one alert a budget, however often it is found")
	require.Equal(t, client.Critical, s.alerts(t, "?detector=TextBudgetSpent")[0].Severity)

	s.Advance(t, 26*time.Hour)
	s.lookNow(t)
	s.Advance(t, 11*time.Minute)
	require.Empty(t, s.lookNow(t), "the day has slid on")
}

// The installation's budget is nobody's in particular: its alert is the fleet's, and it says nothing of tenants to one of them.
func TestTextBudget_OfTheInstallationIsTheFleetsAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t, apptest.WithEnv("HOLDFAST_TEXT_PREFIX_HOUR=100", "HOLDFAST_TEXT_COUNTRY_DAY=200", "HOLDFAST_TEXT_DAY=5"))
	s.owners(t, 6)
	for i := range 5 {
		s.textTo(t, i)
	}
	require.Equal(t, []string{"TextBudgetLow", "TextBudgetSpent"}, s.lookNow(t))
	require.Empty(t, s.alerts(t, ""))
	require.Equal(t, []string{"_fleet", "_fleet"}, apptest.Texts(t, s.Service, `SELECT tenant_id FROM alert`))
}
