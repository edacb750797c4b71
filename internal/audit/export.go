package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
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

// ExportLine is one event, one leaf, or both. A leaf without its event is what is left when the event is gone.
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

// String tells the problem in a line.
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
	return s
}

// judged is what is found about one line by itself.
type judged struct {
	line     ExportLine
	hash     Hash
	at       time.Time
	problems []string
	erased   bool
}

// judge reads a line and compares its event with its leaf.
func judge(text []byte, head Head, whole bool) judged {
	var j judged
	if err := json.Unmarshal(text, &j.line); err != nil {
		j.problems = append(j.problems, "is no line of an export")
		j.line.Index = -1
		return j
	}
	l := j.line
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
		j.problems = append(j.problems, "event "+leaf.ID+" was sealed and is gone")
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
