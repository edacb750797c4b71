package policy

import "math"

// weights say what a signal adds to the score in each state. A zero adds nothing; there are no negative ones.
type weights struct {
	Present int `yaml:"present"`
	Absent  int `yaml:"absent"`
	Unknown int `yaml:"unknown"`
	Each    int `yaml:"each"` // counted signals: per occurrence
	Most    int `yaml:"most"` // counted signals: the most they add
}

// weigh gives the weight of a sound reading and the text for its reason.
func (w weights) weigh(r Reading) (int, string) {
	switch r.State {
	case Present:
		if w.Each > 0 {
			// In floating point first: a count may be huge, and must not wrap round to something small.
			return int(math.Min(float64(w.Most), math.Ceil(r.Value)*float64(w.Each))), "It happened before."
		}
		return w.Present, "The signal is present."
	case Absent:
		return w.Absent, "The signal is absent."
	case Unknown:
		return w.Unknown, "The signal is unknown or missing."
	default:
		return w.Unknown, "The signal is unknown or missing."
	}
}

// thresholds turn a score into a tier.
type thresholds struct {
	Moderate int `yaml:"moderate"`
	High     int `yaml:"high"`
	Critical int `yaml:"critical"`
}

func (t thresholds) tier(score int) Tier {
	switch {
	case score >= t.Critical:
		return Critical
	case score >= t.High:
		return High
	case score >= t.Moderate:
		return Moderate
	default:
		return Low
	}
}
