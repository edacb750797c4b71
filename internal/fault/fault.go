// Package fault is the one vocabulary of failure in Holdfast: what kind of failure it is, the stable code that callers
// may rely on, the text that they may see, and the cause that only the log sees.
//
// A fault is turned into HTTP at exactly one place, the edge. An error that is no fault is Internal: it shows nothing.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a failure; the edge maps each kind to one HTTP status. The zero Kind is not valid and reads as
// Internal.
type Kind uint8

// The kinds. Their order has no meaning.
const (
	Internal         Kind = iota + 1 // our fault: nothing is shown
	Invalid                          // the request is malformed or breaks the contract
	Unauthenticated                  // who is calling is not known
	Forbidden                        // the caller is known and may not
	NotFound                         // there is no such thing, or none that this caller may know of
	MethodNotAllowed                 // the path exists, the method does not
	Conflict                         // the thing is not in a state that allows it
	Gone                             // it was there and has ended
	TooLarge                         // the body is over the limit
	UnsupportedMedia                 // the body is of another media type than the contract's
	Refused                          // well formed, understood, and not accepted (a wrong code)
	Throttled                        // too many; RetryAfter says when to come back
	Unavailable                      // a part we need does not answer: we fail closed
)

// Field names one invalid part of a request. Pointer is a JSON Pointer (RFC 6901) or "header <name>"; Detail never
// repeats the value.
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Fault is an error with a kind, a stable code and a text that may be shown to the caller.
// It never holds a secret or personal data in its public part; the cause is for the log alone.
type Fault struct {
	Kind       Kind
	Code       Code
	Public     string
	RetryAfter time.Duration
	Fields     []Field

	op    string
	cause error
}

// Error renders the code, the operation and the cause. It is meant for logs, not for callers.
func (f *Fault) Error() string {
	s := string(f.Code)
	if f.op != "" {
		s = f.op + ": " + s
	}
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.cause }

// Is reports whether target is a fault of the same code, so that errors.Is works with the sentinels made by Of.
func (f *Fault) Is(target error) bool {
	var t *Fault
	return errors.As(target, &t) && t.Code == f.Code
}

// Of makes a fault of a registered code. An unregistered code yields Internal, so that a typo can only hide, never reveal.
func Of(code Code) *Fault {
	d, ok := registry[code]
	if !ok {
		return &Fault{Kind: Internal, Code: CodeInternal, Public: registry[CodeInternal].Public, cause: fmt.Errorf("unregistered fault code %q", code)}
	}
	return &Fault{Kind: d.Kind, Code: code, Public: d.Public}
}

// Because gives a copy of f with the cause err, which only the log sees.
func (f *Fault) Because(err error) *Fault {
	g := *f
	g.cause = err
	return &g
}

// Detail gives a copy of f with another public text. The text must be constant or made of the caller's own field names.
func (f *Fault) Detail(public string) *Fault {
	g := *f
	g.Public = public
	return &g
}

// After gives a copy of f that tells the caller when to come back.
func (f *Fault) After(d time.Duration) *Fault {
	g := *f
	g.RetryAfter = d
	return &g
}

// At gives a copy of f that names an invalid field.
func (f *Fault) At(pointer, detail string) *Fault {
	g := *f
	g.Fields = append(append([]Field(nil), f.Fields...), Field{Pointer: pointer, Detail: detail})
	return &g
}

// Wrap adds the operation to err for the log. A fault keeps its kind, code and public text; any other error stays foreign
// and reads as Internal. Wrap(nil, …) is nil.
func Wrap(err error, op string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}

// From finds the fault in err's chain. A foreign error becomes Internal with a generic text. From(nil) is nil.
func From(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return Of(CodeInternal).Because(err)
}

// CodeOf is the stable code of err, "" for nil, and CodeInternal for a foreign error.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return From(err).Code
}

// KindOf is the kind of err; 0 for nil.
func KindOf(err error) Kind {
	if err == nil {
		return 0
	}
	return From(err).Kind
}
