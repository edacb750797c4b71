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
	proven                    *factor.Evidence // shown already, in this very request, against another recovery
}

// Object is the owner's objection by the link of a notice. The link alone pauses; with a proof it can end the recovery
// . It reveals nothing about the claimant.
//
// Faults: CodeObjectionRefused for a link that is unknown, spent, or of a recovery that is over; CodeProofRefused for a wrong
// proof, which is counted; CodeThrottled while the method rests.
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
		tenant: target.Tenant, recovery: target.Recovery, channel: target.Channel, base: factor.E0,
		method: cmd.Method, code: cmd.Code, by: audit.Actor{Kind: audit.ActorOwner}, origin: network(cmd.Addr),
		requestID: cmd.RequestID, key: cmd.Key,
	})
	return view, err
}

// ObjectFromApp is the signed-in owner's objection through the tenant's app: a live session counts as E1, a fresh proof by
// what it is. It concerns one recovery, or all that are open; one that cannot be objected to any more is left out. The
// proof is used up once and counts against all of them: a thief must not shield one claim by starting another.
//
// Faults: CodeNotFound when there is nothing to object to; those of Object.
func (s *Service) ObjectFromApp(ctx context.Context, cmd AppObjectCommand) ([]ObjectionView, error) {
	ids, err := s.Store.OpenRecoveries(ctx, cmd.Tenant, cmd.Recovery, s.Vault.RefHashes(cmd.Tenant, cmd.AccountRef))
	if err != nil {
		return nil, fault.Wrap(err, "object from app")
	}
	var views []ObjectionView
	var proven *factor.Evidence
	for _, id := range ids {
		view, shown, err := s.object(ctx, objecting{
			tenant: cmd.Tenant, recovery: id, channel: appChannel, base: factor.E1, method: cmd.Method, code: cmd.Code,
			by: audit.Actor{Kind: audit.ActorOwner, ID: cmd.Client}, requestID: cmd.RequestID, proven: proven,
			key: cmd.Key.Part(id),
		})
		if shown != nil {
			proven = shown
		}
		switch fault.CodeOf(err) {
		case "":
			views = append(views, view)
		case fault.CodeObjectionRefused:
		default:
			return nil, err
		}
	}
	if len(views) == 0 {
		return nil, fault.Of(fault.CodeNotFound)
	}
	return views, nil
}

// object weighs one objection, and gives the proof beside it once that is committed.
func (s *Service) object(ctx context.Context, o objecting) (ObjectionView, *factor.Evidence, error) {
	var g gathered
	var err error
	q := Query{Tenant: o.tenant, ID: o.recovery, Key: o.key}
	if o.method != "" && o.proven == nil {
		if g, err = s.gather(ctx, o.tenant, o.recovery, "", o.code, func(SavedLookup) bool { return o.method == factor.RecoveryCode }); err != nil {
			return ObjectionView{}, nil, fault.Wrap(err, "object")
		}
		q.SavedPrefix, q.Counters = g.prefix, []string{failureKind(o.method)}
		q.OpenCounters = q.Counters
	}
	var out sealed[ObjectionView]
	var shown *factor.Evidence
	err = s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(o.key, in.Replay, &out)
		}
		out, shown = sealed[ObjectionView]{}, nil
		change, evidence, err := s.objected(o, in, g, &out)
		if err != nil {
			return err
		}
		shown = evidence
		if change.Remember, err = remember(o.key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	switch fault.CodeOf(err) {
	case "":
		return out.Value, shown, out.err()
	case fault.CodeNotAllowedInState, fault.CodeNotFound:
		return ObjectionView{}, nil, fault.Of(fault.CodeObjectionRefused).Because(err)
	default:
		return ObjectionView{}, nil, fault.Wrap(err, "object")
	}
}

// objected weighs the objection and makes what follows.
func (s *Service) objected(o objecting, in Loaded, g gathered, out *sealed[ObjectionView]) (Change, *factor.Evidence, error) {
	change := in.change(o.by, o.origin, o.requestID)
	evidence := o.proven
	if o.method != "" && evidence == nil {
		var err error
		if evidence, err = s.prove(o, in, g, &change); err != nil {
			return Change{}, nil, err
		}
		if evidence == nil {
			out.refuse(fault.Of(fault.CodeProofRefused))
			return change, nil, nil
		}
	}
	objection := o.weigh(s.newID("obj", in.Now), evidence, in)
	step, err := in.Recovery.Apply(Event{Kind: Object, Objection: objection, Reason: o.channelKind()}, in.Now)
	if err != nil {
		return Change{}, nil, err
	}
	change.Steps = []Step{step}
	change.Notices = append(change.Notices, s.notices(step, in.Account, in.Now)...)
	out.Value = objectionView(step)
	if step.Event == Due { // past the deadline: it ended by itself, and nothing was used up
		out.refuse(fault.Of(fault.CodeObjectionRefused))
		change.Counters, change.TOTP, change.SavedUse = nil, nil, ""
		return change, nil, nil
	}
	out.refuse(step.Refusal())
	return change, evidence, nil
}

// weigh makes the objection. What the claim itself rests on cannot be counted against it (rule c of requirements.md,
// section 4.1).
func (o objecting) weigh(id string, evidence *factor.Evidence, in Loaded) *Objection {
	objection := &Objection{ID: id, Channel: o.channel, Strength: o.base}
	if evidence != nil {
		objection.Evidence = []factor.Evidence{*evidence}
		independent := factor.Independent(objection.Evidence, in.Recovery.Evidence)
		objection.Strength = max(objection.Strength, factor.StrengthOf(independent, in.Now))
	}
	return objection
}

// channelKind is how the objection came, for the audit trail.
func (o objecting) channelKind() string {
	if o.channel == appChannel {
		return "app"
	}
	return "link"
}

// prove judges the proof beside an objection by the same counters and with the same care as a claimant's. It gives none
// where the proof is refused, which is counted.
func (s *Service) prove(o objecting, in Loaded, g gathered, change *Change) (*factor.Evidence, error) {
	if o.method != factor.TOTP && o.method != factor.RecoveryCode {
		return nil, fault.Of(fault.CodeMethodUnavailable)
	}
	kind := failureKind(o.method)
	counter := in.Counters[kind]
	if may, wait := counter.mayFail(in.Now); !may {
		return nil, fault.Of(fault.CodeThrottled).After(wait)
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
		return nil, nil //nolint:nilnil // refused, and written down.
	}
	change.Counters = map[string]Counter{kind: counter.succeed()}
	change.TOTP, change.SavedUse = v.totp, v.saved
	return v.evidence, nil
}

func objectionView(step Step) ObjectionView {
	v := ObjectionView{State: step.To}
	switch step.To {
	case Vetoed:
		v.Outcome = ObjectionVetoed
	case Reversed:
		v.Outcome = ObjectionReversed
	case Contested:
		v.Outcome = ObjectionPaused
		v.PausedUntil = step.Next.ContestedAt.Add(step.Next.pauseLeft())
		if step.From == Contested {
			v.Outcome = ObjectionRecorded
		}
	case Initiated, Verifying, Assisted, CoolingOff, Ready, Granted, Completed, Closed, Rebind, Cancelled, Expired, Denied:
		v.Outcome = ObjectionRecorded
	default:
		v.Outcome = ObjectionRecorded
	}
	return v
}
