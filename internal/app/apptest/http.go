package apptest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
)

// Request is one request. What it leaves out is filled in as a good client would.
type Request struct {
	Method string
	Path   string
	// Body is encoded as JSON; a string is sent as it is. Nil sends none.
	Body     any
	As       string      // the bearer's credential; none when empty
	Claimant string      // the claimant's token; none when empty
	Key      string      // the Idempotency-Key without its quotes; a POST without one gets a new one
	Header   http.Header // further headers, which win; a nil list takes a header out
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Code is the problem's code, or empty.
func (a Answer) Code() string {
	var p client.Problem
	_ = json.Unmarshal([]byte(a.Body), &p)
	return string(p.Code)
}

// Do sends a request. The request and its answer are checked against the contract.
func (s *Service) Do(t testing.TB, r Request) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, s.Base+r.Path, r.body(t))
	require.NoError(t, err)
	r.headers(req.Header)
	res, err := s.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return Answer{Status: res.StatusCode, Header: res.Header, Body: string(body)}
}

func (r Request) body(t testing.TB) io.Reader {
	t.Helper()
	switch b := r.Body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		require.NoError(t, err)
		return strings.NewReader(string(text))
	}
}

func (r Request) headers(h http.Header) {
	if r.Body != nil {
		h.Set("Content-Type", "application/json")
	}
	if r.As != "" {
		h.Set("Authorization", "Bearer "+r.As)
	}
	if r.Claimant != "" {
		h.Set("Holdfast-Claimant", r.Claimant)
	}
	if r.Method == http.MethodPost {
		key := r.Key
		if key == "" {
			key = rand.Text()
		}
		h.Set("Idempotency-Key", client.QuoteKey(key))
	}
	for name, values := range r.Header {
		h[http.CanonicalHeaderKey(name)] = values
		if values == nil {
			h.Del(name)
		}
	}
}

// Decode demands a status and reads the answer's body.
func Decode[T any](t testing.TB, a Answer, status int) T {
	t.Helper()
	require.Equal(t, status, a.Status, a.Body)
	var out T
	require.NoError(t, json.Unmarshal([]byte(a.Body), &out))
	return out
}

// Refused demands a problem.
func Refused(t testing.TB, a Answer, status int, code client.ProblemCode) {
	t.Helper()
	require.Equal(t, status, a.Status, a.Body)
	require.Equal(t, string(code), a.Code())
}
