package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
)

// R-015 R-033 R-098 R-099.
func TestAnAccount_LivesAndIsErased(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	apptest.Refused(t, s.Account(t, http.MethodGet, "ada", "", nil), http.StatusNotFound, client.ProblemCodeNotFound)
	registration := s.Registration(t, apptest.Person{Email: ada, Phone: adaPhone, AAL: 2})
	made := apptest.Decode[client.Account](t, s.Account(t, http.MethodPut, "ada", "", registration), http.StatusCreated)
	require.Equal(t, registration.Identifiers, made.Identifiers)
	require.Len(t, made.Channels, 2)
	require.False(t, s.Status(t, "ada").RecoveryReady, "two addresses are one kind of proof")

	seed := s.EnrolTOTP(t, "ada")
	codes := s.IssueCodes(t, "ada")
	require.Len(t, codes, 10)
	s.Mail.Await(t, ada, notify.FactorAdded, 1)
	s.Mail.Await(t, adaPhone, notify.CodesIssued, 1)
	got := apptest.Decode[client.Account](t, s.Account(t, http.MethodGet, "ada", "", nil), http.StatusOK)
	require.Len(t, got.Factors, 1)
	require.NotNil(t, got.Factors[0].ConfirmedAt)
	require.Equal(t, 10, got.RecoveryCodesLeft)
	status := s.Status(t, "ada")
	require.True(t, status.RecoveryReady)
	require.Equal(t, client.Methods{"email", "sms", "totp", "recovery_code"}, status.Means)

	again := s.Account(t, http.MethodPut, "ada", "", registration)
	require.Equal(t, http.StatusOK, again.Status, again.Body)
	replaced := apptest.Decode[client.Account](t, again, http.StatusOK)
	require.Equal(t, made.Channels, replaced.Channels, "an address that stays keeps its age")

	registration.Channels = registration.Channels[:1]
	require.Equal(t, http.StatusOK, s.Account(t, http.MethodPut, "ada", "", registration).Status)
	s.Mail.Await(t, adaPhone, notify.ChannelRemoved, 1)
	s.Mail.Await(t, ada, notify.ChannelRemoved, 1)
	require.Equal(t, http.StatusNoContent, s.Account(t, http.MethodDelete, "ada", "/factors/"+got.Factors[0].ID, nil).Status)
	s.Mail.Await(t, ada, notify.FactorRemoved, 1)

	taken := s.Account(t, http.MethodPut, "eve", "", s.Registration(t, apptest.Person{Email: ada}))
	apptest.Refused(t, taken, http.StatusConflict, client.ProblemCodeIdentifierTaken)
	require.Equal(t, http.StatusNoContent, s.Account(t, http.MethodDelete, "ada", "", nil).Status)
	for _, a := range []apptest.Answer{
		s.Account(t, http.MethodDelete, "ada", "", nil), s.Account(t, http.MethodGet, "ada", "", nil), s.Account(t, http.MethodGet, "ada", "/status", nil),
	} {
		apptest.Refused(t, a, http.StatusNotFound, client.ProblemCodeNotFound)
	}
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	apptest.Refused(t, c.Answer(t, c.Ask(t, client.MethodTotp).ID, s.TOTP(t, seed)), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)
	apptest.Refused(t, c.Answer(t, c.Ask(t, client.MethodRecoveryCode).ID, codes[0]), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)
	require.Equal(t, http.StatusCreated, s.Account(t, http.MethodPut, "eve", "", s.Registration(t, apptest.Person{Email: ada})).Status)
}

// R-092 R-189. While a claim that showed its proofs is being settled, and in probation, the account stays as it is.
func TestAnAccountUnderRecovery_IsFrozen(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	person := apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone}
	s.Register(t, person)
	registration := s.Registration(t, person)
	changes := func() []apptest.Answer {
		fewer := registration
		fewer.Channels = registration.Channels[:1]
		return []apptest.Answer{
			s.Account(t, http.MethodPut, "ada", "", fewer),
			s.Account(t, http.MethodPost, "ada", "/recovery-codes", nil),
			s.Account(t, http.MethodPost, "ada", "/factors", client.EnrolRequest{Type: client.FactorTypeTotp}),
		}
	}
	started := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	started.Ask(t, client.MethodEmail)
	require.Equal(t, http.StatusOK, s.Account(t, http.MethodPut, "ada", "", registration).Status, "a mere start freezes nothing (R-040)")
	require.Empty(t, s.Status(t, "ada").Restrict)

	c, r := held(t, s)
	settle(t, s)
	before := s.Rows(t)
	for _, a := range changes() {
		apptest.Refused(t, a, http.StatusConflict, client.ProblemCodeRecoveryOpen)
	}
	delete(before, "river.river_job") // the hold's notices may be on their way
	require.Empty(t, grownBeside(before, s.Rows(t), "river.river_job", "public.audit_event", "public.audit_personal", "public.idempotency"))
	require.NotEmpty(t, s.Status(t, "ada").Restrict)

	s.Advance(t, r.NotBefore.Sub(s.Now(t))+1)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	for _, a := range changes() {
		apptest.Refused(t, a, http.StatusConflict, client.ProblemCodeRecoveryOpen)
	}
	queued := apptest.Decode[client.QueuedErasure](t, s.Account(t, http.MethodDelete, "ada", "", nil), http.StatusAccepted)
	require.Equal(t, client.Queued, queued.Erasure)
	s.Mail.Await(t, adaPhone, notify.ErasureQueued, 1)
	require.NotNil(t, s.Status(t, "ada").ErasureQueuedAt)
	s.Advance(t, 8*apptest.Day)
	_, err := s.App.Accounts.EraseDue(t.Context(), 10)
	require.NoError(t, err)
	apptest.Refused(t, s.Account(t, http.MethodGet, "ada", "", nil), http.StatusNotFound, client.ProblemCodeNotFound)
}

// grownBeside is apptest.Grown without the tables named.
func grownBeside(before, after map[string]int, but ...string) map[string]int {
	grown := apptest.Grown(before, after)
	for _, name := range but {
		delete(grown, name)
	}
	return grown
}

// A bad line in the middle is reported by its number, and the rest goes in.
func TestAnImport_ReportsBadLinesAndTakesTheRest(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	line := func(i int) string {
		return fmt.Sprintf(`{"account_ref":"u%d","population":"consumer","identifiers":[{"type":"email","value":"u%d@example.com"}],`+
			`"channels":[{"type":"email","address":"u%d@example.com","verified_at":"2025-01-02T03:04:05Z"}],"assurance":{"aal":1,"ial":0},"locale":"en"}`, i, i, i)
	}
	lines := []string{
		line(1), line(2), `{"account_ref":`, line(4), strings.Replace(line(5), `"locale":"en"`, `"role":"admin"`, 1), line(6),
		"\xff\xfe", strings.Replace(line(8), "u8@example.com", "not an address", 2), line(9),
	}
	send := func() client.ImportReport {
		return apptest.Decode[client.ImportReport](t, s.Do(t, apptest.Request{
			Method: http.MethodPost, Path: "/v1/accounts/import", As: s.IdentityToken, Body: strings.Join(lines, "\n") + "\n",
			Header: http.Header{"Content-Type": {"application/x-ndjson"}, "Idempotency-Key": nil},
		}), http.StatusOK)
	}
	report := send()
	require.EqualValues(t, 9, report.Lines)
	require.EqualValues(t, 5, report.Imported)
	require.EqualValues(t, 4, report.Refused)
	bad := map[int64]string{}
	for _, e := range report.Errors {
		bad[e.Line] = e.Code
		require.NotContains(t, e.Detail, "example.com")
	}
	require.Equal(t, map[int64]string{3: "invalid_json", 5: "invalid_request", 7: "invalid_json", 8: "invalid_request"}, bad)
	require.Equal(t, 5, s.Rows(t)["public.account"])

	before := s.Rows(t)
	report = send()
	require.EqualValues(t, 0, report.Imported)
	require.EqualValues(t, 5, report.Replaced)
	require.Empty(t, grownBeside(before, s.Rows(t), "public.audit_event", "public.audit_personal"), "safe to repeat")

	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("u6@example.com")})
	require.Equal(t, client.StateCoolingOff, c.ProveBy(t, client.MethodEmail).State)
}
