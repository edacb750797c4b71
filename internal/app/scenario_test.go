package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
)

// The scenarios of requirements.md, section 4.5, through the public API. S3 and S10 are in owner_test.go, S8 is a race of a
// thousand rounds in package postgres.

// equipped registers ada with two mailboxes, a telephone, an authenticator and saved codes, all of age.
func equipped(t *testing.T, s *apptest.Service) (seed string, codes []string) {
	t.Helper()
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, Backup: backup, AAL: 2})
	seed = s.EnrolTOTP(t, "ada")
	codes = s.IssueCodes(t, "ada")
	s.Advance(t, 31*apptest.Day)
	return seed, codes
}

// objectWith objects by a link with a proof beside it.
func objectWith(t *testing.T, s *apptest.Service, token string, m client.EvidenceMethod, code string) apptest.Answer {
	t.Helper()
	return s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/objections", Body: client.ObjectionRequest{
		Token: token, Evidence: &client.Evidence{Method: m, Code: code},
	}})
}

// S1, R-104, T27: who has only the mailbox pauses the owner's claim. The owner learns that somebody objected, and not who, shows
// one thing more, and completes.
func TestS1_AMailboxThiefDelaysTheOwnerAndDoesNotStopThem(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	seed, codes := equipped(t, s)
	begun := s.Now(t)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true})
	c.ProveBy(t, client.MethodSms)
	held := c.Prove(t, client.MethodRecoveryCode, codes[0])
	require.Equal(t, client.StateCoolingOff, held.State)
	s.Advance(t, time.Hour)

	thief := s.Mail.Link(t, ada, notify.HoldEntered, 1)
	require.Equal(t, client.ObjectionOutcomePaused, apptest.Decode[client.Objection](t, s.Object(t, thief), http.StatusAccepted).Outcome)
	told := c.Read(t)
	require.Equal(t, client.StateContested, told.State)
	require.NotNil(t, told.Contest)
	require.Equal(t, []client.Method{client.MethodTotp}, told.Contest.StepUp)
	require.WithinDuration(t, s.Now(t).Add(72*time.Hour), told.Contest.PausedUntil, time.Minute)
	require.True(t, told.NotBefore.After(*held.NotBefore), "the new time")

	s.Advance(t, time.Hour)
	resumed := c.Prove(t, client.MethodTotp, s.TOTP(t, seed))
	require.Equal(t, client.StateCoolingOff, resumed.State)
	require.Nil(t, resumed.Contest)
	apptest.Refused(t, s.Object(t, thief), http.StatusUnprocessableEntity, client.ProblemCodeObjectionRefused)
	s.Advance(t, resumed.NotBefore.Sub(s.Now(t))+time.Minute)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	require.Less(t, s.Now(t).Sub(begun), 72*time.Hour+held.NotBefore.Sub(begun)+time.Hour)
}

// S2, T28: who has mailbox and telephone claims the account, which are one class. The owner ends it in the app in one step, and
// the means of the claim cool down. Neither the account nor a claim by other means is touched (I5).
func TestS2_TheOwnerKillsAThiefsClaimInOneStep(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	seed, codes := equipped(t, s)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true})
	c.ProveBy(t, client.MethodEmail)
	require.Equal(t, client.StateVerifying, c.ProveBy(t, client.MethodSms).State, "one class (R-003)")
	s.Mail.Await(t, ada, notify.RecoveryStarted, 1)

	o := apptest.Decode[client.Objections](t, s.Account(t, http.MethodPost, "ada", "/objections", client.AppObjectionRequest{
		Evidence: &client.Evidence{Method: client.EvidenceMethodTotp, Code: s.TOTP(t, seed)},
	}), http.StatusAccepted)
	require.Equal(t, client.ObjectionOutcomeVetoed, o.Objections[0].Outcome)
	require.Equal(t, client.StateVetoed, c.Read(t).State)
	s.Mail.Await(t, adaPhone, notify.RecoveryVetoed, 1)
	status := s.Status(t, "ada")
	require.Empty(t, status.Restrict)
	require.Equal(t, []client.Method{client.MethodEmail, client.MethodTotp, client.MethodRecoveryCode}, status.Means, "mailbox and telephone cool down, nothing else does")

	again := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	sent := len(s.Mail.To(ada, notify.RecoveryCode))
	again.Ask(t, client.MethodEmail)
	again.Prove(t, client.MethodTotp, s.TOTP(t, advanced(t, s, seed)))
	r := again.Prove(t, client.MethodRecoveryCode, codes[0])
	require.Equal(t, client.StateCoolingOff, r.State, "other evidence carries a new claim")
	require.Len(t, s.Mail.To(ada, notify.RecoveryCode), sent, "no code goes where the thief reads")

	s.Advance(t, 8*apptest.Day)
	require.Contains(t, s.Status(t, "ada").Means, client.MethodSms, "a suspicion ends by itself")
}

// advanced lets the authenticator show its next code.
func advanced(t *testing.T, s *apptest.Service, seed string) string {
	t.Helper()
	s.Advance(t, time.Minute)
	return seed
}

// S4, 4.2: both sides hold as much as can be held. Humans decide, at tier critical, and nobody gets in by waiting.
func TestS4_ATieOfTheStrongestGoesToHumans(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	seed, codes := equipped(t, s)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.ProveBy(t, client.MethodEmail)
	c.Prove(t, client.MethodRecoveryCode, codes[0])
	link := s.Mail.Link(t, adaPhone, notify.HoldEntered, 1)
	apptest.Decode[client.Objection](t, objectWith(t, s, link, client.EvidenceMethodTotp, s.TOTP(t, seed)), http.StatusAccepted)
	require.Equal(t, client.StateContested, c.Read(t).State)
	s.Advance(t, 73*time.Hour)
	require.Equal(t, client.StateAssisted, c.Read(t).State, "silence settles nothing")
	require.Equal(t, "critical", apptest.Query[string](t, s, `SELECT tier FROM recovery WHERE id = $1`, c.ID))
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
}

// changedAddress has a thief inside the account swap ada's mailbox for one of their own, and claim the account three days later
// by her telephone number.
func changedAddress(t *testing.T, s *apptest.Service) (*apptest.Claim, []string) {
	t.Helper()
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	codes := s.IssueCodes(t, "ada")
	s.Advance(t, 10*apptest.Day)
	swapped := s.Registration(t, apptest.Person{Ref: "ada", Email: "mallory@example.net", Phone: adaPhone})
	require.Equal(t, http.StatusOK, s.Account(t, http.MethodPut, "ada", "", swapped).Status)
	s.Mail.Await(t, ada, notify.ChannelRemoved, 1)
	s.Advance(t, 3*apptest.Day)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("mallory@example.net")})
	r := c.ProveBy(t, client.MethodSms)
	require.Equal(t, client.StateCoolingOff, r.State)
	require.GreaterOrEqual(t, r.NotBefore.Sub(s.Now(t)), 71*time.Hour, "an address changed lately")
	s.Mail.Link(t, ada, notify.HoldEntered, 1) // the old address hears of it
	settle(t, s)
	return c, codes
}

// S5, R-093, R-116, T32, T44: the owner takes the account back with the old address and a saved code, and the thief is put out.
func TestS5_AnOldAddressAndASavedCodeTakeTheAccountBack(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	c, codes := changedAddress(t, s)
	s.Advance(t, c.Read(t).NotBefore.Sub(s.Now(t))+time.Minute)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	completed := s.Now(t)
	link := s.Mail.Link(t, ada, notify.RecoveryCompleted, 1)
	erasure := s.Account(t, http.MethodDelete, "ada", "", nil)
	require.Equal(t, http.StatusAccepted, erasure.Status, "the thief would wipe the traces (R-189)")

	noted := apptest.Decode[client.Objection](t, s.Object(t, link), http.StatusAccepted)
	require.Equal(t, client.ObjectionOutcomeRecorded, noted.Outcome, "a link alone reverses nothing (I3)")
	require.True(t, s.Status(t, "ada").ReversalRequested)
	back := apptest.Decode[client.Objection](t, objectWith(t, s, link, client.EvidenceMethodRecoveryCode, codes[0]), http.StatusAccepted)
	require.Equal(t, client.ObjectionOutcomeReversed, back.Outcome)
	require.Equal(t, client.StateReversed, c.Read(t).State)
	for _, address := range []string{ada, adaPhone, "mallory@example.net"} {
		s.Mail.Await(t, address, notify.RecoveryReversed, 1)
	}

	status := s.Status(t, "ada")
	require.Len(t, status.Reversals, 1)
	require.Equal(t, c.ID, status.Reversals[0].RecoveryID)
	require.WithinDuration(t, completed, status.Reversals[0].Since, time.Minute)
	require.Equal(t, []string{"sessions", "credentials", "recovery_codes"}, status.Reversals[0].Revoke)
	require.Nil(t, status.ErasureQueuedAt, "the thief's wish is forgotten")
	require.Equal(t, []client.Method{client.MethodRecoveryCode}, status.Means, "neither the stolen number nor the new address counts")
	restored := s.Registration(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	require.Equal(t, http.StatusOK, s.Account(t, http.MethodPut, "ada", "", restored).Status, "the owner's account changes again")
}

// day 6, not day 8.
func TestS5_ARemovedAddressSpeaksForAWeek(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	c, codes := changedAddress(t, s)
	link := s.Mail.Link(t, ada, notify.HoldEntered, 1)
	s.Advance(t, 4*apptest.Day+time.Hour) // removed seven days ago
	apptest.Refused(t, objectWith(t, s, link, client.EvidenceMethodRecoveryCode, codes[0]), http.StatusUnprocessableEntity, client.ProblemCodeObjectionRefused)
	apptest.Refused(t, s.Object(t, link), http.StatusUnprocessableEntity, client.ProblemCodeObjectionRefused)
	require.Equal(t, client.StateReady, c.Read(t).State)
}

// S6, R-105, T29: what the owner's devices and the identity system do by themselves is no objection.
func TestS6_PassiveActivityChangesNothing(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	person := apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone}
	s.Register(t, person)
	registration := s.Registration(t, person)
	c, _ := held(t, s)
	settle(t, s)
	before := c.Read(t)
	for range 3 {
		s.Status(t, "ada")
		require.Equal(t, http.StatusOK, s.Account(t, http.MethodPut, "ada", "", registration).Status)
		require.Equal(t, http.StatusOK, s.Account(t, http.MethodGet, "ada", "", nil).Status)
	}
	require.Equal(t, before, c.Read(t))
}

// S7, R-036, R-103, T18: a scanner opens every link of every message, in every way that is not a person pressing the button.
func TestS7_OpeningEveryLinkChangesNothing(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c, _ := held(t, s)
	s.Mail.Await(t, ada, notify.HoldEntered, 1)
	s.Mail.Await(t, adaPhone, notify.HoldEntered, 1)
	settle(t, s)
	before, rows := c.Read(t), s.Rows(t)
	links := 0
	for _, m := range s.Mail.All() {
		for range m.Links {
			links++
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				// The fragment stays with whoever opens the link: this is all that a server sees of it.
				require.Equal(t, http.StatusOK, s.Do(t, apptest.Request{Method: method, Path: "/objection"}).Status)
			}
		}
	}
	require.GreaterOrEqual(t, links, 2)
	require.Equal(t, before, c.Read(t))
	require.Empty(t, grownBeside(rows, s.Rows(t)))
}

// S9, R-102: when no address takes the notice, the recovery is never ready; people have to look.
func TestS9_WithoutADeliveredNoticeNobodyGetsIn(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Mail.Before(func(_ context.Context, m notify.Message) error {
		if m.Kind.CarriesCode() {
			return nil
		}
		return &notify.Rejected{Reason: notify.ReasonBadAddress, Code: 550}
	})
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c, r := held(t, s)
	settle(t, s)
	s.Advance(t, r.NotBefore.Sub(s.Now(t))+time.Minute)
	require.Equal(t, client.StateAssisted, c.Read(t).State)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.ready'`))
}

// the owner's notices over a whole hold, on both kinds of channel.
func TestNotices_ComeAtTheirTimesOnEveryChannel(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), Reason: client.SuspectedTakeover, NewDevice: true})
	r := c.ProveBy(t, client.MethodEmail)
	hold := r.NotBefore.Sub(s.Now(t))
	require.Greater(t, hold, 71*time.Hour)
	everywhere := func(kind notify.Kind, nth int) {
		t.Helper()
		for _, address := range []string{ada, adaPhone} {
			m := s.Mail.Await(t, address, kind, nth)
			if kind.MayLink() {
				require.Len(t, m.Links, 1)
			}
		}
		settle(t, s)
		require.Len(t, s.Mail.To(adaPhone, kind), nth)
	}
	everywhere(notify.HoldEntered, 1)
	s.Advance(t, 35*time.Hour)
	require.Empty(t, s.Mail.To(adaPhone, notify.HoldReminder))
	s.Advance(t, 2*time.Hour)
	everywhere(notify.HoldReminder, 1)
	s.Advance(t, 22*time.Hour)
	require.Len(t, s.Mail.To(adaPhone, notify.HoldReminder), 1)
	s.Advance(t, 2*time.Hour)
	everywhere(notify.HoldReminder, 2)
	s.Advance(t, 12*time.Hour)
	everywhere(notify.HoldEnded, 1)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	everywhere(notify.RecoveryCompleted, 1)
	require.Equal(t, factor.SMS, s.Mail.To(adaPhone, notify.RecoveryCompleted)[0].Channel)
}
