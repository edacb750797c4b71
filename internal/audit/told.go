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

// RowsWasDetail is the member that says, as a digest, what each of these rows that was there before was then.
const RowsWasDetail = "rows_was"

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
	Nth       int64  // in which order it was written
	Is, Was   string // the digests of Row and of what the row was before the event's transaction; Was is empty for one that was not there, or that is carried
}

// Held is a row as the database holds it.
type Held struct {
	Table, ID string
	Row       Row
}

// RowRule says of a table what needs no telling.
type RowRule struct {
	// Untold is for rows that nobody tells of when they are made: there is nothing to justify until one of the fields is set, or one of Until
	// where there are any.
	Untold bool
	Until  []string
	// Ends are fields of which one that is told says that the row had its time: it may be gone.
	Ends []string
	// Forgotten is for rows that may be gone once their recovery's working data were deleted.
	Forgotten bool
	// GoesWithout is a field: a row of which it is not told may be gone at any time.
	GoesWithout string
}

// History is what the events about one thing tell of its rows.
type History struct {
	last      map[string]map[string]Telling
	breaks    []string
	Forgotten bool // the working data of its recovery were deleted
}

// Hear takes up a telling. Tellings are heard in the order of their events. Each row has to have been, before it was changed, what was told of it last: who
// edited it in between is named whatever became of the row since.
func (h *History) Hear(t Telling) {
	if h.last == nil {
		h.last = map[string]map[string]Telling{}
	}
	if h.last[t.Table] == nil {
		h.last[t.Table] = map[string]Telling{}
	}
	if before, ok := h.last[t.Table][t.ID]; ok && t.Was != "" && t.Was != before.Is {
		h.breaks = append(h.breaks, name(t.Table, t.ID)+": before event "+t.Event+" it was not what event "+before.Event+" made it")
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
	out := slices.Clone(h.breaks)
	seen := map[[2]string]bool{}
	for _, row := range held {
		seen[[2]string{row.Table, row.ID}] = true
		told, ok := h.Last(row.Table, row.ID)
		switch {
		case !ok && rules[row.Table].nothingYet(row.Row):
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

// nothingYet reports whether a row that nobody told of has nothing to justify.
func (r RowRule) nothingYet(row Row) bool {
	if !r.Untold || len(r.Until) == 0 {
		return r.Untold && len(row) == 0
	}
	return !slices.ContainsFunc(r.Until, func(f string) bool { return row[f] != nil })
}

func (h *History) mayBeGone(t Telling, rule RowRule) bool {
	return (rule.GoesWithout != "" && t.Row[rule.GoesWithout] == nil) || (rule.Forgotten && h.Forgotten) || slices.ContainsFunc(rule.Ends, func(f string) bool { return t.Row[f] != nil })
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
