// The objection page's script. It takes the token out of the fragment, clears the address bar, and sends the token only when
// a person presses a button. It loads nothing. The token stays with this tab's entry in the history, and nowhere else, so that
// a telephone that drops the page while its owner looks up a code does not lose it; when it is of no more use it is forgotten.
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const page = byId("objection");
  const ask = byId("ask");
  const stop = byId("stop");
  const more = byId("more");
  const evidence = byId("evidence");
  const code = byId("code");
  const prove = byId("prove");
  const live = byId("live");
  const words = byId("words").dataset;

  const facts = { name: page.dataset.service, until: "" };
  let token = remembered();
  let sent = { body: "", key: "" };
  let pressed = false; // a person pressed what submits the form

  function remembered() {
    let found = "";
    try {
      found = decodeURIComponent(window.location.hash.slice(1));
    } catch {
      found = "";
    }
    found ||= window.history.state?.token ?? "";
    window.history.replaceState(found ? { token: found } : null, "", window.location.pathname);
    return found;
  }

  function forget() {
    token = "";
    window.history.replaceState(null, "", window.location.pathname);
  }

  // human tells a person's event from one that a script made. A browser that does not know of activation has only the first.
  function human(event) {
    return event.isTrusted && (navigator.userActivation?.isActive ?? true);
  }

  // send posts the objection. What was not answered is sent under the same key again, so that it has one effect.
  async function send(proof) {
    const body = JSON.stringify(proof ? { token, evidence: proof } : { token });
    if (sent.body !== body) {
      sent = { body, key: window.crypto.randomUUID?.() ?? "" }; // absent on plain http, which only development has
    }
    const headers = { "Content-Type": "application/json" };
    if (sent.key) {
      headers["Idempotency-Key"] = '"' + sent.key + '"';
    }
    try {
      const response = await fetch("/v1/objections", {
        method: "POST",
        headers,
        body,
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout?.(30000),
      });
      const answer = await response.json();
      if (response.status < 500 && response.status !== 409) {
        sent = { body: "", key: "" };
      }
      return { status: response.status, answer };
    } catch {
      return { status: 0, answer: {} };
    }
  }

  // object sends, and shows what came of it.
  async function object(proof, where) {
    complain(where, "");
    busy(true);
    const { status, answer } = await send(proof);
    busy(false);
    live.textContent = "";
    if (proof && (status === 202 || status === 422)) {
      code.value = ""; // judged; what was not can be sent again as it is
    }
    if (status === 202) {
      heard(answer);
    } else if (status === 422 && answer.code === "objection_refused") {
      refused(proof);
    } else if (status === 422 && proof) {
      complain(where, words.wrong);
    } else if (status === 429) {
      complain(where, words.tooMany);
    } else if (status === 0 && navigator.onLine === false) {
      complain(where, words.offline);
    } else {
      complain(where, words.trouble);
    }
  }

  // heard shows what an objection did that stands.
  function heard(answer) {
    facts.name = answer.support?.name ?? facts.name;
    facts.until = time(answer.paused_until);
    const view = viewOf(answer);
    form(answer.next === "proof", answer.state === "completed");
    byId("care").hidden = answer.outcome === "to_humans";
    help(answer.support);
    if (answer.next === "nothing") {
      forget();
    }
    if (answer.proof === "accepted") {
      other();
    }
    if (answer.proof === "refused" || answer.proof === "resting") {
      show(shown() ? "" : view);
      const text = answer.proof === "resting" ? fill(words.resting, { ...facts, until: time(answer.retry_at) }) : words.wrong;
      complain(evidence, text + " " + words.stays);
    } else {
      show(view);
    }
  }

  function viewOf(answer) {
    const accepted = answer.proof === "accepted";
    switch (answer.outcome) {
      case "to_humans":
        return "people";
      case "vetoed":
      case "reversed":
        return answer.outcome;
      default:
    }
    switch (answer.state) {
      case "completed":
        return accepted ? "takenCounts" : "taken";
      case "contested":
        return accepted ? "counts" : answer.outcome === "paused" ? "paused" : "already";
      default:
        return "noted";
    }
  }

  // refused shows that the link alone does nothing. A proof may still, unless it just did not.
  function refused(proof) {
    form(!proof, false);
    byId("care").hidden = false;
    help(null);
    if (proof) {
      forget();
    }
    show(proof ? "over" : "spent");
  }

  const views = () => [...document.querySelectorAll("[data-view]")];
  const shown = () => views().find((view) => !view.hidden);

  // show makes one view the page's, and takes the reader there. Without a name the view stays.
  function show(name) {
    ask.hidden = true;
    if (!name) {
      return;
    }
    for (const view of views()) {
      view.hidden = view.dataset.view !== name;
      if (!view.hidden) {
        view.querySelectorAll("[data-says]").forEach(say);
        const heading = view.querySelector("h1");
        document.title = heading.textContent;
        live.textContent = view.querySelector(".lead").textContent;
        heading.focus({ preventScroll: true });
        window.scrollTo(0, 0);
      }
    }
  }

  // say fills in what a sentence leaves open, or hides it where that is not known.
  function say(sentence) {
    sentence.dataset.says ||= sentence.textContent;
    sentence.hidden = sentence.dataset.says.includes("{until}") && !facts.until;
    sentence.textContent = fill(sentence.dataset.says, facts);
  }

  function fill(text, values) {
    return text.replaceAll("{until}", values.until).replaceAll("{name}", values.name);
  }

  // time is a moment as the reader's own country writes it, without the day where it is near.
  function time(text) {
    const at = new Date(text ?? NaN);
    if (Number.isNaN(at.getTime())) {
      return "";
    }
    const tongue = document.documentElement.lang;
    const near = Math.abs(at - Date.now()) < 6 * 3600 * 1000;
    return at.toLocaleString(navigator.languages.find((l) => l.startsWith(tongue)) ?? tongue, {
      ...(near ? {} : { weekday: "long", day: "numeric", month: "long" }), hour: "numeric", minute: "2-digit", timeZoneName: "short",
    });
  }

  function form(open, reclaim) {
    more.hidden = !open;
    for (const text of [byId("more-title"), byId("more-lead"), prove]) {
      text.textContent = reclaim ? text.dataset.reclaim : text.dataset.stop;
    }
  }

  // help names support as the notice named it: a page, an address or a number is a link, any other text is a text.
  function help(support) {
    const contact = support?.contact ?? "";
    byId("help").hidden = false;
    byId("no-contact").hidden = Boolean(contact);
    const line = byId("contact");
    line.hidden = !contact;
    if (!contact) {
      return;
    }
    say(line);
    const target = targetOf(contact);
    const named = document.createElement(target ? "a" : "strong");
    named.textContent = contact;
    if (target) {
      named.href = target;
      named.rel = "noreferrer";
    }
    line.append(" ", named);
  }

  function targetOf(contact) {
    if (/^https:\/\/[^\s]+$/.test(contact)) {
      return contact;
    }
    if (/^[^\s@<>?&]+@[^\s@<>?&]+\.[^\s@<>?&]+$/.test(contact)) {
      return "mailto:" + contact;
    }
    if (/^\+?[\d ()/-]{5,}$/.test(contact)) {
      return "tel:" + contact.replace(/[^\d+]/g, "");
    }
    return "";
  }

  function complain(where, text) {
    const problem = where.querySelector("[data-problem]");
    problem.textContent = text;
    if (where === evidence) {
      code.setAttribute("aria-invalid", text ? "true" : "false");
      if (text) {
        code.focus();
      }
    }
  }

  function busy(yes) {
    stop.disabled = yes;
    prove.disabled = yes;
    page.setAttribute("aria-busy", String(yes));
    live.textContent = yes ? words.working : "";
  }

  // choose fits the field to the kind of proof.
  function choose() {
    const { field, inputmode, autocomplete } = chosen().dataset;
    byId("code-label").textContent = field;
    code.inputMode = inputmode;
    code.autocomplete = autocomplete;
  }

  const chosen = () => evidence.querySelector("input[name=method]:checked");

  // other turns to the kind of proof that was not accepted just now.
  function other() {
    const next = [...evidence.elements.method].find((choice) => !choice.checked);
    if (next) {
      next.checked = true;
      choose();
    }
  }

  // How each kind of proof is collected; nothing, when the person has to do more first.
  const collect = {
    code() {
      const typed = code.value.trim();
      return typed ? { method: chosen().value, code: typed } : null;
    },
  };

  stop.addEventListener("click", (event) => {
    if (human(event) && token) {
      object(null, ask);
    }
  });

  prove.addEventListener("click", (event) => {
    pressed ||= human(event);
  });
  code.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      pressed = human(event);
    }
  });
  evidence.addEventListener("change", choose);
  evidence.addEventListener("submit", (event) => {
    event.preventDefault();
    const proof = pressed && token && !prove.disabled ? collect[chosen().dataset.kind]() : null;
    pressed = false;
    if (proof) {
      object(proof, evidence);
    } else {
      code.focus();
    }
  });

  choose();
  byId("no-link").hidden = Boolean(token);
  ask.hidden = !token;
})();
