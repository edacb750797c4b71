package support

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
)

// bound is everything that an approval is bound to. Its fields, their names and their order are what the hash is of: a
// change here voids every proposal that is open, and a golden file notices it.
type bound struct {
	Tenant     string           `json:"tenant"`
	Case       string           `json:"case"`
	Outcome    Outcome          `json:"outcome"`
	Recovery   string           `json:"recovery"`
	Version    int64            `json:"recovery_version"`
	State      string           `json:"recovery_state"`
	Reason     string           `json:"recovery_reason"`
	Subject    string           `json:"subject"`
	Population string           `json:"population"`
	AAL        int              `json:"aal"`
	IAL        int              `json:"ial"`
	Policy     string           `json:"policy_version"`
	Tier       policy.Tier      `json:"tier"`
	Plan       policy.Plan      `json:"plan"`
	Hold       time.Duration    `json:"hold_ns"` // what an approval leads to
	Evidence   []boundEvidence  `json:"evidence"`
	Artefacts  []boundArtefact  `json:"artefacts"`
	Objections []boundObjection `json:"objections"`
	Channels   []boundChannel   `json:"channels"` // where notices and codes go
	Notes      []string         `json:"notes"`    // the words that were there to be read, by id
	Flagged    bool             `json:"flagged"`
	AIInvolved bool             `json:"ai_involved"`
	Security   bool             `json:"security"`
}

type boundEvidence struct {
	Method  factor.Method `json:"method"`
	Class   factor.Class  `json:"class"`
	Source  string        `json:"source"`
	Since   time.Time     `json:"since"`
	At      time.Time     `json:"at"`
	Suspect bool          `json:"suspect"`
}

type boundArtefact struct {
	ID          string       `json:"id"`
	Kind        ArtefactKind `json:"kind"`
	Provider    string       `json:"provider"`
	Reference   string       `json:"reference"`
	Hash        string       `json:"hash"`
	PerformedAt time.Time    `json:"performed_at"`
}

type boundObjection struct {
	ID       string `json:"id"`
	Channel  string `json:"channel"`
	Strength string `json:"strength"`
	Open     bool   `json:"open"`
}

type boundChannel struct {
	ID      string        `json:"id"`
	Kind    factor.Method `json:"kind"`
	Since   time.Time     `json:"since"`
	Removed bool          `json:"removed"`
	Suspect bool          `json:"suspect"`
}

// boundLead keeps a proposal's hash from ever being the hash of anything else.
const boundLead = "holdfast/v1/proposal\n"

// canonical is the text that the hash is of: JSON with the fields in the order above, times in UTC.
func (b bound) canonical() ([]byte, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode what a proposal is bound to: %w", err)
	}
	return append([]byte(boundLead), text...), nil
}

func (b bound) hash() ([]byte, error) {
	text, err := b.canonical()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// bind gathers what a proposal of that outcome is bound to at this moment.
func (s *Service) bind(in Loaded, outcome Outcome) bound {
	r, seen := in.Recovery.Recovery, s.Recoveries.Assess(in.Recovery)
	b := bound{
		Tenant: in.Case.Tenant, Case: in.Case.ID, Outcome: outcome, Recovery: r.ID, Version: r.Version, State: string(r.State),
		Reason: string(r.Reason), Subject: r.Subject, Policy: seen.Decision.PolicyVersion, Tier: seen.Tier, Plan: seen.Plan,
		Evidence: []boundEvidence{}, Artefacts: []boundArtefact{}, Objections: []boundObjection{}, Channels: []boundChannel{}, Notes: []string{},
		Flagged: !in.Case.FlaggedAt.IsZero(), AIInvolved: in.Case.AIInvolved, Security: in.security(),
	}
	if outcome == Approve {
		tier := max(seen.Tier, leastTier(in))
		b.Hold = max(seen.Plan.Hold, s.Recoveries.HoldAt(in.Recovery, tier))
	}
	for _, e := range r.Evidence {
		b.Evidence = append(b.Evidence, boundEvidence{e.Method, e.Class, e.Source, e.Since.UTC(), e.At.UTC(), e.Suspect})
	}
	for _, a := range in.Artefacts {
		b.Artefacts = append(b.Artefacts, boundArtefact{a.ID, a.Kind, a.Provider, a.Reference, hex.EncodeToString(a.Hash), a.PerformedAt.UTC()})
	}
	for _, o := range r.Objections {
		b.Objections = append(b.Objections, boundObjection{o.ID, o.Channel, o.Strength.String(), o.Open})
	}
	for _, n := range in.Notes {
		b.Notes = append(b.Notes, n.ID)
	}
	if a := in.Recovery.Account; a != nil {
		b.Population, b.AAL, b.IAL = a.Population, a.AAL, a.IAL
		for _, c := range a.Channels {
			b.Channels = append(b.Channels, boundChannel{c.ID, c.Kind, c.Since.UTC(), !c.RemovedAt.IsZero(), c.Suspect})
		}
	}
	return b
}
