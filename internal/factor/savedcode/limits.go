package savedcode

import (
	"fmt"

	"github.com/holdfast/holdfast/internal/limit"
)

// Limits tells how much argon2 runs at once (R-022, T42).
func Limits() []limit.Limit {
	return []limit.Limit{{
		Wall: limit.Capacity, Name: "argon2", Per: "node", Bound: fmt.Sprintf("twice the processors at once, %d KiB each; the rest waits", DefaultParams().MemoryKiB),
		WhenDown: "in the node itself", Reason: "guessing saved codes must not cost us memory without end",
	}}
}
