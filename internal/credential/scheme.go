package credential

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// Scheme is one form of credential. The form alone says which scheme judges it, so that none is tried after another and
// neither weakens the other.
type Scheme interface {
	// Claims reports whether the text is this scheme's to judge, by its form: its first characters, or the issuer it names.
	Claims(bearer string) bool
	// Authenticate judges it. Every refusal is fault.CodeUnauthenticated; whatever cannot be asked is fault.CodeUnavailable.
	Authenticate(ctx context.Context, bearer string) (Principal, error)
}

// WorkloadSuffix ends the Principal.Credential of a client that a cluster's token stands for, after the client's id (ADR 0030). It
// cannot stand in the id of a credential or the name of a key.
const WorkloadSuffix = "@workload"

// PeekIssuer reads which issuer a JWT says it is from. Nothing is checked: it tells whom to ask, and whoever is asked checks.
func PeekIssuer(bearer string) (issuer string, ok bool) {
	if len(bearer) > maxBearer || strings.Count(bearer, ".") != 2 {
		return "", false
	}
	_, rest, _ := strings.Cut(bearer, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return "", false
	}
	var said struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(text, &said); err != nil || said.Issuer == "" {
		return "", false
	}
	return said.Issuer, true
}
