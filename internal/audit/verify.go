package audit

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// VerifyConfig is what an export is checked against.
type VerifyConfig struct {
	// Keys are the verifier keys that the checkpoint must be signed by. Without any, those of the export itself are taken: then
	// the export is shown to be consistent, and not whose it is.
	Keys []string
	// Known are checkpoints that were published before, as anchors kept them. The log must continue each, which only a whole export
	// shows; for another, what cannot be compared is counted. When there are any, one at least must be of this log.
	Known []Checkpoint
	// Witnesses are whose cosignatures are looked for. One that is there must be good, and Quorum of them must be there; all when zero.
	Witnesses []Witness
	Quorum    int
	// Now is the time of who verifies: no retirement is believed that lies ahead of it. Zero where there is no clock to go by.
	Now time.Time
	// Progress hears of every so many lines; nil for nobody.
	Progress func(lines int64)
	// MostProblems bounds what is kept of what is found; 100 when zero.
	MostProblems int
}

// Report is what a verification found.
type Report struct {
	Checkpoint Checkpoint
	Whole      bool
	OwnKeys    bool          // the keys were the export's own
	Events     int64         // events in the log that were checked
	Erased     int64         // of these, whose personal data is gone
	Retired    int64         // events that are gone because their month was retired by policy, as a sealed event says
	Waiting    int64         // events that are not sealed yet
	Unlike     int64         // checkpoints that were kept and that an export with proofs could not be compared with
	Cosigned   []Cosignature // by the witnesses that were asked for
	Problems   []Problem
	More       int64 // problems beyond those
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// sealSlack is how long an event may wait for its sealing before it counts as kept out of the log.
const sealSlack = 10 * time.Minute

const (
	longestExportLine = 4 << 20 // an import of 500 accounts with ten addresses each has nearly one
	batchBytes        = 1 << 20
	progressEvery     = 100_000
	batchLines        = 256
)

// Verify checks an export, in memory that does not grow with it but for one bit a leaf. It needs no database and no service. An
// error is one of reading; what is wrong with the export stands in the report.
func Verify(r io.Reader, cfg VerifyConfig) (Report, error) {
	if cfg.MostProblems == 0 {
		cfg.MostProblems = 100
	}
	in := bufio.NewReaderSize(r, longestExportLine)
	v := &verifier{cfg: cfg, newest: time.Time{}}
	first, err := readLine(in)
	if err != nil {
		return v.Report, fmt.Errorf("read export: %w", err)
	}
	if !v.begin(first) {
		return v.Report, nil
	}
	if err := v.body(in); err != nil {
		return v.Report, fmt.Errorf("read export: %w", err)
	}
	v.finish()
	return v.Report, nil
}

// verifier is one verification under way.
type verifier struct {
	Report
	cfg     VerifyConfig
	head    Head
	edge    *Edge
	known   []Checkpoint // those within the tree, the smallest first
	tenant  string       // whose events they are; "" for all
	seen    []uint64     // a bit for each leaf
	lines   int64
	ended   bool
	newest  time.Time
	gone    gone
	waiting []waiting // the oldest events that are not in the log, judged when the newest leaf's time is known
}

// waiting is an event that is not in the log.
type waiting struct {
	Problem
	at time.Time
}

func (v *verifier) problem(p Problem) {
	if len(v.Problems) < v.cfg.MostProblems {
		v.Problems = append(v.Problems, p)
	} else {
		v.More++
	}
}

// begin reads the header and checks the checkpoint.
func (v *verifier) begin(text []byte) bool {
	var h ExportHeader
	if err := json.Unmarshal(text, &h); err != nil || h.Version == 0 {
		v.problem(Problem{Line: 1, Index: -1, What: "is not the beginning of an export"})
		return false
	}
	if h.Version != ExportVersion {
		v.problem(Problem{Line: 1, Index: -1, What: "is of version " + strconv.Itoa(h.Version) + ", which this program does not know"})
		return false
	}
	keys := v.cfg.Keys
	if len(keys) == 0 {
		keys, v.OwnKeys = h.Keys, true
	}
	c, err := OpenCheckpoint([]byte(h.Checkpoint), keys)
	if err != nil {
		v.problem(Problem{Line: 1, Index: -1, What: "the checkpoint is not to be trusted: " + err.Error()})
		if c, err = UnverifiedCheckpoint([]byte(h.Checkpoint)); err != nil {
			return false
		}
	}
	if !exact(text, h) || h.Origin != c.Origin || (h.Whole && h.Tenant != "") {
		v.problem(Problem{Line: 1, Index: -1, What: "contradicts its checkpoint, or says something twice"})
	}
	v.Checkpoint, v.head, v.Whole, v.tenant = c, c.Head, h.Whole, h.Tenant
	if c.Size > maxExport {
		v.problem(Problem{Line: 1, Index: -1, What: "the log is larger than this program reads"})
		return false
	}
	v.cosigned([]byte(h.Checkpoint))
	v.seen = make([]uint64, c.Size/64+1)
	if h.Whole {
		v.edge = &Edge{}
	}
	v.remember()
	return true
}

// cosigned looks for the witnesses' cosignatures.
func (v *verifier) cosigned(signed []byte) {
	least := v.cfg.Quorum
	if least == 0 {
		least = len(v.cfg.Witnesses)
	}
	if len(v.cfg.Witnesses) == 0 {
		return
	}
	found, err := Cosignatures(signed, v.cfg.Witnesses)
	if err != nil {
		v.problem(Problem{Line: 1, Index: -1, What: "a witness' cosignature of the checkpoint is not good: " + err.Error()})
		return
	}
	if v.Cosigned = found; len(found) < least {
		v.problem(Problem{Line: 1, Index: -1, What: fmt.Sprintf("the checkpoint carries cosignatures of %d of the witnesses, and %d are demanded", len(found), least)})
	}
}

// maxExport bounds the bits that are kept: a gigabyte.
const maxExport = 1 << 33

// remember sorts the known checkpoints, and names those that the log does not reach.
func (v *verifier) remember() {
	strange := len(v.cfg.Known) > 0
	for _, c := range v.cfg.Known {
		if c.Origin != v.Checkpoint.Origin {
			continue
		}
		strange = false
		switch {
		case c.Size == 0:
		case c.Size == v.head.Size && c.Root != v.head.Root:
			v.problem(Problem{Index: -1, What: fmt.Sprintf("the log forked: another checkpoint of %d leaves was published", c.Size)})
		case c.Size == v.head.Size:
		case !v.Whole:
			v.Unlike++
		case c.Size > v.head.Size:
			v.problem(Problem{Index: -1, What: fmt.Sprintf("the log went back: it has %d leaves, and a checkpoint of %d was published", v.head.Size, c.Size)})
		default:
			v.known = append(v.known, c)
		}
	}
	if strange {
		v.problem(Problem{Index: -1, What: "none of the checkpoints that were kept is of this log: it is another one"})
	}
	slices.SortFunc(v.known, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
}

// body reads the lines. Each is judged by itself on as many processors as there are, and what they say together in their order.
func (v *verifier) body(in *bufio.Reader) error {
	type batch struct {
		lines [][]byte
		done  chan []judged
	}
	width := runtime.GOMAXPROCS(0)
	work, order := make(chan batch, width), make(chan batch, 2*width)
	for range width {
		go func() {
			for b := range work {
				out := make([]judged, len(b.lines))
				for i, text := range b.lines {
					out[i] = judge(text, v.head, v.Whole)
				}
				b.done <- out
			}
		}()
	}
	read := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			b := batch{done: make(chan []judged, 1)}
			for size := 0; len(b.lines) < batchLines && size < batchBytes; {
				var text []byte
				if text, err = readLine(in); err != nil {
					break
				}
				b.lines, size = append(b.lines, text), size+len(text)
			}
			if len(b.lines) > 0 {
				order <- b
				work <- b
			}
		}
		close(work)
		close(order)
		read <- err
	}()
	for b := range order {
		for i, j := range <-b.done {
			v.take(j, b.lines[i])
		}
	}
	if err := <-read; !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// take takes a line up.
func (v *verifier) take(j judged, text []byte) {
	v.lines++
	if v.cfg.Progress != nil && v.lines%progressEvery == 0 {
		v.cfg.Progress(v.lines)
	}
	number := v.lines + 1 // after the header
	if v.ended {
		v.problem(Problem{Line: number, Index: -1, What: "stands after the end"})
		return
	}
	if v.end(j, text) {
		return
	}
	id := ""
	if j.line.Event != nil {
		id = j.line.Event.ID
	}
	for _, what := range j.problems {
		v.problem(Problem{Line: number, Index: j.line.Index, Event: id, What: what})
	}
	if e := j.line.Event; e != nil && v.tenant != "" && e.Tenant != v.tenant {
		v.problem(Problem{Line: number, Index: j.line.Index, Event: id, What: "is another tenant's"})
	}
	switch {
	case j.line.Index < 0 && j.line.Event != nil:
		v.retirement(j, number)
		v.wait(waiting{Problem{Line: number, Index: -1, Event: id, What: "stands beside the log and was never sealed, though younger events were"}, j.at})
	case j.line.Index >= 0 && j.line.Leaf != "":
		v.place(j, number, id)
	}
}

// wait keeps an event that is not in the log in mind: of many the oldest, so that the young ones hide none that was kept out.
func (v *verifier) wait(w waiting) {
	v.Waiting++
	if len(v.waiting) < v.cfg.MostProblems {
		v.waiting = append(v.waiting, w)
		return
	}
	youngest := 0
	for i := range v.waiting {
		if v.waiting[i].at.After(v.waiting[youngest].at) {
			youngest = i
		}
	}
	if w.at.Before(v.waiting[youngest].at) {
		v.waiting[youngest] = w
	}
}

// end recognises the last line.
func (v *verifier) end(j judged, text []byte) bool {
	if j.line.Event != nil || j.line.Leaf != "" {
		return false
	}
	var e ExportEnd
	if json.Unmarshal(text, &e) != nil || !e.End {
		return false
	}
	v.ended = true
	if e.Lines != v.lines-1 {
		v.problem(Problem{Index: -1, What: fmt.Sprintf("the export has %d lines and says that it has %d", v.lines-1, e.Lines)})
	}
	return true
}

// place looks at where the leaf stands.
func (v *verifier) place(j judged, number int64, id string) {
	index := j.line.Index
	if index >= v.head.Size {
		v.problem(Problem{Line: number, Index: index, Event: id, What: "is beyond the checkpoint"})
		return
	}
	if v.seen[index/64]&(1<<(index%64)) != 0 {
		v.problem(Problem{Line: number, Index: index, Event: id, What: "is there twice"})
		return
	}
	v.seen[index/64] |= 1 << (index % 64)
	if j.gone != nil {
		v.leave(Problem{Line: number, Index: index, What: "event " + j.gone.ID + " was sealed and is gone"}, *j.gone)
	} else {
		v.Events++
		v.retirement(j, number)
	}
	if j.erased {
		v.Erased++
	}
	if j.at.After(v.newest) {
		v.newest = j.at
	}
	v.overtaken(index, j.at)
	if v.edge == nil {
		return
	}
	if index != v.edge.Size() {
		if index > v.edge.Size() {
			v.problem(Problem{Line: number, Index: v.edge.Size(), What: fmt.Sprintf("is missing, and what follows up to leaf %d", index-1)})
		} else {
			v.problem(Problem{Line: number, Index: index, Event: id, What: "is out of order"})
		}
		v.edge = nil // the root can be told no more
		return
	}
	v.edge.Append(j.hash)
	v.checkKnown()
}

// checkKnown compares the root so far with a checkpoint of that size.
func (v *verifier) checkKnown() {
	for len(v.known) > 0 && v.known[0].Size == v.edge.Size() {
		if v.known[0].Root != v.edge.Root() {
			v.problem(Problem{Index: -1, What: fmt.Sprintf("the log forked: its first %d leaves are not those of the checkpoint that was published", v.edge.Size())})
		}
		v.known = v.known[1:]
	}
}

// finish judges the whole.
func (v *verifier) finish() {
	if !v.ended {
		v.problem(Problem{Index: -1, What: errShort.Error()})
	}
	if v.Whole && v.edge != nil && v.edge.Size() < v.head.Size {
		v.problem(Problem{Index: v.edge.Size(), What: "is missing, and all that follow: the log was truncated"})
	} else if v.Whole && v.edge != nil && v.edge.Root() != v.head.Root {
		v.problem(Problem{Index: -1, What: "the leaves do not give the root that the checkpoint signs: leaves were changed, exchanged or forged"})
	}
	v.settle()
	for _, w := range v.waiting {
		if v.newest.Sub(w.at) > sealSlack {
			v.problem(w.Problem)
		}
	}
}

// readLine reads a line without its end. A last line without one is not whole.
func readLine(in *bufio.Reader) ([]byte, error) {
	text, err := in.ReadSlice('\n')
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(text[:len(text)-1]), nil
}
