package httpapi

import (
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// caller is the client behind the request, as the recovery's use cases take it.
func (in *call) caller() recovery.Caller {
	return recovery.Caller{
		Tenant: in.who.Tenant, Client: in.who.Client, Publishable: in.who.Kind != credential.Service,
		Addr: in.source, RequestID: in.requestID,
	}
}

// ref is the recovery that the claimant acts on.
func (in *call) ref() recovery.Ref {
	return recovery.Ref{ID: in.params["recovery_id"], Claimant: in.claimant}
}

type startRequest struct {
	Identifier struct {
		Type  recovery.IdentifierType `json:"type"`
		Value secret.String           `json:"value"`
	} `json:"identifier"`
	Reason recovery.Reason `json:"reason"`
	Client struct {
		IP          string `json:"ip"`
		UserAgent   string `json:"user_agent"`
		DeviceID    string `json:"device_id"`
		KnownDevice *bool  `json:"known_device"`
	} `json:"client"`
}

// endUser is what the request states about the person at the other end.
func (r startRequest) endUser() (recovery.EndUser, error) {
	user := recovery.EndUser{UserAgent: r.Client.UserAgent, DeviceID: r.Client.DeviceID, KnownDevice: r.Client.KnownDevice}
	if r.Client.IP == "" {
		return user, nil
	}
	addr, err := netip.ParseAddr(r.Client.IP)
	if err != nil {
		return user, fault.Of(fault.CodeInvalidRequest).At("/client/ip", "does not have the right form")
	}
	user.Addr = addr.Unmap()
	return user, nil
}

// startRecovery handles POST /v1/recoveries.
func (h *handler) startRecovery(c echo.Context) error {
	var body startRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	user, err := body.endUser()
	if err != nil {
		return err
	}
	in := callOf(c)
	started, err := h.Recoveries.Start(c.Request().Context(), recovery.StartCommand{
		Caller: in.caller(), Type: body.Identifier.Type, Value: body.Identifier.Value, Reason: body.Reason, User: user, Key: in.key,
	})
	if err != nil {
		return err
	}
	return handOver(c, started)
}

// claimRecovery handles POST /v1/recoveries/claims.
func (h *handler) claimRecovery(c echo.Context) error {
	var body struct {
		Token secret.String `json:"claim_token"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	started, err := h.Recoveries.Claim(c.Request().Context(), recovery.ClaimCommand{Caller: in.caller(), Link: body.Token, Key: in.key})
	if err != nil {
		return err
	}
	return handOver(c, started)
}

// handOver answers with a recovery and its claimant token.
func handOver(c echo.Context, started recovery.Started) error {
	out := presentRecovery(started.View)
	out.ClaimantToken = plainSecret(started.ClaimantToken)
	c.Response().Header().Set("Location", "/v1/recoveries/"+started.ID)
	return respond(c, http.StatusCreated, out)
}

// getRecovery handles GET /v1/recoveries/{recovery_id}.
func (h *handler) getRecovery(c echo.Context) error {
	in := callOf(c)
	view, err := h.Recoveries.Get(c.Request().Context(), recovery.GetCommand{Caller: in.caller(), Ref: in.ref()})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentRecovery(view))
}

// createChallenge handles POST /v1/recoveries/{recovery_id}/challenges.
func (h *handler) createChallenge(c echo.Context) error {
	var body struct {
		Method factor.Method `json:"method"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	view, err := h.Recoveries.Challenge(c.Request().Context(), recovery.ChallengeCommand{
		Caller: in.caller(), Ref: in.ref(), Method: body.Method, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, challengeBody{
		ID: view.ID, Method: view.Method, ExpiresAt: view.ExpiresAt.UTC(), ResendAfter: view.ResendAfter.UTC(),
	})
}

// answerChallenge handles POST /v1/recoveries/{recovery_id}/challenges/{challenge_id}/answers.
func (h *handler) answerChallenge(c echo.Context) error {
	var body struct {
		Code secret.String `json:"code"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	view, err := h.Recoveries.Answer(c.Request().Context(), recovery.AnswerCommand{
		Caller: in.caller(), Ref: in.ref(), Challenge: in.params["challenge_id"], Code: body.Code, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentRecovery(view))
}

// cancelRecovery handles POST /v1/recoveries/{recovery_id}/cancel.
func (h *handler) cancelRecovery(c echo.Context) error {
	in := callOf(c)
	view, err := h.Recoveries.Cancel(c.Request().Context(), recovery.CancelCommand{Caller: in.caller(), Ref: in.ref(), Key: in.key})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentRecovery(view))
}

// takeGrant handles POST /v1/recoveries/{recovery_id}/grant.
func (h *handler) takeGrant(c echo.Context) error {
	in := callOf(c)
	view, err := h.Recoveries.Grant(c.Request().Context(), recovery.GrantCommand{Caller: in.caller(), Ref: in.ref(), Key: in.key})
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, grantBody{Grant: plainSecret(view.Grant), ExpiresAt: view.ExpiresAt.UTC()})
}

// redeemGrant handles POST /v1/grants/redeem.
func (h *handler) redeemGrant(c echo.Context) error {
	var body struct {
		Grant secret.String `json:"grant"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	redemption, err := h.Recoveries.Redeem(c.Request().Context(), recovery.RedeemCommand{Caller: in.caller(), Grant: body.Grant, Key: in.key})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentRedemption(redemption))
}
