// The script of the development page for claim links. It takes the secret out of the fragment, clears the address bar, and shows
// the app's call once a person has pressed the button. It sends nothing.
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  let token = "";
  try {
    token = decodeURIComponent(window.location.hash.slice(1));
  } catch {
    token = "";
  }
  window.history.replaceState(null, "", window.location.pathname);
  if (!/^hfl_[0-9A-Za-z_]+$/.test(token)) {
    byId("no-link").hidden = false;
    return;
  }
  byId("ask").hidden = false;
  byId("go").addEventListener("click", (event) => {
    if (!event.isTrusted) {
      return;
    }
    byId("ask").hidden = true;
    const key = window.crypto.randomUUID?.() ?? String(Date.now()); // absent on plain http but for this machine
    byId("command").textContent = [
      `curl -s ${window.location.origin}/v1/recoveries/claims -H "Authorization: Bearer $APP" \\`,
      `  -H 'Content-Type: application/json' -H 'Idempotency-Key: "claim-${key}"' \\`,
      `  -d '{"claim_token":"${token}"}'`,
    ].join("\n");
    byId("call").hidden = false;
  });
})();
