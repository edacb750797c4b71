package signal

import (
	"encoding/json"
	"time"
)

// Kind is how an endpoint is spoken to.
type Kind string

// The kinds.
const (
	Webhook Kind = "webhook" // Standard Webhooks
	SET     Kind = "set"     // Security Event Tokens by push (RFC 8935)
)

// Answer is what an adapter learned of one attempt.
type Answer struct {
	Failure    Failure // when no answer came
	Status     int
	RetryAfter time.Duration // zero when it did not ask for it
	Body       []byte        // the beginning of it; looked at for an error code and never kept
}

// Failure is why no answer came. The text stands in the delivery log.
type Failure string

// The failures.
const (
	FailedAddress Failure = "address_not_allowed" // an internal address, after resolution
	FailedResolve Failure = "name_not_resolved"
	FailedConnect Failure = "not_connected"
	FailedTLS     Failure = "tls"
	FailedTimeout Failure = "timeout"
	FailedAnswer  Failure = "no_answer" // the connection ended before one
)

// Verdict is what became of an attempt.
type Verdict string

// The verdicts.
const (
	Delivered Verdict = "delivered"
	Retry     Verdict = "retry"
	Refused   Verdict = "refused" // final for this delivery
	Gone      Verdict = "gone"    // the endpoint wants no more (410)
)

// Judge says what an answer means. Outcome is the word for the delivery log. Webhooks: any 2xx. Tokens: 202 with an empty
// body and nothing else; a 200 is a lie that would lose them. A redirect is a failure, never followed.
func Judge(kind Kind, a Answer) (v Verdict, outcome string) {
	switch {
	case a.Failure != "":
		return Retry, string(a.Failure)
	case a.Status == 410:
		return Gone, "gone"
	case a.Status == 429:
		return Retry, "throttled"
	case a.Status >= 300 && a.Status < 400:
		return Retry, "redirect"
	case kind == SET:
		return judgeSET(a)
	case a.Status >= 200 && a.Status < 300:
		return Delivered, "accepted"
	case a.Status >= 500:
		return Retry, "server_error"
	default:
		return Retry, "client_error"
	}
}

func judgeSET(a Answer) (Verdict, string) {
	switch {
	case a.Status == 202 && len(a.Body) == 0:
		return Delivered, "accepted"
	case a.Status >= 200 && a.Status < 300:
		return Retry, "not_acknowledged"
	case a.Status == 400:
		return judgeError(a.Body)
	case a.Status >= 500:
		return Retry, "server_error"
	default:
		return Retry, "client_error"
	}
}

// judgeError reads the error code of RFC 8935, section 2.4. What is wrong with the token stays wrong; what is wrong with the
// understanding between the two sides can be put right meanwhile. So can a key: each attempt is signed anew, and a receiver that has not read the
// JWKS since a rotation does not know the new one yet.
func judgeError(body []byte) (Verdict, string) {
	var e struct {
		Err string `json:"err"`
	}
	if json.Unmarshal(body, &e) != nil {
		return Retry, "client_error"
	}
	switch e.Err {
	case "invalid_request", "invalid_issuer", "invalid_audience":
		return Refused, e.Err
	case "invalid_key", "authentication_failed", "access_denied":
		return Retry, e.Err
	default:
		return Retry, "client_error"
	}
}
