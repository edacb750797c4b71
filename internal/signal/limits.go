package signal

import (
	"fmt"

	"github.com/holdfast/holdfast/internal/limit"
)

// Limits tells of what signals are bounded by. Their counts are rows of the database, which has to answer for a signal to be made at all.
func Limits() []limit.Limit {
	const down = "nothing is taken on or sent; what is written down waits"
	return []limit.Limit{
		{
			Wall: limit.Capacity, Name: "signal_endpoints", Per: "tenant", Bound: fmt.Sprintf("%d", MaxEndpoints), WhenDown: down,
			Reason: "each event is written down once for each endpoint that listens, in its own transaction",
		},
		{
			Wall: limit.Capacity, Name: "signal_attempts", Per: "delivery",
			Bound: fmt.Sprintf("%d over about three days, %s each; then a dead letter, kept for %d days", Attempts(), AttemptFor, int(KeepEnded.Hours()/24)), WhenDown: down,
			Reason: "a receiver may be down over a weekend, and one that is gone is not asked for ever",
		},
		{
			Wall: limit.Capacity, Name: "signal_at_once", Per: "node and endpoint", Bound: fmt.Sprintf("%d", atOnce), WhenDown: down,
			Reason: "a slow receiver keeps neither other receivers nor notices waiting",
		},
		{
			Wall: limit.Capacity, Name: "signal_body", Per: "signal", Bound: fmt.Sprintf("below %d bytes", maxBody), WhenDown: "a larger one is not sent",
			Reason: "signals are thin (R-170)",
		},
	}
}
