package httpapi_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi"
)

// What the provider signed reaches the core byte for byte, is answered alike, and is shed by no limit.
func TestTexts_WhatIsSignedIsHeardAndNeverShed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limits.full = httpapi.ClassProvider
	a := b.send(t, good()["twilioStatus"])
	require.Equal(t, http.StatusNoContent, a.status)
	require.Equal(t, "status MessageSid=SM1", b.core.last(t))
	for _, body := range []string{"Body=NO", "Body=hello", "Body=STOP"} {
		s := good()["twilioMessage"]
		s.body = body
		a = b.send(t, s)
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><Response/>`, a.body, "one answer for all")
		require.Equal(t, "message "+body, b.core.last(t))
	}
	require.NotContains(t, b.limits.asked, httpapi.ClassProvider)
}

// Who is not the provider learns one thing, asks no use case, and ends at a limit of its own.
func TestTexts_WhoIsNotTheProviderIsRefusedAndEnds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"twilioStatus", "twilioMessage"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for _, signatures := range [][]string{nil, {""}, {"Zm9yZ2Vk"}, {goodSignature, goodSignature}} {
				s := good()[name]
				s.header = maps.Clone(s.header)
				s.header["X-Twilio-Signature"] = signatures
				a := b.send(t, s)
				require.Equal(t, http.StatusForbidden, a.status)
				require.Equal(t, string(fault.CodeForbidden), a.code())
			}
			require.Len(t, b.limits.asked, 4)
			require.Zero(t, b.core.calls())
			b.limits.full = httpapi.ClassProvider
			s := good()[name]
			s.header = http.Header{"Content-Type": s.header["Content-Type"]}
			require.Equal(t, http.StatusTooManyRequests, b.send(t, s).status)
		})
	}
}

func TestTexts_TakeFormsOfABoundedSizeAndNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := good()["twilioMessage"]
	for name, tc := range map[string]struct {
		media, body, query string
		want               int
	}{
		"JSON":       {"application/json", "{}", "", http.StatusUnsupportedMediaType},
		"multipart":  {"multipart/form-data; boundary=x", "--x--", "", http.StatusUnsupportedMediaType},
		"too large":  {"application/x-www-form-urlencoded", "Body=" + strings.Repeat("x", 65<<10), "", http.StatusRequestEntityTooLarge},
		"with query": {"application/x-www-form-urlencoded", "Body=NO", "?Body=NO", http.StatusUnprocessableEntity},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s
			s.header = http.Header{"Content-Type": {tc.media}, "X-Twilio-Signature": {goodSignature}}
			s.body, s.path = tc.body, s.path+tc.query
			require.Equal(t, tc.want, b.send(t, s).status)
			require.Zero(t, b.core.calls())
		})
	}
}

// Where no provider is configured, or none can hand over replies, the routes are as absent as any other path.
func TestTexts_AreAbsentWhereNobodyCanSign(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*httpapi.Config)
		absent []string
	}{
		"no provider": {func(c *httpapi.Config) { c.Texts = nil }, []string{"twilioStatus", "twilioMessage"}},
		"no replies":  {func(c *httpapi.Config) { c.Replies = false }, []string{"twilioMessage"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tc.change)
			nowhere := good()["twilioStatus"]
			nowhere.path = "/v1/providers/another/status"
			for _, op := range tc.absent {
				for _, method := range []string{http.MethodPost, http.MethodGet} {
					s, n := good()[op], nowhere
					s.method, n.method = method, method
					got, want := b.send(t, s), b.send(t, n)
					require.Equal(t, http.StatusNotFound, got.status)
					require.Equal(t, want.code(), got.code())
					require.Equal(t, want.header.Get("Allow"), got.header.Get("Allow"))
				}
			}
			require.Zero(t, b.core.calls())
		})
	}
}
