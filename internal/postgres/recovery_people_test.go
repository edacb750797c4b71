package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/support"
)

// walk is one life of an account at the desk: who claims it, who owns it, and everybody who works on its cases. The test keeps its
// own account of who had a part in what, by who the humans are and not by what their providers say of them.
type walk struct {
	*scene
	desk    *support.Service
	demand  *demand
	r       *rand.Rand
	who     *person // the account's holder
	cast    []*player
	outside *player // who works for another tenant
	claims  []*taken
	grants  []secret.String
	codes   []secret.String
	hashes  map[string]string  // of proposals, with what was there to be seen
	read    map[string]reading // by proposal and by whom the service takes the reader for
	due     *motion            // the motion that the latest deed executed
	deeds   []string
	reached map[string]int
	n       int
}

// player is somebody who signs in, or an AI agent. One human may be several of them.
type player struct {
	name, human string
	who         support.Caller
}

// reading is what a player held in hand when they had read.
type reading struct {
	hash  []byte
	sight string
}

// taken is a recovery with the cases around it.
type taken struct {
	*claim
	desk     string // the latest case
	parts    map[string]bool
	deciders map[string]bool // in the latest case: barred from the next
	motion   *motion         // the latest proposal
	judged   int64           // the version up to which its trail was judged
}

// motion is a proposal as the test remembers it.
type motion struct {
	id       string
	outcome  support.Outcome
	hash     []byte
	sight    string
	by       string // the human
	security bool
	at       time.Time
	consents []string // the humans
	over     bool
}

// demand is what an operator demands.
type demand struct{ tier atomic.Int64 }

func (d *demand) Current(string) recovery.Raised {
	return recovery.Raised{Raised: policy.Raised{MinTier: policy.Tier(d.tier.Load())}}
}

// deskVault opens what was never sealed.
type deskVault struct{ recoverytest.Vault }

func (deskVault) Open(_ string, _ recovery.Account, texts []support.Sealed) ([]support.Plain, error) {
	out := make([]support.Plain, 0, len(texts))
	for _, x := range texts {
		out = append(out, support.Plain{Kind: x.Kind, ID: x.ID, Text: secret.NewString(string(x.Text))})
	}
	return out, nil
}

// noDeskLimits lets every agent have links sent.
type noDeskLimits struct{}

func (noDeskLimits) AllowClaimLinks(context.Context, string, string, []byte) error { return nil }

// one is true once in n times.
func (w *walk) one(n int) bool { return w.r.IntN(n) == 0 }

func pick[T any](w *walk, from ...T) T { return from[w.r.IntN(len(from))] }

// people fills the cast: two or three approvers of whom one is there twice, an AI agent and its owner, an operator, and in half of the
// lives who holds the account, who works here as well, and security staff. One human has another issuer's account under the same
// address, or the same account under another address. Both at once have nothing in common: that is two people to the service.
func (w *walk) people(life string) {
	const here, there = "https://id.example.com", "https://branch.example.com"
	staff := func(name, human, issuer, email string, roles ...credential.Role) *player {
		subject := name
		if issuer == here {
			subject = human // one account, whatever its address
		}
		who := credential.Principal{
			Tenant: "demo", Kind: credential.Workforce, Scopes: credential.ScopesOf(roles),
			Staff: &credential.Staff{Issuer: issuer, Subject: subject, Person: credential.PersonID(email), Roles: roles, Tenants: []string{"demo"}},
		}
		return &player{name: name, human: human, who: support.Caller{Who: who, RequestID: "req_w"}}
	}
	approver := credential.Approver
	w.cast = []*player{
		staff("kim", "kim", here, "kim@staff.example.com", credential.Agent), staff("kim elsewhere", "kim", there, "kim@staff.example.com", approver),
		staff("max", "max", here, "max@staff.example.com", credential.Agent, approver),
		staff("noor", "noor", here, "noor@staff.example.com", approver),
		pick(w, staff("noor elsewhere", "noor", there, "noor@staff.example.com", approver), staff("noor married", "noor", here, "noor.married@staff.example.com", approver)),
		staff("olu", "olu", here, "olu@staff.example.com", approver), staff("ops", "ops", here, "ops@staff.example.com", credential.Operator),
	}
	if w.one(2) {
		w.cast = append(w.cast, staff("pat", "pat", here, "pat@staff.example.com", approver))
	}
	if w.one(2) { // then it takes security staff, once she was seen
		w.cast = append(w.cast, staff("ada "+life, "ada", here, w.who.identifier, credential.Agent, approver, credential.Security),
			staff("sol", "sol", here, "sol@staff.example.com", credential.Security), staff("tam", "tam", here, "tam@staff.example.com", credential.Security))
	}
	bot := credential.Principal{Tenant: "demo", Client: "cli_bot", Kind: credential.AIAgent, Scopes: credential.AIAgent.Scopes(), Owner: credential.PersonID("max@staff.example.com")}
	w.cast = append(w.cast, &player{name: "bot", human: "max", who: support.Caller{Who: bot, RequestID: "req_w"}})
	w.outside = staff("outside", "outside", here, "outside@else.example.com", credential.Agent, approver, credential.Security)
	w.outside.who.Who.Tenant, w.outside.who.Who.Staff.Tenants = "other", []string{"other"}
}

// may picks one of those whom the edge lets do it; the operator, strangers and machines fail there (internal/app's capability test).
func (w *walk) may(s credential.Scope) *player {
	var able []*player
	for _, p := range w.cast {
		if p.who.Who.Allows(s) {
			able = append(able, p)
		}
	}
	return pick(w, able...)
}

// fit picks one who could decide about the latest proposal, most often: lives in which nobody can never get far.
func (w *walk) fit(c *taken, from []*player) *player {
	able := slices.DeleteFunc(slices.Clone(from), func(p *player) bool {
		m := c.motion
		return !p.who.Who.Allows(credential.CasesDecide) || c.parts[p.human] || p.human == "ada" || m != nil && (slices.Contains(m.consents, p.human) || m.security && !p.who.Who.Has(credential.Security))
	})
	if len(able) == 0 || w.one(3) {
		able = from
	}
	return pick(w, able...)
}

// newest is the claim that things happen to, mostly.
func (w *walk) newest() *taken {
	if len(w.claims) == 0 {
		return nil
	}
	if n := len(w.claims); n > 1 && w.one(6) {
		return w.claims[w.r.IntN(n-1)]
	}
	return w.claims[len(w.claims)-1]
}

// usual is what the claim waits for: lives that only stumble never get far.
func (w *walk) usual(c *taken) string {
	if c == nil {
		return "start"
	}
	state := get[string](w.scene, `SELECT coalesce((SELECT state::text FROM support_case WHERE id = $1), '')`, c.desk)
	switch at := c.state(); at { //nolint:exhaustive // the others wait for nothing.
	case recovery.Initiated, recovery.Verifying, recovery.Assisted:
		switch support.State(state) { //nolint:exhaustive // an end and no case at all are alike.
		case support.Proposed:
			if m := c.motion; m != nil && slices.ContainsFunc(w.cast, func(p *player) bool {
				_, has := w.read[m.id+p.who.Who.Person()]
				return has && !c.parts[p.human] && !slices.Contains(m.consents, p.human)
			}) {
				return "decide"
			}
			return "ask"
		case support.Opened, support.EvidencePending, support.Flagged:
			return pick(w, "propose", "propose", "attach")
		default:
			return "open"
		}
	case recovery.CoolingOff:
		return pick(w, "deliver", "pass", "pass", "wake", "flag", "object")
	case recovery.Ready:
		return "grant"
	case recovery.Granted:
		return pick(w, "redeem", "redeem", "flag")
	case recovery.Denied:
		return "appeal"
	case recovery.Contested:
		return "prove"
	default:
		return "start"
	}
}

// do does one thing, the usual one or any.
func (w *walk) do() error {
	c := w.newest()
	what := w.usual(c)
	if w.one(5) {
		what = pick(w, "start", "prove", "cancel", "appeal", "object", "grant", "redeem", "open", "note", "attach", "challenge", "propose", "flag", "ask", "decide", "decide",
			"raise", "suspect", "settle", "wake", "deliver", "outside", "thief", "lapse")
	}
	w.deeds = append(w.deeds, what)
	w.n++
	switch {
	case what == "start" || c == nil:
		return w.begin()
	case slices.Contains([]string{"open", "note", "attach", "challenge", "propose", "flag"}, what):
		return w.work(c, what)
	case what == "ask":
		return w.ask(c)
	case what == "decide":
		return w.decide(c)
	case what == "outside" || what == "thief":
		return w.stranger(c, what)
	case slices.Contains([]string{"prove", "cancel", "appeal", "object", "grant", "redeem"}, what):
		return w.claimant(c, what)
	default:
		return w.world(c, what)
	}
}

func (w *walk) begin() error {
	if len(w.claims) >= 3 {
		return nil
	}
	started, err := w.Start(w.t.Context(), w.startCommand(w.who.identifier))
	if err == nil {
		c := &claim{s: w.scene, id: started.ID, ref: recovery.Ref{ID: started.ID, Claimant: started.ClaimantToken}}
		w.claims = append(w.claims, &taken{claim: c, parts: map[string]bool{}, deciders: map[string]bool{}})
	}
	return err
}

// work is what an agent does, or an AI agent where it may. Whoever does it has a part in the recovery from then on.
func (w *walk) work(c *taken, what string) error {
	p := w.may(map[string]credential.Scope{
		"open": credential.CasesOpen, "note": credential.CasesNote, "attach": credential.CasesArtefact, "challenge": credential.CasesChallenge,
		"propose": credential.CasesPropose, "flag": credential.CasesFlag,
	}[what])
	if !w.one(6) { // approvers who work on everything have nothing to decide
		p = pick(w, w.cast[0], w.cast[0], p)
	}
	w.deeds[len(w.deeds)-1] += " by " + p.name
	ctx := w.t.Context()
	var err error
	switch what {
	case "open":
		reference := get[string](w.scene, `SELECT reference FROM recovery WHERE id = $1`, c.id)
		_, err = w.desk.Open(ctx, support.OpenCommand{Caller: p.who, Reference: reference})
		w.next(c)
	case "note":
		_, err = w.desk.Note(ctx, support.NoteCommand{Caller: p.who, Case: c.desk, Text: secret.NewString("Approve this at once.")})
	case "attach":
		_, err = w.desk.Attach(ctx, support.ArtefactCommand{Caller: p.who, Case: c.desk, Artefact: w.artefact()})
	case "challenge":
		_, err = w.desk.Challenge(ctx, support.ChallengeCommand{Caller: p.who, Case: c.desk, Method: pick(w, factor.Email, factor.SMS)})
	case "flag":
		_, err = w.desk.Flag(ctx, support.FlagCommand{Caller: p.who, Case: c.desk, Reason: support.FlagPressure})
	case "propose":
		return w.propose(c, p)
	}
	if err == nil {
		c.parts[p.human] = true
		w.reached[what]++
	}
	return err
}

func (w *walk) artefact() support.Artefact {
	reference := fmt.Sprintf("%s-%d", w.who.ref, w.n)
	sum := sha256.Sum256([]byte(reference))
	return support.Artefact{
		Kind: pick(w, support.Reproofing, support.Reproofing, support.InPerson, support.ContactWord, support.OrganisationBy), Provider: "ident-co",
		Reference: reference, Hash: sum[:], PerformedAt: w.now().Add(-time.Minute),
	}
}

// next takes notice of a new case: who decided in the one before has a part in the recovery now.
func (w *walk) next(c *taken) {
	latest := get[string](w.scene, `SELECT coalesce((SELECT id FROM support_case WHERE recovery_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1), '')`, c.id)
	if latest == c.desk {
		return
	}
	for human := range c.deciders {
		c.parts[human] = true
	}
	c.desk, c.deciders, c.motion = latest, map[string]bool{}, nil
}

func (w *walk) propose(c *taken, p *player) error {
	outcome := pick(w, support.Approve, support.Approve, support.Approve, support.Deny)
	done, err := w.desk.Propose(w.t.Context(), support.ProposeCommand{Caller: p.who, Case: c.desk, Outcome: outcome})
	if err != nil {
		return err
	}
	c.parts[p.human] = true
	if c.motion != nil {
		c.motion.over = true
	}
	m := &motion{id: done.Made, outcome: outcome, hash: done.Proposal.Hash, by: p.human, sight: w.sight(c), at: w.now()}
	m.security = get[bool](w.scene, `SELECT security FROM support_proposal WHERE id = $1`, m.id)
	c.motion = m
	w.reached["propose"]++
	key := string(m.hash)
	if seen, ok := w.hashes[key]; ok && seen != string(outcome)+m.sight {
		require.Fail(w.t, "one hash for two sights (R-124)")
	}
	w.hashes[key] = string(outcome) + m.sight
	return nil
}
