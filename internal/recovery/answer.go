package recovery

import (
	"context"
	"math"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/secret"
)

// verdict is what became of an answer.
type verdict struct {
	evidence *factor.Evidence // nil: refused
	why      string           // for metrics and the audit trail; nobody outside learns it
	totp     *TOTPUse
	saved    string // the saved code that was used
}

// Answer checks one proof. A wrong proof is counted and committed before it is refused (ADR 0003). Wrong, used, expired,
// unknown and decoy share CodeProofRefused; an answer that comes during a wait is CodeThrottled and is not looked at.
func (s *Service) Answer(ctx context.Context, cmd AnswerCommand) (View, error) {
	claimant := secret.HashToken(secret.PurposeClaimant, cmd.Claimant)
	gathered, err := s.gather(ctx, cmd.Tenant, cmd.ID, cmd.Challenge, cmd.Code, func(l SavedLookup) bool {
		return l.Method == factor.RecoveryCode && !s.stopped(cmd.Tenant, l.Method) && secret.Equal(claimant[:], l.ClaimantHash)
	})
	if err != nil {
		return View{}, fault.Wrap(err, "answer")
	}
	var out sealed[View]
	// Which method is answered is known only with the challenge, so the counters of all are locked, in one order.
	q := Query{Tenant: cmd.Tenant, ID: cmd.ID, Key: cmd.Key, SavedPrefix: gathered.prefix, Counters: s.failureKinds()}
	err = s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if err := authorise(in, cmd.Ref); err != nil {
			return err
		}
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		change, view, err := s.answer(cmd, in, gathered)
		if err != nil {
			return err
		}
		out = sealed[View]{Value: view}
		out.refuse(change.Steps[0].Refusal())
		if change.Remember, err = remember(cmd.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return View{}, fault.Wrap(err, "answer")
	}
	return out.Value, out.err()
}

// gathered is what had to be worked out before the transaction: an argon2 evaluation must hold no lock.
type gathered struct {
	prefix  string
	phc     string
	matches bool
}

// gather does the argon2 work of a saved code: once, whether the code exists or not, and only for whom it is owed to.
// owed is judged on what is stored: the token, the method, the rest after failures. For any other answer it costs nothing;
// that one is judged like a wrong one.
func (s *Service) gather(ctx context.Context, tenant, recovery, challenge string, code secret.String, owed func(SavedLookup) bool) (gathered, error) {
	prefix, body, err := s.SavedCodes.Parse(code)
	if err != nil {
		return gathered{}, nil //nolint:nilerr // another kind of code, or a mistyped one.
	}
	found, err := s.Store.SavedCode(ctx, tenant, recovery, challenge, prefix)
	if err != nil {
		return gathered{}, err
	}
	if found.Resting || !owed(found) {
		return gathered{prefix: prefix}, nil
	}
	ok, err := s.SavedCodes.Verify(ctx, found.PHC, body)
	if err != nil {
		return gathered{}, err
	}
	return gathered{prefix: prefix, phc: found.PHC, matches: ok}, nil
}

// failureKinds names the failure counters of every method on offer.
func (s *Service) failureKinds() []string {
	kinds := make([]string, 0, len(s.Offered))
	for _, m := range s.Offered {
		kinds = append(kinds, failureKind(m))
	}
	return kinds
}

// answer judges the proof and makes what follows: steps, counters, evidence.
func (s *Service) answer(cmd AnswerCommand, in Loaded, g gathered) (Change, View, error) {
	ch, ok := find(in.Challenges, func(c Challenge) bool { return c.ID == cmd.Challenge })
	if !ok {
		return Change{}, View{}, fault.Of(fault.CodeNotFound)
	}
	if s.stopped(cmd.Tenant, ch.Method) { // nothing is judged, so nothing is counted and nothing learned
		return Change{}, View{}, fault.Of(fault.CodeMethodUnavailable)
	}
	kind := failureKind(ch.Method)
	counter := in.Counters[kind]
	if may, wait := counter.mayFail(in.Now); !may {
		return Change{}, View{}, resting(in.Recovery, ch, wait)
	}
	v := s.judge(cmd.Code, in, ch, g)
	change := in.change(claimant(cmd.Caller), in.Recovery.Network, cmd.RequestID)
	change.Challenge = &ch
	ev := Event{Kind: ProofRejected, Method: ch.Method, Challenge: ch.ID, Reason: v.why}
	if v.evidence != nil {
		ch.ConsumedAt = in.Now
		counter = counter.succeed()
		ev = s.accepted(v, ch, in, &change)
	} else {
		ch.Attempts = min(ch.Attempts+1, attemptsPerCode)
		counter = counter.fail(in.Now)
		if !counter.DisabledAt.IsZero() {
			s.disable(&change, in, ch.Method)
		}
	}
	change.Counters = map[string]Counter{kind: counter}
	step, err := in.Recovery.Apply(ev, in.Now)
	if err != nil {
		return Change{}, View{}, err
	}
	change.Steps = []Step{step}
	change.Notices = append(change.Notices, s.notices(step, in.Account, in.Now)...)
	if step.Event == Due { // past the deadline: nothing was proven
		change.Assessment, change.TOTP, change.SavedUse, change.Counters, change.Challenge = nil, nil, "", nil, nil
	}
	return change, s.viewOf(in, step.Next), nil
}

// seenToRest is from how many failures of its own a challenge shows that its method rests.
const seenToRest = 3

// resting is the answer to a proof that comes while the method rests: neither judged nor counted. Before the first proof
// the wait shows only where this very challenge brought it about; else two names of one account, which share its counters,
// could be told from two unknown ones.
func resting(r Recovery, ch Challenge, wait time.Duration) error {
	if r.Proven() || ch.Attempts >= seenToRest {
		return fault.Of(fault.CodeThrottled).After(wait)
	}
	return fault.Of(fault.CodeProofRefused)
}

// accepted makes the event of an accepted proof, with the policy's word on the facts as they are now.
func (s *Service) accepted(v verdict, ch Challenge, in Loaded, change *Change) Event {
	r := in.Recovery
	evidence := append(append([]factor.Evidence(nil), r.Evidence...), *v.evidence)
	f := s.assess(in, evidence)
	if ch.hasty() {
		f.Signals[policy.ImpossibleAnswer] = policy.Reading{State: policy.Present}
	}
	decision := s.Policies.Current(r.Tenant).Decide(f)
	change.TOTP, change.SavedUse = v.totp, v.saved
	change.Assessment = &Assessment{Facts: f, Decision: decision}
	return Event{
		Kind: ProofAccepted, Method: ch.Method, Challenge: ch.ID, Evidence: v.evidence, Decision: &decision, MaxAAL: in.Account.maxAAL(),
	}
}

// judge compares the answer. It does the same work for a decoy as for an account.
func (s *Service) judge(code secret.String, in Loaded, ch Challenge, g gathered) verdict {
	var v verdict
	switch ch.Method {
	case factor.Email, factor.SMS:
		v = s.judgeCode(code, in, ch)
	case factor.TOTP:
		v = s.judgeTOTP(code, in)
	case factor.RecoveryCode:
		v = judgeSaved(in, g)
	case factor.Voice, factor.Passkey, factor.Federated, factor.Contact, factor.Reproofing:
		v = verdict{why: "not_offered"}
	default:
		v = verdict{why: "not_offered"}
	}
	switch {
	case !ch.alive(in.Now, s.attemptsOf(in.Recovery.Tenant)):
		return verdict{why: "challenge_over"}
	case in.Account == nil:
		return verdict{why: "decoy"}
	case in.Account.disabled(ch.Method):
		return verdict{why: "method_disabled"}
	case in.Recovery.Plan.DeferToIDP:
		return verdict{why: "deferred"}
	}
	return v
}

func (s *Service) judgeCode(code secret.String, in Loaded, ch Challenge) verdict {
	right := s.Keys.VerifyCode(ch.CodeHash, in.Recovery.ID, ch.ID, code)
	if in.Account == nil || ch.Channel == "" {
		return verdict{why: "decoy"}
	}
	for _, c := range in.Account.Channels {
		if c.ID != ch.Channel || !c.RemovedAt.IsZero() {
			continue
		}
		if !right {
			return verdict{why: "wrong"}
		}
		e := s.evidence(ch.Method, c.ID, c.Since, c.Suspect, in.Now)
		e.Address = c.Address
		return verdict{evidence: e}
	}
	return verdict{why: "channel_gone"}
}

// noKey stands for the seed of an account that has none, so that the work is the same.
const noKey = "no seed is on file. "

func (s *Service) judgeTOTP(code secret.String, in Loaded) verdict {
	if in.Account == nil || len(in.Account.TOTP) == 0 {
		s.TOTP.Verify([]byte(noKey), code, in.Now, math.MaxInt64)
		return verdict{why: "decoy"}
	}
	for _, t := range in.Account.TOTP {
		seed, err := s.Vault.Seed(in.Recovery.Tenant, *in.Account, t)
		if err != nil {
			return verdict{why: "sealed"}
		}
		if step, ok := s.TOTP.Verify(seed, code, in.Now, t.LastStep); ok {
			e := s.evidence(factor.TOTP, t.ID, t.Since, t.Suspect, in.Now)
			e.AAL = 1
			return verdict{evidence: e, totp: &TOTPUse{Factor: t.ID, Step: step}}
		}
	}
	return verdict{why: "wrong"}
}

func judgeSaved(in Loaded, g gathered) verdict {
	switch {
	case in.Saved == nil || !in.Saved.Unused:
		return verdict{why: "wrong"}
	case !g.matches || in.Saved.PHC != g.phc:
		return verdict{why: "wrong"}
	}
	return verdict{
		evidence: &factor.Evidence{Method: factor.RecoveryCode, Class: factor.Saved, Source: in.Saved.ID, Since: in.Saved.IssuedAt, At: in.Now},
		saved:    in.Saved.ID,
	}
}

func (s *Service) evidence(m factor.Method, source string, since time.Time, suspect bool, now time.Time) *factor.Evidence {
	class, _ := m.Class()
	return &factor.Evidence{Method: m, Class: class, Source: source, Since: since, At: now, Suspect: suspect}
}

// disable writes down that a method had too many failures in a row, and tells the owner everywhere. The
// account itself is untouched.
func (s *Service) disable(change *Change, in Loaded, m factor.Method) {
	r := in.Recovery
	change.Events = append(change.Events, audit.Event{
		Tenant: r.Tenant, At: in.Now, Actor: audit.Actor{Kind: audit.ActorSystem, ID: "limits"}, Action: audit.MethodDisabled,
		Subject: r.Subject, Recovery: r.ID, Outcome: audit.Success, Details: map[string]any{"method": string(m)},
	})
	change.Notices = append(change.Notices, s.notices(Step{Next: r, Notices: []NoticeKind{NoticeMethodDisabled}}, in.Account, in.Now)...)
}
