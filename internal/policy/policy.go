// Package policy decides what a recovery must show and how long it must wait. Decide is a pure function: facts in,
// decision out, every reason said, so that a decision can be replayed years later from the facts kept with it.
//
// Three things bound each other:
//
//   - the document (YAML, versioned) carries weights, thresholds, evidence alternatives, holds and rules;
//   - the floor (floor.go) is code: a document below it does not load, unless it names the requirement that it deviates
//     from and why, and then every plan made under it says so;
//   - the ratchet (ratchet.go) joins plans: within one recovery a plan may only become stricter.
//
// What is missing or unknown raises; nothing lowers a tier by itself. The package does no I/O and reads no clock.
package policy

// Policy is one loaded, validated document. It is immutable and safe for concurrent use. Make it by FromYAML or Preset.
type Policy struct {
	doc   document
	hash  string // SHA-256 of the document's bytes, in hex
	rules []rule
	below map[string]bool // the requirements that the document is below the floor of, each named in its deviations
}

// Version is the document's own name for itself, kept with every decision.
func (p *Policy) Version() string { return p.doc.Version }

// Hash is the SHA-256 of the document's bytes, in hex.
func (p *Policy) Hash() string { return p.hash }

// Populations lists the document's populations in alphabetical order.
func (p *Policy) Populations() []string { return sortedKeys(p.doc.Populations) }

// Deviations lists what the document says it deviates from. Applied is set where it always does.
func (p *Policy) Deviations() []Deviation {
	out := make([]Deviation, 0, len(p.doc.Deviations))
	for _, d := range p.doc.Deviations {
		out = append(out, Deviation{Requirement: d.Requirement, Reason: d.Reason, Applied: p.below[d.Requirement]})
	}
	return out
}

// names tells whether the document deviates from a requirement by name.
func (p *Policy) names(requirement string) bool { return p.doc.deviates(requirement) }
