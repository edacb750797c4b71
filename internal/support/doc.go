// Package support is help without shortcuts: the case around a recovery, what agents may add to it, and the two humans who
// decide.
//
// The principles. A case proves nothing by itself: it carries what others proved (artefacts), and words, which are data and
// change nothing. Whoever works on a case never decides about it; two different humans do, about exactly one proposal,
// bound to the hash of everything that they saw. Deciding is not executing: with the second approval everything
// is judged anew, and the recovery's own table has the last word. An approval never lets anybody in: it begins a hold,
// of which the owner is told (4.2). Machines read, note, propose and flag, and no more.
//
// Case.Apply is pure, like Recovery.Apply, and its table is machine.go. A refusal is a transition too. A case is written only
// through Tx.Apply, together with the change of its recovery.
package support
