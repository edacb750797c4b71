package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// RowsDetail is the member of an event's details in which the database says what became of the rows that the event's transaction
// wrote: by table, by id, the row as it stood afterwards, or null when it was deleted (ADR 0041). Fields that are empty are left out.
const RowsDetail = "rows"

// RowsNthDetail is the member that says in which order such events were written: a later state of a row has a greater number.
const RowsNthDetail = "rows_nth"

// Row is what is told of a row, by field. Values are as JSON has them; times are RFC 3339.
type Row map[string]any

// Telling is what one event says of one row.
type Telling struct {
	Table, ID string
	Row       Row // nil when the row was deleted
	Event     string
	At        time.Time
}

// Held is a row as the database holds it.
type Held struct {
	Table, ID string
	Row       Row
}

// RowRule says of a table what needs no telling.
type RowRule struct {
	// Untold is for rows that nobody tells of when they are made: there is nothing to justify until one of the fields is set.
	Untold bool
	// Ends are fields of which one that is told says that the row had its time: it may be gone.
	Ends []string
	// Forgotten is for rows that may be gone once their recovery's working data were deleted.
	Forgotten bool
	// Goes is for rows that may be gone at any time.
	Goes bool
}

// History is what the events about one thing tell of its rows.
type History struct {
	last      map[string]map[string]Telling
	Forgotten bool // the working data of its recovery were deleted
}

// Hear takes up a telling. Tellings are heard in the order of their events.
func (h *History) Hear(t Telling) {
	if h.last == nil {
		h.last = map[string]map[string]Telling{}
	}
	if h.last[t.Table] == nil {
		h.last[t.Table] = map[string]Telling{}
	}
	h.last[t.Table][t.ID] = t
}

// Last gives what was told last of a row.
func (h *History) Last(table, id string) (Telling, bool) {
	t, ok := h.last[table][id]
	return t, ok
}

// Unjustified says what of these rows, which are all there are of what the history is about, the history does not justify. A table without a rule
// has the zero rule: each row is told of, and none is gone without being told.
func (h *History) Unjustified(held []Held, rules map[string]RowRule) []string {
	var out []string
	seen := map[[2]string]bool{}
	for _, row := range held {
		seen[[2]string{row.Table, row.ID}] = true
		told, ok := h.Last(row.Table, row.ID)
		switch {
		case !ok && rules[row.Table].Untold && len(row.Row) == 0:
		case !ok && rules[row.Table].Untold:
			out = append(out, difference(row, Telling{Row: Row{}})...)
		case !ok:
			out = append(out, name(row.Table, row.ID)+": no event tells of it")
		case told.Row == nil:
			out = append(out, name(row.Table, row.ID)+": its events say that it was deleted")
		default:
			out = append(out, difference(row, told)...)
		}
	}
	for _, table := range slices.Sorted(maps.Keys(h.last)) {
		for _, id := range slices.Sorted(maps.Keys(h.last[table])) {
			if t := h.last[table][id]; !seen[[2]string{table, id}] && t.Row != nil && !h.mayBeGone(t, rules[table]) {
				out = append(out, name(table, id)+": the row is gone")
			}
		}
	}
	return out
}

func (h *History) mayBeGone(t Telling, rule RowRule) bool {
	return rule.Goes || (rule.Forgotten && h.Forgotten) || slices.ContainsFunc(rule.Ends, func(f string) bool { return t.Row[f] != nil })
}

func name(table, id string) string { return table + " " + id }

// difference names each field of a row that is not as it was told.
func difference(row Held, told Telling) []string {
	var out []string
	fields := slices.Collect(maps.Keys(row.Row))
	for f := range told.Row {
		if _, both := row.Row[f]; !both {
			fields = append(fields, f)
		}
	}
	slices.SortFunc(fields, cmp.Compare[string])
	for _, f := range fields {
		if have, want := plain(row.Row[f]), plain(told.Row[f]); !reflect.DeepEqual(have, want) {
			out = append(out, fmt.Sprintf("%s: %s is %s, and its events say %s", name(row.Table, row.ID), f, shown(have), shown(want)))
		}
	}
	return out
}

// plain makes one text of all the ways to write a moment.
func plain(v any) any {
	if text, ok := v.(string); ok && len(text) > len(time.DateOnly) {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t.UTC().Format(time.RFC3339Nano)
		}
	}
	return v
}

func shown(v any) string {
	if v == nil {
		return `""`
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}
