package assertion_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential/assertion"
)

//
func TestParseKeys_ReadsPublicKeysAndRefusesEverythingElse(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	short, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // a key that is too short.
	require.NoError(t, err)
	jwk := func(k jose.JSONWebKey) string {
		text, err := k.MarshalJSON()
		require.NoError(t, err)
		return string(text)
	}
	asPEM := func(kind string, der []byte, err error) string {
		require.NoError(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	good := asPEM("PUBLIC KEY", spki, err)
	keys, err := assertion.ParseKeys([]byte(good))
	require.NoError(t, err)
	require.Equal(t, "EdDSA", keys[0].Algorithm)
	require.Len(t, keys[0].ID, 43, "called by its thumbprint")
	again, err := assertion.ParseKeys([]byte(jwk(jose.JSONWebKey{Key: public})))
	require.NoError(t, err)
	require.Equal(t, keys, again, "PEM and JWK are one key")

	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	one := jwk(jose.JSONWebKey{Key: public, KeyID: "a"})
	for name, text := range map[string]string{
		"nothing": "", "no keys": `{"keys":[]}`, "null": "null", "words": "hello",
		"a private PEM":        asPEM("PRIVATE KEY", pkcs8, err),
		"PEM and a rest":       good + "x",
		"a private JWK":        jwk(jose.JSONWebKey{Key: private}),
		"a secret":             jwk(jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef")}),
		"another curve":        jwk(jose.JSONWebKey{Key: p384.Public()}),
		"a short RSA key":      jwk(jose.JSONWebKey{Key: short.Public()}),
		"another algorithm":    jwk(jose.JSONWebKey{Key: public, Algorithm: "HS256"}),
		"a key that encrypts":  jwk(jose.JSONWebKey{Key: public, Use: "enc"}),
		"a kid with a slash":   jwk(jose.JSONWebKey{Key: public, KeyID: "a/b"}),
		"one name twice":       fmt.Sprintf(`{"keys":[%s,%s]}`, one, one),
		"one good and one bad": fmt.Sprintf(`{"keys":[%s,%s]}`, one, jwk(jose.JSONWebKey{Key: private})),
	} {
		_, err := assertion.ParseKeys([]byte(text))
		require.Error(t, err, name)
	}
}
