package secret

import (
	"io"
	"strings"
)

const (
	referenceLead   = "HF"
	referenceLength = 8
)

// NewReference draws a short reference code such as HF-7K2M-9QXD, which a claimant can read out on the telephone: 40 random
// bits, unique enough to find a recovery by and no proof of anything.
func NewReference(r io.Reader) (string, error) {
	x, err := RandomText(r, Crockford, referenceLength)
	if err != nil {
		return "", err
	}
	return formatReference(x.Reveal()), nil
}

// ParseReference brings a typed reference to the form that NewReference writes. Case, dashes, spaces and the leading HF do not
// matter, and O, I and L read as the digits they look like. Everything else is ErrMalformed.
func ParseReference(typed string) (string, error) {
	x, err := FoldCrockford(typed)
	if err != nil {
		return "", err
	}
	if len(x) == len(referenceLead)+referenceLength {
		x, _ = strings.CutPrefix(x, referenceLead)
	}
	if len(x) != referenceLength {
		return "", ErrMalformed
	}
	return formatReference(x), nil
}

func formatReference(x string) string {
	return referenceLead + "-" + x[:4] + "-" + x[4:]
}
