package secret_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/secret"
)

// fixedRing is a keyring of known keys, for goldens.
func fixedRing(tb testing.TB) *secret.Keyring {
	tb.Helper()
	seq := func(from byte) string {
		b := make([]byte, 32)
		for i := range b {
			b[i] = from + byte(i)
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	k, err := secret.ParseKeyring(fmt.Appendf(nil, `{"primary":"k2","keys":[{"id":"k1","secret":%q},{"id":"k2","secret":%q}],"signing":{"primary":"s1","keys":[{"id":"s1","secret":%q}]}}`,
		seq(0), seq(32), seq(64)))
	require.NoError(tb, err)
	return k
}

func newRing(tb testing.TB) *secret.Keyring {
	tb.Helper()
	k, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(tb, err)
	return k
}

func rotated(tb testing.TB, k *secret.Keyring) *secret.Keyring {
	tb.Helper()
	next, err := k.Rotate(rand.Reader)
	require.NoError(tb, err)
	return next
}

func parts(p ...string) []string { return p }
