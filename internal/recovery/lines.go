package recovery

import "github.com/holdfast/holdfast/internal/audit"

//go:generate go run ./diagram machine.mmd

// Line is one line of the table in words, for the diagram and the tests.
type Line struct {
	From   State
	On     EventKind
	If     string // the guard; empty for always
	To     State
	Do     string // the effect
	Action audit.Action
}

// Lines gives the table in words, in its order.
func Lines() []Line {
	out := make([]Line, 0, len(machine))
	for _, r := range machine {
		out = append(out, Line{From: r.From, On: r.On, If: r.If.name, To: r.To, Do: r.Do.name, Action: r.Action})
	}
	return out
}
