package policy

import "fmt"

// Tier is the outcome of an assessment: how much risk a recovery carries. Tiers are ordered by strictness. The zero Tier is
// not valid, so that a forgotten one stops instead of passing as low.
type Tier uint8

// The tiers, laxest first.
const (
	Low Tier = iota + 1
	Moderate
	High
	Critical
)

// Tiers lists every tier, laxest first.
func Tiers() []Tier { return []Tier{Low, Moderate, High, Critical} }

// String names the tier as documents and records do.
func (t Tier) String() string {
	switch t {
	case Low:
		return "low"
	case Moderate:
		return "moderate"
	case High:
		return "high"
	case Critical:
		return "critical"
	default:
		return fmt.Sprintf("Tier(%d)", uint8(t))
	}
}

// Valid tells whether t is one of the four tiers.
func (t Tier) Valid() bool { return t >= Low && t <= Critical }

// ParseTier reads a tier's name. Any other text is an error.
func ParseTier(s string) (Tier, error) {
	for _, t := range Tiers() {
		if t.String() == s {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown tier: one of low, moderate, high, critical is expected")
}

// MarshalText writes the tier's name. An invalid tier is an error.
func (t Tier) MarshalText() ([]byte, error) {
	if !t.Valid() {
		return nil, fmt.Errorf("invalid tier %d", uint8(t))
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads the tier's name.
func (t *Tier) UnmarshalText(b []byte) error {
	v, err := ParseTier(string(b))
	if err != nil {
		return err
	}
	*t = v
	return nil
}
