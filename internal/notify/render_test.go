package notify_test

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/secret"
)

//nolint:gochecknoglobals // a flag of the test binary: go test ./internal/notify -update.
var update = flag.Bool("update", false, "rewrite the golden files")

const (
	code    = "40718253"
	contact = "help.example.com"
	token   = "hfo_3Zr0mB1xq8T5uYvW2kNcJd7LsPeGhAiQoRfXtKbCwUM"
	claim   = "hfl_k1_3Zr0mB1xq8T5uYvW2kNcJd7LsPeGhAiQoRfXtKbCwUM"
)

func locales() []string { return []string{"en", "de", "fr"} }

func channels() []factor.Method { return []factor.Method{factor.Email, factor.SMS, factor.Voice} }

// full is everything that a kind may be given.
func full(t *testing.T, kind notify.Kind) notify.Data {
	t.Helper()
	base, err := url.Parse("https://recover.example.com")
	require.NoError(t, err)
	links, err := notify.NewLinks(base, false)
	require.NoError(t, err)

	at := time.Date(2026, time.March, 3, 3, 4, 5, 0, time.UTC)
	d := notify.Data{
		TenantName: "Example Shop", SupportContact: contact, Reference: "HF-7K2M-9QXD",
		At: at, NotBefore: at.Add(72 * time.Hour), Method: factor.TOTP,
	}
	if kind.CarriesCode() {
		d.Code, d.ValidFor = secret.NewString(code), 10*time.Minute
	}
	if kind.MayLink() {
		d.Link = links.Objection(secret.NewString(token))
	}
	if kind == notify.ClaimLink {
		page, err := notify.ParsePage("https://shop.example.com/recover", false)
		require.NoError(t, err)
		d.Claim, d.Until = page.Claim(secret.NewString(claim)), at.Add(24*time.Hour)
	}
	return d
}

func renderer(t *testing.T) *notify.Renderer {
	t.Helper()
	r, err := notify.NewRenderer()
	require.NoError(t, err)
	return r
}

// what people read is reviewed as text. `go test ./internal/notify -update` rewrites the files.
func TestRenderer_TheWordsAreAsReviewed(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for _, locale := range locales() {
		for _, kind := range notify.Kinds() {
			t.Run(locale+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				subject, text, html, err := r.Render(kind, factor.Email, locale, full(t, kind))
				require.NoError(t, err)
				_, sms, _, err := r.Render(kind, factor.SMS, locale, full(t, kind))
				require.NoError(t, err)
				_, voice, _, err := r.Render(kind, factor.Voice, locale, full(t, kind))
				require.NoError(t, err)

				golden(t, filepath.Join("testdata", "golden", locale, string(kind)+".txt"), fmt.Sprintf(
					"SUBJECT %s\n\nSMS %s\n\nVOICE %s\n\nTEXT\n%s", subject, sms, voice, text))
				if locale == "en" {
					golden(t, filepath.Join("testdata", "golden", locale, string(kind)+".html"), html)
				}
			})
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
	}
	want, err := os.ReadFile(name) //nolint:gosec // a file of this package.
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// every calls f with each message there is.
func every(t *testing.T, f func(t *testing.T, kind notify.Kind, channel factor.Method, subject, text, html string)) {
	t.Helper()
	r := renderer(t)
	for _, locale := range locales() {
		for _, kind := range notify.Kinds() {
			for _, channel := range channels() {
				t.Run(locale+"/"+string(kind)+"/"+string(channel), func(t *testing.T) {
					t.Parallel()
					subject, text, html, err := r.Render(kind, channel, locale, full(t, kind))
					require.NoError(t, err)
					f(t, kind, channel, subject, text, html)
				})
			}
		}
	}
}

// a code is in the body of a code message, never in a subject and never in a notice.
func TestRenderer_ACodeIsOnlyInTheBodyOfACodeMessage(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, kind notify.Kind, channel factor.Method, subject, text, html string) {
		t.Helper()
		shown := code
		if channel == factor.Voice {
			shown = "4, 0, 7, 1, 8, 2, 5, 3"
		}
		require.NotContains(t, subject, code)
		require.Equal(t, kind.CarriesCode(), strings.Contains(text, shown))
		require.Equal(t, kind.CarriesCode() && channel == factor.Email, strings.Contains(html, code))
	})
}

// the link is only in notices, whole, and nowhere but in mails and text messages.
func TestRenderer_ALinkIsOnlyInANotice(t *testing.T) {
	t.Parallel()
	const link = "https://recover.example.com/objection#" + token
	every(t, func(t *testing.T, kind notify.Kind, channel factor.Method, subject, text, html string) {
		t.Helper()
		require.NotContains(t, subject, "https://")
		require.Equal(t, kind.MayLink() && channel != factor.Voice, strings.Contains(text, link))
		require.Equal(t, kind.MayLink() && channel == factor.Email, strings.Contains(html, `href="`+link+`"`))
		if !kind.MayLink() && kind != notify.ClaimLink {
			require.NotContains(t, text+html, "https://")
		}
	})
}

// the claim link is in its own message alone, whole, and that message has no link to object and no code beside it.
func TestRenderer_AClaimLinkIsOnlyInItsOwnMessage(t *testing.T) {
	t.Parallel()
	const link = "https://shop.example.com/recover#" + claim
	every(t, func(t *testing.T, kind notify.Kind, channel factor.Method, subject, text, html string) {
		t.Helper()
		require.NotContains(t, subject, "https://")
		require.Equal(t, kind == notify.ClaimLink && channel != factor.Voice, strings.Contains(text, link))
		require.Equal(t, kind == notify.ClaimLink && channel == factor.Email, strings.Contains(html, `href="`+link+`"`))
		if kind == notify.ClaimLink {
			require.NotContains(t, text+html, "hfo_")
		}
	})
	r := renderer(t)
	d := full(t, notify.ClaimLink)
	for name, bad := range map[string]func(d *notify.Data) notify.Kind{
		"no link":     func(d *notify.Data) notify.Kind { d.Claim = secret.String{}; return notify.ClaimLink },
		"no end":      func(d *notify.Data) notify.Kind { d.Until = time.Time{}; return notify.ClaimLink },
		"in a notice": func(*notify.Data) notify.Kind { return notify.RecoveryStarted },
		"beside an object": func(d *notify.Data) notify.Kind {
			d.Link = secret.NewString("https://x.example/#o")
			return notify.ClaimLink
		},
	} {
		data := d
		kind := bad(&data)
		_, _, _, err := r.Render(kind, factor.Email, "en", data)
		require.Error(t, err, name)
	}
}

// every message says what to do if it was not you, and every mail whom to turn to.
func TestRenderer_EveryMessageSaysWhatToDoIfItWasNotYou(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, kind notify.Kind, channel factor.Method, _, text, html string) {
		t.Helper()
		if channel == factor.Email {
			require.Contains(t, text, contact)
			require.Contains(t, html, contact)
			require.Contains(t, html, "<h2>")
			return
		}
		asked := false
		for _, words := range []string{"Not you?", "Nicht Sie?", "Pas vous ?", "niemandem"} {
			asked = asked || strings.Contains(text, words)
		}
		require.True(t, asked, text)
		if channel == factor.Voice && kind.MayLink() {
			require.Contains(t, text, contact, "a call has no link, so it names the contact")
		}
	})
}

// without a link and without a contact, a notice still names a way out.
func TestRenderer_ANoticeWithoutLinkOrContactStillHelps(t *testing.T) {
	t.Parallel()
	d := full(t, notify.HoldEntered)
	d.Link, d.SupportContact, d.Reference = secret.String{}, "", ""

	_, text, html, err := renderer(t).Render(notify.HoldEntered, factor.Email, "en", d)

	require.NoError(t, err)
	require.Contains(t, text, "Contact us at once")
	require.Contains(t, text, "contact our support")
	require.NotContains(t, html, "<a ")
	require.NotContains(t, text, "Reference")
}

// Where the installation hears replies, every text message that can be objected to says that NO is an answer, by the word that
// its language has for it; where it does not, none does, and no other channel ever.
func TestRenderer_SaysThatNoIsAnAnswerWhereItIsOne(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for locale, words := range map[string]string{"en": "reply NO or https", "de": "antworten Sie NEIN oder https", "fr": "répondez NON ou https"} {
		for _, kind := range notify.Kinds() {
			if !kind.MayLink() || kind == notify.RecoveryStarted { // that one carries no link in practice: nothing is to be stopped yet
				continue
			}
			d := full(t, kind)
			_, without, _, err := r.Render(kind, factor.SMS, locale, d)
			require.NoError(t, err)
			require.NotContains(t, without, strings.TrimSuffix(words, "https"))
			d.CanReply = true
			_, with, _, err := r.Render(kind, factor.SMS, locale, d)
			require.NoError(t, err)
			require.Contains(t, with, words)
			_, mail, _, err := r.Render(kind, factor.Email, locale, d)
			require.NoError(t, err)
			require.NotContains(t, mail, strings.TrimSuffix(words, "https"))
		}
	}
	_, _, _, err := r.Render(notify.HoldEntered, factor.SMS, "en", notify.Data{TenantName: "Acme", At: full(t, notify.HoldEntered).At, NotBefore: full(t, notify.HoldEntered).NotBefore, CanReply: true})
	require.Error(t, err, "a notice that cannot be objected to cannot be answered")
}

// A text message is paid by the segment, and one letter outside of GSM-7 more than halves what a segment holds. A link
// takes a second segment.
func TestRenderer_TextMessagesAreShortAndInGSM7(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for _, locale := range locales() {
		for _, kind := range notify.Kinds() {
			for _, method := range append(factor.Methods(), "") {
				d := full(t, kind)
				d.Method, d.CanReply = method, kind.MayLink()
				_, text, _, err := r.Render(kind, factor.SMS, locale, d)
				require.NoError(t, err)
				limit := 160
				if kind.MayLink() || kind == notify.ClaimLink {
					limit = 2 * 153
				}
				require.LessOrEqual(t, septets(t, text), limit, "%s: %s", locale, text)
			}
		}
	}
}

// septets counts a text in the GSM 7-bit default alphabet (3GPP TS 23.038, section 6.2.1).
func septets(t *testing.T, text string) int {
	t.Helper()
	const basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑܧ¿abcdefghijklmnopqrstuvwxyzäöñüà"
	n := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune(basic, r):
			n++
		case strings.ContainsRune("^{}\\[~]|€", r):
			n += 2
		default:
			require.Failf(t, "not in GSM-7", "%q in %q", r, text)
		}
	}
	return n
}

// Mails load nothing from anywhere, and say in which language they are.
func TestRenderer_TheHTMLLoadsNothing(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, _ notify.Kind, channel factor.Method, _, _, html string) {
		t.Helper()
		if channel != factor.Email {
			require.Empty(t, html)
			return
		}
		for _, forbidden := range []string{"<img", "<script", "<link", "<table", "url(", "@import", "ZgotmplZ"} {
			require.NotContains(t, html, forbidden)
		}
		require.Contains(t, html, `<html lang="`)
	})
}

// names that come from configuration cannot break out of a header, a line or the markup.
func TestRenderer_HostileNamesStayText(t *testing.T) {
	t.Parallel()
	d := full(t, notify.FactorAdded)
	d.TenantName = "Shop\r\nBcc: thief@example.net\u2028\u202e<script>alert(1)</script>{{.Code}}"
	d.SupportContact = "a\nb\x00c"

	subject, text, html, err := renderer(t).Render(notify.FactorAdded, factor.Email, "en", d)

	require.NoError(t, err)
	require.NotContains(t, subject, "\n")
	require.NotContains(t, subject, "\r")
	require.NotContains(t, subject+text, "\u202e")
	require.NotContains(t, html, "<script>")
	require.Contains(t, text, "a bc")
}

func TestRenderer_ALanguageFallsBackToTheTenantsAndThenToEnglish(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for name, tc := range map[string]struct{ locale, tenant, want string }{
		"a region":            {"de-AT", "fr", "Ihr Code"},
		"an underscore":       {"de_CH", "", "Ihr Code"},
		"a script and region": {"DE-Latn-DE", "", "Ihr Code"},
		"exact":               {"fr", "de", "Votre code"},
		"the tenant's":        {"it-IT", "fr-CA", "Votre code"},
		"English":             {"ja", "pt-BR", "Your account recovery code"},
		"nothing":             {"", "", "Your account recovery code"},
		"no tag at all":       {"--", "../../etc", "Your account recovery code"},
		"far too long":        {strings.Repeat("de-", 500), "", "Your account recovery code"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := full(t, notify.RecoveryCode)
			d.TenantLocale = tc.tenant
			_, text, _, err := r.Render(notify.RecoveryCode, factor.Email, tc.locale, d)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(text, tc.want), text)
		})
	}
}

// Times are UTC and say so, whatever zone they come in.
func TestRenderer_TimesAreInUTCAndSaySo(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for locale, want := range map[string]string{
		"en": "until Friday 1 May 2026, 22:30 UTC.",
		"de": "bis Freitag, 1. Mai 2026, 22:30 Uhr UTC.",
		"fr": "jusqu'au vendredi 1er mai 2026 à 22:30 UTC.",
	} {
		d := full(t, notify.HoldEntered)
		d.NotBefore = time.Date(2026, time.May, 2, 0, 30, 0, 0, time.FixedZone("", 2*60*60))
		_, text, _, err := r.Render(notify.HoldEntered, factor.Email, locale, d)
		require.NoError(t, err)
		require.Contains(t, text, want)
	}
}

func TestRenderer_ACodeIsNeverPromisedForLongerThanItLasts(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for valid, want := range map[time.Duration]string{
		10 * time.Minute:             "for 10 minutes.",
		10*time.Minute + time.Second: "for 10 minutes.",
		time.Minute:                  "for 1 minute.",
		time.Hour:                    "for 1 hour.",
		24 * time.Hour:               "for 24 hours.",
		90 * time.Minute:             "for 90 minutes.",
		72 * time.Hour:               "for 3 days.",
	} {
		d := full(t, notify.RecoveryCode)
		d.ValidFor = valid
		_, text, _, err := r.Render(notify.RecoveryCode, factor.Email, "en", d)
		require.NoError(t, err)
		require.Contains(t, text, want)
	}
}

// The renderer is the last place that can stop a code in a notice, or a notice that says nothing.
func TestRenderer_RefusesWhatMustNotBeSaid(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for name, tc := range map[string]struct {
		kind    notify.Kind
		channel factor.Method
		change  func(*notify.Data)
	}{
		"a code in a notice":         {notify.HoldEntered, factor.Email, func(d *notify.Data) { d.Code = secret.NewString(code) }},
		"a code message without one": {notify.RecoveryCode, factor.SMS, func(d *notify.Data) { d.Code = secret.String{} }},
		"a code without validity":    {notify.RecoveryCode, factor.SMS, func(d *notify.Data) { d.ValidFor = 0 }},
		"a link beside a code":       {notify.RecoveryCode, factor.Email, func(d *notify.Data) { d.Link = secret.NewString("https://example.com") }},
		"a link in a dead end":       {notify.RecoveryCancelled, factor.Email, func(d *notify.Data) { d.Link = secret.NewString("https://example.com") }},
		"a hold without an end":      {notify.HoldEntered, factor.Email, func(d *notify.Data) { d.NotBefore = time.Time{} }},
		"no time":                    {notify.FactorAdded, factor.Email, func(d *notify.Data) { d.At = time.Time{} }},
		"no tenant":                  {notify.FactorAdded, factor.Email, func(d *notify.Data) { d.TenantName = " \n" }},
		"an unknown kind":            {"../en/common", factor.Email, func(*notify.Data) {}},
		"an unknown channel":         {notify.FactorAdded, factor.TOTP, func(*notify.Data) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := full(t, tc.kind)
			tc.change(&d)
			subject, text, html, err := r.Render(tc.kind, tc.channel, "en", d)
			require.Error(t, err)
			require.Empty(t, subject+text+html)
			require.NotContains(t, err.Error(), code)
		})
	}
}
