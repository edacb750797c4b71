package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// ExportVersion is the version of the form of an export: JSON lines, of which the first is an ExportHeader, the last an
// ExportEnd, and the others are ExportLines.
const ExportVersion = 1

// ExportHeader begins an export.
type ExportHeader struct {
	Version    int      `json:"holdfast_audit_export"`
	Origin     string   `json:"origin"`
	Keys       []string `json:"keys"` // for convenience: who verifies has keys of their own
	Tenant     string   `json:"tenant,omitempty"`
	Checkpoint string   `json:"checkpoint"`
	// Whole says that every leaf of the checkpoint's tree follows, in order, in place of proofs.
	Whole bool `json:"whole"`
}

// ExportLine is one event, one leaf, or both. A leaf without its event is what is left when the event is gone, or was retired.
type ExportLine struct {
	Index        int64     `json:"index"` // -1 when the event is not in the log
	Event        *EventOut `json:"event,omitempty"`
	Salt         []byte    `json:"salt,omitempty"`
	PersonalSalt []byte    `json:"personal_salt,omitempty"`
	Leaf         string    `json:"leaf,omitempty"`
	Proof        []Hash    `json:"proof,omitempty"`
}

// ExportEnd ends an export that is whole. Without it, the export was cut short.
type ExportEnd struct {
	End   bool  `json:"end"`
	Lines int64 `json:"lines"`
}

// EventOut is an event as it is exported: its details keep their digits.
type EventOut struct{ Event }

// eventIn reads an event with its details left as they are written.
type eventIn struct {
	Event
	Details json.RawMessage `json:"details"`
}

// UnmarshalJSON reads an event.
func (e *EventOut) UnmarshalJSON(text []byte) error {
	var in eventIn
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	e.Event = in.Event
	if len(in.Details) == 0 {
		return nil
	}
	var err error
	e.Details, err = ParseDetails(in.Details)
	return err
}

// LineOf makes the line of an entry.
func LineOf(e Entry, index int64, leaf []byte, proof []Hash) ExportLine {
	out := EventOut{e.Event}
	line := ExportLine{Index: index, Event: &out, Salt: e.Salt, Leaf: string(leaf), Proof: proof}
	if e.Personal != nil {
		out.Origin, out.RequestID = e.Personal.Origin, e.Personal.RequestID
		line.PersonalSalt = e.Personal.Salt
	}
	return line
}

// entry is the entry of a line.
func (l ExportLine) entry() Entry {
	e := Entry{Event: l.Event.Event, Salt: l.Salt}
	if l.PersonalSalt != nil {
		e.Personal = &Personal{Salt: l.PersonalSalt, Origin: l.Event.Origin, RequestID: l.Event.RequestID}
	}
	e.Event.Origin, e.Event.RequestID = "", ""
	return e
}

// A Problem is one thing that is wrong with an export.
type Problem struct {
	Line  int64  // of the file, from 1; 0 when it is about the whole
	Index int64  // of the log; -1 when it has none
	Event string // the event's id, where it is known
	What  string
}

// String tells the problem in one line of visible characters: what it repeats of an export may have been written by anybody.
func (p Problem) String() string {
	s := p.What
	if p.Event != "" {
		s = p.Event + ": " + s
	}
	if p.Index >= 0 {
		s = fmt.Sprintf("leaf %d: %s", p.Index, s)
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d: %s", p.Line, s)
	}
	return Visible(s)
}

// mostVisible is how much of a text Visible shows, in runes.
const mostVisible = 1000

// Visible gives a text that nobody vouches for as a terminal may show it: bounded, and with a mark for everything that is not a visible
// character, such as the beginning of another line or of a terminal's command.
func Visible(text string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > mostVisible {
			return -1
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// judged is what is found about one line by itself.
type judged struct {
	line     ExportLine
	hash     Hash
	at       time.Time
	problems []string
	erased   bool
	gone     *Leaf // the leaf, when its event is not there: a retirement may justify it
}

// exact reports whether a line is what is written for that value, byte for byte. JSON can say a thing twice, under names that differ in
// their case, or beside what is read here: what one reader verifies and another one shows would not be the same.
func exact(text []byte, v any) bool {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v) == nil && bytes.Equal(bytes.TrimSuffix(out.Bytes(), []byte("\n")), text)
}

// form says what is wrong with a line by its form: a place and a leaf belong together, and what stands beside the log is an event.
func (l ExportLine) form(text []byte) (problems []string) {
	if !exact(text, l) {
		problems = append(problems, "is not written as an export writes it: it says something twice, or more than is verified")
	}
	switch {
	case l.Index < -1 || (l.Index >= 0) != (l.Leaf != ""):
		problems = append(problems, "has a place in the log without a leaf, or a leaf without a place")
	case l.Index < 0 && l.Event == nil:
		problems = append(problems, "says nothing")
	}
	if e := l.Event; e != nil && l.PersonalSalt == nil && (e.Origin != "" || e.RequestID != "") {
		problems = append(problems, "names a network or a request that nothing proves")
	}
	return problems
}

// judge reads a line and compares its event with its leaf.
func judge(text []byte, head Head, whole bool) judged {
	var j judged
	if err := json.Unmarshal(text, &j.line); err != nil {
		return judged{line: ExportLine{Index: -1}, problems: []string{"is no line of an export"}}
	}
	l := j.line
	j.problems = l.form(text)
	if l.Event != nil {
		j.at = l.Event.At
	}
	if l.Index < 0 || l.Leaf == "" {
		return j
	}
	j.hash = LeafHash([]byte(l.Leaf))
	if !whole {
		if err := CheckInclusion(head, l.Index, j.hash, l.Proof); err != nil {
			j.problems = append(j.problems, "is not in the log that the checkpoint signs")
		}
	}
	leaf, err := ParseLeaf([]byte(l.Leaf))
	if err != nil {
		j.problems = append(j.problems, "the leaf cannot be read: "+err.Error())
		return j
	}
	j.at = leaf.At
	if l.Event == nil {
		j.gone = &leaf
		return j
	}
	j.compare(leaf)
	return j
}

func (j *judged) compare(leaf Leaf) {
	entry := j.line.entry()
	differences, err := leaf.Compare(entry)
	if err != nil {
		j.problems = append(j.problems, "the event cannot be compared with its leaf: "+err.Error())
		return
	}
	for _, d := range differences {
		j.problems = append(j.problems, "was changed after it was sealed ("+string(d)+")")
	}
	j.erased = leaf.Missing(entry)
}

// errShort says that the export does not end as one ends.
var errShort = errors.New("the export was cut short: its last line is missing")
