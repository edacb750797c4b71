package assertion

import (
	"crypto/ed25519"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

//
func FuzzParse(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: "k1"}}, (&jose.SignerOptions{}).WithType(Type))
	require.NoError(f, err)
	signed, err := signer.Sign([]byte(`{"iss":"cli_1","sub":"cli_1","aud":["x"],"jti":"1","exp":300,"iat":1.5}`))
	require.NoError(f, err)
	text, err := signed.CompactSerialize()
	require.NoError(f, err)
	for _, seed := range []string{text, "", "..", "a.b.c", text + ".", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJjbGlfMSJ9."} {
		f.Add(seed)
	}
	key, err := publicKey(jose.JSONWebKey{Key: private.Public(), KeyID: "k1"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parse(text)
		if err != nil {
			return
		}
		require.True(t, validKid(a.kid))
		if _, err := a.verify(key); err == nil {
			require.Equal(t, "EdDSA", a.alg, "only the key's own algorithm verifies")
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, `{"kty":"oct","k":"AAAA"}`, "-----BEGIN PUBLIC KEY-----\n",
		`{"keys":[]}`, `{"keys":null}`, "null",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParseKeys(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, keys)
		for _, k := range keys {
			require.True(t, validKid(k.ID))
			again, err := ParseKeys([]byte(k.JWK))
			require.NoError(t, err)
			require.Equal(t, k, again[0])
		}
	})
}
