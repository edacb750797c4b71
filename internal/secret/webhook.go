package secret

import (
	"encoding/base64"
	"errors"
	"strings"
)

// Standard Webhooks' form of a shared secret, and how long it may be.
const (
	webhookPrefix = "whsec_"
	webhookLeast  = 24
	webhookMost   = 64
)

// ParseWebhookSecrets reads shared secrets as Standard Webhooks writes them, whsec_ and base64: one, or two separated by a blank while
// one is exchanged for the other. The error does not repeat what it was given.
func ParseWebhookSecrets(text String) ([][]byte, error) {
	var out [][]byte
	for field := range strings.FieldsSeq(text.Reveal()) {
		encoded, ok := strings.CutPrefix(field, webhookPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < webhookLeast || len(key) > webhookMost {
			return nil, errors.New("must be whsec_ and the base64 of 24 to 64 random bytes, or two of these separated by a blank")
		}
		out = append(out, key)
	}
	if len(out) == 0 || len(out) > 2 {
		return nil, errors.New("must be one secret, or two while it is exchanged")
	}
	return out, nil
}
