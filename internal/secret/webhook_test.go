package secret_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/secret"
)

func TestParseWebhookSecrets_TakesOneOrTwo(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, good := range []string{long(24), long(64), long(32) + " " + long(33)} {
		_, err := secret.ParseWebhookSecrets(secret.NewString(good))
		require.NoError(t, err)
	}
	for _, bad := range []string{"", "x", long(23), long(65), strings.Repeat(long(32)+" ", 3), strings.TrimPrefix(long(32), "whsec_"), long(32) + " x"} {
		_, err := secret.ParseWebhookSecrets(secret.NewString(bad))
		require.Error(t, err, bad)
	}
}
