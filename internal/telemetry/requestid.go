package telemetry

import (
	"context"
	"crypto/rand"
	"strings"
)

type requestIDKey struct{}

// longestRequestID is how much of a caller's own id is taken over.
const longestRequestID = 64

// RequestID gives the id of a request: the caller's own when it is 1 to 64 letters, digits, '.', '_' or '-', so that
// both sides can find it in their logs; a new one, req_ and 26 random characters, otherwise.
func RequestID(inbound string) string {
	if validRequestID(inbound) {
		return inbound
	}
	return "req_" + strings.ToLower(rand.Text())
}

func validRequestID(id string) bool {
	if id == "" || len(id) > longestRequestID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		safe := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
		if !safe {
			return false
		}
	}
	return true
}

// WithRequestID puts a request's id into its context.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestIDFrom gives the id that WithRequestID put there, "" when there is none.
func RequestIDFrom(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
