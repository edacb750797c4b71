package secret_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/secret"
)

type claims struct {
	Issuer     string   `json:"iss"`
	Audience   string   `json:"aud"`
	IssuedAt   int64    `json:"iat"`
	Expires    int64    `json:"exp"`
	RecoveryID string   `json:"recovery_id"`
	Actions    []string `json:"actions"`
}

const statementType = "holdfast-grant+jwt"

func sample(now time.Time) claims {
	return claims{
		Issuer: "https://recover.example.com", Audience: "cli_1", IssuedAt: now.Unix(), Expires: now.Add(time.Minute).Unix(),
		RecoveryID: "rcv_1", Actions: []string{"reset_password"},
	}
}

func expect(now time.Time) secret.Expect {
	return secret.Expect{Type: statementType, Issuer: "https://recover.example.com", Audience: "cli_1", Now: now}
}

func signerOf(tb testing.TB, k *secret.Keyring) *secret.Signer {
	tb.Helper()
	s, err := k.Signer()
	require.NoError(tb, err)
	return s
}

func verifierOf(tb testing.TB, k *secret.Keyring) *secret.Verifier {
	tb.Helper()
	v, err := secret.NewVerifier(signerOf(tb, k).JWKS())
	require.NoError(tb, err)
	return v
}

func TestSigner_AStatementChecksAgainstThePublishedKeys(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	k := newRing(t)
	token, err := signerOf(t, k).Sign(statementType, sample(now))
	require.NoError(t, err)

	var got claims
	require.NoError(t, verifierOf(t, k).Verify(token, expect(now), &got))

	require.Equal(t, sample(now), got)
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"alg":"EdDSA","kid":"s1","typ":"holdfast-grant+jwt"}`, string(header))
}

func TestSigner_OldKeysStayPublishedAfterARotation(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	old := newRing(t)
	before, err := signerOf(t, old).Sign(statementType, sample(now))
	require.NoError(t, err)
	next, err := old.RotateSigning(rand.Reader)
	require.NoError(t, err)
	after, err := signerOf(t, next).Sign(statementType, sample(now))
	require.NoError(t, err)

	var got claims
	require.NoError(t, verifierOf(t, next).Verify(before, expect(now), &got))
	require.NoError(t, verifierOf(t, next).Verify(after, expect(now), &got))
	require.ErrorIs(t, verifierOf(t, old).Verify(after, expect(now), &got), secret.ErrUnknownKey)
}

func TestSigner_PublishesPublicKeysOnly(t *testing.T) {
	t.Parallel()
	k := newRing(t)
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(signerOf(t, k).JWKS(), &set))
	require.Len(t, set.Keys, 1)
	x := set.Keys[0]["x"]
	require.Equal(t, map[string]string{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "s1", "x": x}, set.Keys[0])
}

//
func TestVerifier_RefusesWhatIsNotTheExpectedStatement(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	k := newRing(t)
	v := verifierOf(t, k)
	token, err := signerOf(t, k).Sign(statementType, sample(now))
	require.NoError(t, err)
	var got claims
	for name, change := range map[string]func(*secret.Expect){
		"another type":     func(e *secret.Expect) { e.Type = "JWT" },
		"another issuer":   func(e *secret.Expect) { e.Issuer = "https://other.example.com" },
		"another audience": func(e *secret.Expect) { e.Audience = "cli_2" },
		"expired":          func(e *secret.Expect) { e.Now = now.Add(time.Minute) },
		"from the future":  func(e *secret.Expect) { e.Now = now.Add(-time.Second) },
	} {
		want := expect(now)
		change(&want)
		require.Error(t, v.Verify(token, want, &got), name)
	}

	noExpiry, err := signerOf(t, k).Sign(statementType, map[string]any{"iss": "https://recover.example.com", "aud": "cli_1"})
	require.NoError(t, err)
	require.Error(t, v.Verify(noExpiry, expect(now), &got))

	dot := strings.Split(token, ".")
	require.Error(t, v.Verify(dot[0]+"."+dot[1]+".", expect(now), &got))
	flipped := []byte(token)
	flipped[len(dot[0])+5] ^= 1
	require.Error(t, v.Verify(string(flipped), expect(now), &got))

	unsigned := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": "https://recover.example.com", "aud": "cli_1", "exp": now.Add(time.Hour).Unix()})
	unsigned.Header["typ"], unsigned.Header["kid"] = statementType, "s1"
	none, err := unsigned.SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	require.Error(t, v.Verify(none, expect(now), &got))

	// The public key used as an HMAC secret: the classic confusion of algorithms.
	var set struct {
		Keys []struct {
			X string `json:"x"`
		} `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(signerOf(t, k).JWKS(), &set))
	public, err := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
	require.NoError(t, err)
	require.Len(t, public, ed25519.PublicKeySize)
	confused := jwt.NewWithClaims(jwt.SigningMethodHS256, unsigned.Claims)
	confused.Header["typ"], confused.Header["kid"] = statementType, "s1"
	hs, err := confused.SignedString(public)
	require.NoError(t, err)
	require.Error(t, v.Verify(hs, expect(now), &got))
}

func TestNewVerifier_PassesOverKeysOfOtherKinds(t *testing.T) {
	t.Parallel()
	_, err := secret.NewVerifier([]byte(`{"keys":[{"kty":"RSA","kid":"r","n":"AQ","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","kid":"s","x":"AA"}]}`))
	require.NoError(t, err)
	_, err = secret.NewVerifier([]byte(`{`))
	require.Error(t, err)
}

func FuzzVerifier(f *testing.F) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	k := fixedRing(f)
	token, err := signerOf(f, k).Sign(statementType, sample(now))
	require.NoError(f, err)
	v := verifierOf(f, k)
	f.Add(token)
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		var got claims
		if v.Verify(text, expect(now), &got) == nil {
			require.Equal(t, sample(now), got, "only what was signed is accepted")
		}
	})
}
