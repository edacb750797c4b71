package support

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
)

// ArtefactKind says what somebody else established. There is no kind for "verified", none for personal data that somebody knew,
// and no place where one could be configured.
type ArtefactKind string

// The kinds.
const (
	Reproofing     ArtefactKind = "reproofing"           // a provider's repeated identity proofing
	InPerson       ArtefactKind = "in_person"            // a check of person and document by staff at a place
	ContactWord    ArtefactKind = "contact_attestation"  // a recovery contact's attestation
	OrganisationBy ArtefactKind = "organisation_attests" // an organisation's administrator attests for a member; never enough alone
)

// ArtefactKinds lists the kinds.
func ArtefactKinds() []ArtefactKind {
	return []ArtefactKind{Reproofing, InPerson, ContactWord, OrganisationBy}
}

// Proof gives the method and the class that an artefact of the kind is proof by, and false for an unknown kind.
func (k ArtefactKind) Proof() (factor.Method, factor.Class, bool) {
	switch k {
	case Reproofing, InPerson:
		return factor.Reproofing, factor.Proofing, true
	case ContactWord, OrganisationBy:
		return factor.Contact, factor.Trusted, true
	default:
		return "", "", false
	}
}

// Artefact is what an agent attached: where the result lies, and its hash. Whoever decides looks it up there.
type Artefact struct {
	ID          string
	Kind        ArtefactKind
	Provider    string
	Reference   string
	Hash        []byte // SHA-256 of the result's document
	PerformedAt time.Time
	By          string // PersonID
	At          time.Time
}

// evidence is the artefact as a proof, accepted at the moment that two humans approved it.
func (a Artefact) evidence(now time.Time) (factor.Evidence, bool) {
	method, class, ok := a.Kind.Proof()
	return factor.Evidence{Method: method, Class: class, Source: a.ID, Since: a.PerformedAt, At: now}, ok
}

// artefactLead is how long before the claim a check may have been made, for a claimant who came to the counter first.
const artefactLead = 24 * time.Hour

// check refuses what is no artefact. Provider and reference are names, not prose.
func (a Artefact) check(began, now time.Time) error {
	_, _, known := a.Kind.Proof()
	switch {
	case !known:
		return invalid("/kind", "is not one of the listed values")
	case !isName(a.Provider, 40):
		return invalid("/provider", "must be 1 to 40 of A to Z, a to z, 0 to 9, '.', '_' and '-'")
	case !isName(a.Reference, 80):
		return invalid("/reference", "must be 1 to 80 of A to Z, a to z, 0 to 9, '.', '_' and '-'")
	case len(a.Hash) != 32:
		return invalid("/hash", "must be 64 hexadecimal digits: the SHA-256 of the result's document")
	case a.PerformedAt.After(now.Add(time.Minute)):
		return invalid("/performed_at", "must not be in the future")
	case a.PerformedAt.Before(began.Add(-artefactLead)):
		return invalid("/performed_at", "must be of this claim: not more than 24 hours before it began")
	}
	return nil
}

func isName(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
}

// ParseHash reads the SHA-256 of a document: 64 hexadecimal digits.
func ParseHash(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		return nil, invalid("/hash", "must be 64 hexadecimal digits: the SHA-256 of the result's document")
	}
	return b, nil
}

func invalid(pointer, detail string) *fault.Fault {
	return fault.Of(fault.CodeInvalidRequest).At(pointer, detail)
}
