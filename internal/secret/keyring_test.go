package secret_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/secret"
)

func TestKeyring_RevealedTextParsesToTheSameKeys(t *testing.T) {
	t.Parallel()
	k := rotated(t, newRing(t))
	text, err := k.Reveal()
	require.NoError(t, err)

	again, err := secret.ParseKeyring(text)

	require.NoError(t, err)
	require.Equal(t, []string{"k1", "k2"}, again.KeyIDs())
	require.Equal(t, "k2", again.PrimaryID())
	require.Equal(t, k.IdentifierHashes("t", "email", "a@example.com"), again.IdentifierHashes("t", "email", "a@example.com"))
	a, err := k.Signer()
	require.NoError(t, err)
	b, err := again.Signer()
	require.NoError(t, err)
	require.Equal(t, a.JWKS(), b.JWKS())
}

//
func TestKeyring_NothingThatPrintsShowsAKey(t *testing.T) {
	t.Parallel()
	k := newRing(t)
	text, err := k.Reveal()
	require.NoError(t, err)
	var file struct {
		Keys []struct {
			Secret string `json:"secret"`
		} `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	data, _, err := k.NewDataKey("t", "a")
	require.NoError(t, err)
	signer, err := k.Signer()
	require.NoError(t, err)

	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{k, *k, data, *data, signer, *signer, struct{ K *secret.Keyring }{k}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x\n", v, v, v, v, v)
		log.Info("value", "v", v)
		b, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(b)
	}

	raw, err := base64.StdEncoding.DecodeString(file.Keys[0].Secret)
	require.NoError(t, err)
	require.NotContains(t, out.String(), file.Keys[0].Secret)
	require.NotContains(t, out.String(), hex.EncodeToString(raw)[:16])
	require.NotContains(t, out.String(), "k1")
	require.Contains(t, out.String(), "[redacted]")
}

func TestParseKeyring_RefusesWhatIsNotOneStrictKeyring(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("QUJD", 10) + "QUI=" // 32 bytes
	other := strings.Repeat("REVG", 10) + "REU="
	for name, text := range map[string]string{ //nolint:gosec // none of them is a key.
		"empty":                  ``,
		"no object":              `[]`,
		"no keys":                `{"primary":"k1","keys":[]}`,
		"unknown member":         `{"primary":"k1","keys":[{"id":"k1","secret":"` + good + `"}],"x":1}`,
		"text after it":          `{"primary":"k1","keys":[{"id":"k1","secret":"` + good + `"}]} x`,
		"primary of no key":      `{"primary":"k2","keys":[{"id":"k1","secret":"` + good + `"}]}`,
		"no primary":             `{"keys":[{"id":"k1","secret":"` + good + `"}]}`,
		"id twice":               `{"primary":"k1","keys":[{"id":"k1","secret":"` + good + `"},{"id":"k1","secret":"` + other + `"}]}`,
		"secret twice":           `{"primary":"k1","keys":[{"id":"k1","secret":"` + good + `"},{"id":"k2","secret":"` + good + `"}]}`,
		"id with a separator":    `{"primary":"k_1","keys":[{"id":"k_1","secret":"` + good + `"}]}`,
		"id too long":            `{"primary":"k1234567890123456","keys":[{"id":"k1234567890123456","secret":"` + good + `"}]}`,
		"short secret":           `{"primary":"k1","keys":[{"id":"k1","secret":"QUJD"}]}`,
		"zero secret":            `{"primary":"k1","keys":[{"id":"k1","secret":"` + strings.Repeat("A", 43) + `="}]}`,
		"not base64":             `{"primary":"k1","keys":[{"id":"k1","secret":"` + strings.Repeat("-", 44) + `"}]}`,
		"secret that is no text": `{"primary":"k1","keys":[{"id":"k1","secret":12345}]}`,
		"empty signing":          `{"primary":"k1","keys":[{"id":"k1","secret":"` + good + `"}],"signing":{"primary":"s1","keys":[]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := secret.ParseKeyring([]byte(text))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "QUJD")
			require.NotContains(t, err.Error(), "12345")
		})
	}
	k, err := secret.ParseKeyring([]byte(`{"primary":"k1","keys":[{"id":"k1","secret":"` + good + `"}]}`))
	require.NoError(t, err)
	_, err = k.Signer()
	require.ErrorIs(t, err, secret.ErrUnknownKey)
}

func TestKeyring_IsStagedPromotedAndRetired(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	staged, id, err := old.Stage(rand.Reader)
	require.NoError(t, err)
	require.Equal(t, "k1", staged.PrimaryID())

	promoted, err := staged.Promote(id)
	require.NoError(t, err)
	require.Equal(t, "k2", promoted.PrimaryID())
	_, wrapped, err := promoted.NewDataKey("t", "a")
	require.NoError(t, err)
	_, err = staged.OpenDataKey(wrapped, "t", "a")
	require.NoError(t, err, "a node that has the key staged reads what one that promoted it wrote")
	_, err = old.OpenDataKey(wrapped, "t", "a")
	require.ErrorIs(t, err, secret.ErrUnknownKey)

	_, err = promoted.Retire("k2")
	require.Error(t, err, "the primary stays")
	_, err = promoted.Retire("k9")
	require.ErrorIs(t, err, secret.ErrUnknownKey)
	_, err = staged.Promote("k9")
	require.Error(t, err)
	last, err := promoted.Retire("k1")
	require.NoError(t, err)
	require.Equal(t, []string{"k2"}, last.KeyIDs())
	require.Equal(t, []string{"k1", "k2"}, promoted.KeyIDs(), "a keyring does not change")
	next := rotated(t, last)
	require.Equal(t, []string{"k2", "k3"}, next.KeyIDs(), "no id is given twice")
}

func TestGenerateKeyring_ReportsAFailingSource(t *testing.T) {
	t.Parallel()
	_, err := secret.GenerateKeyring(bytes.NewReader(make([]byte, 31)))
	require.Error(t, err)
}

func FuzzParseKeyring(f *testing.F) {
	k := newRing(f)
	text, err := k.Reveal()
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"primary":"k1","keys":[{"id":"k1","secret":""}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := secret.ParseKeyring(text)
		if err != nil {
			return
		}
		again, err := k.Reveal()
		require.NoError(t, err)
		_, err = secret.ParseKeyring(again)
		require.NoError(t, err)
	})
}
