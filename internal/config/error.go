package config

import (
	"sort"
	"strings"
)

// Problem is one thing that is wrong with one variable. Message never repeats the value.
type Problem struct {
	Variable string
	Message  string
}

// Error is everything that is wrong, in the order of the variables' names.
type Error struct{ Problems []Problem }

// Error lists all problems, one per line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is not valid:")
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.Variable)
		b.WriteString(" ")
		b.WriteString(p.Message)
	}
	return b.String()
}

// problems collects what is wrong, so that it can be reported at once.
type problems []Problem

// add notes a problem. The name is the variable's without the prefix.
func (ps *problems) add(name, message string) {
	*ps = append(*ps, Problem{Variable: Prefix + name, Message: message})
}

// require notes a problem unless ok.
func (ps *problems) require(ok bool, name, message string) {
	if !ok {
		ps.add(name, message)
	}
}

// has reports whether the variable is known to be wrong already.
func (ps *problems) has(name string) bool {
	for _, p := range *ps {
		if p.Variable == Prefix+name {
			return true
		}
	}
	return false
}

// err gives the problems as one error, nil when there are none.
func (ps *problems) err() error {
	if len(*ps) == 0 {
		return nil
	}
	sorted := append([]Problem(nil), *ps...)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Variable < sorted[j].Variable })
	return &Error{Problems: sorted}
}
