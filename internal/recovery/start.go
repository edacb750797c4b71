package recovery

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/secret"
)

// Start begins a recovery for an identifier, known or not, with the same answer and the same work.
// Nothing of the account changes.
//
// Faults: CodeInvalidRequest for an identifier that cannot be one, CodeThrottled, CodeUnavailable, and those of the
// Idempotency-Key.
func (s *Service) Start(ctx context.Context, cmd StartCommand) (Started, error) {
	if err := s.mayStart(cmd.Tenant); err != nil {
		return Started{}, err
	}
	exact, coarse, err := s.Identifiers.Canonical(cmd.Type, cmd.Value)
	if err != nil {
		return Started{}, err
	}
	if !slices.Contains([]Reason{LostPassword, LostMFA, LostAll, SuspectedTakeover}, cmd.Reason) {
		return Started{}, fault.Of(fault.CodeInvalidRequest).At("/reason", "is not a known reason")
	}
	busy, err := s.allowStart(ctx, cmd, coarse)
	if err != nil {
		return Started{}, err
	}
	var out sealed[startedText]
	q := StartQuery{
		Tenant: cmd.Tenant, Key: cmd.Key,
		IdentifierHashes: s.Keys.IdentifierHashes(cmd.Tenant, string(cmd.Type), exact),
		DecoySubject:     s.Keys.DecoySubject(cmd.Tenant, string(cmd.Type), exact),
	}
	err = s.Store.Starting(ctx, q, func(tx Tx, in StartFacts) error {
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		change, started, err := s.open(cmd, q.DecoySubject, busy, in)
		if err != nil {
			return err
		}
		out = sealed[startedText]{Value: started}
		if change.Remember, err = remember(cmd.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return Started{}, fault.Wrap(err, "start")
	}
	return out.Value.reveal(), out.err()
}

func (s *Service) allowStart(ctx context.Context, cmd StartCommand, coarse string) (Velocity, error) {
	var device []byte
	if cmd.User.DeviceID != "" && !cmd.Publishable { // else anybody could use up somebody's device
		device = s.Keys.MAC(secret.PurposeDevice, cmd.Tenant, cmd.User.DeviceID)
	}
	identifier := s.Keys.MAC(secret.PurposeIdentifier, "limit", cmd.Tenant, string(cmd.Type), coarse)
	return s.Limits.AllowStart(ctx, cmd.Tenant, endUser(cmd.Caller, cmd.User), identifier, device)
}

// startedText is a Started with its token as text, for sealing.
type startedText struct {
	View  View   `json:"view"`
	Token string `json:"token"`
}

func (t startedText) reveal() Started {
	return Started{View: t.View, ClaimantToken: secret.NewString(t.Token)}
}

// open makes the new recovery, its first step and its claimant token.
func (s *Service) open(cmd StartCommand, decoy string, busy Velocity, in StartFacts) (Change, startedText, error) {
	token, err := secret.NewToken(s.Rand, secret.PrefixClaimant)
	if err != nil {
		return Change{}, startedText{}, fault.Wrap(err, "mint claimant token")
	}
	reference, err := secret.NewReference(s.Rand)
	if err != nil {
		return Change{}, startedText{}, fault.Wrap(err, "mint reference")
	}
	addr := endUser(cmd.Caller, cmd.User)
	signals := startSignals(cmd, busy)
	f := s.raised(cmd.Tenant, network(addr), facts(in.Now, cmd.Reason, in.Account, in.History, signals, nil))
	decision := s.Policies.Current(cmd.Tenant).Decide(f)
	r := Recovery{
		ID: s.newID("rcv", in.Now), Tenant: cmd.Tenant, Reference: reference, Subject: decoy, Client: cmd.Client,
		Reason: cmd.Reason, Network: network(addr), Plan: decision.Plan, Tier: decision.Tier,
	}
	if in.Account != nil {
		r.Account, r.Subject = in.Account.ID, in.Account.ID
	}
	step := Open(r, in.Now)
	hash := secret.HashToken(secret.PurposeClaimant, token)
	change := Change{
		Tenant: r.Tenant, Subject: r.Subject, At: in.Now,
		Opening: &Opening{ClaimantHash: hash[:], Signals: signals},
		Steps:   []Step{step}, By: audit.Actor{Kind: audit.ActorClient, ID: cmd.Client}, Origin: r.Network, RequestID: cmd.RequestID,
		Assessment: &Assessment{Facts: f, Decision: decision},
	}
	return change, startedText{View: s.view(step.Next, in.Account, in.Now), Token: token.Reveal()}, nil
}

// startSignals measures what is known at the start. What is not stated is unknown, and unknown raises.
func startSignals(cmd StartCommand, busy Velocity) StartSignals {
	sig := StartSignals{KnownDevice: policy.Unknown, Network: policy.Unknown, Source: busy.Source, Identifier: busy.Identifier}
	if !cmd.Publishable && !cmd.User.Addr.IsValid() {
		sig.Source = policy.Unknown // the client's own address, where everybody comes from
	}
	if cmd.Publishable {
		return sig
	}
	if cmd.User.KnownDevice != nil {
		sig.KnownDevice = present(*cmd.User.KnownDevice)
	}
	return sig
}

// Open gives the first step of a recovery: version 1, Initiated. The caller filled in who, what and the plan.
func Open(r Recovery, now time.Time) Step {
	r.State, r.Version = Initiated, 0
	r.CreatedAt, r.ExpiresAt = now, now.Add(VerifyFor)
	step := Step{
		To: Initiated, Event: Initiate, Action: audit.RecoveryInitiated, Reason: string(r.Reason), At: now, Next: r,
		Details: map[string]any{"tier": r.Tier.String()},
	}
	step.finish(now)
	return step
}
