package web

import "net/http"

// DevClaim serves the page where the claim links of a development installation lead. It stands for a page of a tenant's own
// app: it has the button that such a page needs, and shows the call that the app makes once a person has pressed it. It makes no
// call itself. Development only.
func (p *Pages) DevClaim(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, "claim.html", policyClaim, nil)
}

// DevClaimScript serves that page's script.
func (p *Pages) DevClaimScript(w http.ResponseWriter, r *http.Request) {
	send(w, r, "text/javascript; charset=utf-8", policyStatic, "no-cache", p.claim)
}
