package postgres_test

import (
	crand "crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/support"
)

// ask is what an approver does before deciding: be given the proposal and read the case. Now and then somebody slips it to them
// past the queue, which is not to be all that stands in their way, and they try at once. Who reads sees exactly what an agent sees.
func (w *walk) ask(c *taken) error {
	p, slip := w.fit(c, w.cast), c.motion != nil && w.one(2)
	if slip {
		p = w.may(credential.CasesDecide)
	}
	if !p.who.Who.Allows(credential.CasesDecide) { // the edge lets nobody else ask
		return nil
	}
	w.deeds[len(w.deeds)-1] += " by " + p.name
	if slip {
		w.exec(`INSERT INTO support_assignment (tenant_id, proposal_id, person, at, expires_at)
			SELECT tenant_id, id, $2, holdfast_now(), holdfast_now() + interval '10 minutes' FROM support_proposal WHERE id = $1 ON CONFLICT DO NOTHING`, c.motion.id, p.who.Who.Person())
		w.deeds[len(w.deeds)-1] += ", slipped"
	} else if _, err := w.desk.Assign(w.t.Context(), support.AssignCommand{Caller: p.who}); err != nil {
		return err
	}
	agent := support.ReadCommand{Caller: w.cast[0].who, Case: c.desk}
	before, errBefore := w.desk.Read(w.t.Context(), agent)
	seen, err := w.desk.Read(w.t.Context(), support.ReadCommand{Caller: p.who, Case: c.desk})
	if err != nil {
		return err
	}
	if after, err := w.desk.Read(w.t.Context(), agent); err == nil && errBefore == nil { // else it is over, and the agent no longer reads it
		// Time may pass between two readings, and by reading the holder is seen working here.
		if !assert.ObjectsAreEqual(impersonal(before), impersonal(seen)) {
			require.Equal(w.t, impersonal(after), impersonal(seen), "an approver sees what the agent sees")
		}
		w.reached["seen alike"]++
	}
	if v := seen.Proposal; v != nil && v.Status == support.ProposalOpen {
		w.read[v.ID+p.who.Who.Person()] = reading{v.Hash, w.sight(c)}
	}
	if slip {
		return w.say(c, p)
	}
	return nil
}

// impersonal is a view without what it says of its reader, and without when the case ended: where nobody has written that down yet,
// it is the moment of reading.
func impersonal(v support.View) support.View {
	v.ClosedAt = time.Time{}
	v.Notes = slices.Clone(v.Notes)
	for i := range v.Notes {
		v.Notes[i].Mine = false
	}
	if v.Proposal != nil {
		p := *v.Proposal
		p.Mine = false
		v.Proposal = &p
	}
	return v
}

// sight is all that there is to be seen in a case and that an approval is bound to, read from the rows past the service.
func (w *walk) sight(c *taken) string {
	return get[string](w.scene, `SELECT jsonb_build_array(
		(SELECT jsonb_build_array(r.version, r.state, r.reason, r.tier, r.plan, r.policy_version) FROM recovery r WHERE r.id = $1),
		(SELECT jsonb_build_array(k.id, k.flagged_at, k.ai_involved) FROM support_case k WHERE k.id = $2),
		(SELECT jsonb_agg(to_jsonb(e) ORDER BY e.challenge_id) FROM evidence e WHERE e.recovery_id = $1),
		(SELECT jsonb_agg(to_jsonb(a) ORDER BY a.id) FROM support_artefact a WHERE a.recovery_id = $1),
		(SELECT jsonb_agg(to_jsonb(o) ORDER BY o.id) FROM objection o WHERE o.recovery_id = $1),
		(SELECT jsonb_agg(to_jsonb(n) ORDER BY n.id) FROM support_note n WHERE n.case_id = $2),
		(SELECT jsonb_agg(jsonb_build_array(h.id, h.since, h.removed_at, suspect_now(h.suspect_at, h.suspect_until, holdfast_now()) IS NOT NULL) ORDER BY h.id) FROM channel h WHERE h.account_id = $3))::text`,
		c.id, c.desk, w.who.id)
}

// decide is one word on the latest proposal, by whoever holds it or would like to: the machine, the operator and those who have a
// part in it try as well. What is accepted is judged at once.
func (w *walk) decide(c *taken) error {
	m := c.motion
	if m == nil {
		return nil
	}
	var ready []*player
	for _, p := range w.cast {
		if _, ok := w.read[m.id+p.who.Who.Person()]; ok {
			ready = append(ready, p)
		}
	}
	if len(ready) == 0 || w.one(5) {
		ready = w.cast
	}
	return w.say(c, w.fit(c, ready))
}

// say is a player's word on the latest proposal.
func (w *walk) say(c *taken, p *player) error {
	m := c.motion
	read, has := w.read[m.id+p.who.Who.Person()]
	cmd := support.DecideCommand{Caller: p.who, Case: c.desk, Proposal: m.id, Consent: !w.one(8), Hash: read.hash, Reason: secret.NewString("Looked it up.")}
	if w.one(8) || cmd.Hash == nil { // heard from somebody, or made up
		cmd.Hash = pick(w, m.hash, slices.Repeat([]byte{7}, 32))
	}
	w.deeds[len(w.deeds)-1] += fmt.Sprintf("; a word by %s, for: %t", p.name, cmd.Consent)
	sight, now := w.sight(c), w.now()
	done, err := w.desk.Decide(w.t.Context(), cmd)
	if err != nil {
		w.reached["refused: "+string(fault.CodeOf(err))]++
		return err
	}
	for wrong, is := range map[string]bool{
		"a machine decided": !p.who.Who.Human(), "who has a part in it decided": c.parts[p.human] || m.by == p.human, "the holder decided": p.human == "ada",
		"one human decided twice": slices.Contains(m.consents, p.human), "not of the security staff": m.security && !p.who.Who.Has(credential.Security),
		"unread": !has, "on another hash": !slices.Equal(cmd.Hash, m.hash), "on what is no more as it was": sight != m.sight, "on what was read otherwise": read.sight != m.sight,
		"on what is over": m.over || !now.Before(m.at.Add(support.ProposalFor)), "on what an operator decides": p.human == "ops",
	} {
		require.False(w.t, is, "%s: %s", p.name, wrong)
	}
	c.deciders[p.human] = true
	m.over = !cmd.Consent || done.State == support.Decided
	if cmd.Consent {
		m.consents = append(m.consents, p.human)
	}
	if done.State == support.Decided {
		w.due = m
		w.reached["executed: "+string(m.outcome)]++
	}
	return nil
}

// stranger tries what is another's: somebody of another tenant, and a claimant with another's token.
func (w *walk) stranger(c *taken, what string) error {
	var errs []error
	if what == "thief" {
		ref := recovery.Ref{ID: c.id, Claimant: w.claims[0].ref.Claimant}
		if c == w.claims[0] {
			ref.Claimant = w.keys.ObjectionToken("ntc_none")
		}
		_, err := w.Cancel(w.t.Context(), recovery.CancelCommand{Caller: app(), Ref: ref})
		_, appeal := w.desk.Appeal(w.t.Context(), support.AppealCommand{Caller: app(), Ref: ref})
		_, grant := w.Grant(w.t.Context(), recovery.GrantCommand{Caller: app(), Ref: ref})
		errs = append(errs, err, appeal, grant)
	} else {
		who := w.outside.who
		_, read := w.desk.Read(w.t.Context(), support.ReadCommand{Caller: who, Case: c.desk})
		_, flag := w.desk.Flag(w.t.Context(), support.FlagCommand{Caller: who, Case: c.desk, Reason: support.FlagOther})
		_, propose := w.desk.Propose(w.t.Context(), support.ProposeCommand{Caller: who, Case: c.desk, Outcome: support.Approve})
		errs = append(errs, read, flag, propose)
		if c.motion != nil {
			_, err := w.desk.Decide(w.t.Context(), support.DecideCommand{Caller: who, Case: c.desk, Proposal: c.motion.id, Consent: true, Hash: c.motion.hash, Reason: secret.NewString("x")})
			errs = append(errs, err)
		}
	}
	for _, err := range errs {
		require.Equal(w.t, fault.CodeNotFound, fault.CodeOf(err), "a stranger: %v", err)
	}
	w.reached["strangers refused"]++
	return nil
}

// claimant is what a claimant or the owner does.
func (w *walk) claimant(c *taken, what string) error {
	ctx := w.t.Context()
	switch what {
	case "prove":
		return w.prove(c, pick(w, factor.Email, factor.SMS, factor.TOTP, factor.RecoveryCode))
	case "object":
		cmd := recovery.AppObjectCommand{Caller: app(), AccountRef: w.who.ref}
		if w.one(4) {
			cmd.Method, cmd.Code = factor.TOTP, w.code(w.who)
		}
		_, err := w.ObjectFromApp(ctx, cmd)
		return err
	case "appeal":
		_, err := w.desk.Appeal(ctx, support.AppealCommand{Caller: app(), Ref: c.ref})
		if err == nil {
			w.next(c)
			w.reached["appealed"]++
		}
		return err
	case "grant":
		g, err := c.grant()
		if err == nil {
			w.grants = append(w.grants, g.Grant)
			w.reached["granted"]++
		}
		return err
	case "redeem":
		if len(w.grants) == 0 {
			return nil
		}
		_, err := w.redeem(w.grants[len(w.grants)-1])
		return err
	default:
		if !w.one(4) {
			return nil
		}
		_, err := w.Cancel(ctx, recovery.CancelCommand{Caller: app(), Ref: c.ref})
		return err
	}
}

func (w *walk) prove(c *taken, m factor.Method) error {
	ch, err := c.tryChallenge(m)
	if err != nil {
		return err
	}
	w.mint(c.id, ch.ID, goodCode)
	code := secret.NewString(pick(w, goodCode, goodCode, goodCode, badCode))
	switch {
	case m == factor.TOTP:
		code = w.code(w.who)
	case m == factor.RecoveryCode && len(w.codes) > 0:
		code, w.codes = w.codes[0], w.codes[1:]
	}
	_, err = c.answer(ch.ID, code)
	return err
}

// world is what nobody here does: time, senders, another service's warnings, and what an operator demands.
func (w *walk) world(c *taken, what string) error {
	switch what {
	case "raise":
		w.demand.tier.Store(int64(pick(w, 0, policy.High, policy.Critical)))
	case "suspect":
		w.exec(`UPDATE channel SET suspect_at = holdfast_now(), suspect_until = holdfast_now() + interval '1 day' WHERE id = $1`, pick(w, w.who.mailbox, w.who.phone))
	case "settle":
		_, err := w.desk.Settle(w.t.Context(), 100)
		return err
	case "wake":
		_, err := w.WakeAll(w.t.Context(), 20)
		return err
	case "deliver":
		w.deliver(c)
	case "pass":
		if !w.one(4) {
			w.deliver(c)
		}
		w.advance(pick(w, 13*time.Hour, 73*time.Hour, 4*day))
		_, err := w.WakeAll(w.t.Context(), 20)
		return err
	case "lapse":
		w.advance(pick(w, 11*time.Minute, 31*time.Minute))
	}
	return nil
}

// deliver has every notice of the recovery accepted.
func (w *walk) deliver(c *taken) {
	w.exec(`UPDATE notice SET accepted_at = holdfast_now() WHERE recovery_id = $1 AND accepted_at IS NULL AND failed_at IS NULL`, c.id)
}

// unjust are the rows that must not be, of these recoveries. Each question lists what breaks it.
const unjust = `
	SELECT 'let on after people had it, without their word: ' || a.recovery_id FROM audit_event a WHERE a.recovery_id = ANY ($1) AND a.to_state IN ('ready', 'granted', 'completed')
	   AND EXISTS (SELECT 1 FROM audit_event b WHERE b.recovery_id = a.recovery_id AND b.to_state = 'assisted' AND b.recovery_version < a.recovery_version
	         AND NOT EXISTS (SELECT 1 FROM audit_event y WHERE y.recovery_id = a.recovery_id AND y.action = 'recovery.approved' AND y.recovery_version > b.recovery_version AND y.recovery_version < a.recovery_version))
	UNION ALL SELECT 'executed by others than two on its hash: ' || p.id FROM support_proposal p WHERE p.recovery_id = ANY ($1) AND p.status = 'executed'
	   AND (SELECT count(DISTINCT d.person) FROM support_decision d WHERE d.proposal_id = p.id AND d.consent AND d.hash = p.hash AND d.person <> p.person) <> 2
	UNION ALL SELECT 'decided on another hash: ' || p.id FROM support_proposal p JOIN support_decision d ON d.proposal_id = p.id WHERE p.recovery_id = ANY ($1) AND d.hash <> p.hash
	UNION ALL SELECT 'proposed without a proposal, or the other way: ' || k.id FROM support_case k WHERE k.recovery_id = ANY ($1)
	   AND (k.state = 'proposed') <> EXISTS (SELECT 1 FROM support_proposal p WHERE p.case_id = k.id AND p.status = 'open')
	UNION ALL SELECT 'approved by one: ' || r.id FROM recovery r WHERE r.id = ANY ($1) AND NOT (cardinality(r.approved) = 0 OR cardinality(r.approved) = 2 AND r.approved[1] <> r.approved[2])`

// judge looks at all that the latest deed did: rows that must not be, and every transition of every recovery.
func (w *walk) judge() {
	ids := make([]string, 0, len(w.claims))
	for _, c := range w.claims {
		ids = append(ids, c.id)
		w.transitions(c)
	}
	require.Nil(w.t, w.due, "two humans decided, and nothing came of it")
	require.Empty(w.t, get[string](w.scene, `SELECT coalesce(string_agg(x.t, '; '), '') FROM (`+unjust+`) x (t)`, ids))
}

// move is a line of a recovery's trail.
type move struct {
	Version                  int64
	Action, From, To, ByKind string
}

func (w *walk) transitions(c *taken) {
	rows, err := w.root.Query(w.t.Context(), `SELECT recovery_version, action, coalesce(from_state::text, ''), to_state::text, actor_kind FROM audit_event
		WHERE recovery_id = $1 AND recovery_version > $2 ORDER BY recovery_version`, c.id, c.judged)
	require.NoError(w.t, err)
	var moves []move
	for rows.Next() {
		var m move
		require.NoError(w.t, rows.Scan(&m.Version, &m.Action, &m.From, &m.To, &m.ByKind))
		moves = append(moves, m)
	}
	require.NoError(w.t, rows.Err())
	for _, m := range moves {
		c.judged = m.Version
		w.move(c, m)
	}
}

// move judges one transition (I11). What people decided has its two humans; whatever else an agent or an AI agent does freezes, or
// has a code sent, which proves nothing; out of people's hands leads their word, the owner's veto, the claimant's cancelling, and time.
func (w *walk) move(c *taken, m move) {
	const assisted = string(recovery.Assisted)
	staff := m.ByKind == "agent" || m.ByKind == "ai"
	switch {
	case m.From == assisted && (m.To == string(recovery.CoolingOff) || m.To == string(recovery.Denied)):
		require.NotNil(w.t, w.due, "%+v without two humans", m)
		require.Equal(w.t, m.To == string(recovery.Denied), w.due.outcome == support.Deny, "%+v", m)
		require.Len(w.t, w.due.consents, 2, "%+v", m)
		require.NotEqual(w.t, w.due.consents[0], w.due.consents[1], "%+v", m)
		require.Equal(w.t, "agent", m.ByKind)
		if w.due.outcome == support.Approve {
			tier, err := policy.ParseTier(get[string](w.scene, `SELECT tier::text FROM recovery WHERE id = $1`, c.id))
			require.NoError(w.t, err)
			require.GreaterOrEqual(w.t, tier, policy.High)
			require.GreaterOrEqual(w.t, get[time.Duration](w.scene, `SELECT not_before - held_at FROM recovery WHERE id = $1`, c.id), policy.FloorHold(tier))
		}
		w.due = nil
	case m.From == assisted:
		require.Contains(w.t, []string{assisted, string(recovery.Vetoed), string(recovery.Expired), string(recovery.Cancelled)}, m.To, "%+v", m)
		require.True(w.t, !staff || m.Action == "recovery.challenge.requested" && m.ByKind == "agent", "%+v", m)
	case staff && m.Action == "recovery.challenge.requested":
		require.Equal(w.t, "agent", m.ByKind)
		require.True(w.t, m.To == m.From || m.From == string(recovery.Initiated) && m.To == string(recovery.Verifying), "%+v", m)
	case staff:
		require.Equal(w.t, assisted, m.To, "%+v", m)
		require.NotEqual(w.t, string(recovery.Denied), m.From, "%+v: an appeal is the claimant's", m)
	default:
		require.NotEqual(w.t, "operator", m.ByKind, "%+v", m)
	}
}

// finish lets time pass until everything is over: every walk ends.
func (w *walk) finish() {
	const open = `SELECT (SELECT count(*) FROM recovery WHERE account_id = $1 AND state IN ('initiated', 'verifying', 'assisted', 'cooling_off', 'contested', 'ready', 'granted', 'completed'))
		+ (SELECT count(*) FROM support_case k JOIN recovery r ON r.id = k.recovery_id WHERE r.account_id = $1 AND k.closed_at IS NULL)`
	for range 15 {
		if get[int](w.scene, open, w.who.id) == 0 {
			return
		}
		w.advance(3 * day)
		_, err := w.WakeAll(w.t.Context(), 100)
		require.NoError(w.t, err)
		_, err = w.desk.Settle(w.t.Context(), 100)
		require.NoError(w.t, err)
		w.judge()
	}
	require.Fail(w.t, "a walk without an end")
}

// atDesk are the further ways in which a deed may fail where people decide.
func atDesk() []fault.Code {
	return append(lawful(), fault.CodeConflictOfInterest, fault.CodeForbidden, fault.CodeProposalVoid, fault.CodeProposalOpen, fault.CodeEvidenceShort)
}

var walkSeed = flag.Uint64("walk.seed", 0, "walk one life at the desk: the seed that a failure printed") //nolint:gochecknoglobals // a flag.

// lives is how many random walks a run takes at least, as many as ten seconds hold, and at most: on until every way was taken.
const lives, mostLives = 12, 48

// I11 over both machines, the case's and the recovery's, whoever does what in whatever order: agents, approvers of whom some are one
// human, an AI agent and its owner, an operator, a claimant, an owner, strangers.
func TestRecoveries_TakeTwoHumansWhoeverIsAtTheDesk(t *testing.T) {
	t.Parallel()
	d := &demand{}
	s := newScene(t, func(cfg *recovery.Config) { cfg.Controls = d })
	s.exec(`INSERT INTO tenant (id, name, created_at) VALUES ('other', 'Other', now())`)
	desk := support.NewService(support.Config{
		Store: postgres.NewCases(s.db), Recoveries: s.Service, Vault: deskVault{}, Keys: s.keys, Rand: crand.Reader, Limits: noDeskLimits{},
	})
	reached := map[string]int{}
	missing := func() []string {
		return slices.DeleteFunc([]string{
			"executed: approve", "executed: deny", "granted", "appealed", "flag", "seen alike", "strangers refused",
			"refused: conflict_of_interest", "refused: proposal_void", "refused: forbidden",
		}, func(what string) bool { return reached[what] > 0 || *walkSeed != 0 })
	}
	for i := 0; i < lives || i < mostLives && len(missing()) > 0; i++ {
		seed := *walkSeed
		if seed == 0 {
			var b [8]byte
			_, _ = crand.Read(b[:])
			seed = binary.BigEndian.Uint64(b[:])
		}
		w := &walk{
			scene: s, desk: desk, demand: d, r: rand.New(rand.NewPCG(seed, 0)), hashes: map[string]string{}, read: map[string]reading{}, reached: reached, //nolint:gosec // a test's dice.
		}
		w.live(fmt.Sprintf("w%d", i), seed)
	}
	require.Empty(t, missing(), "walks that nobody took prove nothing: %v", reached)
	t.Log(reached)
}

// live walks one life from the first claim to the end of everything.
func (w *walk) live(name string, seed uint64) {
	defer func() {
		if w.t.Failed() {
			w.t.Logf("again with -walk.seed=%d:\n%s", seed, strings.Join(w.deeds, "\n"))
		}
	}()
	w.demand.tier.Store(0)
	w.who = w.person(name)
	w.codes = slices.Clone(w.who.codes)
	w.exec(`UPDATE identifier SET sealed = $2 WHERE account_id = $1`, w.who.id, []byte(w.who.identifier))
	w.people(name)
	for range 25 + w.r.IntN(20) {
		err := w.do()
		require.Contains(w.t, atDesk(), fault.CodeOf(err), "%v", err)
		w.judge()
		if w.one(3) {
			w.advance(pick(w, time.Minute, time.Minute, 2*time.Minute, 5*time.Minute))
		}
	}
	w.finish()
}
