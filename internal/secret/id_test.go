package secret_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/secret"
)

func TestNewID_SortsByTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "at")).UTC()
		later := at.Add(time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "later")) * time.Microsecond)
		a, b := secret.NewID("rcv", at, rand.Reader), secret.NewID("rcv", later, rand.Reader)
		require.Less(t, a, b)
		require.NoError(t, secret.ParseID("rcv", a))
		require.ErrorIs(t, secret.ParseID("chl", a), secret.ErrMalformed)
	})
}

func TestNewID_IsAVersion7UUIDInCrockfordBase32(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 9, 0, 0, 123_000_000, time.UTC)
	id := secret.NewID("evt", at, bytes.NewReader([]byte{0xff, 1, 2, 3, 4, 5, 6, 7}))

	require.Equal(t, "evt_01kjma0fqve00by0820c20a1g7", id)
	u := uuidOf(t, strings.TrimPrefix(id, "evt_"))
	require.Equal(t, uuid.Version(7), u.Version())
	require.Equal(t, uuid.RFC4122, u.Variant())
	sec, nsec := u.Time().UnixTime()
	require.Equal(t, at, time.Unix(sec, nsec).UTC())
	require.Panics(t, func() { secret.NewID("evt", at, bytes.NewReader(nil)) })
}

// uuidOf decodes base32 the plain way, bit by bit, to check the quick one.
func uuidOf(t *testing.T, s string) uuid.UUID {
	t.Helper()
	var u uuid.UUID
	for i, c := range s {
		v := strings.IndexRune("0123456789abcdefghjkmnpqrstvwxyz", c)
		for b := range 5 {
			at := i*5 + b - 2 // 130 bits of text for 128
			if v>>(4-b)&1 == 1 {
				u[at/8] |= 1 << (7 - at%8)
			}
		}
	}
	return u
}

func TestParseID_RefusesEveryOtherSpelling(t *testing.T) {
	t.Parallel()
	id := secret.NewID("rcv", time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), rand.Reader)
	body := strings.TrimPrefix(id, "rcv_")
	for _, bad := range []string{
		"", "rcv", "rcv_", body, strings.ToUpper(id), id + "0", id[:len(id)-1], " " + id, "rcv_8" + body[1:], "rcv_" + body[:25] + "u",
		"rcv_" + strings.Repeat("0", 26), "chl_" + body,
	} {
		require.ErrorIs(t, secret.ParseID("rcv", bad), secret.ErrMalformed, bad)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(secret.NewID("rcv", time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), rand.Reader))
	f.Add("rcv_00000000000000000000000000")
	f.Add("rcv_")
	f.Fuzz(func(t *testing.T, s string) {
		if secret.ParseID("rcv", s) == nil {
			require.Regexp(t, `^rcv_[0-7][0-9a-hjkmnp-tv-z]{25}$`, s)
			require.Equal(t, uuid.Version(7), uuidOf(t, s[4:]).Version())
		}
	})
}

func TestReference_ReadsAsItIsSpokenOrTyped(t *testing.T) {
	t.Parallel()
	for range 200 {
		ref, err := secret.NewReference(rand.Reader)
		require.NoError(t, err)
		require.Regexp(t, `^HF-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`, ref)
		for _, typed := range []string{
			ref, strings.ToLower(ref), strings.ReplaceAll(ref, "-", ""), strings.ReplaceAll(ref, "-", " "), ref[3:],
			"HF-" + strings.ReplaceAll(ref[3:], "0", "o"), "HF-" + strings.ReplaceAll(ref[3:], "1", "l"), "HF-" + strings.ReplaceAll(ref[3:], "1", "I"),
		} {
			got, err := secret.ParseReference(typed)
			require.NoError(t, err)
			require.Equal(t, ref, got)
		}
	}
	for _, bad := range []string{"", "HF", "HF-7K2M-9QX", "HF-7K2M-9QXDD", "XX-7K2M-9QXD", "HF-7K2M-9QXU", "HF-7K2M-9QX\n", "HF\u20107K2M-9QXD", strings.Repeat("-", 500)} {
		_, err := secret.ParseReference(bad)
		require.ErrorIs(t, err, secret.ErrMalformed, bad)
	}
}

func FuzzParseReference(f *testing.F) {
	f.Add("HF-7K2M-9QXD")
	f.Add("hf 7k2m 9qxd")
	f.Add("O")
	f.Fuzz(func(t *testing.T, typed string) {
		ref, err := secret.ParseReference(typed)
		if err != nil {
			return
		}
		again, err := secret.ParseReference(ref)
		require.NoError(t, err)
		require.Equal(t, ref, again)
	})
}

func TestTimeOf_IsWhenTheIDWasMade(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 9, 0, 0, 123_000_000, time.UTC)
	got, err := secret.TimeOf("rcv", secret.NewID("rcv", at, rand.Reader))
	require.NoError(t, err)
	require.Equal(t, at, got)
	_, err = secret.TimeOf("rcv", secret.NewID("alr", at, rand.Reader))
	require.ErrorIs(t, err, secret.ErrMalformed)
}
