package signal

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// what can be seen to be wrong with an endpoint is refused when it is registered.
func TestRegistration_RefusesWhatCouldNotBeSentTo(t *testing.T) {
	t.Parallel()
	good := Registration{Kind: SET, URL: "https://rp.example.com/in?a=b", SubjectIssuer: "https://login.example.com", Audience: "rp", Events: []Type{Completed}}
	require.NoError(t, good.check(false))
	require.NoError(t, Registration{Kind: Webhook, URL: "https://rp.example.com"}.check(false))
	require.NoError(t, Registration{Kind: Webhook, URL: "http://127.0.0.1:8080/x"}.check(true), "development")
	for name, change := range map[string]func(*Registration){
		"no kind":            func(r *Registration) { r.Kind = "" },
		"plain http":         func(r *Registration) { r.URL = "http://rp.example.com" },
		"another scheme":     func(r *Registration) { r.URL = "file:///etc/passwd" },
		"an address":         func(r *Registration) { r.URL = "https://93.184.215.14/in" },
		"an IPv6 address":    func(r *Registration) { r.URL = "https://[2606:4700::1111]/in" },
		"a user":             func(r *Registration) { r.URL = "https://robin:pw@rp.example.com" },
		"a fragment":         func(r *Registration) { r.URL = "https://rp.example.com/#x" },
		"no host":            func(r *Registration) { r.URL = "https:///in" },
		"no URL":             func(r *Registration) { r.URL = "" },
		"too long":           func(r *Registration) { r.URL = "https://rp.example.com/" + strings.Repeat("x", 2048) },
		"control characters": func(r *Registration) { r.URL = "https://rp.example.com/\r\nx: y" },
		"another alphabet":   func(r *Registration) { r.URL = "https://rp.\u0435xample.com/in" }, // a Cyrillic letter
		"text backwards":     func(r *Registration) { r.URL = "https://rp.example.com/\u202emoc.elpmaxe" },
		"an unknown event":   func(r *Registration) { r.Events = []Type{"recovery.initiated"} },
		"an event twice":     func(r *Registration) { r.Events = []Type{Completed, Completed} },
		"a bad issuer":       func(r *Registration) { r.SubjectIssuer = "login" },
		"a bad audience":     func(r *Registration) { r.Audience = "a\nb" },
		"two words":          func(r *Registration) { r.SavedCodeType = "recovery code" },
		"a second header":    func(r *Registration) { r.Authorization = secret.NewString("Bearer x\r\nHost: y") },
		"a webhook's issuer": func(r *Registration) { r.Kind = Webhook },
	} {
		r := good
		change(&r)
		require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(r.check(false)), name)
	}
}

func FuzzUsable(f *testing.F) {
	for _, seed := range []string{"https://rp.example.com", "https://user@host", "https://[::1]", "http://x", "https://a#b", "https://1.2.3.4", "https:opaque", "https://%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if usable(text, false) {
			require.True(t, strings.HasPrefix(strings.ToLower(text), "https://"), text)
			require.NotContains(t, text, "#")
		}
	})
}

func TestKeys_AreSealedForTheirEndpointAlone(t *testing.T) {
	t.Parallel()
	ring, err := secret.GenerateKeyring(steady{})
	require.NoError(t, err)
	key, err := newKey(steady{})
	require.NoError(t, err)
	k := keys{Current: key, Authorization: "Bearer x"}
	sealed, err := k.seal(ring, "acme", "whk_1")
	require.NoError(t, err)
	back, err := openKeys(ring, "acme", "whk_1", sealed)
	require.NoError(t, err)
	require.Equal(t, k, back)
	for _, other := range [][2]string{{"acme", "whk_2"}, {"globex", "whk_1"}} {
		_, err := openKeys(ring, other[0], other[1], sealed)
		require.Error(t, err)
	}
	require.NotContains(t, string(sealed), "Bearer")
}

// steady is a source without chance, so that keys are keys and tests repeat.
type steady struct{}

func (steady) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i + len(p))
	}
	return len(p), nil
}
