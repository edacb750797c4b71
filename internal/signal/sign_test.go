package signal_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/signal"
)

// the example of the Standard Webhooks specification.
func TestSign_GivesTheSpecificationsSignature(t *testing.T) {
	t.Parallel()
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	got, err := signal.Sign([]signal.Key{{Secret: key, Seed: make([]byte, 32)}}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.NoError(t, err)
	require.Contains(t, strings.Fields(got), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
}

// any of two keys checks, by the reference library and by ed25519 itself; a changed byte does not.
func TestSign_WithTwoKeysIsCheckedByEither(t *testing.T) {
	t.Parallel()
	ks := []signal.Key{{Secret: bytes.Repeat([]byte{1}, 32), Seed: bytes.Repeat([]byte{2}, 32)}, {Secret: bytes.Repeat([]byte{3}, 32), Seed: bytes.Repeat([]byte{4}, 32)}}
	now, body := time.Now(), []byte(`{"type":"recovery.completed"}`)
	got, err := signal.Sign(ks, "dlv_1", now, body)
	require.NoError(t, err)
	fields := strings.Fields(got)
	require.Len(t, fields, 4)
	header := http.Header{}
	header.Set("webhook-id", "dlv_1")
	header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	header.Set("webhook-signature", got)
	for i, k := range ks {
		lib, err := standardwebhooks.NewWebhookRaw(k.Secret)
		require.NoError(t, err)
		require.NoError(t, lib.Verify(body, header))
		require.Error(t, lib.Verify(append([]byte(" "), body...), header))
		public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(k.Public(), "whpk_"))
		require.NoError(t, err)
		sig, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(fields[2*i], "v1a,"))
		require.NoError(t, err)
		require.True(t, ed25519.Verify(public, []byte("dlv_1."+strconv.FormatInt(now.Unix(), 10)+"."+string(body)), sig))
	}
	for _, id := range []string{"", "a.b", "a b"} {
		_, err := signal.Sign(ks, id, now, body)
		require.Error(t, err, "%q could be cut at another place", id)
	}
	_, err = signal.Sign(nil, "dlv_1", now, body)
	require.Error(t, err)
}
