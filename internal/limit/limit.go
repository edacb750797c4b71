// Package limit is how every room tells of the limits that it keeps: what is counted, how much is let through, why, and what
// happens when what keeps the count does not answer. The numbers are those that the room itself judges by; the page
// deploy/limits.md and `holdfast limits` are made from them.
package limit

import (
	"fmt"
	"strings"
	"time"
)

// Wall says which of the three walls a limit belongs to (design.md, section 7), or what else it protects.
type Wall string

// The walls.
const (
	Edge     Wall = "edge"     // per source, coarse
	Identity Wall = "identity" // per identifier, device, client, tenant
	Row      Wall = "row"      // per account and method, in the transaction that gives the verdict
	Messages Wall = "messages" // what texts may cost
	Fleet    Wall = "fleet"    // over all accounts
	Capacity Wall = "capacity" // of one node
)

// Walls lists them in the order in which they are told.
func Walls() []Wall { return []Wall{Edge, Identity, Row, Messages, Fleet, Capacity} }

// Limit is one limit.
type Limit struct {
	Wall     Wall
	Name     string // as in logs, metrics and settings
	Per      string // what it counts by
	Bound    string // how much is let through
	WhenDown string // what happens when its store does not answer
	Reason   string
}

// Per writes "10/h" and the like.
func Per(n int64, period time.Duration) string {
	for _, unit := range []struct {
		period time.Duration
		name   string
	}{{time.Second, "s"}, {time.Minute, "min"}, {time.Hour, "h"}, {24 * time.Hour, "day"}} {
		if period == unit.period {
			return fmt.Sprintf("%d/%s", n, unit.name)
		}
	}
	return fmt.Sprintf("%d per %s", n, period)
}

// Markdown writes the limits as tables, one for each wall.
func Markdown(limits []Limit) string {
	var b strings.Builder
	for _, wall := range Walls() {
		head := false
		for _, l := range limits {
			if l.Wall != wall {
				continue
			}
			if !head {
				fmt.Fprintf(&b, "\n## %s\n\n| limit | per | lets through | when its store is down | why |\n|---|---|---|---|---|\n", title(wall))
				head = true
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", l.Name, l.Per, l.Bound, l.WhenDown, l.Reason)
		}
	}
	return b.String()
}

func title(w Wall) string { return strings.ToUpper(string(w[:1])) + string(w[1:]) }
