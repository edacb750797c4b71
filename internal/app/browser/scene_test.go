//go:build browser

package browser_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
)

const (
	ada      = "ada@example.com"
	adaPhone = "+447700900123"
)

// scene is an owner with a claim against her account, and the link that she got.
type scene struct {
	*apptest.Service
	t     testing.TB
	claim *apptest.Claim
	seed  string   // of her authenticator app
	codes []string // her saved codes; the claim has used the first
	link  string   // the token of the notice that went to her telephone
}

// held brings a claim with a mailed and a saved code into the hold. Addresses that are young enough make it weaker than an
// authenticator app (E1); older ones as strong as claims get (E3).
func held(t testing.TB, strong bool) *scene {
	t.Helper()
	s := &scene{Service: apptest.New(t), t: t}
	age := 10 * apptest.Day
	if strong {
		age = 60 * apptest.Day
	}
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, AAL: 2, Aged: age})
	s.seed = s.EnrolTOTP(t, "ada")
	s.Advance(t, 8*apptest.Day)
	s.codes = s.IssueCodes(t, "ada")
	if strong {
		s.Advance(t, 31*apptest.Day)
	}
	s.claim = s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	s.claim.ProveBy(t, client.MethodEmail)
	require.Equal(t, client.StateCoolingOff, s.claim.Prove(t, client.MethodRecoveryCode, s.codes[0]).State)
	s.link = s.Mail.Link(t, adaPhone, notify.HoldEntered, 1)
	s.Mail.Await(t, ada, notify.HoldEntered, 1)
	return s
}

// completed lets the claim through: somebody is in.
func (s *scene) completed() {
	s.t.Helper()
	s.Advance(s.t, s.claim.Read(s.t).NotBefore.Sub(s.Now(s.t))+time.Minute)
	s.claim.Await(s.t, client.StateReady)
	require.Equal(s.t, http.StatusOK, s.Redeem(s.t, s.claim.Grant(s.t).Grant).Status)
	s.link = s.Mail.Link(s.t, adaPhone, notify.RecoveryCompleted, 1)
}

// open opens the owner's link.
func (s *scene) open(d device) *window {
	s.t.Helper()
	w := open(s.t, d)
	w.visit(s.Base + "/objection#" + s.link)
	return w
}

// state is where the claim stands.
func (s *scene) state() client.State {
	s.t.Helper()
	return s.claim.Read(s.t).State
}

// refusals is how many wrong codes in a row are counted.
func (s *scene) refusals(method string) int {
	s.t.Helper()
	return apptest.Query[int](s.t, s.Service, `SELECT coalesce(max(consecutive), 0)::int FROM attempt_counter WHERE kind = $1`, method)
}

// settle waits until no message is under way.
func (s *scene) settle() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		return apptest.Query[int](s.t, s.Service, `SELECT count(*) FROM river.river_job WHERE finalized_at IS NULL`) == 0
	}, apptest.Patience, 20*time.Millisecond)
}
