package account

import "slices"

// The states of a recovery that matter here. They are the texts of recovery.State, which this package does not import; a
// test compares them.
const (
	stateVerifying = "verifying"
	stateCompleted = "completed"
	stateDenied    = "denied"
	stateReversed  = "reversed"
)

// frozenStates are those in which the claimant's proofs were accepted. Before a first proof, anybody who knows an identifier
// could freeze an account by starting a recovery.
func frozenStates() []string {
	return []string{"assisted", "cooling_off", "contested", "ready", "granted", stateCompleted}
}

// frozen reports whether a recovery keeps the account as it is: neither a thief nor a hurried owner changes addresses,
// factors, codes, or anything that decisions rest on, while the claim is being settled (R-092, R-107, R-189; I9). The owner's
// way out is an objection with evidence, which ends the claim. The database knows the rule as freezes().
func (in Loaded) frozen() bool {
	return slices.ContainsFunc(in.Recoveries, func(r Recovery) bool {
		return (slices.Contains(frozenStates(), r.State) || (r.State == stateVerifying && r.Proven)) && in.running(r)
	})
}

// running judges by the database's time, not by whether a job has tidied up yet (ADR 0005).
func (in Loaded) running(r Recovery) bool {
	switch r.State {
	case stateCompleted:
		return in.Now.Before(r.ProbationUntil)
	case stateReversed:
		return false
	default:
		return in.Now.Before(r.ExpiresAt)
	}
}
