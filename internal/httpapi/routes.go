package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/credential"
)

// callerKind is who may call a route. The zero kind is nobody, so that a forgotten rule denies.
type callerKind uint8

const (
	nobody   callerKind = iota
	anyone              // without a credential
	client              // a client with the scope
	claimant            // a client with the scope that also shows the claimant's token
)

// callerRule says who may call a route.
type callerRule struct {
	kind        callerKind
	scope       credential.Scope
	publishable bool // a credential that lies in an app or a page may do this too
}

// keyRule says whether a route takes an Idempotency-Key.
type keyRule uint8

const (
	keyNone     keyRule = iota // the method is idempotent by itself
	keyRequired                // every POST, except where it says otherwise
	keyOptional
)

// bodyRule says what body a route takes.
type bodyRule uint8

const (
	bodyNone   bodyRule = iota
	bodyJSON            // one JSON value, needed
	bodyMaybe           // one JSON value, or nothing, which reads as {}
	bodyNDJSON          // newline-delimited JSON, streamed by the handler
)

// route is one line of the table.
type route struct {
	method string
	path   string // as the contract writes it
	caller callerRule
	class  Class
	key    keyRule
	body   bodyRule
	page   bool // answers HEAD as well
	mutual bool // demands a client certificate where the installation verifies them
	dev    bool // not in the contract
	handle func(*handler, echo.Context) error
}

// routes is the whole API: nothing else is registered anywhere. A test compares it with the contract.
func routes() []route {
	server := func(s credential.Scope) callerRule { return callerRule{kind: client, scope: s} }
	open := callerRule{kind: anyone}
	starter := callerRule{kind: client, scope: credential.RecoveriesStart, publishable: true}
	holder := callerRule{kind: claimant, scope: credential.RecoveriesStart, publishable: true}
	const (
		get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
		rcv                 = "/v1/recoveries/{recovery_id}"
		acc                 = "/v1/accounts/{account_ref}"
	)
	return []route{
		{method: post, path: "/v1/recoveries", caller: starter, class: ClassStart, key: keyRequired, body: bodyJSON, handle: (*handler).startRecovery},
		{method: get, path: rcv, caller: holder, class: ClassRead, handle: (*handler).getRecovery},
		{method: post, path: rcv + "/challenges", caller: holder, class: ClassChallenge, key: keyRequired, body: bodyJSON, handle: (*handler).createChallenge},
		{method: post, path: rcv + "/challenges/{challenge_id}/answers", caller: holder, class: ClassVerify, key: keyRequired, body: bodyJSON, handle: (*handler).answerChallenge},
		{method: post, path: rcv + "/cancel", caller: holder, class: ClassRead, key: keyRequired, body: bodyMaybe, handle: (*handler).cancelRecovery},
		{method: post, path: rcv + "/grant", caller: holder, class: ClassGrant, key: keyRequired, body: bodyMaybe, handle: (*handler).takeGrant},

		{method: post, path: "/v1/grants/redeem", caller: server(credential.GrantsRedeem), mutual: true, class: ClassGrant, key: keyRequired, body: bodyJSON, handle: (*handler).redeemGrant},

		{method: post, path: "/v1/accounts/import", caller: server(credential.AccountsWrite), class: ClassAccount, body: bodyNDJSON, handle: (*handler).importAccounts},
		{method: put, path: acc, caller: server(credential.AccountsWrite), class: ClassAccount, body: bodyJSON, handle: (*handler).putAccount},
		{method: get, path: acc, caller: server(credential.AccountsWrite), class: ClassAccount, handle: (*handler).getAccount},
		{method: del, path: acc, caller: server(credential.AccountsWrite), class: ClassAccount, handle: (*handler).eraseAccount},
		{method: get, path: acc + "/status", caller: server(credential.AccountsRead), class: ClassAccount, handle: (*handler).getStatus},
		{method: post, path: acc + "/factors", caller: server(credential.AccountsWrite), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).enrolFactor},
		{method: post, path: acc + "/factors/{factor_id}/confirm", caller: server(credential.AccountsWrite), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).confirmFactor},
		{method: del, path: acc + "/factors/{factor_id}", caller: server(credential.AccountsWrite), class: ClassAccount, handle: (*handler).removeFactor},
		{method: post, path: acc + "/recovery-codes", caller: server(credential.AccountsWrite), class: ClassAccount, key: keyRequired, body: bodyMaybe, handle: (*handler).issueCodes},
		{method: post, path: acc + "/objections", caller: server(credential.ObjectionsWrite), class: ClassObjection, key: keyRequired, body: bodyJSON, handle: (*handler).objectFromApp},

		{method: post, path: "/v1/objections", caller: open, class: ClassObjection, key: keyOptional, body: bodyJSON, handle: (*handler).objectByLink},
		{method: get, path: "/objection", caller: open, class: ClassPage, page: true, handle: (*handler).objectionPage},
		{method: get, path: "/objection.js", caller: open, class: ClassPage, page: true, handle: (*handler).objectionScript},
		{method: get, path: "/pages.css", caller: open, class: ClassPage, page: true, handle: (*handler).stylesheet},

		{method: get, path: "/.well-known/jwks.json", caller: open, class: ClassPage, page: true, handle: (*handler).jwks},
		{method: get, path: "/openapi.yaml", caller: open, class: ClassPage, page: true, handle: (*handler).openAPI},
		{method: get, path: "/docs", caller: open, class: ClassPage, page: true, handle: (*handler).reference},
		{method: get, path: "/problems/{code}", caller: open, class: ClassPage, page: true, handle: (*handler).problemPage},
	}
}

// devRoutes exist in a development installation only.
func devRoutes() []route {
	open := callerRule{kind: anyone}
	return []route{
		{method: http.MethodGet, path: "/dev/inbox", caller: open, class: ClassPage, page: true, dev: true, handle: (*handler).inbox},
		{method: http.MethodPost, path: "/dev/clock", caller: open, class: ClassPage, key: keyOptional, body: bodyJSON, dev: true, handle: (*handler).advanceClock},
	}
}
