package secret

import "errors"

// What the parsers and openers of this package answer. They say nothing of the input; the caller turns them into the fault
// that its own contract promises (a malformed credential is as unauthenticated as an unknown one).
var (
	// ErrMalformed means that a text is not in the one form that this service writes.
	ErrMalformed = errors.New("secret: malformed")
	// ErrUnknownKey means that something was made under a key that the keyring does not hold (any more).
	ErrUnknownKey = errors.New("secret: unknown key")
	// ErrNotOpened means that a sealed value is damaged, or was sealed for something else.
	ErrNotOpened = errors.New("secret: not opened")
)
