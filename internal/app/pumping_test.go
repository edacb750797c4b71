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
