package idempotency_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

const route = "POST /v1/recoveries/rcv_1/grant"

type outcome struct {
	Status int    `json:"status"`
	Grant  string `json:"grant"`
}

func newRing(tb testing.TB) *secret.Keyring {
	tb.Helper()
	k, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(tb, err)
	return k
}

func keyOf(ring *secret.Keyring, caller, raw, body string) idempotency.Key {
	return idempotency.New(ring, caller, route, secret.NewString(raw), []byte(body))
}

//
func TestKey_ARetryGetsTheStoredOutcome(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed, err := keyOf(ring, "cli_1", "k", `{"a":1}`).Seal(outcome{201, "hfg_secret"})
	require.NoError(t, err)
	record := keyOf(ring, "cli_1", "k", `{"a":1}`).Record(sealed)
	next, err := ring.Rotate(rand.Reader)
	require.NoError(t, err)

	for _, r := range []*secret.Keyring{ring, next} {
		retry := keyOf(r, "cli_1", "k", `{"a":1}`)
		require.Equal(t, record.Key, retry.ID, "a rotation must not let a retry through as new")
		require.NoError(t, retry.Check(record))
		var got outcome
		require.NoError(t, retry.Open(record.Outcome, &got))
		require.Equal(t, outcome{201, "hfg_secret"}, got)
	}
}

//
func TestKey_AnotherRequestUnderTheSameKeyIsRefused(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	record := keyOf(ring, "cli_1", "k", `{"a":1}`).Record([]byte("x"))

	err := keyOf(ring, "cli_1", "k", `{"a":2}`).Check(record)
	require.Equal(t, fault.CodeIdempotencyReused, fault.CodeOf(err))
	elsewhere := idempotency.New(ring, "cli_1", "POST /v1/recoveries", secret.NewString("k"), []byte(`{"a":1}`))
	require.Equal(t, fault.CodeIdempotencyReused, fault.CodeOf(elsewhere.Check(record)))

	inFlight := keyOf(ring, "cli_1", "k", `{"a":1}`)
	err = inFlight.Check(inFlight.Record(nil))
	require.Equal(t, fault.CodeIdempotencyInFlight, fault.CodeOf(err))
	err = keyOf(ring, "cli_1", "k", `{"a":2}`).Check(inFlight.Record(nil))
	require.Equal(t, fault.CodeIdempotencyReused, fault.CodeOf(err))
	require.Equal(t, fault.CodeInternal, fault.CodeOf(keyOf(ring, "cli_1", "other", `{"a":1}`).Check(record)))
}

//
func TestKey_BelongsToItsCaller(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	mine, other := keyOf(ring, "cli_1", "k", ""), keyOf(ring, "cli_2", "k", "")
	require.NotEqual(t, mine.ID, other.ID)
	require.NotEqual(t, keyOf(ring, "cli_1k", "", "").ID, mine.ID, "caller and key do not run into each other")
	sealed, err := mine.Seal(outcome{201, "hfg_secret"})
	require.NoError(t, err)
	var got outcome
	require.ErrorIs(t, other.Open(sealed, &got), secret.ErrNotOpened)
	require.ErrorIs(t, keyOf(ring, "cli_1", "l", "").Open(sealed, &got), secret.ErrNotOpened)
	require.ErrorIs(t, keyOf(newRing(t), "cli_1", "k", "").Open(sealed, &got), secret.ErrNotOpened)
}

//
func TestKey_NothingStoredShowsASecret(t *testing.T) {
	t.Parallel()
	k := keyOf(newRing(t), "cli_1", "the-raw-key", `{"code":"12345678"}`)
	sealed, err := k.Seal(outcome{201, "hfg_secret"})
	require.NoError(t, err)
	r := k.Record(sealed)
	row := bytes.Join([][]byte{r.Key[:], r.Fingerprint[:], r.Outcome}, nil)
	for _, text := range []string{"hfg_secret", "the-raw-key", "12345678"} {
		require.NotContains(t, string(row), text)
		printed := fmt.Sprintf("%v %+v %#v %s %x", k, k, k, k, k)
		require.NotContains(t, printed, text)
		require.NotContains(t, printed, hex.EncodeToString([]byte(text)))
	}
	require.NotEqual(t, k.Fingerprint, keyOf(newRing(t), "cli_1", "the-raw-key", `{"code":"12345678"}`).Fingerprint,
		"without the keyring a code of eight digits cannot be searched for")
}

func TestKey_SealRefusesATypeWhoseSecretsJSONWouldLose(t *testing.T) {
	t.Parallel()
	k := keyOf(newRing(t), "cli_1", "k", "")
	type inner struct{ Token secret.String }
	type tree struct {
		Kids []*tree
		Name string
	}
	for _, v := range []any{
		secret.NewString("x"), inner{}, &inner{}, []inner{}, map[string]*inner{}, struct{ inner }{}, struct{ A [2]inner }{},
	} {
		_, err := k.Seal(v)
		require.ErrorContains(t, err, "secret.String", "%T", v)
	}
	for _, v := range []any{nil, 1, "x", tree{}, map[string]any{"a": 1}, outcome{}} {
		_, err := k.Seal(v)
		require.NoError(t, err, "%T", v)
	}
	_, err := k.Seal(func() {})
	require.Error(t, err)
}

func TestKey_OpensWhateverItSealed(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	rapid.Check(t, func(t *rapid.T) {
		caller, raw := rapid.String().Draw(t, "caller"), rapid.StringMatching(`[ -~]{1,255}`).Draw(t, "raw")
		k := keyOf(ring, caller, raw, rapid.String().Draw(t, "body"))
		want := outcome{rapid.Int().Draw(t, "status"), base64.StdEncoding.EncodeToString(rapid.SliceOf(rapid.Byte()).Draw(t, "grant"))}
		sealed, err := k.Seal(want)
		require.NoError(t, err)

		var got outcome
		require.NoError(t, k.Open(sealed, &got))

		require.Equal(t, want, got)
		sealed[rapid.IntRange(0, len(sealed)-1).Draw(t, "i")] ^= 1
		require.Error(t, k.Open(sealed, &got))
	})
}

// Retries may arrive a day after a release: what names a request must not drift.
func TestKey_ItsHashesDoNotDrift(t *testing.T) {
	t.Parallel()
	ring, err := secret.ParseKeyring([]byte(`{"primary":"k1","keys":[{"id":"k1","secret":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]}`))
	require.NoError(t, err)
	k := keyOf(ring, "cli_1", "k", "{}")
	require.Equal(t, "507ea251491bb6819972c3e6", hex.EncodeToString(k.ID[:12]))
	require.Equal(t, "0efab8285f0e8fdb8e221f66", hex.EncodeToString(k.Fingerprint[:12]))
}
