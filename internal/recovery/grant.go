package recovery

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// grantText is a GrantView with its token as text, for sealing.
type grantText struct {
	Grant     string    `json:"grant"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Grant takes the grant of a recovery whose hold is over. The gate is judged again at this moment, with a fresh decision of
// the policy. A recovery has one live grant at a time; a lapsed one can be taken again while the window is open.
//
// Faults: CodeNotFound, CodeNotReady, CodeNotAllowedInState, CodeConflict when an objection came first.
func (s *Service) Grant(ctx context.Context, cmd GrantCommand) (GrantView, error) {
	var out sealed[grantText]
	err := s.Store.Changing(ctx, Query{Tenant: cmd.Tenant, ID: cmd.ID, Key: cmd.Key}, func(tx Tx, in Loaded) error {
		if err := authorise(in, cmd.Ref); err != nil {
			return err
		}
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		change, text, err := s.grant(cmd, in)
		if err != nil {
			return err
		}
		out = sealed[grantText]{Value: text}
		out.refuse(change.Steps[len(change.Steps)-1].Refusal())
		if change.Remember, err = remember(cmd.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return GrantView{}, fault.Wrap(err, "grant")
	}
	return GrantView{Grant: secret.NewString(out.Value.Grant), ExpiresAt: out.Value.ExpiresAt}, out.err()
}

func (s *Service) grant(cmd GrantCommand, in Loaded) (Change, grantText, error) {
	steps := s.due(in)
	r := in.Recovery
	if n := len(steps); n > 0 {
		r = steps[n-1].Next
	}
	ev := s.dueEvent(r, in)
	ev.Kind, ev.Reason, ev.GrantID = ClaimGrant, "", s.newID("gnt", in.Now)
	step, err := r.Apply(ev, in.Now)
	if err != nil {
		return Change{}, grantText{}, err
	}
	change := s.timed(append(steps, step), in)
	change.By, change.Origin, change.RequestID = claimant(cmd.Caller), r.Network, cmd.RequestID
	if step.Refusal() != nil {
		return change, grantText{}, nil //nolint:nilerr // the refusal is committed first and returned then (ADR 0003).
	}
	token, err := secret.NewToken(s.Rand, secret.PrefixGrant)
	if err != nil {
		return Change{}, grantText{}, fault.Wrap(err, "mint grant")
	}
	hash := secret.HashToken(secret.PurposeGrant, token)
	change.Grant = &NewGrant{ID: ev.GrantID, Hash: hash[:], ExpiresAt: step.Next.GrantExpires}
	return change, grantText{Grant: token.Reveal(), ExpiresAt: step.Next.GrantExpires}, nil
}

// redemption is a Redemption with its secrets as text, for sealing.
type redemption struct {
	AccountRef  string      `json:"account_ref"`
	RecoveryID  string      `json:"recovery_id"`
	Actions     []string    `json:"actions"`
	Evidence    []Satisfied `json:"evidence"`
	AAL         int         `json:"aal"`
	Probation   time.Time   `json:"probation_until"`
	Replacement string      `json:"replacement,omitempty"`
	Statement   string      `json:"statement"`
}

func (r redemption) reveal() Redemption {
	return Redemption{
		AccountRef: r.AccountRef, RecoveryID: r.RecoveryID, Actions: r.Actions, Evidence: r.Evidence, AAL: r.AAL,
		ProbationUntil: r.Probation, ReplacementCode: secret.NewString(r.Replacement), Statement: r.Statement,
	}
}

// errNeedsCode says that the redemption has to replace a saved code, whose hash is to be worked out outside the transaction.
var errNeedsCode = errors.New("a saved code is to be replaced")

// freshCode is a saved code that takes a used one's place.
type freshCode struct {
	prefix, phc string
	plain       secret.String
}

// Redeem redeems a grant, once, and says who may do what on which evidence. All of I1 is judged again in this
// transaction. The statement is a JWT by a key of the JWKS.
//
// Faults: CodeGrantRefused for an unknown, lapsed or voided grant, CodeGrantUsed for one that was redeemed before, which
// leaves an audit event that alerts are made of.
func (s *Service) Redeem(ctx context.Context, cmd RedeemCommand) (Redemption, error) {
	if err := secret.CheckToken(secret.PrefixGrant, cmd.Grant); err != nil {
		return Redemption{}, fault.Of(fault.CodeGrantRefused)
	}
	out, err := s.redeem(ctx, cmd, nil)
	if errors.Is(err, errNeedsCode) {
		var code freshCode
		if code.prefix, code.phc, code.plain, err = s.SavedCodes.Mint(ctx); err != nil {
			return Redemption{}, fault.Wrap(err, "redeem")
		}
		out, err = s.redeem(ctx, cmd, &code)
	}
	if fault.CodeOf(err) == fault.CodeNotFound {
		return Redemption{}, fault.Of(fault.CodeGrantRefused)
	}
	if err != nil {
		return Redemption{}, fault.Wrap(err, "redeem")
	}
	return out.Value.reveal(), out.err()
}

func (s *Service) redeem(ctx context.Context, cmd RedeemCommand, code *freshCode) (sealed[redemption], error) {
	var out sealed[redemption]
	hash := secret.HashToken(secret.PurposeGrant, cmd.Grant)
	q := Query{Tenant: cmd.Tenant, GrantHash: hash[:], Key: cmd.Key}
	err := s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		rec, ok := grantOf(in, hash[:])
		if !ok {
			return fault.Of(fault.CodeGrantRefused)
		}
		out = sealed[redemption]{}
		change, err := s.redeemed(cmd, in, rec, code, &out)
		if err != nil {
			return err
		}
		if change.Remember, err = remember(cmd.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	return out, err
}

// redeemed judges one redemption. A refusal of a known grant is written down; it is not an error of the transaction.
func (s *Service) redeemed(cmd RedeemCommand, in Loaded, rec GrantRecord, code *freshCode, out *sealed[redemption]) (Change, error) {
	change := in.change(audit.Actor{Kind: audit.ActorClient, ID: cmd.Client}, "", cmd.RequestID)
	refuse := func(c fault.Code, action audit.Action) Change {
		out.refuse(fault.Of(c))
		change.Events = []audit.Event{{
			Tenant: cmd.Tenant, At: in.Now, Actor: change.By, Action: action, Subject: rec.ID, Recovery: in.Recovery.ID, Outcome: audit.Failure,
		}}
		return change
	}
	if rec.Redeemed {
		return refuse(fault.CodeGrantUsed, audit.GrantReplayed), nil
	}
	step, err := in.Recovery.Apply(Event{Kind: RedeemGrant, GrantID: rec.ID}, in.Now)
	if err != nil || step.Refusal() != nil || in.Account == nil {
		return refuse(fault.CodeGrantRefused, audit.GrantRefused), nil //nolint:nilerr // refused, and written down.
	}
	step.detail("previous_aal", in.Account.maxAAL())
	step.detail("authenticators", in.Account.authenticators())
	used, usedSaved := evidenceBy(in.Recovery.Evidence, factor.RecoveryCode)
	if usedSaved && code == nil {
		return Change{}, errNeedsCode
	}
	change.Steps, change.Redeemed, change.RedeemedBy = []Step{step}, rec.ID, cmd.Client
	change.Notices = s.notices(step, in.Account, in.Now)
	if usedSaved {
		change.NewSaved = &NewSavedCode{ID: s.newID("svc", in.Now), Prefix: code.prefix, PHC: code.phc}
		saved := audit.Event{
			Tenant: cmd.Tenant, At: in.Now, Actor: change.By, Action: audit.SavedCodeUsed, Subject: in.Account.ID, Recovery: in.Recovery.ID,
			Outcome: audit.Success, Details: map[string]any{"saved_code": used.Source}, // told now: before, nobody outside hears of a claim
		}
		change.Events = append(change.Events, saved)
		saved.Action, saved.Reason = audit.SavedCodesIssued, "replacement"
		saved.Details = map[string]any{"replaces": used.Source, "saved_code": change.NewSaved.ID}
		change.Events = append(change.Events, saved)
		change.Notices = append(change.Notices, s.notices(Step{Next: step.Next, Notices: []NoticeKind{NoticeCodeReplaced}}, in.Account, in.Now)...)
	}
	// Whoever was in the account before may have asked for its erasure. Who has now shown that it is theirs can ask again.
	forgetErasure(&change, in, "redemption", "recovered")
	out.Value, err = s.redemptionOf(cmd, step.Next, in, code)
	return change, err
}

func grantOf(in Loaded, hash []byte) (GrantRecord, bool) {
	for _, g := range in.Grants {
		if secret.Equal(g.Hash, hash) {
			return g, true
		}
	}
	return GrantRecord{}, false
}

func evidenceBy(evidence []factor.Evidence, m factor.Method) (factor.Evidence, bool) {
	for _, e := range evidence {
		if e.Method == m {
			return e, true
		}
	}
	return factor.Evidence{}, false
}

// statementType is the JWT's typ, so that it is never taken for another kind of token (RFC 8725 section 3.11).
const statementType = "holdfast-grant+jwt"

// redemptionOf makes what the identity system is told, and signs it.
func (s *Service) redemptionOf(cmd RedeemCommand, r Recovery, in Loaded, code *freshCode) (redemption, error) {
	ref, err := s.Vault.AccountRef(in.Recovery.Tenant, *in.Account)
	if err != nil {
		return redemption{}, err
	}
	out := redemption{
		AccountRef: ref, RecoveryID: r.ID, Actions: actions(r), AAL: assurance(r.Evidence), Probation: r.ProbationUntil, Evidence: []Satisfied{},
	}
	for _, e := range r.Evidence {
		out.Evidence = append(out.Evidence, Satisfied{Method: e.Method, At: e.At})
	}
	if code != nil {
		out.Replacement = code.plain.Reveal()
	}
	claims := statementClaims{
		Issuer: s.Issuer, Audience: cmd.Client, Subject: ref, IssuedAt: in.Now.Unix(), Expires: in.Now.Add(GrantFor).Unix(), ID: r.GrantID,
		Recovery: r.ID, Tenant: r.Tenant, Actions: out.Actions, Evidence: out.Evidence, AAL: out.AAL, Probation: out.Probation.Unix(),
	}
	out.Statement, err = s.Signer.Sign(statementType, claims)
	return out, fault.Wrap(err, "sign statement")
}

// statementClaims is what the statement says. Times are seconds since 1970, as JWTs have them (RFC 7519).
type statementClaims struct {
	Issuer    string      `json:"iss"`
	Audience  string      `json:"aud"`
	Subject   string      `json:"sub"`
	IssuedAt  int64       `json:"iat"`
	Expires   int64       `json:"exp"`
	ID        string      `json:"jti"`
	Tenant    string      `json:"tenant"`
	Recovery  string      `json:"recovery_id"`
	Actions   []string    `json:"actions"`
	Evidence  []Satisfied `json:"evidence"`
	AAL       int         `json:"aal"`
	Probation int64       `json:"probation_until"`
}

// actions is what the identity system may do, by what was lost. Other sessions always end.
func actions(r Recovery) []string {
	var out []string
	if r.Reason != LostMFA {
		out = append(out, "reset_password")
	}
	if r.Reason != LostPassword {
		out = append(out, "rebind_authenticator")
	}
	out = append(out, "revoke_sessions")
	if _, ok := evidenceBy(r.Evidence, factor.RecoveryCode); ok {
		out = append(out, "replace_recovery_code")
	}
	return out
}

// assurance is what a session after this recovery may be given at most: AAL1 for one class, AAL2 for two different ones
// . A code sent to an address never raises it by itself.
func assurance(evidence []factor.Evidence) int {
	return min(len(factor.Classes(evidence)), 2)
}
