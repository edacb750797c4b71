// The objection page's script. It takes the token out of the fragment, clears the address bar, and sends the token only when
// a person presses a button. It loads nothing and stores nothing.
(() => {
  "use strict";

  const page = document.getElementById("objection");
  const ask = document.getElementById("ask");
  const stop = document.getElementById("stop");
  const result = document.getElementById("result");
  const more = document.getElementById("more");
  const evidence = document.getElementById("evidence");
  const code = document.getElementById("code");

  const token = decodeFragment(window.location.hash);
  if (token) {
    window.history.replaceState(null, "", window.location.pathname);
    ask.hidden = false;
  } else {
    say([page.dataset.noLink]);
  }

  function decodeFragment(hash) {
    try {
      return decodeURIComponent(hash.slice(1));
    } catch {
      return "";
    }
  }

  function say(sentences) {
    result.replaceChildren(...sentences.map((text) => {
      const p = document.createElement("p");
      p.textContent = text;
      return p;
    }));
  }

  function time(text) {
    const at = new Date(text);
    return Number.isNaN(at.getTime()) ? text : at.toLocaleString(page.lang, { dateStyle: "long", timeStyle: "short" });
  }

  async function object(proof) {
    say([page.dataset.working]);
    const body = proof ? { token, evidence: proof } : { token };
    const headers = { "Content-Type": "application/json" };
    if (window.crypto.randomUUID) { // absent on plain http, which only development has
      headers["Idempotency-Key"] = '"' + window.crypto.randomUUID() + '"';
    }
    let response;
    let answer = {};
    try {
      response = await fetch("/v1/objections", {
        method: "POST",
        headers,
        body: JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
      });
      answer = await response.json();
    } catch {
      return { ok: false, text: [page.dataset.trouble] };
    }
    if (response.ok) {
      return { ok: true, outcome: answer.outcome, text: told(answer) };
    }
    if (response.status === 429) {
      return { ok: false, text: [page.dataset.tooMany] };
    }
    if (response.status === 422) {
      const wrong = proof && answer.code !== "objection_refused";
      return { ok: false, refused: !wrong, text: [wrong ? page.dataset.wrong : page.dataset.refused] };
    }
    return { ok: false, text: [page.dataset.trouble] };
  }

  function told(answer) {
    switch (answer.outcome) {
      case "paused":
        return answer.paused_until
          ? [page.dataset.paused, page.dataset.pausedUntil.replace("{time}", time(answer.paused_until))]
          : [page.dataset.paused];
      case "vetoed":
        return [page.dataset.vetoed];
      case "reversed":
        return [page.dataset.reversed];
      default:
        return [page.dataset.recorded];
    }
  }

  function show(done) {
    say(done.text);
    result.className = done.ok ? "note good" : "note bad";
    result.focus();
  }

  stop.addEventListener("click", async (event) => {
    if (!event.isTrusted) {
      return;
    }
    stop.disabled = true;
    const done = await object(null);
    stop.disabled = false;
    if (done.ok || done.refused) {
      ask.hidden = true;
    }
    more.hidden = !(done.ok && (done.outcome === "paused" || done.outcome === "recorded"));
    show(done);
  });

  evidence.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!event.isTrusted) {
      return;
    }
    const button = evidence.querySelector("button");
    button.disabled = true;
    const done = await object({ method: evidence.elements.method.value, code: code.value.trim() });
    button.disabled = false;
    code.value = "";
    if (done.ok || done.refused) {
      more.hidden = true;
    }
    show(done);
  });
})();
