package app_test

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
)

// R-030 R-174. Over whole recoveries, failures and refusals included, the log at its most talkative holds no code, no token, no
// address and no name of an account; and neither do the audit events and the jobs.
func TestNoSecret_IsLoggedOrQueued(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_LOG_LEVEL=debug"))
	s.Register(t, apptest.Person{Ref: "ada-lovelace", Email: ada, Phone: adaPhone, Backup: backup, AAL: 2})
	seed := s.EnrolTOTP(t, "ada-lovelace")
	codes := s.IssueCodes(t, "ada-lovelace")
	s.Advance(t, 8*apptest.Day)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true, IP: "198.51.100.23"})
	ch := c.Ask(t, client.MethodEmail)
	mailed := s.Mail.Code(t, ch.ID, 1)
	totp := s.TOTP(t, seed)
	c.Answer(t, ch.ID, "31415926")
	c.Answer(t, ch.ID, mailed)
	c.Prove(t, client.MethodTotp, totp)
	other := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	other.Answer(t, other.Ask(t, client.MethodRecoveryCode).ID, codes[0])
	link := s.Mail.Link(t, adaPhone, notify.HoldEntered, 1)
	settle(t, s)
	heard(t, s)
	s.Advance(t, 200*time.Hour)
	c.Await(t, client.StateReady)
	grant := c.Grant(t)
	redeemed := apptest.Decode[client.Redemption](t, s.Redeem(t, grant.Grant), http.StatusOK)
	s.Redeem(t, grant.Grant)
	s.Object(t, link)
	s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/accounts/ada-lovelace", As: "hfk_not_a_credential_but_secret"})
	s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken, Body: `{"identifier":{"type":"email","value":"` + ada})
	settle(t, s)

	secrets := map[string]string{
		"mailed code": mailed, "wrong code": "31415926", "saved code": codes[0], "another saved code": codes[9], "seed": seed,
		"claimant token": c.ClaimantToken, "grant": grant.Grant, "link": link, "statement": redeemed.Statement, "app": s.AppToken, "identity": s.IdentityToken,
		"credential": "hfk_not_a_credential_but_secret", "address": ada, "number": adaPhone, "backup": backup, "account": "ada-lovelace", "end user": "198.51.100.23",
	}
	places := map[string]string{
		"log":    s.Log.String(),
		"events": apptest.Query[string](t, s, `SELECT string_agg(to_jsonb(e)::text, E'\n') FROM audit_event e`),
		"jobs":   apptest.Query[string](t, s, `SELECT string_agg(to_jsonb(j)::text, E'\n') FROM river.river_job j`),
		"rows":   apptest.Query[string](t, s, `SELECT string_agg(to_jsonb(r)::text, E'\n') FROM recovery r`),
		"saved":  apptest.Query[string](t, s, `SELECT string_agg(encode(i.outcome, 'escape'), E'\n') FROM idempotency i`),
	}
	forms := []*regexp.Regexp{
		regexp.MustCompile(`hf[cgokl]_[0-9A-Za-z_]{20,}`), regexp.MustCompile(`[\w.+-]+@[\w-]+\.[\w.]+`), regexp.MustCompile(`\+44\d{9,}`),
		regexp.MustCompile(`eyJ[\w-]{20,}`), regexp.MustCompile(`[Oo]tpauth`), regexp.MustCompile(`objection#`),
	}
	for place, text := range places {
		require.NotEmpty(t, text, place)
		for name, secret := range secrets {
			require.NotContains(t, text, secret, "%s in %s", name, place)
		}
		for _, form := range forms {
			require.Empty(t, form.FindString(text), "%s in %s", form, place)
		}
	}
	require.NotEmpty(t, s.Log.Lines(`"msg":"http request"`))
}
