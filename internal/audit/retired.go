package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// LeastMonths is how many months of the log an installation keeps at least, counted from the end of a month. The database refuses
// less, and Verify does not believe less.
const LeastMonths = 24

// A Retirement is what an event of AuditRetired says: which month of which log was taken out by policy, and which leaves are left of it.
type Retirement struct {
	Log         string    // the origin of the log that the indexes are of
	Month       string    // 202411, or "before" for what was written before there were months
	From, Until time.Time // of the ids of its events; From is zero where there was no lower bound
	Events      int64
	First, Last int64 // the places of its first and its last event; -1 when it had none
	Archive     string
	Event       string    // the id of the event that says so
	At          time.Time // its time
	Index       int64     // its place in the log; -1 while it has none
}

// retiredDate is how the event writes a day. Months begin at midnight, UTC.
const retiredDate = "2006-01-02"

// RetirementOf reads what an event says was retired. What policy does not allow is an error that says why: a range that is none of a month,
// or a month that had not been over for LeastMonths when the event was written.
func RetirementOf(e Event) (Retirement, error) {
	r := Retirement{Event: e.ID, At: e.At, First: -1, Last: -1, Index: -1}
	if e.Action != AuditRetired || e.Outcome != Success {
		return r, errors.New("retires nothing")
	}
	text := func(name string) string { s, _ := e.Details[name].(string); return s }
	number := func(name string, to *int64) bool {
		n, ok := e.Details[name].(json.Number)
		if !ok {
			return false
		}
		v, err := n.Int64()
		*to = v
		return err == nil && v >= 0
	}
	r.Log, r.Month, r.Archive = text("log"), text("month"), text("archive")
	var err error
	if r.Until, err = time.Parse(retiredDate, text("until")); err != nil || r.Until.Day() != 1 {
		return r, errors.New("does not say until when it retires")
	}
	if from := text("from"); from != "" {
		if r.From, err = time.Parse(retiredDate, from); err != nil || !r.From.AddDate(0, 1, 0).Equal(r.Until) {
			return r, errors.New("does not retire a month")
		}
	} else if r.Month != "before" {
		return r, errors.New("does not say from when it retires")
	}
	if !number("events", &r.Events) || (r.Events > 0 && (!number("first_leaf", &r.First) || !number("last_leaf", &r.Last) || r.Last-r.First < r.Events-1)) {
		return r, errors.New("does not say what it retires")
	}
	if r.Until.AddDate(0, LeastMonths, 0).After(e.At) {
		return r, fmt.Errorf("retires a month that ended on %s, and %d months are kept", text("until"), LeastMonths)
	}
	return r, nil
}

// Holds reports whether an id lies in the range of ids that was retired. Ids begin with their time.
func (r Retirement) Holds(id string) bool {
	return id < idBound(r.Until) && (r.From.IsZero() || id >= idBound(r.From))
}

const idDigits = "0123456789abcdefghjkmnpqrstvwxyz"

// idBound is how the ids of events begin at a moment: its milliseconds in ten digits, as the database bounds its months.
func idBound(at time.Time) string {
	var out [10]byte
	ms := at.UnixMilli()
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = idDigits[ms&31]
		ms >>= 5
	}
	return "evt_" + string(out[:])
}

// idMonth tells in which month an id was made, as a word that sorts; "" for what is no id of that kind.
func idMonth(id string) string {
	digits, ok := strings.CutPrefix(id, "evt_")
	if !ok || len(digits) < 10 {
		return ""
	}
	ms := int64(0)
	for i := range 10 {
		d := strings.IndexByte(idDigits, digits[i])
		if d < 0 {
			return ""
		}
		ms = ms<<5 | int64(d)
	}
	return time.UnixMilli(ms).UTC().Format("2006-01")
}
