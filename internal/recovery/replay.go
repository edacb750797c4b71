package recovery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
)

// rowDetail is the member of an event's details that says what of the recovery's row changed with this transition, so that the
// row can be rebuilt from its events alone. A field that became empty is "".
const rowDetail = "row"

// justified is what of a recovery its events must justify, by name, as text; what is empty is left out.
func (r Recovery) justified() map[string]string {
	out := map[string]string{
		"tier": r.Tier.String(), "plan": planDigest(r), "evidence": evidenceText(r), "approved": strings.Join(r.Approved, " "),
		"grant": r.GrantID, "paused_total": nonZero(r.PausedTotal),
	}
	open := 0
	for _, o := range r.Objections {
		if o.Open {
			open++
		}
	}
	if open > 0 {
		out["objections_open"] = strconv.Itoa(open)
	}
	for name, at := range map[string]time.Time{
		"contested_at": r.ContestedAt, "grant_expires": r.GrantExpires, "held_at": r.HeldAt, "not_before": r.NotBefore, "ready_until": r.ReadyUntil,
		"expires_at": r.ExpiresAt, "completed_at": r.CompletedAt, "probation_until": r.ProbationUntil, "closed_at": r.ClosedAt,
	} {
		if !at.IsZero() {
			out[name] = at.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
		}
	}
	maps.DeleteFunc(out, func(_, text string) bool { return text == "" })
	return out
}

func nonZero(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.Truncate(time.Microsecond).String()
}

// planDigest names a plan without repeating it.
func planDigest(r Recovery) string {
	text, err := json.Marshal(r.Plan)
	if err != nil {
		return "none"
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// evidenceText lists what was proven, in the order of names: the row's own order is by time, and two may share one.
func evidenceText(r Recovery) string {
	var out []string
	for _, e := range r.Evidence {
		out = append(out, fmt.Sprintf("%s/%s/%s/%d", e.Method, e.Class, e.Source, e.AAL))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// changed is what of the row differs after a step.
func changed(before, after map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range after {
		if before[name] != text {
			out[name] = text
		}
	}
	for name := range before {
		if _, still := after[name]; !still {
			out[name] = ""
		}
	}
	return out
}

// Replay rebuilds a recovery from its transitions, in the order of their versions, and says what of the row they do not justify.
// The row is nil when it is gone. An event that does not say what changed justifies nothing of the row, and is named.
func Replay(events []audit.Event, row *Recovery) []string {
	var out []string
	if row == nil {
		out = append(out, "the row is gone")
	}
	state, fields := State(""), map[string]string{}
	for i, e := range events {
		if e.Version != int64(i)+1 {
			return append(out, fmt.Sprintf("no event of version %d", i+1))
		}
		if State(e.From) != state {
			out = append(out, fmt.Sprintf("version %d begins in %q, and the one before ended in %q", e.Version, e.From, state))
		}
		if !inTable(e) {
			out = append(out, fmt.Sprintf("version %d: the table has no way from %q to %q by %s", e.Version, e.From, e.To, e.Action))
		}
		if e.Action == audit.GrantIssued && before(e.At, fields["not_before"]) {
			out = append(out, fmt.Sprintf("version %d: a grant before the hold was over", e.Version))
		}
		state = State(e.To)
		if !fold(fields, e.Details[rowDetail]) {
			out = append(out, fmt.Sprintf("version %d does not say what of the row it changed", e.Version))
		}
	}
	if row == nil {
		return out
	}
	return append(out, compare(*row, events, state, fields)...)
}

// before reports whether a moment lies before one that is written down; false when none is.
func before(at time.Time, text string) bool {
	t, err := time.Parse(time.RFC3339Nano, text)
	return err == nil && at.Before(t)
}

// inTable reports whether the transition is one of the table's, or the beginning.
func inTable(e audit.Event) bool {
	if e.Version == 1 {
		return e.From == "" && State(e.To) == Initiated && e.Action == audit.RecoveryInitiated
	}
	return slices.ContainsFunc(machine, func(line rule) bool {
		return line.From == State(e.From) && line.To == State(e.To) && line.Action == e.Action
	})
}

// fold takes up what a transition changed; false when its event does not say.
func fold(fields map[string]string, detail any) bool {
	switch changes := detail.(type) {
	case map[string]any:
		for name, v := range changes {
			if fields[name], _ = v.(string); fields[name] == "" {
				delete(fields, name)
			}
		}
		return true
	case map[string]string:
		for name, text := range changes {
			if fields[name] = text; text == "" {
				delete(fields, name)
			}
		}
		return true
	default:
		return false
	}
}

// compare holds the row against what its events say.
func compare(row Recovery, events []audit.Event, state State, fields map[string]string) []string {
	var out []string
	if row.Version != int64(len(events)) {
		out = append(out, fmt.Sprintf("the row is at version %d, and its events end at %d", row.Version, len(events)))
	}
	if row.State != state {
		out = append(out, fmt.Sprintf("the row is in %q, and its events end in %q", row.State, state))
	}
	for _, e := range events {
		if e.Account != row.Account {
			out = append(out, fmt.Sprintf("the row is of another account than its event of version %d", e.Version))
			break
		}
	}
	if len(events) > 0 && events[0].Reason != string(row.Reason) {
		out = append(out, "the row's reason is not that of its beginning")
	}
	have := row.justified()
	for _, name := range slices.Sorted(maps.Keys(changed(fields, have))) {
		out = append(out, fmt.Sprintf("%s is %q, and its events say %q", name, have[name], fields[name]))
	}
	return out
}
