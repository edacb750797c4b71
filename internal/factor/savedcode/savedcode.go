// Package savedcode makes, reads and checks saved recovery codes: what an owner prints and keeps in a drawer.
//
// A code is an 8-character public prefix, by which its row is found so that an attempt costs one hash and not one for each
// stored code, and 26 characters of secret: 130 random bits. It is stored as argon2id over a keyed hash.
package savedcode

import (
	"fmt"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/secret"
)

const (
	// PrefixLength is the number of characters of the public prefix: 40 bits.
	PrefixLength = 8
	// BodyLength is the number of characters of the secret: 130 bits.
	BodyLength = 26
	// MaxCodes bounds one set of codes.
	MaxCodes = 20
)

// Code is one new saved code.
type Code struct {
	Prefix string        // public: what the row is found by
	Body   secret.String // what is hashed
	Plain  secret.String // the whole code in groups, shown once
}

// Mint draws n codes, 1 to MaxCodes. r is crypto/rand.Reader outside tests.
func Mint(r io.Reader, n int) ([]Code, error) {
	if n < 1 || n > MaxCodes {
		return nil, fmt.Errorf("savedcode: a set has 1 to %d codes", MaxCodes)
	}
	out := make([]Code, 0, n)
	for range n {
		text, err := secret.RandomText(r, secret.Crockford, PrefixLength+BodyLength)
		if err != nil {
			return nil, fmt.Errorf("savedcode: mint: %w", err)
		}
		all := text.Reveal()
		out = append(out, Code{
			Prefix: all[:PrefixLength],
			Body:   secret.NewString(all[PrefixLength:]),
			Plain:  secret.NewString(group(all)),
		})
	}
	return out, nil
}

// Parse reads a typed code. Case, dashes and spaces do not matter; O reads as 0, I and L as 1. Everything else is
// secret.ErrMalformed, which the caller reports as it reports a wrong code.
func Parse(typed secret.String) (prefix string, body secret.String, err error) {
	all, err := secret.FoldCrockford(typed.Reveal())
	if err != nil {
		return "", secret.String{}, err
	}
	if len(all) != PrefixLength+BodyLength {
		return "", secret.String{}, secret.ErrMalformed
	}
	return all[:PrefixLength], secret.NewString(all[PrefixLength:]), nil
}

// group writes a code as 4-4-5-5-5-5-6: short enough to keep one's place while copying.
func group(all string) string {
	sizes := []int{4, 4, 5, 5, 5, 5, 6}
	groups := make([]string, 0, len(sizes))
	for _, n := range sizes {
		groups = append(groups, all[:n])
		all = all[n:]
	}
	return strings.Join(groups, "-")
}
