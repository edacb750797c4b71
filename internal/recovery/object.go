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
	return s.object(ctx, objecting{
		tenant: target.Tenant, recovery: target.Recovery, channel: target.Channel, base: factor.E0,
		method: cmd.Method, code: cmd.Code, by: audit.Actor{Kind: audit.ActorOwner}, origin: network(cmd.Addr),
		requestID: cmd.RequestID, key: cmd.Key,
	})
}

// ObjectFromApp is the signed-in owner's objection through the tenant's app: a live session counts as E1, a fresh proof by
// what it is. It concerns one recovery, or all that are open; one that cannot be objected to any more is left out.
//
// Faults: CodeNotFound when there is nothing to object to; those of Object.
func (s *Service) ObjectFromApp(ctx context.Context, cmd AppObjectCommand) ([]ObjectionView, error) {
	ids, err := s.Store.OpenRecoveries(ctx, cmd.Tenant, s.Vault.RefHashes(cmd.Tenant, cmd.AccountRef))
	if err != nil {
		return nil, fault.Wrap(err, "object from app")
	}
	var views []ObjectionView
	for _, id := range ids {
		if cmd.Recovery != "" && cmd.Recovery != id {
			continue
		}
		view, err := s.object(ctx, objecting{
			tenant: cmd.Tenant, recovery: id, channel: appChannel, base: factor.E1, method: cmd.Method, code: cmd.Code,
			by: audit.Actor{Kind: audit.ActorOwner, ID: cmd.Client}, requestID: cmd.RequestID,
		})
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

func (s *Service) object(ctx context.Context, o objecting) (ObjectionView, error) {
	g, err := s.gather(ctx, o.tenant, o.recovery, o.code)
	if err != nil {
		return ObjectionView{}, fault.Wrap(err, "object")
	}
	var out sealed[ObjectionView]
	q := Query{Tenant: o.tenant, ID: o.recovery, Key: o.key, SavedPrefix: g.prefix}
	if o.method != "" {
		q.Counters = s.failureKinds()
	}
	err = s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(o.key, in.Replay, &out)
		}
		out = sealed[ObjectionView]{}
		change, err := s.objected(o, in, g, &out)
		if err != nil {
			return err
		}
		if change.Remember, err = remember(o.key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	switch fault.CodeOf(err) {
	case "":
		return out.Value, out.err()
	case fault.CodeNotAllowedInState, fault.CodeNotFound:
		return ObjectionView{}, fault.Of(fault.CodeObjectionRefused).Because(err)
	default:
		return ObjectionView{}, fault.Wrap(err, "object")
	}
}

// objected weighs the objection and makes what follows.
func (s *Service) objected(o objecting, in Loaded, g gathered, out *sealed[ObjectionView]) (Change, error) {
	change := in.change(o.by, o.origin, o.requestID)
	objection := &Objection{ID: s.newID("obj", in.Now), Channel: o.channel, Strength: o.base}
	if o.method != "" {
		refused, err := s.prove(o, in, g, objection, &change)
		if err != nil {
			return Change{}, err
		}
		if refused {
			out.refuse(fault.Of(fault.CodeProofRefused))
			return change, nil
		}
	}
	step, err := in.Recovery.Apply(Event{Kind: Object, Objection: objection, Reason: o.channelKind()}, in.Now)
	if err != nil {
		return Change{}, err
	}
	change.Steps = []Step{step}
	change.Notices = s.notices(step, in.Account, in.Now)
	out.Value = objectionView(step)
	out.refuse(step.Refusal())
	return change, nil
}

// channelKind is how the objection came, for the audit trail.
func (o objecting) channelKind() string {
	if o.channel == appChannel {
		return "app"
	}
	return "link"
}

// prove judges the proof beside an objection by the same counters and with the same care as a claimant's. What the claim
// itself rests on cannot be counted against it (rule c of requirements.md, section 4.1).
func (s *Service) prove(o objecting, in Loaded, g gathered, objection *Objection, change *Change) (refused bool, err error) {
	if o.method != factor.TOTP && o.method != factor.RecoveryCode {
		return false, fault.Of(fault.CodeMethodUnavailable)
	}
	kind := failureKind(o.method)
	counter := in.Counters[kind]
	if may, wait := counter.mayFail(in.Now); !may {
		return false, fault.Of(fault.CodeThrottled).After(wait)
	}
	v := s.judge(o.code, in, Challenge{Method: o.method, ExpiresAt: in.Now.Add(time.Minute)}, g)
	if v.evidence == nil {
		change.Counters = map[string]Counter{kind: counter.fail(in.Now)}
		change.Events = []audit.Event{{
			Tenant: o.tenant, At: in.Now, Actor: o.by, Action: audit.ObjectionRefused, Subject: in.Recovery.ID, Recovery: in.Recovery.ID,
			Outcome: audit.Failure, Reason: v.why, Details: map[string]any{"method": string(o.method)},
		}}
		return true, nil
	}
	change.Counters = map[string]Counter{kind: counter.succeed()}
	change.TOTP, change.SavedUse = v.totp, v.saved
	objection.Evidence = []factor.Evidence{*v.evidence}
	independent := factor.Independent(objection.Evidence, in.Recovery.Evidence)
	objection.Strength = max(objection.Strength, factor.StrengthOf(independent, in.Now))
	return false, nil
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
	default:
		v.Outcome = ObjectionRecorded
	}
	return v
}
