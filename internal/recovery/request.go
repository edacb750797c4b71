package recovery

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/secret"
)

// authorise compares the claimant token. A wrong one is answered like a recovery that does not exist.
func authorise(in Loaded, ref Ref) error {
	hash := secret.HashToken(secret.PurposeClaimant, ref.Claimant)
	if !secret.Equal(hash[:], in.ClaimantHash) {
		return fault.Of(fault.CodeNotFound)
	}
	return nil
}

// Challenge asks for a challenge by a method. Whether the account has the method shows nowhere: without it the challenge
// is a decoy with the same row, the same job and the same limits (design.md, section 3). Sending is the outbox's.
//
// Faults: CodeNotFound, CodeMethodUnavailable for a method that nobody is offered here or that has no send left in this recovery,
// CodeResendTooSoon, CodeNotAllowedInState; after a first proof also CodeThrottled for a destination that had its day's
// messages, which before it are silently not sent.
func (s *Service) Challenge(ctx context.Context, cmd ChallengeCommand) (ChallengeView, error) {
	if !slices.Contains(s.offered(cmd.Tenant), cmd.Method) {
		return ChallengeView{}, fault.Of(fault.CodeMethodUnavailable)
	}
	var out sealed[ChallengeView]
	q := Query{Tenant: cmd.Tenant, ID: cmd.ID, Key: cmd.Key}
	if sendsCode(cmd.Method) {
		q.Counters = []string{sendKind(cmd.Method)}
		q.OpenCounters = q.Counters
	}
	err := s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if err := authorise(in, cmd.Ref); err != nil {
			return err
		}
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		change, view, err := s.challenge(cmd, in)
		if err != nil {
			return err
		}
		out = sealed[ChallengeView]{Value: view}
		out.refuse(change.Steps[0].Refusal())
		if change.Remember, err = remember(cmd.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return ChallengeView{}, fault.Wrap(err, "challenge")
	}
	return out.Value, out.err()
}

// challenge makes the step, the challenge and the job.
func (s *Service) challenge(cmd ChallengeCommand, in Loaded) (Change, ChallengeView, error) {
	ch, err := s.nextChallenge(cmd.Method, in)
	if err != nil {
		return Change{}, ChallengeView{}, err
	}
	return s.challenged(ch, in, claimant(cmd.Caller), in.Recovery.Network, cmd.RequestID)
}

// challenged makes what is written for a challenge, whoever asked for it.
func (s *Service) challenged(ch Challenge, in Loaded, by audit.Actor, origin, requestID string) (Change, ChallengeView, error) {
	step, err := in.Recovery.Apply(Event{Kind: ChallengeRequested, Method: ch.Method, Challenge: ch.ID}, in.Now)
	if err != nil {
		return Change{}, ChallengeView{}, err
	}
	change := in.change(by, origin, requestID, step)
	if step.Refusal() == nil {
		change.Challenge = &ch
		change.OpenCounts = []string{failureKind(ch.Method)}
		s.deliver(&change, ch, in)
	}
	return change, ChallengeView{ID: ch.ID, Method: ch.Method, ExpiresAt: ch.ExpiresAt, ResendAfter: ch.ResendAt}, nil
}

// deliver hands the challenge over for sending and counts it. Once the destination's day is used up it does neither: before
// the first proof the answer must not tell, since an account's names share its counters and two unknown ones do not.
func (s *Service) deliver(change *Change, ch Challenge, in Loaded) {
	if sendsCode(ch.Method) {
		sends := in.Counters[sendKind(ch.Method)]
		if ok, _ := sends.maySend(in.Now); !ok {
			return
		}
		change.Counters = map[string]Counter{sendKind(ch.Method): sends.send(in.Now)}
	}
	change.Jobs = []outbox.Job{{Kind: outbox.DeliverChallenge, Tenant: change.Tenant, ID: ch.ID, Sends: ch.Sends}}
}

// nextChallenge is a new challenge, or the recovery's challenge of the method asked for once more. Its limits are on the
// row and the subject, so a decoy meets them as an account does.
func (s *Service) nextChallenge(m factor.Method, in Loaded) (Challenge, error) {
	if sendsCode(m) && in.Recovery.Proven() {
		if ok, wait := in.Counters[sendKind(m)].maySend(in.Now); !ok {
			return Challenge{}, fault.Of(fault.CodeThrottled).After(wait)
		}
	}
	if ch, ok := find(in.Challenges, func(c Challenge) bool { return c.Method == m }); ok {
		switch {
		case !ch.ConsumedAt.IsZero(), ch.Sends >= sendsPerRecovery, ch.Attempts >= s.attemptsOf(in.Recovery.Tenant):
			return Challenge{}, fault.Of(fault.CodeMethodUnavailable)
		case in.Now.Before(ch.ResendAt):
			return Challenge{}, fault.Of(fault.CodeResendTooSoon).After(ch.ResendAt.Sub(in.Now))
		}
		return s.again(ch, in.Now), nil
	}
	ch := Challenge{ID: s.newID("chl", in.Now), Method: m, CreatedAt: in.Now}
	if in.Account != nil && !in.Account.disabled(m) && slices.Contains(in.Recovery.Plan.Methods, m) {
		if c, ok := in.Account.channelFor(m); ok && in.Now.Sub(c.Since) >= in.Recovery.Plan.Ageing[m] {
			ch.Channel = c.ID
		}
	}
	return s.again(ch, in.Now), nil
}

// again asks for a challenge once more, with the installation's own life of a code where it has one.
func (s *Service) again(ch Challenge, now time.Time) Challenge {
	ch = ch.again(now, s.jitter())
	if s.CodeFor > 0 {
		ch.ExpiresAt = now.Add(s.CodeFor)
	}
	return ch
}

// Get reads a recovery as it stands at this moment: a hold that is over shows as ready, though nobody has written it yet.
func (s *Service) Get(ctx context.Context, cmd GetCommand) (View, error) {
	in, err := s.Store.Reading(ctx, Query{Tenant: cmd.Tenant, ID: cmd.ID})
	if err != nil {
		return View{}, fault.Wrap(err, "get")
	}
	if err := authorise(in, cmd.Ref); err != nil {
		return View{}, err
	}
	r := in.Recovery
	for _, step := range s.due(in) {
		r = step.Next
	}
	return s.viewOf(in, r), nil
}

// Cancel stops the recovery for the claimant.
func (s *Service) Cancel(ctx context.Context, cmd CancelCommand) (View, error) {
	var out sealed[View]
	err := s.Store.Changing(ctx, Query{Tenant: cmd.Tenant, ID: cmd.ID, Key: cmd.Key}, func(tx Tx, in Loaded) error {
		if err := authorise(in, cmd.Ref); err != nil {
			return err
		}
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		step, err := in.Recovery.Apply(Event{Kind: Cancel, Reason: "claimant"}, in.Now)
		if err != nil {
			return err
		}
		out = sealed[View]{Value: s.viewOf(in, step.Next)}
		out.refuse(step.Refusal())
		change := in.change(claimant(cmd.Caller), in.Recovery.Network, cmd.RequestID, step)
		change.Notices = s.notices(step, in.Account, in.Now)
		if change.Remember, err = remember(cmd.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return View{}, fault.Wrap(err, "cancel")
	}
	return out.Value, out.err()
}

// notices expands a step's notices to every address on file, those removed within seven days included.
func (s *Service) notices(step Step, a *Account, now time.Time) []outbox.Notice {
	if a == nil {
		return nil
	}
	var out []outbox.Notice
	for _, kind := range step.Notices {
		for _, c := range a.told(now) {
			n := outbox.Notice{
				ID: s.newID("ntc", now), Tenant: step.Next.Tenant, Account: a.ID, Recovery: step.Next.ID,
				Kind: string(kind), Channel: c.ID, CreatedAt: now,
			}
			if kind.objectable() {
				hash := secret.HashToken(secret.PurposeObjection, s.Keys.ObjectionToken(n.ID))
				n.ObjectionHash = hash[:]
			}
			out = append(out, n)
		}
	}
	return out
}

// maxRemovedTold bounds the removed addresses that are told.
const maxRemovedTold = 20

// told lists the addresses that hear of a recovery: all on file, and those removed within seven days. Of the removed ones
// the longest on file go first, so that swapping addresses to and fro cannot push the owner's out.
func (a *Account) told(now time.Time) []Channel {
	var out, removed []Channel
	for _, c := range a.Channels {
		switch {
		case c.RemovedAt.IsZero():
			out = append(out, c)
		case now.Sub(c.RemovedAt) < factor.AgedFactor:
			removed = append(removed, c)
		}
	}
	slices.SortStableFunc(removed, func(x, y Channel) int { return x.Since.Compare(y.Since) })
	return append(out, removed[:min(len(removed), maxRemovedTold)]...)
}

// objectable reports whether the notice carries a link to object.
func (k NoticeKind) objectable() bool {
	return k == NoticeHeld || k == NoticeReminder || k == NoticeReady || k == NoticeCompleted || k == NoticeObjected
}
