package recovery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
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
// The row is nil when it is gone. An event that does not say what changed justifies nothing of the row, and is named. Where the first transitions were
// retired by policy, an event of audit.AuditCarried among the events says where they had led.
func Replay(events []audit.Event, row *Recovery) []string {
	var out []string
	if row == nil {
		out = append(out, "the row is gone")
	}
	was, problems := follow(events, math.MaxInt64)
	out = append(out, problems...)
	if row == nil || was.broken {
		return out
	}
	return append(out, compare(*row, was)...)
}

// past is where a recovery's events have led.
type past struct {
	version  int64
	state    State
	fields   map[string]string
	reason   string
	accounts []string // by event that differs from the one before
	broken   bool     // versions are missing
}

// follow follows a recovery's events up to a version.
func follow(events []audit.Event, upTo int64) (past, []string) {
	transitions, base, problems := begin(events)
	now := past{fields: map[string]string{}}
	if base != nil && (len(transitions) == 0 || transitions[0].Version > 1) {
		now = *base
	}
	for _, e := range transitions {
		if base != nil && e.Version > now.version+1 && now.version < base.version { // months between were retired
			now = *base
		}
		if e.Version > upTo || (base != nil && e.Version <= now.version) {
			continue
		}
		if e.Version != now.version+1 {
			now.broken = true
			return now, append(problems, fmt.Sprintf("no event of version %d", now.version+1))
		}
		problems = append(problems, now.step(e)...)
		if base != nil && e.Version == base.version && !now.same(base) {
			problems = append(problems, fmt.Sprintf("what is carried on of version %d is not what its events say", e.Version))
		}
	}
	if base != nil && now.version < base.version && base.version <= upTo {
		now = *base
	}
	return now, problems
}

// begin parts transitions from what was carried on, of which the newest counts.
func begin(events []audit.Event) (transitions []audit.Event, base *past, problems []string) {
	for _, e := range events {
		if e.Action != audit.AuditCarried {
			transitions = append(transitions, e)
			continue
		}
		if _, told := e.Details[carriedVersion]; !told { // rows that are around it (ADR 0041)
			continue
		}
		p, ok := carriedIn(e)
		if !ok {
			problems = append(problems, "what is carried on cannot be read: "+e.ID)
		} else if base == nil || p.version >= base.version {
			base = &p
		}
	}
	return transitions, base, problems
}

// step takes one transition up, and says what is wrong with it.
func (p *past) step(e audit.Event) (out []string) {
	if State(e.From) != p.state {
		out = append(out, fmt.Sprintf("version %d begins in %q, and the one before ended in %q", e.Version, e.From, p.state))
	}
	if !inTable(e) {
		out = append(out, fmt.Sprintf("version %d: the table has no way from %q to %q by %s", e.Version, e.From, e.To, e.Action))
	}
	if e.Action == audit.GrantIssued && before(e.At, p.fields["not_before"]) {
		out = append(out, fmt.Sprintf("version %d: a grant before the hold was over", e.Version))
	}
	if e.Version == 1 {
		p.reason = e.Reason
	}
	if len(p.accounts) == 0 || p.accounts[len(p.accounts)-1] != e.Account {
		p.accounts = append(p.accounts, e.Account)
	}
	p.version, p.state = e.Version, State(e.To)
	if !fold(p.fields, e.Details[rowDetail]) {
		out = append(out, fmt.Sprintf("version %d does not say what of the row it changed", e.Version))
	}
	return out
}

func (p *past) same(o *past) bool {
	return p.version == o.version && p.state == o.state && p.reason == o.reason && maps.Equal(p.fields, o.fields)
}

// The members of an event of audit.AuditCarried that say where a recovery's transitions had led.
const (
	carriedVersion = "version"
	carriedState   = "state"
	carriedReason  = "reason"
)

// Carried is what has to be written down of a recovery before its transitions up to that version are retired: the details of an event of
// audit.AuditCarried, whose account is the recovery's. What its events do not justify is told beside it, and is not to be carried on.
func Carried(events []audit.Event, upTo int64, row *Recovery) (details map[string]any, unjustified []string) {
	p, problems := follow(events, upTo)
	if problems = append(problems, Replay(events, row)...); len(problems) > 0 {
		slices.Sort(problems)
		return nil, slices.Compact(problems)
	}
	fields := make(map[string]any, len(p.fields))
	for name, text := range p.fields {
		fields[name] = text
	}
	return map[string]any{carriedVersion: p.version, carriedState: string(p.state), carriedReason: p.reason, rowDetail: fields}, nil
}

// carriedIn reads what an event carries on.
func carriedIn(e audit.Event) (past, bool) {
	p := past{fields: map[string]string{}, accounts: []string{e.Account}}
	version, ok := e.Details[carriedVersion].(json.Number)
	if !ok {
		return p, false
	}
	var err error
	if p.version, err = version.Int64(); err != nil || p.version < 1 {
		return p, false
	}
	state, ok := e.Details[carriedState].(string)
	p.state = State(state)
	p.reason, _ = e.Details[carriedReason].(string)
	return p, ok && fold(p.fields, e.Details[rowDetail])
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
func compare(row Recovery, was past) []string {
	var out []string
	if row.Version != was.version {
		out = append(out, fmt.Sprintf("the row is at version %d, and its events end at %d", row.Version, was.version))
	}
	if row.State != was.state {
		out = append(out, fmt.Sprintf("the row is in %q, and its events end in %q", row.State, was.state))
	}
	if slices.ContainsFunc(was.accounts, func(account string) bool { return account != row.Account }) {
		out = append(out, "the row is of another account than its events")
	}
	if was.version > 0 && was.reason != string(row.Reason) {
		out = append(out, "the row's reason is not that of its beginning")
	}
	have := row.justified()
	for _, name := range slices.Sorted(maps.Keys(changed(was.fields, have))) {
		out = append(out, fmt.Sprintf("%s is %q, and its events say %q", name, have[name], was.fields[name]))
	}
	return out
}
