package recovery

import (
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/limit"
)

// RowLimits tells of the third wall: what is counted per account (or the pseudonym of an unknown name) and method in the
// transaction that gives the verdict. It is the only wall that guards a secret.
func RowLimits() []limit.Limit {
	const down = "refuses (503): the verdict is in the same transaction"
	per := "account and method"
	day := 24 * time.Hour
	return []limit.Limit{
		{
			Wall: limit.Row, Name: "failures", Per: per, Bound: limit.Per(failuresPerHour, time.Hour) + ", " + limit.Per(failuresPerDay, day), WhenDown: down,
			Reason: "guesses over all claims, sources, codes and nodes; other methods of the account stay open, the account is never locked",
		},
		{
			Wall: limit.Row, Name: "consecutive_failures", Per: per, Bound: fmt.Sprintf("%d, then the method is disabled", failuresToDisable), WhenDown: down,
			Reason: "NIST SP 800-63B-4, 3.2.2; an accepted proof begins anew",
		},
		{
			Wall: limit.Row, Name: "rest_after_failures", Per: per,
			Bound:    fmt.Sprintf("%s after 3, %s after 4, %s after 5, then %s", waitAfter(3), waitAfter(4), waitAfter(5), waitAfter(6)),
			WhenDown: down, Reason: "guessing becomes slow before it becomes impossible",
		},
		{
			Wall: limit.Row, Name: "attempts_per_code", Per: "code", Bound: fmt.Sprintf("%d, %d while codes are guessed over many accounts", attemptsPerCode, attemptsTightened),
			WhenDown: down, Reason: "a code is dead long before it is guessed",
		},
		{
			Wall: limit.Row, Name: "resend_wait", Per: "challenge", Bound: fmt.Sprintf("%s, doubling to %s, up to a quarter more by chance", resendFirst, resendMost),
			WhenDown: down, Reason: "nobody's telephone becomes a target",
		},
		{
			Wall: limit.Fleet, Name: "failed_codes", Per: "tenant, and installation", Bound: "50 over 25 accounts in 10 min, or 3 times what is usual; then 3 attempts a code, and every tier at least moderate",
			WhenDown: "what was known stays", Reason: "no limit per account bounds guessing over many; it lasts while the alert CodeSpray or FleetCodeSpray is live",
		},
		{Wall: limit.Row, Name: "sends_per_recovery", Per: "challenge", Bound: fmt.Sprintf("%d", sendsPerRecovery), WhenDown: down, Reason: "the same"},
		{
			Wall: limit.Row, Name: "sends_per_destination", Per: per, Bound: limit.Per(sendsPerDestination, day), WhenDown: down,
			Reason: "a destination's messages over all claims; once they are used up nothing is sent, which shows to nobody before a first proof",
		},
	}
}
