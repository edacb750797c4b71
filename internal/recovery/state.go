package recovery

import "fmt"

// State is where a recovery stands. The zero State is not valid: an unknown state stops, it never continues.
type State string

// The states, in the order of a recovery's life. PostgreSQL knows the same ones (a test compares).
const (
	Initiated  State = "initiated"   // begun; nothing was asked for yet
	Verifying  State = "verifying"   // the claimant proves factors
	Assisted   State = "assisted"    // two humans have to approve
	CoolingOff State = "cooling_off" // the evidence suffices; the hold runs and the owner has been told
	Contested  State = "contested"   // an objection stands; the clock is stopped
	Ready      State = "ready"       // the claimant may take a grant
	Granted    State = "granted"     // a grant is out and not redeemed
	Completed  State = "completed"   // redeemed; probation runs
	Closed     State = "closed"      // probation has ended
	Rebind     State = "rebind"      // the claimant can still sign in: this is a binding operation, not a recovery
	Vetoed     State = "vetoed"      // the owner stopped it with evidence
	Cancelled  State = "cancelled"   // the claimant stopped it
	Expired    State = "expired"     // a deadline passed
	Denied     State = "denied"      // humans refused it; appealable
	Reversed   State = "reversed"    // the owner took the account back within probation
)

// States lists all states.
func States() []State {
	return []State{
		Initiated, Verifying, Assisted, CoolingOff, Contested, Ready, Granted, Completed,
		Closed, Rebind, Vetoed, Cancelled, Expired, Denied, Reversed,
	}
}

// Terminal reports whether nothing can follow. Denied is not terminal, because it can be appealed; Completed is not,
// because its probation ends or is reversed.
func (s State) Terminal() bool {
	switch s {
	case Closed, Rebind, Vetoed, Cancelled, Expired, Reversed:
		return true
	case Initiated, Verifying, Assisted, CoolingOff, Contested, Ready, Granted, Completed, Denied:
		return false
	default:
		return false
	}
}

// Open reports whether the claim is still under way: it may be cancelled, and it may expire.
func (s State) Open() bool {
	switch s {
	case Initiated, Verifying, Assisted, CoolingOff, Contested, Ready, Granted:
		return true
	case Completed, Closed, Rebind, Vetoed, Cancelled, Expired, Denied, Reversed:
		return false
	default:
		return false
	}
}

// ParseState reads a state's name.
func ParseState(s string) (State, error) {
	for _, known := range States() {
		if string(known) == s {
			return known, nil
		}
	}
	return "", fmt.Errorf("unknown recovery state")
}
