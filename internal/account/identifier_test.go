package account_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

//
func TestCanonical_FoldsOnlyWhatCannotMeanAnotherPerson(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ typ, given, want string }{
		{"email", "ada@example.com", "ada@example.com"},
		{"email", "Ada.Love+tag@EXAMPLE.Com", "Ada.Love+tag@example.com"},
		{"email", "ada@BÜCHER.example", "ada@xn--bcher-kva.example"},
		{"email", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"},
		{"email", "o'neil@example.com", "o'neil@example.com"},
		{"email", "e\u0301ve@example.com", "\u00e9ve@example.com"},
		{"phone", "+44 7700 900123", "+447700900123"},
		{"phone", " +1 (555) 010-9999 ", "+15550109999"},
		{"username", "  Ada ", "ada"},
		{"username", "STRASSE", "strasse"},
		{"username", "STRAẞE", "straße"},
		{"username", "ada l.", "ada l."},
	} {
		got, err := account.Canonical(tc.typ, secret.NewString(tc.given))
		require.NoError(t, err, tc.given)
		require.Equal(t, tc.want, got)
		again, err := account.Canonical(tc.typ, secret.NewString(got))
		require.NoError(t, err, got)
		require.Equal(t, got, again)
	}
}

//
func TestCanonical_RefusesWhatIsNoSingleDestination(t *testing.T) {
	t.Parallel()
	for typ, values := range map[string][]string{
		"email": {
			"", "ada", "@example.com", "ada@", "ada@localhost", "a@b@example.com", "ada@example.com,eve@example.com", "ada@example.com;eve@example.com",
			"ada@example.com\r\nBcc: eve@example.com", "ada@example.com\x00", "ada\x00@example.com", "ada @example.com", " ada@example.com", "ada@exa mple.com",
			`"ada"@example.com`, "Ada <ada@example.com>", "ada@[192.0.2.1]", "ada@192.0.2.1", ".ada@example.com", "ada.@example.com", "a..da@example.com",
			"ada@example..com", "ada@-example.com", "ada@exa_mple.com", "ada\u202e@example.com", "ada\u200b@example.com", "ada@example.com\xff",
			strings.Repeat("a", 65) + "@example.com", "ada@" + strings.Repeat("a.", 160) + "example", "ada@" + strings.Repeat("a", 64) + ".example", "ada%00@example.com\n",
		},
		"phone": {
			"", "+", "07700900123", "++447700900123", "+44 7700 900123 ext 5", "+44 7700 900123;ext=5", "+1 800 FLOWERS", "+44 7700 900123,+44 7700 900124",
			"+4477009001231231231", "+44", "+999 123 4567", "+１５５５０１０９９９９", "+1 555\n0109999", "+1 900 555 0123", "tel:+447700900123", "0044 7700 900123",
		},
		"username": {"", "   ", "a\x00b", "a\nb", "a\u202eb", "a\u200db", strings.Repeat("x", 129), "\xff"},
		"passport": {"x"},
	} {
		for _, v := range values {
			_, err := account.Canonical(typ, secret.NewString(v))
			require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(err), "%s %q", typ, v)
			_, err = account.ThrottleKey(typ, secret.NewString(v))
			require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(err), "%s %q", typ, v)
		}
	}
}

//
func TestThrottleKey_IsOneForAllVariantsOfAMailbox(t *testing.T) {
	t.Parallel()
	want, err := account.ThrottleKey("email", secret.NewString("adalove@example.com"))
	require.NoError(t, err)
	exact := map[string]bool{}
	for _, v := range []string{"AdaLove@example.com", "ada.love@Example.com", "adalove+1@example.com", "a.d.a.l.o.v.e+x+y@EXAMPLE.COM", "ａdalove@example.com"} {
		got, err := account.ThrottleKey("email", secret.NewString(v))
		require.NoError(t, err)
		require.Equal(t, want, got, v)
		c, err := account.Canonical("email", secret.NewString(v))
		require.NoError(t, err)
		exact[c] = true
	}
	require.Len(t, exact, 5, "and each is an identifier of its own")
	a, err := account.ThrottleKey("username", secret.NewString("Ada_Love"))
	require.NoError(t, err)
	b, err := account.ThrottleKey("username", secret.NewString("ada.love"))
	require.NoError(t, err)
	require.Equal(t, a, b)
}

func FuzzCanonical(f *testing.F) {
	for _, v := range []string{"Ada@BÜCHER.example", "+44 7700 900123", "Straße", "a@b,c@d", "\u0345a@x.example", "+1 (555) 010-9999", "ﬀ@ǅ.example"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, typ := range []string{account.TypeEmail, account.TypePhone, account.TypeUsername} {
			got, err := account.Canonical(typ, secret.NewString(v))
			if err != nil {
				require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(err))
				require.Empty(t, got)
				continue
			}
			require.NotContains(t, got, "\n")
			require.NotContains(t, got, "\r")
			require.NotContains(t, got, "\x00")
			require.LessOrEqual(t, len(got), 640)
			again, err := account.Canonical(typ, secret.NewString(got))
			require.NoError(t, err, "%s %q", typ, got)
			require.Equal(t, got, again)
			if typ == account.TypeEmail {
				require.Equal(t, 1, strings.Count(got, "@"))
				require.False(t, strings.ContainsAny(got, ",; "))
			}
			coarse, err := account.ThrottleKey(typ, secret.NewString(v))
			require.NoError(t, err)
			same, err := account.ThrottleKey(typ, secret.NewString(got))
			require.NoError(t, err)
			require.Equal(t, coarse, same)
		}
	})
}
