package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi"
	"github.com/holdfast/holdfast/internal/notify/twilio"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/telemetry"
)

// Where Twilio reaches us, below the public URL.
const (
	pathTwilioStatus   = "v1/providers/twilio/status"
	pathTwilioMessages = "v1/providers/twilio/messages"
)

// publicURL is an address of ours as others know it.
func publicURL(cfg config.Config, path string) (*url.URL, error) {
	base, err := url.Parse(cfg.HTTP.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("the public URL does not parse")
	}
	return base.JoinPath(path), nil
}

// newTexts builds what hears the provider of text messages; nil where none is configured, and then its routes do not exist.
func (a *App) newTexts() (httpapi.Texts, error) {
	t := a.Config.Twilio
	if !t.Enabled() {
		return nil, nil //nolint:nilnil // no provider is an answer.
	}
	status, err := publicURL(a.Config, pathTwilioStatus)
	if err != nil {
		return nil, err
	}
	message, err := publicURL(a.Config, pathTwilioMessages)
	if err != nil {
		return nil, err
	}
	callbacks, err := twilio.NewCallbacks(twilio.CallbackConfig{
		AccountSID: t.AccountSID, AuthToken: t.AuthToken, StatusURL: status, MessageURL: message, Fields: strings.FieldsFunc(t.CallbackFields, func(r rune) bool { return r == ',' }),
	})
	return texts{callbacks, a.Deliveries, a.Metrics}, fault.Wrap(err, "build callbacks")
}

// texts is httpapi.Texts on Twilio's callbacks.
type texts struct {
	callbacks  *twilio.Callbacks
	deliveries *delivery.Service
	metrics    *telemetry.Metrics
}

// Status implements httpapi.Texts.
func (t texts) Status(ctx context.Context, signatures []string, form []byte) error {
	report, err := t.callbacks.Status(signatures, form)
	if err != nil {
		return t.refuse(ctx, err)
	}
	return t.deliveries.Report(ctx, report)
}

// Message implements httpapi.Texts.
func (t texts) Message(ctx context.Context, signatures []string, form []byte) error {
	reply, err := t.callbacks.Message(signatures, form)
	if err != nil {
		return t.refuse(ctx, err)
	}
	return t.deliveries.Reply(ctx, reply)
}

// refuse says why in the log's line and the metric, and not to the caller.
func (t texts) refuse(ctx context.Context, err error) error {
	var refused *twilio.Refused
	if errors.As(err, &refused) {
		t.metrics.CallbackRefused(refused.Why)
		telemetry.EventFrom(ctx).Set("refused", refused.Why)
	}
	return fault.Of(fault.CodeForbidden).Because(err)
}

// objector has the deliveries' replies heard by the recoveries.
type objector struct{ recoveries *recovery.Service }

// ObjectByReply implements delivery.Objector.
func (o objector) ObjectByReply(ctx context.Context, told delivery.Told) error {
	_, err := o.recoveries.ObjectByReply(ctx, recovery.ReplyCommand{Tenant: told.Tenant, Recovery: told.Recovery, Channel: told.Channel})
	return err
}
