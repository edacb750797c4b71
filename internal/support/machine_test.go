package support_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/support"
)

func t0() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

func agent() support.Party { return support.Party{Person: "stf_agent"} }

func opened() support.Case {
	return support.Open(support.Case{ID: "cas_1", Tenant: "acme", Recovery: "rcv_1", Via: support.ByReference}, agent(), t0()).Next
}

func hash(b byte) []byte { return slices.Repeat([]byte{b}, 32) }

func proposal() *support.Proposal {
	return &support.Proposal{ID: "prp_1", Outcome: support.Approve, Hash: hash(1)}
}

func propose(by support.Party) support.Event {
	return support.Event{Kind: support.Propose, By: by, Proposal: proposal(), Enough: true}
}

func consent(who support.Party, h []byte) support.Event {
	return support.Event{Kind: support.Consent, By: who, Decision: &support.Decision{Person: who.Person, Security: who.Security, Consent: true, Hash: h, At: t0()}}
}

func person(name string) support.Party { return support.Party{Person: name} }

// play applies events one after the other; the last one's step is given.
func play(t *testing.T, c support.Case, events ...support.Event) support.Step {
	t.Helper()
	var step support.Step
	for _, ev := range events {
		var err error
		step, err = c.Apply(ev, t0())
		require.NoError(t, err, "%s in %s", ev.Kind, c.State)
		c = step.Next
	}
	return step
}

func TestCase_TakesTwoHumansWhoHaveNoPartInIt(t *testing.T) {
	t.Parallel()
	c := play(t, opened(), propose(agent())).Next
	first := play(t, c, consent(person("stf_a"), hash(1)))
	require.Equal(t, support.Proposed, first.To)
	require.False(t, first.Execute)
	second := play(t, first.Next, consent(person("stf_b"), hash(1)))
	require.Equal(t, support.Decided, second.To)
	require.True(t, second.Execute)
	require.Equal(t, support.ProposalExecuted, second.CloseProposal)
}

func TestCase_RefusesWhoMustNotDecide(t *testing.T) {
	t.Parallel()
	owner := support.Party{Person: "stf_owner", Client: "cli_ai"}
	byAI := play(t, opened(), propose(owner)).Next
	require.True(t, byAI.Proposal.AI)
	byAgent := play(t, opened(), propose(agent())).Next
	noted := play(t, opened(), support.Event{Kind: support.Work, By: person("stf_noted")}, propose(agent())).Next
	barred := byAgent
	barred.Barred = []string{"stf_before"}
	secured := byAgent
	p := *secured.Proposal
	p.Security = true
	secured.Proposal = &p
	once := play(t, byAgent, consent(person("stf_a"), hash(1))).Next
	byAccount := play(t, opened(), support.Event{Kind: support.Work, By: support.Party{Person: "stf_w", Account: "stf_w1"}}, propose(agent())).Next
	first := support.Party{Person: "stf_a", Account: "stf_a1"}
	word := consent(first, hash(1))
	word.Decision.Account = first.Account
	onceByAccount := play(t, byAgent, word).Next
	joined := play(t, byAgent, support.Event{Kind: support.Join, By: person("stf_j")}).Next
	require.Equal(t, support.ProposalOpen, joined.Proposal.Status)

	for name, tc := range map[string]struct {
		in  support.Case
		who support.Party
		h   []byte
		at  time.Duration
	}{
		"the proposer":                       {in: byAgent, who: agent(), h: hash(1)},
		"the AI agent":                       {in: byAI, who: owner, h: hash(1)},
		"the AI agent's owner":               {in: byAI, who: person("stf_owner"), h: hash(1)},
		"who wrote a note":                   {in: noted, who: person("stf_noted"), h: hash(1)},
		"who decided before the appeal":      {in: barred, who: person("stf_before"), h: hash(1)},
		"the account's holder":               {in: byAgent, who: support.Party{Person: "stf_a", Holder: true}, h: hash(1)},
		"nobody":                             {in: byAgent, who: support.Party{}, h: hash(1)},
		"the same human again":               {in: once, who: person("stf_a"), h: hash(1)},
		"who worked, by another address":     {in: byAccount, who: support.Party{Person: "stf_new", Account: "stf_w1"}, h: hash(1)},
		"who decided, by another address":    {in: onceByAccount, who: support.Party{Person: "stf_new", Account: "stf_a1"}, h: hash(1)},
		"who decided, without an address":    {in: onceByAccount, who: support.Party{Person: "stf_a1", Account: "stf_a1"}, h: hash(1)},
		"who took the telephone":             {in: joined, who: person("stf_j"), h: hash(1)},
		"who saw something else":             {in: byAgent, who: person("stf_a"), h: hash(2)},
		"who saw nothing":                    {in: byAgent, who: person("stf_a")},
		"an approver about a privileged":     {in: secured, who: person("stf_a"), h: hash(1)},
		"whoever comes after half an hour":   {in: byAgent, who: person("stf_a"), h: hash(1), at: support.ProposalFor},
		"somebody where nothing is proposed": {in: opened(), who: person("stf_a"), h: hash(1)},
	} {
		for _, kind := range []support.EventKind{support.Consent, support.Dissent} {
			ev := consent(tc.who, tc.h)
			ev.Kind, ev.Decision.Consent, ev.Decision.Account = kind, kind == support.Consent, tc.who.Account
			_, err := tc.in.Apply(ev, t0().Add(tc.at))
			require.Equal(t, fault.CodeNotAllowedInState, fault.CodeOf(err), "%s, %s", name, kind)
		}
	}
	step := play(t, secured, consent(support.Party{Person: "stf_s", Security: true}, hash(1)))
	require.Equal(t, support.Proposed, step.To)
}

// T35: whatever happens to the case voids what is proposed, and every approval of it.
func TestCase_ChangeVoidsTheProposalAndItsApprovals(t *testing.T) {
	t.Parallel()
	for _, ev := range []support.Event{
		{Kind: support.Work, By: person("stf_x")}, {Kind: support.Alter}, {Kind: support.Flag, By: person("stf_x"), Reason: support.FlagOther}, {Kind: support.End},
	} {
		c := play(t, opened(), propose(agent()), consent(person("stf_a"), hash(1))).Next
		step := play(t, c, ev)
		require.Equal(t, support.ProposalVoid, step.CloseProposal, ev.Kind)
		_, err := step.Next.Apply(consent(person("stf_b"), hash(1)), t0())
		require.Equal(t, fault.CodeNotAllowedInState, fault.CodeOf(err))
		if !step.To.Open() {
			continue
		}
		again := play(t, step.Next, propose(agent()), consent(person("stf_b"), hash(1)))
		require.False(t, again.Execute, "the approval of the old proposal does not count for the new one")
	}
}

func TestCase_AFlagStaysAndDoesNotGoIdle(t *testing.T) {
	t.Parallel()
	c := play(t, opened(), support.Event{Kind: support.Flag, By: person("stf_x"), Reason: support.FlagCoercion}).Next
	require.Equal(t, support.Flagged, c.State)
	_, err := c.Apply(support.Event{Kind: support.Idle}, t0().Add(30*24*time.Hour))
	require.Error(t, err)
	c = play(t, c, propose(agent()), support.Event{Kind: support.Alter}).Next
	require.Equal(t, support.Flagged, c.State)
	require.Equal(t, support.FlagCoercion, play(t, c, support.Event{Kind: support.Flag, By: agent(), Reason: support.FlagOther}).Next.FlagReason)
	quiet := opened()
	step, err := quiet.Apply(support.Event{Kind: support.Idle}, t0().Add(support.IdleFor))
	require.NoError(t, err)
	require.Equal(t, support.Expired, step.To)
}

// Every state hears every event; nothing leads out of an end; each step has a state that exists and an action, but for work, whose
// caller says what it was.
func TestMachine_IsTotal(t *testing.T) {
	t.Parallel()
	for _, s := range support.States() {
		for _, k := range support.EventKinds() {
			c := opened()
			c.State = s
			if s == support.Proposed {
				c.Proposal = proposal()
				c.Proposal.Status, c.Proposal.ExpiresAt = support.ProposalOpen, t0().Add(time.Minute)
			}
			for _, ev := range []support.Event{{Kind: k}, {Kind: k, By: person("stf_a"), Proposal: proposal(), Enough: true, Decision: consent(person("stf_a"), hash(1)).Decision}} {
				for _, at := range []time.Duration{0, 2 * time.Minute, 48 * time.Hour} {
					same := c
					step, err := c.Apply(ev, t0().Add(at))
					require.Equal(t, same, c, "Apply is pure")
					if err != nil {
						require.Equal(t, fault.CodeNotAllowedInState, fault.CodeOf(err))
						continue
					}
					require.True(t, s.Open(), "%s leads out of %s", k, s)
					require.Equal(t, c.Version+1, step.Next.Version)
					require.Equal(t, k == support.Work, step.Action == "")
					_, err = support.ParseState(string(step.To))
					require.NoError(t, err)
				}
			}
		}
	}
	_, err := support.ParseState("verified")
	require.Error(t, err)
}

// I11: whatever agents, machines and approvers do, in whatever order, nothing is executed without two different humans who had no
// part in the case and hold the same hash as the proposal.
func TestCase_NothingIsExecutedWithoutTwoHumansOnOneHash(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"stf_1", "stf_2", "stf_3", "stf_4"}
		c, now := opened(), t0()
		worked := map[string]bool{"stf_agent": true}
		var consents map[string][]byte
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			who := support.Party{Person: rapid.SampledFrom(names).Draw(t, "who"), Security: rapid.Bool().Draw(t, "security"), Holder: rapid.IntRange(0, 9).Draw(t, "holder") == 0}
			if rapid.IntRange(0, 3).Draw(t, "machine") == 0 {
				who.Client = "cli_ai"
			}
			p := proposal()
			p.Hash = hash(byte(rapid.IntRange(0, 2).Draw(t, "hash")))
			p.Security = rapid.IntRange(0, 4).Draw(t, "for security") == 0
			h := hash(byte(rapid.IntRange(0, 2).Draw(t, "saw")))
			ev := support.Event{
				Kind: rapid.SampledFrom(support.EventKinds()).Draw(t, "kind"), By: who, Proposal: p, Enough: rapid.Bool().Draw(t, "enough"), Reason: support.FlagOther,
				Decision: &support.Decision{Person: rapid.SampledFrom(append(names, who.Person)).Draw(t, "as"), Security: who.Security, Consent: true, Hash: h},
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute)
			step, err := c.Apply(ev, now)
			if err != nil {
				continue
			}
			switch ev.Kind { //nolint:exhaustive // the others neither work nor decide.
			case support.Work, support.Flag:
				worked[who.Person] = true
			case support.Propose:
				worked[who.Person] = true
				consents = map[string][]byte{}
			case support.Consent:
				if who.Client != "" || who.Holder || worked[who.Person] || ev.Decision.Person != who.Person {
					t.Fatalf("%+v decided", who)
				}
				if step.Next.Proposal.Security && !who.Security {
					t.Fatalf("%+v decided for security staff", who)
				}
				consents[who.Person] = h
			}
			if step.Execute {
				if len(consents) != 2 {
					t.Fatalf("executed by %v", consents)
				}
				for _, saw := range consents {
					if !slices.Equal(saw, step.Next.Proposal.Hash) {
						t.Fatalf("executed on another hash")
					}
				}
				return
			}
			c = step.Next
		}
	})
}
