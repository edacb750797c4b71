package recovery

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// appChannel stands for the tenant's own app in the rule of one pause per channel.
const appChannel = "app"

// objecting is one objection to one recovery, wherever it came from.
type objecting struct {
	tenant, recovery, channel string
	base                      factor.Strength // what reaching us this way shows: a link E0, a live session E1
	method                    factor.Method
	code                      secret.String
	by                        audit.Actor
	origin, requestID         string
	key                       idempotency.Key
	shown                     *shown // what was beside it, where this very request had it judged against another recovery
	via                       string // how it came, for the audit trail: link, reply or app
}

// Object is the owner's objection by the link of a notice. The link alone pauses; with a proof it can end the recovery
// . It reveals nothing about the claimant. What the link alone does it does beside a proof that is refused
// as well (ADR 0016); the view then says so.
//
// Faults: CodeObjectionRefused for a link that is unknown, spent, or of a recovery that is over, whose proof is not looked
// at; where the link alone has no effect, CodeProofRefused for a wrong proof and CodeThrottled while its method rests.
func (s *Service) Object(ctx context.Context, cmd ObjectCommand) (ObjectionView, error) {
	if err := secret.CheckObjectionToken(cmd.Token); err != nil {
		return ObjectionView{}, fault.Of(fault.CodeObjectionRefused)
	}
	hash := secret.HashToken(secret.PurposeObjection, cmd.Token)
	target, err := s.Store.ObjectionTarget(ctx, hash[:])
	if err != nil {
		return ObjectionView{}, fault.Wrap(err, "object")
	}
	view, _, err := s.object(ctx, objecting{
		tenant: target.Tenant, recovery: target.Recovery, channel: target.Channel, base: factor.E0, via: "link",
		method: cmd.Method, code: cmd.Code, by: audit.Actor{Kind: audit.ActorOwner}, origin: network(cmd.Addr),
		requestID: cmd.RequestID, key: cmd.Key,
	})
	if err != nil {
		return ObjectionView{}, err
	}
	view.Tenant, view.Support = target.TenantName, target.Support
	return view, nil
}

// ObjectFromApp is the signed-in owner's objection through the tenant's app: a live session counts as E1, a fresh proof by
// what it is. It concerns one recovery, or all that are open; one that cannot be objected to any more is left out. The
// proof is judged, counted and used up once and counts against all of them: a thief must not shield one claim by starting
// another.
//
// Faults: CodeNotFound when there is nothing to object to; those of Object.
func (s *Service) ObjectFromApp(ctx context.Context, cmd AppObjectCommand) ([]ObjectionView, error) {
	ids, err := s.Store.OpenRecoveries(ctx, cmd.Tenant, cmd.Recovery, s.Vault.RefHashes(cmd.Tenant, cmd.AccountRef))
	if err != nil {
		return nil, fault.Wrap(err, "object from app")
	}
	var views []ObjectionView
	var beside *shown
	nothing := fault.Of(fault.CodeNotFound)
	for _, id := range ids {
		view, judged, err := s.object(ctx, objecting{
			tenant: cmd.Tenant, recovery: id, channel: appChannel, base: factor.E1, via: "app", method: cmd.Method, code: cmd.Code,
			by: audit.Actor{Kind: audit.ActorOwner, ID: cmd.Client}, requestID: cmd.RequestID, shown: beside,
			key: cmd.Key.Part(id),
		})
		if judged != nil {
			beside = judged
		}
		switch fault.CodeOf(err) {
		case "":
			views = append(views, view)
		case fault.CodeObjectionRefused:
		case fault.CodeProofRefused, fault.CodeThrottled: // the session alone did nothing to this one, and may to the next
			nothing = fault.From(err)
		default:
			return nil, err
		}
	}
	if len(views) == 0 {
		return nil, nothing
	}
	return views, nil
}

// object weighs one objection, and gives what became of the proof beside it once that is committed.
func (s *Service) object(ctx context.Context, o objecting) (ObjectionView, *shown, error) {
	var g gathered
	var err error
	q := Query{Tenant: o.tenant, ID: o.recovery, Key: o.key}
	if o.method != "" && o.shown == nil {
		if g, err = s.gather(ctx, o.tenant, o.recovery, "", o.code, func(SavedLookup) bool { return o.method == factor.RecoveryCode }); err != nil {
			return ObjectionView{}, nil, fault.Wrap(err, "object")
		}
		q.SavedPrefix, q.Counters = g.prefix, []string{failureKind(o.method)}
		q.OpenCounters = q.Counters
	}
	var out sealed[ObjectionView]
	var beside *shown
	err = s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(o.key, in.Replay, &out)
		}
		out, beside = sealed[ObjectionView]{}, nil
		change, judged, err := s.objected(o, in, g, &out)
		if err != nil {
			return err
		}
		beside = judged
		if change.Remember, err = remember(o.key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	switch fault.CodeOf(err) {
	case "":
		return out.Value, beside, out.err()
	case fault.CodeNotAllowedInState, fault.CodeNotFound:
		return ObjectionView{}, nil, fault.Of(fault.CodeObjectionRefused).Because(err)
	default:
		return ObjectionView{}, nil, fault.Wrap(err, "object")
	}
}

// objected weighs the objection and makes what follows. A proof that is refused takes nothing from the objection: it is
// weighed as if it had come alone, and only where it then does nothing is the proof's refusal the answer.
func (s *Service) objected(o objecting, in Loaded, g gathered, out *sealed[ObjectionView]) (Change, *shown, error) {
	change := in.change(o.by, o.origin, o.requestID)
	if in.Account == nil || !o.mayStill(in) {
		return Change{}, nil, fault.Of(fault.CodeObjectionRefused)
	}
	beside := o.shown
	if o.method != "" && beside == nil && in.Recovery.hears(in.Now) {
		var err error
		if beside, err = s.prove(o, in, g, &change); err != nil {
			return Change{}, nil, err
		}
	}
	objection := o.weigh(s.newID("obj", in.Now), beside, in)
	step, err := in.Recovery.Apply(Event{Kind: Object, Objection: objection, Reason: o.via}, in.Now)
	switch {
	case err != nil && len(change.Counters) > 0 && beside.refused(): // nothing but the count
		out.refuse(beside.fault(in.Now))
		return change, beside, nil
	case err != nil && beside.refused():
		return Change{}, nil, beside.fault(in.Now)
	case err != nil:
		return Change{}, nil, err
	}
	change.Steps = []Step{step}
	change.Notices = append(change.Notices, s.notices(step, in.Account, in.Now)...)
	out.Value = objectionView(step, beside)
	switch {
	case step.Event == Due: // past the deadline: it ended by itself
		out.refuse(fault.Of(fault.CodeObjectionRefused))
	case step.Refusal() != nil && beside.refused():
		out.refuse(beside.fault(in.Now))
	default:
		out.refuse(step.Refusal())
	}
	if step.To == Reversed {
		s.takeBack(&change, in)
	}
	return change, beside, nil
}

// takeBack adds to a reversal what the step itself cannot know: what came with the thief, and an erasure that was asked for
// since the claim began.
func (s *Service) takeBack(change *Change, in Loaded) {
	change.Suspect = latecomers(in)
	if !in.Account.ErasureAskedAt.Before(in.Recovery.CreatedAt) {
		forgetErasure(change, in, "reversal", "reversed")
	}
}

// forgetErasure gives up an erasure that waits, if one does.
func forgetErasure(change *Change, in Loaded, by, reason string) {
	if in.Account.ErasureAskedAt.IsZero() {
		return
	}
	change.ForgetErasure = true
	change.Events = append(change.Events, audit.Event{
		Tenant: change.Tenant, At: in.Now, Actor: audit.Actor{Kind: audit.ActorSystem, ID: by}, Action: audit.ErasureCancelled,
		Subject: in.Account.ID, Recovery: in.Recovery.ID, Outcome: audit.Success, Reason: reason,
	})
}

// mayStill reports whether the way the objection came still speaks for the owner: a removed address does for a week.
func (o objecting) mayStill(in Loaded) bool {
	c, ok := in.Account.channel(o.channel)
	return !ok || c.RemovedAt.IsZero() || in.Now.Sub(c.RemovedAt) < factor.AgedFactor
}

// weigh makes the objection. What the claim itself rests on cannot be counted against it, and what was enrolled since the
// claim began counts for nobody (rules c and d of requirements.md, section 4.1). What was shown with earlier objections that
// still stand counts with it: the owner can bring one proof after the other, as the claimant can.
//
// A link alone is E0, for scanners press buttons. Beside a proof, a person has come with it, and it shows as much as a code
// typed from the same address: that this address can be read (class I). So an old address and a saved code take an account
// back (S5).
func (o objecting) weigh(id string, beside *shown, in Loaded) *Objection {
	objection := &Objection{ID: id, Channel: o.channel, Strength: o.base}
	from, onFile := in.Account.channel(o.channel)
	objection.Address = from.Address
	if beside == nil || beside.evidence == nil {
		return objection
	}
	objection.Evidence = []factor.Evidence{*beside.evidence}
	if onFile {
		class, _ := from.Kind.Class()
		objection.Evidence = append(objection.Evidence, factor.Evidence{
			Method: from.Kind, Class: class, Source: from.ID, Address: from.Address, Since: from.Since, At: in.Now, Suspect: from.Suspect,
		})
	}
	for i, e := range objection.Evidence {
		objection.Evidence[i].Suspect = e.Suspect || e.Since.After(in.Recovery.CreatedAt)
	}
	all := append(in.Recovery.shownAgainst(), objection.Evidence...)
	objection.Strength = max(objection.Strength, strength(factor.Independent(all, in.Recovery.Evidence)))
	return objection
}

// latecomers are the addresses and authenticators that came to the account within the week before the claim, or later: whoever
// made the claim may have brought them.
func latecomers(in Loaded) []string {
	var out []string
	late := func(since time.Time) bool { return since.After(in.Recovery.CreatedAt.Add(-factor.AgedFactor)) }
	for _, c := range in.Account.Channels {
		if c.RemovedAt.IsZero() && late(c.Since) {
			out = append(out, c.ID)
		}
	}
	for _, t := range in.Account.TOTP {
		if late(t.Since) {
			out = append(out, t.ID)
		}
	}
	return out
}

// prove judges the proof beside an objection by the same counters and with the same care as a claimant's. A refusal is
// counted; while the method rests the proof is not looked at.
func (s *Service) prove(o objecting, in Loaded, g gathered, change *Change) (*shown, error) {
	if o.method != factor.TOTP && o.method != factor.RecoveryCode {
		return nil, fault.Of(fault.CodeMethodUnavailable)
	}
	kind := failureKind(o.method)
	counter := in.Counters[kind]
	if may, wait := counter.mayFail(in.Now); !may {
		return &shown{result: ShownResting, retryAt: in.Now.Add(wait)}, nil
	}
	v := s.judge(o.code, in, Challenge{Method: o.method, ExpiresAt: in.Now.Add(time.Minute)}, g)
	if v.evidence == nil {
		counter = counter.fail(in.Now)
		change.Counters = map[string]Counter{kind: counter}
		change.Events = []audit.Event{{
			Tenant: o.tenant, At: in.Now, Actor: o.by, Action: audit.ObjectionRefused, Subject: in.Recovery.ID, Recovery: in.Recovery.ID,
			Outcome: audit.Failure, Reason: v.why, Details: map[string]any{"method": string(o.method)},
		}}
		if !counter.DisabledAt.IsZero() {
			s.disable(change, in, o.method)
		}
		out := &shown{result: ShownRefused}
		if may, wait := counter.mayFail(in.Now); !may {
			out.retryAt = in.Now.Add(wait)
		}
		return out, nil
	}
	change.Counters = map[string]Counter{kind: counter.succeed()}
	change.TOTP, change.SavedUse = v.totp, v.saved
	return &shown{result: ShownAccepted, evidence: v.evidence}, nil
}
