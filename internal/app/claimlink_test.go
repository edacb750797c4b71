package app_test

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

const spare = "ada.backup@example.net"

// newClaimDesk is a desk whose tenant has a page for claim links.
func newClaimDesk(t *testing.T, opts ...apptest.Option) *desk {
	t.Helper()
	d := newDesk(t, opts...)
	d.ClaimLinks(t)
	return d
}

// openFor opens a case for an account.
func (d *desk) openFor(t *testing.T, agent, ref string) client.CaseSummary {
	t.Helper()
	return apptest.Decode[client.CaseSummary](t, d.OpenFor(t, agent, ref), http.StatusCreated)
}

// seated takes the claimant's seat.
func (d *desk) seated(t *testing.T, link string) *apptest.Claim {
	t.Helper()
	return d.Claim(apptest.Decode[client.StartedRecovery](t, d.Seat(t, d.AppToken, link), http.StatusCreated))
}

func (d *desk) noSeat(t *testing.T, as, link string) {
	t.Helper()
	apptest.Refused(t, d.Seat(t, as, link), http.StatusUnprocessableEntity, client.ProblemCodeClaimRefused)
}

// The honest path: an agent opens a case for an account, the person finds the link in a mailbox of theirs, presses the button of
// the app's page, proves what anybody has to prove, waits the hold out, and gets in. The agent never sees link, token or address.
func TestClaimLink_WhoFindsItGoesOnAsAnyClaimant(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	opened := d.OpenFor(t, d.agent, "ada")
	summary := apptest.Decode[client.CaseSummary](t, opened, http.StatusCreated)
	link := d.Mail.ClaimLink(t, "ada@example.com", 1)
	require.NotEqual(t, link, d.Mail.ClaimLink(t, spare, 1), "each address has a link of its own")
	mail := d.Mail.Await(t, "ada@example.com", notify.ClaimLink, 1)
	require.Contains(t, mail.Text, apptest.ClaimPage+"#hfl_")
	require.Contains(t, mail.Text, summary.Reference)
	require.NotContains(t, mail.Text, "hfc_")

	c := d.Desk(summary.CaseID)
	before := c.Do(t, d.agent, http.MethodGet, "", nil)
	claim := d.seated(t, link)
	require.Equal(t, summary.Reference, claim.Reference)
	require.Equal(t, client.State("initiated"), claim.State)
	require.Equal(t, client.CaseSupport("open"), *claim.Case)
	require.Empty(t, claim.Requirements.Satisfied, "the link shows nothing (E0)")
	require.Nil(t, c.Read(t, d.agent).Account, "and shows the agent nothing")

	claim.ProveBy(t, client.MethodEmail)
	held := claim.Await(t, "cooling_off")
	for _, body := range []string{opened.Body, before.Body, c.Do(t, d.agent, http.MethodGet, "", nil).Body} {
		require.NotRegexp(t, `hf[lcgo]_|@example|https://app`, body, "R-121, R-127")
	}
	require.Equal(t, client.CaseVia("account"), c.Read(t, d.agent).Via)
	d.Mail.Await(t, spare, notify.HoldEntered, 1)
	d.Advance(t, held.NotBefore.Sub(d.Now(t))+time.Minute)
	claim.Await(t, "ready")
	require.Equal(t, http.StatusOK, d.Redeem(t, claim.Grant(t).Grant).Status)

	// The trail says who began it, by which message it was taken up, and neither secret nor address.
	require.Equal(t, 1, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event WHERE action = 'recovery.initiated' AND actor_kind = 'agent' AND recovery_id = $1`, claim.ID))
	require.Equal(t, 1, apptest.Query[int](t, d.Service,
		`SELECT count(*) FROM audit_event e JOIN notice n ON n.id = e.details->>'notice' WHERE e.action = 'recovery.claimed' AND e.recovery_id = $1 AND n.recovery_id = $1`, claim.ID))
	require.NotContains(t, d.Log.String(), link)
	for _, table := range []string{"recovery", "notice", "claim_seat", "audit_event", "idempotency", "river.river_job"} {
		require.Zero(t, apptest.Query[int](t, d.Service, `SELECT count(*) FROM `+table+` x WHERE strpos(x::text, $1) > 0 OR strpos(x::text, $2) > 0`, link, claim.ClaimantToken), "%s holds no secret in clear (R-174)", table)
	}
}

// T17: whatever opens the link changes nothing; of sixteen who bring it, one takes the seat; nobody after that.
func TestClaimLink_OneOfSixteenTakesTheSeat(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	d.openFor(t, d.agent, "ada")
	links := []string{d.Mail.ClaimLink(t, "ada@example.com", 1), d.Mail.ClaimLink(t, spare, 1)}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a := d.Do(t, apptest.Request{Method: method, Path: "/v1/recoveries/claims", As: d.AppToken})
		require.GreaterOrEqual(t, a.Status, 400)
	}
	var group sync.WaitGroup
	answers := make([]apptest.Answer, 16)
	for i := range answers {
		group.Go(func() { answers[i] = d.Seat(t, d.AppToken, links[i%2]) })
	}
	group.Wait()
	won := 0
	for _, a := range answers {
		if a.Status == http.StatusCreated {
			won++
			continue
		}
		apptest.Refused(t, a, http.StatusUnprocessableEntity, client.ProblemCodeClaimRefused)
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event WHERE action = 'recovery.claimed'`))
	require.Equal(t, 15, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event WHERE action = 'recovery.claim.replayed' AND outcome = 'failure'`))
}

// a second claim is an alarm; a retry of the first with its Idempotency-Key is none, and gets the same token.
func TestClaimReplayed_IsSeenAndARetryIsNone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.ClaimLinks(t)
	s.Register(t, apptest.Person{Ref: "u0", Email: email(0)})
	require.Equal(t, http.StatusCreated, s.OpenFor(t, s.Staff(t, "kim", credential.Agent), "u0").Status)
	r := apptest.Request{
		Method: http.MethodPost, Path: "/v1/recoveries/claims", As: s.AppToken, Key: "once",
		Body: client.ClaimRequest{ClaimToken: s.Mail.ClaimLink(t, email(0), 1)},
	}
	first := apptest.Decode[client.StartedRecovery](t, s.Do(t, r), http.StatusCreated)
	again := apptest.Decode[client.StartedRecovery](t, s.Do(t, r), http.StatusCreated)
	require.Equal(t, first.ClaimantToken, again.ClaimantToken)
	require.Empty(t, s.look(t))
	r.Key = "twice"
	apptest.Refused(t, s.Do(t, r), http.StatusUnprocessableEntity, client.ProblemCodeClaimRefused)
	require.Equal(t, []string{"ClaimReplayed"}, s.look(t))
}

// Wrong, another tenant's, too late, and of a recovery that is over: one answer, and no seat.
func TestClaimLink_EveryOtherLinkIsOneAnswer(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, d *desk, link string) (as, brought string){
		"made up": func(_ *testing.T, d *desk, _ string) (string, string) {
			return d.AppToken, "hfl_k1_0000000000000000000000000000000000000000000"
		},
		"of another form": func(_ *testing.T, d *desk, _ string) (string, string) { return d.AppToken, "x" },
		"another tenant's": func(t *testing.T, d *desk, link string) (string, string) {
			t.Helper()
			_, err := d.Owner.CreateTenant(t.Context(), postgres.Tenant{ID: "globex", Name: "Globex"})
			require.NoError(t, err)
			theirs, _ := d.Client(t, "globex", credential.RecoveriesStart)
			return theirs, link
		},
		"too late": func(t *testing.T, d *desk, link string) (string, string) {
			t.Helper()
			settle(t, d.Service)
			d.Advance(t, 24*time.Hour)
			return d.AppToken, link
		},
		"of an address that was taken off": func(t *testing.T, d *desk, link string) (string, string) {
			t.Helper()
			r := d.Registration(t, apptest.Person{Ref: "ada", Email: "ada@example.com"})
			r.Channels[0].Address = "ada.new@example.com"
			require.Less(t, d.Account(t, http.MethodPut, "ada", "", r).Status, 300)
			return d.AppToken, link
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newClaimDesk(t)
			d.openFor(t, d.agent, "ada")
			as, brought := spoil(t, d, d.Mail.ClaimLink(t, "ada@example.com", 1))
			d.noSeat(t, as, brought)
			require.Zero(t, apptest.Query[int](t, d.Service, `SELECT count(*) FROM claim_seat WHERE taken_at IS NOT NULL`))
			require.Zero(t, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event WHERE action = 'recovery.claimed'`))
		})
	}
}

// A link of a recovery that its claimant cancelled, that its owner stopped, or that people denied opens nothing any more.
func TestClaimLink_OfARecoveryThatIsOver(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, d *desk, c *apptest.Desk) client.State{
		"cancelled": func(t *testing.T, d *desk, _ *apptest.Desk) client.State {
			t.Helper()
			claim := d.seated(t, d.Mail.ClaimLink(t, "ada@example.com", 1))
			require.Equal(t, http.StatusOK, claim.Do(t, http.MethodPost, "/cancel", nil).Status)
			return claim.Read(t).State
		},
		"vetoed": func(t *testing.T, d *desk, _ *apptest.Desk) client.State {
			t.Helper()
			claim := d.seated(t, d.Mail.ClaimLink(t, "ada@example.com", 1))
			require.Equal(t, client.StateCoolingOff, claim.ProveBy(t, client.MethodEmail).State)
			a := d.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/objections", Body: client.ObjectionRequest{
				Token:    d.Mail.Link(t, spare, notify.HoldEntered, 1),
				Evidence: &client.Evidence{Method: client.EvidenceMethodRecoveryCode, Code: d.codes[0]},
			}})
			require.Equal(t, http.StatusAccepted, a.Status, a.Body)
			return claim.Read(t).State
		},
		"denied": func(t *testing.T, d *desk, c *apptest.Desk) client.State {
			t.Helper()
			c.Do(t, d.agent, http.MethodPost, "/flag", client.CaseFlagRequest{Reason: client.FlagImpersonation})
			c.Propose(t, d.agent, client.OutcomeDeny)
			for _, approver := range []string{d.first, d.second} {
				require.Equal(t, http.StatusOK, c.Approve(t, approver).Status)
			}
			return client.State(apptest.Query[string](t, d.Service, `SELECT state::text FROM recovery`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newClaimDesk(t)
			d.codes = d.IssueCodes(t, "ada")
			d.Advance(t, 8*apptest.Day)
			d.signIn(t)
			c := d.Desk(d.openFor(t, d.agent, "ada").CaseID)
			require.Equal(t, client.State(name), end(t, d, c))
			d.noSeat(t, d.AppToken, d.Mail.ClaimLink(t, spare, 1))
			d.noSeat(t, d.AppToken, d.Mail.ClaimLink(t, "ada@example.com", 1))
			d.noWayIn(t)
		})
	}
}

// an agent does not learn by account names which ones there are. Both answers are alike, both are written down, nothing is
// sent for a name that nobody has, and what can be seen of the two cases differs in nothing but ids and times.
func TestClaimLink_AnUnknownNameLooksLikeAKnownOne(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	known, unknown := d.openFor(t, d.agent, "ada"), d.openFor(t, d.agent, "nobody")
	d.Mail.ClaimLink(t, spare, 1)
	settle(t, d.Service)
	sent := len(d.Mail.All())
	require.Equal(t, 2, sent, "to ada's two addresses and nobody else")
	shape := func(s client.CaseSummary) []any {
		return []any{s.State, len(s.Reference), len(s.CaseID), s.Made, s.Proposal}
	}
	require.Equal(t, shape(known), shape(unknown))
	blank := regexp.MustCompile(`"(cas|rcv|ntc)_[0-9a-z]+"|"HF-[0-9A-Z-]+"|"20[0-9TZ:.+-]+"`)
	seen := func(s client.CaseSummary) string {
		return blank.ReplaceAllString(d.Desk(s.CaseID).Do(t, d.agent, http.MethodGet, "", nil).Body, "•")
	}
	require.Equal(t, seen(known), seen(unknown))
	require.Equal(t, 1, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event WHERE action = 'agent.lookup.refused' AND reason = 'account'`), "auditors and detectors hear of it")
	require.Equal(t, 2, apptest.Query[int](t, d.Service, `SELECT count(*) FROM claim_seat`))
	require.Equal(t, 1, apptest.Query[int](t, d.Service, `SELECT count(*) FROM recovery WHERE account_id IS NULL AND client_id <> ''`))
}

// Without a page nothing is begun, whoever the account belongs to (R-035: no link is built of anything else).
func TestClaimLink_WithoutAPageNoCaseIsOpenedForAnAccount(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, ref := range []string{"ada", "nobody"} {
		apptest.Refused(t, d.OpenFor(t, d.agent, ref), http.StatusUnprocessableEntity, client.ProblemCodeMethodUnavailable)
	}
	require.Zero(t, apptest.Query[int](t, d.Service, `SELECT count(*) FROM recovery`))
	require.Empty(t, d.Mail.All())
}

// no link goes to an address that is new, that is suspect, or that is off file, and none by a call.
func TestClaimLink_GoesToAddressesOfAgeAlone(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	d.ByHand()
	r := d.Registration(t, apptest.Person{Ref: "bea", Email: "bea@example.com", Phone: "+447700900111", Backup: "bea.old@example.net"})
	fresh := d.Now(t).Add(-time.Hour)
	r.Channels[1].VerifiedAt = d.Now(t).Add(-20 * apptest.Day) // of age, and yet too new for a number to get codes
	r.Channels = append(r.Channels, client.Channel{Type: client.ChannelTypeEmail, Address: "thief@example.org", VerifiedAt: fresh})
	require.Equal(t, http.StatusCreated, d.Account(t, http.MethodPut, "bea", "", r).Status)
	_, err := d.Owner.Pool().Exec(t.Context(), `UPDATE channel SET suspect_at = holdfast_now() WHERE id = (
		SELECT c.id FROM channel c JOIN channel n ON n.account_id = c.account_id AND n.kind = 'sms' WHERE c.kind = 'email' ORDER BY c.since, c.id LIMIT 1)`)
	require.NoError(t, err)

	d.openFor(t, d.agent, "bea")
	require.Eventually(t, func() bool { return len(d.Mail.All()) > 0 }, apptest.Patience, 10*time.Millisecond)
	settle(t, d.Service)
	require.Len(t, d.Mail.All(), 1)
	to := d.Mail.All()[0].To.Reveal()
	require.Contains(t, []string{"bea@example.com", "bea.old@example.net"}, to)
}

// T6, R-131: neither one agent nor several together can bomb an owner with links; a name that nobody has is counted alike.
func TestRedTeam_AgentsCannotBombAnOwner(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	for _, ref := range []string{"ada", "nobody"} {
		for i := range 4 {
			a := d.OpenFor(t, []string{d.agent, d.other}[i%2], ref)
			if i < 3 {
				require.Equal(t, http.StatusCreated, a.Status, a.Body)
				continue
			}
			apptest.Refused(t, a, http.StatusTooManyRequests, client.ProblemCodeThrottled)
		}
	}
	var last apptest.Answer
	for i := range 8 {
		last = d.OpenFor(t, d.agent, "name-"+strings.Repeat("x", i+1))
	}
	apptest.Refused(t, last, http.StatusTooManyRequests, client.ProblemCodeThrottled)
	settle(t, d.Service)
	require.LessOrEqual(t, len(d.Mail.To("ada@example.com", notify.ClaimLink)), 3)
}

// T4, T6: a bribed agent opens a case for a victim and tries to get the link somewhere else. There is no way to say where.
func TestRedTeam_ABribedAgentGetsTheLinkNowhereElse(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	for _, body := range []string{
		`{"account_ref":"ada","reason":"lost_mfa","email":"thief@example.org"}`,
		`{"account_ref":"ada","reason":"lost_mfa","channel":{"type":"email","address":"thief@example.org"}}`,
		`{"account_ref":"ada","reason":"lost_mfa","claim_url":"https://thief.example.org"}`,
		`{"account_ref":["ada","thief"],"reason":"lost_mfa"}`,
		`{"account_ref":"ada","account_ref":"thief","reason":"lost_mfa"}`,
		`{"account_ref":"ada\r\nBcc: thief@example.org","reason":"lost_mfa"}`,
		`{"account_ref":"ada","reference":"HF-7K2M-9QXD","reason":"lost_mfa"}`,
		`{"account_ref":"ada"}`,
	} {
		a := d.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/cases", As: d.agent, Body: body})
		require.Contains(t, []int{400, 422}, a.Status, "%s: %s", body, a.Body)
	}
	require.Empty(t, d.Mail.All())
	hostile := http.Header{"X-Forwarded-Host": {"thief.example.org"}, "Forwarded": {"host=thief.example.org"}, "Holdfast-Claim-Url": {"https://thief.example.org"}}
	reason, ref := client.LostMfa, "ada"
	a := d.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/cases", As: d.agent, Header: hostile, Body: client.OpenCaseRequest{AccountRef: &ref, Reason: &reason}})
	c := d.Desk(apptest.Decode[client.CaseSummary](t, a, http.StatusCreated).CaseID)
	link := d.Mail.ClaimLink(t, "ada@example.com", 1)
	d.Mail.ClaimLink(t, spare, 1)
	// Nor does anything that an agent may do afterwards hand the seat, or a code, to them.
	c.Do(t, d.agent, http.MethodPost, "/challenges", client.CaseChallengeRequest{Method: "email"})
	for _, token := range []string{d.agent, d.other, d.first} { // nobody of the workforce takes a seat
		require.Equal(t, http.StatusForbidden, d.Seat(t, token, link).Status)
	}
	require.Equal(t, http.StatusForbidden, d.Seat(t, d.AIAgent(t, "olu@staff.example.com"), link).Status)
	for _, m := range d.Mail.All() {
		require.Contains(t, []string{"ada@example.com", spare}, m.To.Reveal())
	}
	d.noWayIn(t)
}

// an AI agent reads, notes, proposes and flags; it opens nothing.
func TestRedTeam_AnAIAgentOpensNoCaseForAnAccount(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	apptest.Refused(t, d.OpenFor(t, d.AIAgent(t, "olu@staff.example.com"), "ada"), http.StatusForbidden, client.ProblemCodeForbidden)
	require.Empty(t, d.Mail.All())
}

// a victim is talked into passing the link on. The thief has the seat, and nothing else: nothing of the account shows, what
// has to be proven is still to be proven, and the owner can start over.
func TestRedTeam_AForwardedLinkLetsNobodyIn(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	d.openFor(t, d.agent, "ada")
	thief := d.seated(t, d.Mail.ClaimLink(t, "ada@example.com", 1))
	seen := thief.Do(t, http.MethodGet, "", nil)
	require.NotRegexp(t, `@|\*\*|•`, seen.Body, "R-074")
	require.Len(t, thief.Read(t).Requirements.Remaining, 1)
	ch := thief.Ask(t, client.MethodEmail) // the code goes to ada, who was warned not to pass it on
	apptest.Refused(t, thief.Answer(t, ch.ID, "00000000"), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)
	apptest.Refused(t, thief.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
	d.Mail.Await(t, "ada@example.com", notify.RecoveryCode, 1)
	d.noWayIn(t)
	d.Start(t, apptest.Claimant{Identifier: apptest.Email("ada@example.com")}) // the owner is kept out by nobody
}

// nobody opens a case for an account of their own, whichever of its names the company's directory knows.
func TestRedTeam_NobodyOpensACaseForTheirOwnAccount(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	d.Register(t, apptest.Person{Ref: "kim-at-home", Email: "kim@staff.example.com"})
	apptest.Refused(t, d.OpenFor(t, d.agent, "kim-at-home"), http.StatusForbidden, client.ProblemCodeConflictOfInterest)
	require.Empty(t, d.Mail.All())
	// A colleague's is opened, and decided about by security staff alone.
	d.openFor(t, d.agent, "ada") // kim is seen at work
	c := d.Desk(d.openFor(t, d.other, "kim-at-home").CaseID)
	c.Attach(t, d.other, client.ArtefactReproofing, "IDC-1")
	require.True(t, c.Propose(t, d.other, client.OutcomeApprove).SecurityDecides)
}

// another tenant's agent opens nothing for this tenant's account, and nothing is sent.
func TestRedTeam_AnotherTenantsAgentReachesNobody(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	_, err := d.Owner.CreateTenant(t.Context(), postgres.Tenant{ID: "globex", Name: "Globex"})
	require.NoError(t, err)
	stranger := d.SignIn(t, devissuer.Person{Subject: "gus", Roles: credential.Roles(), Tenants: []string{"globex"}})
	apptest.Refused(t, d.OpenFor(t, stranger, "ada"), http.StatusUnprocessableEntity, client.ProblemCodeMethodUnavailable)
	require.NoError(t, d.Owner.SetTenantClaimPage(t.Context(), "globex", "https://globex.example.com/r", audit.Actor{Kind: audit.ActorOperator, ID: "test"}))
	apptest.Decode[client.CaseSummary](t, d.OpenFor(t, stranger, "ada"), http.StatusCreated) // a name that nobody has there
	settle(t, d.Service)
	require.Empty(t, d.Mail.All())
}

// the seat goes with the recovery's working data, and with it the messages whose links it remembers; not before.
func TestClaimLink_TheSeatIsForgottenWithTheRecovery(t *testing.T) {
	t.Parallel()
	d := newClaimDesk(t)
	d.openFor(t, d.agent, "ada")
	claim := d.seated(t, d.Mail.ClaimLink(t, "ada@example.com", 1))
	require.Equal(t, http.StatusOK, claim.Do(t, http.MethodPost, "/cancel", nil).Status)
	settle(t, d.Service)
	_, err := d.App.DB.Pool().Exec(t.Context(), `DELETE FROM claim_seat`)
	require.Error(t, err, "a seat that could be deleted could be taken twice")
	_, err = d.App.DB.Pool().Exec(t.Context(), `UPDATE claim_seat SET taken_at = holdfast_now(), taken_by = 'x', notice_id = (SELECT max(id) FROM notice)`)
	require.Error(t, err, "a seat is taken once")
	d.Advance(t, month+time.Hour)
	gone := forget(t, d.Service)
	require.Equal(t, int64(1), gone["claim_seat"])
	require.Equal(t, int64(2), gone["notice"])
}
