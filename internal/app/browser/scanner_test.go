//go:build browser

package browser_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
)

// scan is what mail scanners with a browser inside have been seen to do, and more: everything on the page is shown, filled in,
// clicked, keyed, submitted, followed and fetched, by script.
const scan = `(async () => {
	const fire = (e, type, make) => e.dispatchEvent(new make(type, { bubbles: true, cancelable: true, composed: true, key: "Enter", code: "Enter" }));
	for (const e of document.querySelectorAll("[hidden], [disabled]")) { e.hidden = false; e.disabled = false; }
	for (const e of document.querySelectorAll("input[type=text]")) { e.value = "123456"; fire(e, "input", InputEvent); fire(e, "change", Event); }
	for (const e of document.querySelectorAll("*")) {
		for (const type of ["pointerdown", "pointerup"]) fire(e, type, PointerEvent);
		for (const type of ["mousedown", "mouseup", "click", "dblclick"]) fire(e, type, MouseEvent);
		for (const type of ["touchstart", "touchend"]) fire(e, type, Event);
		for (const type of ["keydown", "keypress", "keyup"]) fire(e, type, KeyboardEvent);
		e.focus?.();
		e.click?.();
	}
	for (const form of document.forms) {
		for (const button of [undefined, ...form.querySelectorAll("button")]) try { form.requestSubmit(button); } catch {}
		fire(form, "submit", SubmitEvent);
		form.submit();
	}
	for (const e of document.querySelectorAll("a[href], link[href], script[src]")) await fetch(e.href || e.src);
	for (const method of ["GET", "HEAD"]) await fetch(location.href, { method });
	await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
	return true;
})()`

// R-036 R-103, S7, T17, T18. A scanner that runs scripts changes nothing; the person who comes after it still can.
func TestAScannerThatRunsScripts_ChangesNothing(t *testing.T) {
	t.Parallel()
	s := held(t, false)
	s.settle()
	rows, before := s.Rows(t), s.claim.Read(t)
	for range 3 {
		w := s.open(desktop())
		w.see("Was this you?")
		require.True(t, value[bool](w, scan))
		require.Empty(t, w.posted(), "nothing was sent")
		for _, complaint := range w.complaints() { // form.submit() runs into the policy, and has to
			require.Contains(t, complaint, "form-action")
		}
		w.picture("scanned")
	}
	require.Equal(t, rows, s.Rows(t))
	require.Equal(t, before, s.claim.Read(t))
	require.Zero(t, s.refusals("totp"))

	w := s.open(phone())
	w.press("#stop")
	w.see("It is stopped for now")
	require.Equal(t, client.StateContested, s.state())
	require.True(t, value[bool](w, `(async () => {
		document.getElementById("code").value = "123456";
		await new Promise((done) => setTimeout(done, 0));
		document.getElementById("evidence").requestSubmit(document.getElementById("prove"));
		document.getElementById("prove").click();
		await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
		return true;
	})()`))
	require.Len(t, w.posted(), 1, "a code is not sent by a script either, not even after a person pressed the first button")
	require.Zero(t, s.refusals("totp"))
}
