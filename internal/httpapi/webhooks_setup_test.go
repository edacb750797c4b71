package httpapi_test

import (
	"context"

	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
)

const (
	webhookID  = "whk_01kagx0b1c3d5e7f9g1h3j5k7m"
	deliveryID = "dlv_01kagx0b1c3d5e7f9g1h3j5k7m001"
)

// webhooks is the double of a tenant's endpoints.
type webhooks struct{ *core }

func endpoint() signal.Endpoint {
	return signal.Endpoint{
		ID: webhookID, Kind: signal.Webhook, URL: "https://hooks.example.com/x", Events: []signal.Type{signal.Completed}, State: signal.Active,
		PublicKeys: []string{"whpk_x"}, CreatedAt: t0(), ChangedAt: t0(),
	}
}

func (w webhooks) Create(_ context.Context, c signal.Caller, r signal.Registration) (signal.Created, error) {
	return signal.Created{Endpoint: endpoint(), Secret: secret.NewString("whsec_x")}, w.ask([]any{c, r})
}

func (w webhooks) List(_ context.Context, tenant string) ([]signal.Endpoint, error) {
	return []signal.Endpoint{endpoint()}, w.ask(tenant)
}

func (w webhooks) Get(_ context.Context, _, id string) (signal.Endpoint, error) {
	return endpoint(), w.ask(id)
}

func (w webhooks) Delete(_ context.Context, c signal.Caller, _ string) error { return w.ask(c) }

func (w webhooks) Pause(_ context.Context, c signal.Caller, _ string) (signal.Endpoint, error) {
	return endpoint(), w.ask(c)
}

func (w webhooks) Resume(_ context.Context, c signal.Caller, _ string) (signal.Endpoint, error) {
	return endpoint(), w.ask(c)
}

func (w webhooks) Rotate(_ context.Context, c signal.Caller, _ string) (signal.Created, error) {
	return signal.Created{Endpoint: endpoint(), Secret: secret.NewString("whsec_y")}, w.ask(c)
}

func (w webhooks) Verify(_ context.Context, c signal.Caller, _ string) (string, error) {
	return deliveryID, w.ask(c)
}

func (w webhooks) Redeliver(_ context.Context, _ signal.Caller, _ string, r signal.Redelivery) error {
	return w.ask(r)
}

func (w webhooks) Deliveries(_ context.Context, q signal.DeliveryQuery) ([]signal.Delivery, error) {
	return []signal.Delivery{{
		ID: deliveryID, Endpoint: webhookID, Type: signal.Completed, Cause: "evt_1", Recovery: recoveryID, At: t0(), Status: signal.StatusPending, Attempts: 1,
		NextAt: t0(), Tries: []signal.Try{{At: t0(), Outcome: "redirect", Status: 302}},
	}}, w.ask(q)
}

// goodWebhooks lists one good request for every operation about webhooks.
func goodWebhooks() map[string]sent {
	const whk = "/v1/webhooks/" + webhookID
	return map[string]sent{
		"createWebhook":               {method: "POST", path: "/v1/webhooks", body: `{"kind":"set","url":"https://hooks.example.com/x","events":["recovery.completed"],"subject_issuer":"https://login.example.com","authorization":"Bearer abc"}`},
		"listWebhooks":                {method: "GET", path: "/v1/webhooks"},
		"getWebhook":                  {method: "GET", path: whk},
		"deleteWebhook":               {method: "DELETE", path: whk},
		"pauseWebhook":                {method: "POST", path: whk + "/pause"},
		"resumeWebhook":               {method: "POST", path: whk + "/resume"},
		"rotateWebhook":               {method: "POST", path: whk + "/rotate", body: `{}`},
		"verifyWebhook":               {method: "POST", path: whk + "/verify"},
		"redeliverWebhookPeriod":      {method: "POST", path: whk + "/redeliver", body: `{"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"}`},
		"listWebhookDeliveries":       {method: "GET", path: whk + "/deliveries"},
		"listWebhookDeliveriesBefore": {method: "GET", path: whk + "/deliveries/before/" + deliveryID},
		"redeliverWebhook":            {method: "POST", path: whk + "/deliveries/" + deliveryID + "/redeliver"},
	}
}
