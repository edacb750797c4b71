//go:build browser

package browser_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
)

// R-036 R-103 R-104, S2. On a telephone: the link, one press, and a code that ends it; the page says what happened each time.
func TestAnOwnerOnATelephone_PausesAndThenStopsItForGood(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	w := s.open(phone())
	w.see("Was this you?")
	require.Equal(t, "/objection", value[string](w, `location.pathname + location.hash`), "the token has left the address bar (R-038)")
	require.Equal(t, client.StateCoolingOff, s.state(), "opening it does nothing")
	w.fits()
	w.picture("phone-1-ask")

	w.press("#stop")
	shown := w.see("It is stopped for now")
	require.Contains(t, shown, "until")
	require.NotContains(t, shown, "{")
	require.Contains(t, shown, "Support of Acme: https://support.example.com")
	require.NotContains(t, shown, s.claim.ID)
	require.Equal(t, client.StateContested, s.state())
	require.Equal(t, "It is stopped for now", value[string](w, `document.activeElement.textContent`), "a screen reader is taken there")
	w.fits()
	w.picture("phone-2-paused")

	w.write("#code", "000000")
	w.press("#prove")
	w.see("That code was not accepted")
	require.Contains(t, w.text(), "What you stopped stays stopped")
	require.Equal(t, client.StateContested, s.state())
	require.Equal(t, 1, s.refusals("totp"))
	require.Equal(t, "code", value[string](w, `document.activeElement.id`))
	require.Equal(t, "true", value[string](w, `document.activeElement.getAttribute("aria-invalid")`))
	w.picture("phone-3-wrong")

	w.write("#code", s.TOTP(t, s.seed))
	w.press("#prove")
	shown = w.see("Stopped for good")
	require.NotContains(t, shown, "What do you have?")
	require.Equal(t, client.StateVetoed, s.state())
	w.fits()
	w.picture("phone-4-vetoed")
	w.do(chromedp.Reload())
	w.see("This page needs its link")
}

// WCAG 2.1.1, 2.4.3. With the keyboard alone, on a dark desktop.
func TestAnOwnerWithAKeyboard_GetsThere(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	d := desktop()
	d.dark = true
	w := s.open(d)
	w.see("Was this you?")
	w.picture("dark-1-ask")
	w.keys(kb.Tab)
	require.Equal(t, "stop", value[string](w, `document.activeElement.id`))
	w.keys(kb.Enter)
	w.see("It is stopped for now")
	w.keys(kb.Tab)
	require.Equal(t, "totp", value[string](w, `document.activeElement.value`))
	w.keys(kb.Tab)
	require.Equal(t, "code", value[string](w, `document.activeElement.id`))
	w.picture("dark-2-paused")
	w.keys(s.TOTP(t, s.seed))
	w.keys(kb.Enter)
	w.see("Stopped for good")
	require.Equal(t, client.StateVetoed, s.state())
	w.picture("dark-3-vetoed")
}

// 4.1. A saved code that is not enough, and then the app: the page turns to what is still missing.
func TestAnOwnerWithTwoProofs_ShowsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	w := s.open(desktop())
	w.press("#stop")
	w.see("It is stopped for now")
	w.press("[value=recovery_code]")
	require.Equal(t, "text", value[string](w, `document.getElementById("code").inputMode`))
	w.write("#code", s.codes[1])
	w.picture("desktop-2-saved-code")
	w.press("#prove")
	w.see("Your code was right")
	require.Equal(t, client.StateContested, s.state())
	require.Equal(t, "totp", value[string](w, `document.querySelector("input[name=method]:checked").value`), "the other kind is next")
	w.picture("desktop-3-counts")
	w.write("#code", s.TOTP(t, s.seed))
	w.press("#prove")
	w.see("Stopped for good")
	require.Equal(t, client.StateVetoed, s.state())
}

// 4.2. Against a claim with as much, people decide.
func TestAnOwnerAgainstAStrongClaim_GetsPeople(t *testing.T) {
	t.Parallel()
	s := held(t, true)
	w := s.open(desktop())
	w.press("#stop")
	w.see("It is stopped for now")
	w.write("#code", s.TOTP(t, s.seed))
	w.press("#prove")
	w.see("People decide now")
	require.Contains(t, w.text(), "two people at Acme")
	require.Equal(t, client.StateAssisted, s.state())
	w.picture("desktop-4-people")
	again := s.open(desktop())
	again.press("#stop")
	again.see("We have noted it")
	again.picture("desktop-5-noted")
}

// The same link again, from another window, is heard and does nothing more.
func TestALinkThatWasUsed_IsToldFromOneThatIsOver(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	first, second := s.open(phone()), s.open(phone())
	first.press("#stop")
	first.see("It is stopped for now")
	until := apptest.Query[time.Time](t, s.Service, `SELECT wake_at FROM recovery`)
	second.press("#stop")
	second.see("It is stopped already")
	second.picture("phone-5-already")
	require.Equal(t, until, apptest.Query[time.Time](t, s.Service, `SELECT wake_at FROM recovery`), "and pauses no longer")

	s.Advance(t, 72*time.Hour+time.Minute)
	require.Equal(t, client.StateCoolingOff, s.state())
	third := s.open(phone())
	third.press("#stop")
	third.see("This link cannot stop anything by itself any more")
	require.Equal(t, client.StateCoolingOff, s.state())
	third.picture("phone-6-spent")
	third.write("#code", "000000")
	third.press("#prove")
	third.see("That code was not accepted")
	third.write("#code", s.TOTP(t, s.seed))
	third.press("#prove")
	third.see("Stopped for good")
	require.Equal(t, client.StateVetoed, s.state())

	last := s.open(phone())
	last.press("#stop")
	last.see("This link cannot stop anything by itself any more")
	last.write("#code", s.TOTP(t, s.seed))
	last.press("#prove")
	last.see("This link does not work any more")
	require.NotContains(t, last.text(), "What do you have?")
	last.picture("phone-7-over")
}

// A link that nobody sent, and no link at all.
func TestAWrongLink_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	w := open(t, phone())
	w.visit(s.Base + "/objection")
	w.see("This page needs its link")
	w.picture("phone-8-no-link")
	other := open(t, phone())
	other.visit(s.Base + "/objection#hfo_k1_0000000000000000000000000000000000000000000")
	other.press("#stop")
	other.see("This link cannot stop anything by itself any more")
	require.Equal(t, client.StateCoolingOff, s.state())
}

// Somebody has worn the app's codes out: the link pauses all the same, and the other kind is to be had.
func TestAMethodThatRests_IsNamedWithItsTimeAndTheOtherStays(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	w := s.open(phone())
	w.press("#stop")
	w.see("It is stopped for now")
	for range 3 {
		w.write("#code", "000000")
		w.press("#prove")
		w.see("That code was not accepted")
	}
	w.write("#code", s.TOTP(t, s.seed))
	w.press("#prove")
	shown := w.see("too many wrong codes of this kind")
	require.NotContains(t, shown, "{until}")
	w.picture("phone-9-resting")
	w.press("[value=recovery_code]")
	w.write("#code", s.codes[1])
	w.press("#prove")
	w.see("Your code was right")
	require.Equal(t, client.StateContested, s.state())
}

// R-093, S5. After a completed recovery the words are about taking the account back.
func TestAnOwnerWhoComesLate_TakesTheAccountBack(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	s.completed()
	w := s.open(phone())
	w.press("#stop")
	w.see("We have noted that it was not you")
	require.Contains(t, w.text(), "Take the account back")
	require.NotContains(t, w.text(), "Stop it for good")
	require.Equal(t, client.StateCompleted, s.state(), "a link alone reverses nothing (I3)")
	w.picture("phone-10-taken")
	w.write("#code", s.TOTP(t, s.seed))
	w.press("#prove")
	w.see("The recovery is undone")
	require.Equal(t, client.StateReversed, s.state())
	w.picture("phone-11-reversed")
}

// Without a connection the page says so; pressing again has one effect. A telephone that drops the page does not lose the link.
func TestAPoorConnection_LosesNothing(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	w := s.open(phone())
	w.see("Was this you?")
	w.offline(true)
	w.press("#stop")
	w.see("There is no connection")
	w.picture("phone-12-offline")
	require.Equal(t, client.StateCoolingOff, s.state())
	w.offline(false)
	w.press("#stop")
	w.see("It is stopped for now")
	w.do(chromedp.Reload())
	w.see("Was this you?")
	w.press("#stop")
	w.see("It is stopped already")
	require.Equal(t, 1, apptest.Query[int](t, s.Service, `SELECT count(*)::int FROM objection`))
	w.do(chromedp.Navigate("about:blank"))
	require.NotContains(t, value[string](w, `location.href`), s.link)
}

// An answer that is lost on its way: the same code again is the same request, and not a code that was used before.
func TestAnAnswerThatIsLost_CanBeAskedForAgain(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	w := s.open(desktop())
	w.press("#stop")
	w.see("It is stopped for now")
	value[bool](w, `(() => { const real = window.fetch; window.fetch = async (...a) => { window.fetch = real; await real(...a); throw new TypeError("lost"); }; return true; })()`)
	w.write("#code", s.TOTP(t, s.seed))
	w.press("#prove")
	w.see("We got no clear answer")
	require.Equal(t, client.StateVetoed, s.state(), "it had arrived")
	w.press("#prove")
	w.see("Stopped for good")
}

// In the reader's language, times and all; nothing scrolls sideways on a small telephone.
func TestThePage_SpeaksGermanAndFrench(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	for _, tongue := range []struct {
		name, language, ask, told string
		says                      []string
	}{
		{"de", "de-CH,de;q=0.9", "Waren Sie das?", "Fürs Erste gestoppt", []string{"steht still bis", "Ganz beenden", "Support von Acme"}},
		{"fr", "fr-CA,fr;q=0.9", "Était-ce vous", "C’est déjà arrêté", []string{"Elle est arrêtée jusqu’à", "Y mettre fin", "Assistance de Acme"}},
	} {
		d := phone()
		d.language, d.width, d.height = tongue.language, 320, 568
		w := s.open(d)
		w.see(tongue.ask)
		w.fits()
		w.picture(tongue.name + "-1-ask")
		w.press("#stop")
		shown := w.see(tongue.told)
		for _, text := range tongue.says {
			require.Contains(t, shown, text)
		}
		require.NotContains(t, shown, "{")
		w.fits()
		w.picture(tongue.name + "-2-stopped")
	}
}

// Without scripts the page says why it has no button, and whom to turn to.
func TestThePageWithoutScripts_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	d := phone()
	d.scriptless = true
	w := s.open(d)
	tree := w.tree()
	require.Contains(t, tree, "heading This page needs JavaScript")
	require.Contains(t, tree, "Or get in touch with support")
	require.NotContains(t, tree, "\nbutton")
	w.picture("phone-13-no-scripts")
	require.Empty(t, w.posted())
	require.Equal(t, client.StateCoolingOff, s.state())
}

// WCAG 1.3.1, 4.1.2. What is pressed and filled in has a role and a name.
func TestThePage_NamesItsPartsForAScreenReader(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	w := s.open(desktop())
	w.see("Was this you?")
	require.Contains(t, w.tree(), "button This was not me: stop it")
	w.press("#stop")
	w.see("It is stopped for now")
	tree := w.tree()
	for _, part := range []string{
		"heading It is stopped for now", "region Stop it for good", "group What do you have?", "radio Authenticator app", "radio Saved recovery code",
		"textbox Code from the app", "button Stop it for good", "region Look after these now", "link https://support.example.com", "status",
	} {
		require.Contains(t, tree, part)
	}
	require.NotContains(t, tree, "Take the account back", "what does not hold is not there for anybody")
}
