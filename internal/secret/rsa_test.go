package secret_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/secret"
)

// published reads the ids and algorithms of a key set.
func published(t *testing.T, k *secret.Keyring) []string {
	t.Helper()
	var set struct {
		Keys []struct{ Kid, Alg string }
	}
	require.NoError(t, json.Unmarshal(k.JWKS(), &set))
	var out []string
	for _, key := range set.Keys {
		out = append(out, key.Kid+" "+key.Alg)
	}
	return out
}

// header is the header of a JWT.
func header(t *testing.T, token string) map[string]string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	require.NoError(t, err)
	var out map[string]string
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// the rotation of the token key overlaps: a staged key is published before it signs, and an old one after it has.
func TestTokenKeys_RotateWithOverlap(t *testing.T) {
	t.Parallel()
	k, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	require.False(t, k.SignsRS256())
	_, err = k.SignRS256("secevent+jwt", map[string]any{})
	require.ErrorIs(t, err, secret.ErrUnknownKey)
	require.Equal(t, []string{"s1 EdDSA"}, published(t, k))

	first, id, err := k.StageTokens(rand.Reader)
	require.NoError(t, err)
	require.Equal(t, "t1", id)
	staged, id, err := first.StageTokens(rand.Reader)
	require.NoError(t, err)
	require.Equal(t, []string{"s1 EdDSA", "t1 RS256", "t2 RS256"}, published(t, staged))
	signed, err := staged.SignRS256("secevent+jwt", map[string]any{"iss": "x"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"alg": "RS256", "typ": "secevent+jwt", "kid": "t1"}, header(t, signed))
	again, err := staged.SignRS256("secevent+jwt", map[string]any{"iss": "x"})
	require.NoError(t, err)
	require.Equal(t, signed, again, "the same claims, the same text")

	promoted, err := staged.PromoteTokens(id)
	require.NoError(t, err)
	signed, err = promoted.SignRS256("secevent+jwt", map[string]any{})
	require.NoError(t, err)
	require.Equal(t, "t2", header(t, signed)["kid"])
	_, err = promoted.RetireTokens("t2")
	require.Error(t, err, "the primary")
	_, err = promoted.RetireTokens("t9")
	require.ErrorIs(t, err, secret.ErrUnknownKey)
	retired, err := promoted.RetireTokens("t1")
	require.NoError(t, err)
	require.Equal(t, []string{"s1 EdDSA", "t2 RS256"}, published(t, retired))

	// The other rotations leave it alone, and the text brings it back.
	rotated, err := retired.Rotate(rand.Reader)
	require.NoError(t, err)
	text, err := rotated.Reveal()
	require.NoError(t, err)
	back, err := secret.ParseKeyring(text)
	require.NoError(t, err)
	require.Equal(t, published(t, retired), published(t, back))
	require.NotContains(t, string(back.JWKS()), `"d"`, "no private part is published")
}

// what could not sign safely does not load, and the error repeats nothing of it.
func TestTokenKeys_ThatAreWeakOrOfAnotherKindDoNotLoad(t *testing.T) {
	t.Parallel()
	k, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	text, err := k.Reveal()
	require.NoError(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, key := range map[string]any{"1024 bits": weak, "another kind": curve} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		secretText := base64.StdEncoding.EncodeToString(der)
		section := `"tokens":{"primary":"t1","keys":[{"id":"t1","secret":"` + secretText + `"}]},`
		_, err = secret.ParseKeyring([]byte(strings.Replace(string(text), "{", "{"+section, 1)))
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secretText[:16])
	}
	for name, section := range map[string]string{
		"no primary": `"tokens":{"primary":"t1","keys":[]},`, "not base64": `"tokens":{"primary":"t1","keys":[{"id":"t1","secret":"%"}]},`,
		"no key": `"tokens":{"primary":"t1","keys":[{"id":"t1","secret":"AAAA"}]},`,
	} {
		_, err = secret.ParseKeyring([]byte(strings.Replace(string(text), "{", "{"+section, 1)))
		require.Error(t, err, name)
	}
}
