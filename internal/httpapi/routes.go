package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/credential"
)

// callerKind is what a caller has to show. The zero kind is nobody, so that a forgotten rule denies.
type callerKind uint8

const (
	nobody   callerKind = iota
	anyone              // nothing
	bearer              // a credential of one of the kinds, with the scope
	claimant            // the same, and the claimant's token
	provider            // a provider of messages, by its signature over the body: its handler asks first of all whose it is
)

// callerRule says who may call a route: which kinds of caller, with which scope. The matrix of capabilities is made of these
// (capability.go).
type callerRule struct {
	kind  callerKind
	scope credential.Scope
	by    []credential.Kind // who else has the scope is refused all the same
	fresh bool              // a person has to have proved lately and strongly who they are
}

// The rules that routes are made of.
func open() callerRule { return callerRule{kind: anyone} }

// server is a client on a server.
func server(s credential.Scope) callerRule {
	return callerRule{kind: bearer, scope: s, by: []credential.Kind{credential.Service}}
}

// app is a client on a server or one that lies in an app or a page.
func app(s credential.Scope) callerRule {
	return callerRule{kind: bearer, scope: s, by: []credential.Kind{credential.Service, credential.Publishable}}
}

// holder is app with the claimant's token.
func holder(s credential.Scope) callerRule {
	r := app(s)
	r.kind = claimant
	return r
}

// staff is a person of the workforce, or a client on a server that does the same work.
func staff(s credential.Scope) callerRule {
	return callerRule{kind: bearer, scope: s, by: []credential.Kind{credential.Workforce, credential.Service}}
}

// human is a person of the workforce and nobody else.
func human(s credential.Scope) callerRule {
	return callerRule{kind: bearer, scope: s, by: []credential.Kind{credential.Workforce}}
}

// desk is a person of the workforce or an AI agent.
func desk(s credential.Scope) callerRule {
	return callerRule{kind: bearer, scope: s, by: []credential.Kind{credential.Workforce, credential.AIAgent}}
}

// freshly is the rule with a step-up for people.
func (r callerRule) freshly() callerRule {
	r.fresh = true
	return r
}

// valid reports what is wrong with a rule: one without a caller, or that names a kind which can never have its scope.
func (r callerRule) valid() error {
	switch {
	case r.kind == nobody:
		return errors.New("has no rule for its caller")
	case r.kind == anyone, r.kind == provider:
		return nil
	case r.scope == "" || len(r.by) == 0:
		return errors.New("names no scope, or no kind of caller")
	}
	for _, k := range r.by {
		if !k.CanHold(r.scope) {
			return fmt.Errorf("is for %s, which cannot have %s", k, r.scope)
		}
	}
	return nil
}

// allows reports whether the principal may call.
func (r callerRule) allows(p credential.Principal) bool {
	return slices.Contains(r.by, p.Kind) && p.Allows(r.scope)
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
	bodyForm            // fields as a browser sends them, needed; who signs them says how they are read
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
	texts  bool // exists only where the provider of text messages may call us
	stream bool // answers for as long as it takes; the handler moves the deadlines on
	dev    bool // not in the contract
	handle func(*handler, echo.Context) error
}

// routes is the whole API: nothing else is registered anywhere. A test compares it with the contract.
func routes() []route {
	starter, holder := app(credential.RecoveriesStart), holder(credential.RecoveriesStart)
	const (
		get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
		rcv                 = "/v1/recoveries/{recovery_id}"
		acc                 = "/v1/accounts/{account_ref}"
		whk                 = "/v1/webhooks/{webhook_id}"
		evt                 = "/v1/audit/events"
		tile                = "/v1/audit/tile/{level}/{part1}"
		cas                 = "/v1/cases/{case_id}"
	)
	return []route{
		{method: post, path: "/v1/recoveries", caller: starter, class: ClassStart, key: keyRequired, body: bodyJSON, handle: (*handler).startRecovery},
		{method: post, path: "/v1/recoveries/claims", caller: starter, class: ClassVerify, key: keyRequired, body: bodyJSON, handle: (*handler).claimRecovery},
		{method: get, path: rcv, caller: holder, class: ClassRead, handle: (*handler).getRecovery},
		{method: post, path: rcv + "/challenges", caller: holder, class: ClassChallenge, key: keyRequired, body: bodyJSON, handle: (*handler).createChallenge},
		{method: post, path: rcv + "/challenges/{challenge_id}/answers", caller: holder, class: ClassVerify, key: keyRequired, body: bodyJSON, handle: (*handler).answerChallenge},
		{method: post, path: rcv + "/cancel", caller: holder, class: ClassRead, key: keyRequired, body: bodyMaybe, handle: (*handler).cancelRecovery},
		{method: post, path: rcv + "/grant", caller: holder, class: ClassGrant, key: keyRequired, body: bodyMaybe, handle: (*handler).takeGrant},

		{method: post, path: rcv + "/appeal", caller: holder, class: ClassRead, key: keyRequired, body: bodyMaybe, handle: (*handler).appealRecovery},

		{method: post, path: "/v1/cases", caller: human(credential.CasesOpen), class: ClassCaseOpen, key: keyRequired, body: bodyJSON, handle: (*handler).openCase},
		{method: get, path: "/v1/cases", caller: desk(credential.CasesRead), class: ClassCaseRead, handle: (*handler).listCases},
		{method: post, path: "/v1/cases/assignments", caller: human(credential.CasesDecide).freshly(), class: ClassCaseWork, key: keyRequired, body: bodyMaybe, handle: (*handler).assignCase},
		{method: get, path: cas, caller: desk(credential.CasesRead), class: ClassCaseRead, handle: (*handler).getCase},
		{method: post, path: cas + "/notes", caller: desk(credential.CasesNote), class: ClassCaseWork, key: keyRequired, body: bodyJSON, handle: (*handler).addCaseNote},
		{method: post, path: cas + "/artefacts", caller: human(credential.CasesArtefact).freshly(), class: ClassCaseWork, key: keyRequired, body: bodyJSON, handle: (*handler).attachCaseArtefact},
		{method: post, path: cas + "/challenges", caller: human(credential.CasesChallenge), class: ClassCaseWork, key: keyRequired, body: bodyJSON, handle: (*handler).challengeInCase},
		{method: post, path: cas + "/proposals", caller: desk(credential.CasesPropose).freshly(), class: ClassCaseWork, key: keyRequired, body: bodyJSON, handle: (*handler).proposeInCase},
		{method: post, path: cas + "/proposals/{proposal_id}/decisions", caller: human(credential.CasesDecide).freshly(), class: ClassCaseWork, key: keyRequired, body: bodyJSON, handle: (*handler).decideInCase},
		{method: post, path: cas + "/flag", caller: desk(credential.CasesFlag), class: ClassCaseWork, key: keyRequired, body: bodyJSON, handle: (*handler).flagCase},

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

		{method: post, path: "/v1/webhooks", caller: staff(credential.SignalsWrite), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).createWebhook},
		{method: get, path: "/v1/webhooks", caller: staff(credential.SignalsRead), class: ClassAccount, handle: (*handler).listWebhooks},
		{method: get, path: whk, caller: staff(credential.SignalsRead), class: ClassAccount, handle: (*handler).getWebhook},
		{method: del, path: whk, caller: staff(credential.SignalsWrite), class: ClassAccount, handle: (*handler).deleteWebhook},
		{method: post, path: whk + "/pause", caller: staff(credential.SignalsWrite), class: ClassAccount, key: keyRequired, body: bodyMaybe, handle: (*handler).pauseWebhook},
		{method: post, path: whk + "/resume", caller: staff(credential.SignalsWrite), class: ClassAccount, key: keyRequired, body: bodyMaybe, handle: (*handler).resumeWebhook},
		{method: post, path: whk + "/rotate", caller: staff(credential.SignalsWrite), class: ClassAccount, key: keyRequired, body: bodyMaybe, handle: (*handler).rotateWebhook},
		{method: post, path: whk + "/verify", caller: staff(credential.SignalsWrite), class: ClassAccount, key: keyRequired, body: bodyMaybe, handle: (*handler).verifyWebhook},
		{method: post, path: whk + "/redeliver", caller: staff(credential.SignalsWrite), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).redeliverPeriod},
		{method: get, path: whk + "/deliveries", caller: staff(credential.SignalsRead), class: ClassAccount, handle: (*handler).listDeliveries},
		{method: get, path: whk + "/deliveries/before/{delivery_id}", caller: staff(credential.SignalsRead), class: ClassAccount, handle: (*handler).listDeliveries},
		{method: post, path: whk + "/deliveries/{delivery_id}/redeliver", caller: staff(credential.SignalsWrite), class: ClassAccount, key: keyRequired, body: bodyMaybe, handle: (*handler).redeliverOne},

		{method: get, path: "/v1/alerts", caller: staff(credential.AlertsRead), class: ClassRead, handle: (*handler).listAlerts},
		{method: get, path: "/v1/alerts/{alert_id}", caller: staff(credential.AlertsRead), class: ClassRead, handle: (*handler).getAlert},
		{method: post, path: "/v1/alerts/{alert_id}/acknowledge", caller: staff(credential.AlertsWrite), class: ClassRead, key: keyRequired, body: bodyJSON, handle: (*handler).acknowledgeAlert},
		{method: get, path: "/v1/funnel", caller: staff(credential.FunnelRead), class: ClassRead, handle: (*handler).readFunnel},
		{method: get, path: "/v1/controls", caller: staff(credential.ControlsRead), class: ClassRead, handle: (*handler).listControls},
		{method: post, path: "/v1/controls", caller: staff(credential.ControlsWrite).freshly(), class: ClassRead, key: keyRequired, body: bodyJSON, handle: (*handler).setControl},
		{method: post, path: "/v1/controls/{control_id}/lift", caller: staff(credential.ControlsWrite).freshly(), class: ClassRead, key: keyRequired, body: bodyJSON, handle: (*handler).liftControl},
		{method: get, path: "/v1/text-rules", caller: staff(credential.TextsRead), class: ClassRead, handle: (*handler).getTextRules},
		{method: put, path: "/v1/text-rules", caller: staff(credential.TextsWrite).freshly(), class: ClassRead, body: bodyJSON, handle: (*handler).putTextRules},
		{method: get, path: "/v1/clients", caller: human(credential.ClientsRead), class: ClassAccount, handle: (*handler).listClients},
		{method: post, path: "/v1/clients", caller: human(credential.ClientsWrite).freshly(), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).createClient},
		{method: post, path: "/v1/clients/{client_id}/rotate", caller: human(credential.ClientsWrite).freshly(), class: ClassAccount, key: keyRequired, body: bodyMaybe, handle: (*handler).rotateClient},
		{method: post, path: "/v1/clients/{client_id}/disable", caller: human(credential.ClientsWrite), class: ClassAccount, key: keyRequired, body: bodyMaybe, handle: (*handler).disableClient},
		{method: post, path: "/v1/clients/{client_id}/keys", caller: human(credential.ClientsWrite).freshly(), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).addClientKeys},
		{method: del, path: "/v1/clients/{client_id}/keys/{key_id}", caller: human(credential.ClientsWrite), class: ClassAccount, handle: (*handler).removeClientKey},
		{method: post, path: "/v1/clients/disable-owner", caller: human(credential.ClientsWrite), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).disableOwner},
		{method: post, path: "/v1/clients/enable-owner", caller: human(credential.ClientsWrite).freshly(), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).enableOwner},
		{method: post, path: "/v1/clients/disable-ai", caller: human(credential.ClientsWrite), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).disableAI},
		{method: post, path: "/v1/clients/enable-ai", caller: human(credential.ClientsWrite).freshly(), class: ClassAccount, key: keyRequired, body: bodyJSON, handle: (*handler).enableAI},

		{method: get, path: evt, caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).listAuditEvents},
		{method: get, path: evt + "/{event_id}", caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).getAuditEvent},
		{method: get, path: evt + "/{event_id}/proof", caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).proveAuditEvent},
		{method: get, path: "/v1/audit/cases/{case_id}", caller: human(credential.AuditRead), class: ClassAudit, handle: (*handler).auditCase},
		{method: get, path: "/v1/audit/people", caller: human(credential.AuditRead), class: ClassAudit, handle: (*handler).auditDesk},
		{method: get, path: "/v1/audit/export", caller: staff(credential.AuditRead), class: ClassAudit, stream: true, handle: (*handler).exportAudit},
		{method: get, path: "/v1/audit/checkpoint", caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).auditCheckpoint},
		{method: get, path: "/v1/audit/consistency", caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).auditConsistency},
		{method: get, path: "/v1/audit/keys", caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).auditKeys},
		{method: get, path: tile, caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).auditTile},
		{method: get, path: tile + "/{part2}", caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).auditTile},
		{method: get, path: tile + "/{part2}/{part3}", caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).auditTile},
		{method: get, path: tile + "/{part2}/{part3}/{part4}", caller: staff(credential.AuditRead), class: ClassAudit, handle: (*handler).auditTile},

		{method: post, path: "/v1/objections", caller: open(), class: ClassObjection, key: keyOptional, body: bodyJSON, handle: (*handler).objectByLink},
		{method: get, path: "/objection", caller: open(), class: ClassPage, page: true, handle: (*handler).objectionPage},
		{method: get, path: "/objection.js", caller: open(), class: ClassPage, page: true, handle: (*handler).objectionScript},
		{method: get, path: "/pages.css", caller: open(), class: ClassPage, page: true, handle: (*handler).stylesheet},

		{method: post, path: "/v1/providers/twilio/status", caller: callerRule{kind: provider}, class: ClassProvider, body: bodyForm, texts: true, handle: (*handler).twilioStatus},
		{method: post, path: "/v1/providers/twilio/messages", caller: callerRule{kind: provider}, class: ClassProvider, body: bodyForm, texts: true, handle: (*handler).twilioMessage},

		{method: get, path: "/.well-known/jwks.json", caller: open(), class: ClassPage, page: true, handle: (*handler).jwks},
		{method: get, path: "/openapi.yaml", caller: open(), class: ClassPage, page: true, handle: (*handler).openAPI},
		{method: get, path: "/docs", caller: open(), class: ClassPage, page: true, handle: (*handler).reference},
		{method: get, path: "/problems/{code}", caller: open(), class: ClassPage, page: true, handle: (*handler).problemPage},
	}
}

// devRoutes exist in a development installation only.
func devRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/dev/inbox", caller: open(), class: ClassPage, page: true, dev: true, handle: (*handler).inbox},
		{method: http.MethodGet, path: "/dev/claim", caller: open(), class: ClassPage, page: true, dev: true, handle: (*handler).devClaimPage},
		{method: http.MethodGet, path: "/dev/claim.js", caller: open(), class: ClassPage, page: true, dev: true, handle: (*handler).devClaimScript},
		{method: http.MethodPost, path: "/dev/clock", caller: open(), class: ClassPage, key: keyOptional, body: bodyJSON, dev: true, handle: (*handler).advanceClock},
		{method: http.MethodPost, path: "/dev/tokens", caller: open(), class: ClassPage, key: keyOptional, body: bodyJSON, dev: true, handle: (*handler).devToken},
	}
}
