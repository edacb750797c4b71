package app

import (
	"fmt"
	"net/url"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/notify/smtp"
	"github.com/holdfast/holdfast/internal/notify/twilio"
)

// NewSender builds a sender for every channel that the configuration has a provider for.
func NewSender(cfg config.Config) (notify.Sender, error) {
	routes := map[factor.Method]notify.Sender{}
	if cfg.SMTP.Enabled() {
		s, err := smtp.New(smtp.Config{
			Host: cfg.SMTP.Host, Port: cfg.SMTP.Port, Username: cfg.SMTP.Username, Password: cfg.SMTP.Password,
			TLS: smtpTLS(cfg.SMTP.TLS), From: cfg.SMTP.From,
		})
		if err != nil {
			return nil, fault.Wrap(err, "build mail sender")
		}
		routes[factor.Email] = s
	}
	if cfg.Twilio.Enabled() {
		s, err := newTwilio(cfg)
		if err != nil {
			return nil, err
		}
		routes[factor.SMS] = s
	}
	return notify.NewRouter(routes), nil
}

func newTwilio(cfg config.Config) (notify.Sender, error) {
	t := cfg.Twilio
	var base *url.URL
	if t.BaseURL != "" {
		var err error
		if base, err = url.Parse(t.BaseURL); err != nil {
			return nil, fmt.Errorf("HOLDFAST_TWILIO_BASE_URL does not parse")
		}
	}
	callback, err := publicURL(cfg, pathTwilioStatus)
	if err != nil {
		return nil, err
	}
	s, err := twilio.New(twilio.Config{
		AccountSID: t.AccountSID, AuthToken: t.AuthToken, From: t.From, MessagingServiceSID: t.MessagingServiceSID, BaseURL: base,
		StatusCallback: callback,
	})
	return s, fault.Wrap(err, "build text sender")
}

func smtpTLS(mode config.TLSMode) smtp.TLS {
	switch mode {
	case config.Implicit:
		return smtp.Implicit
	case config.NoTLS:
		return smtp.None
	case config.StartTLS:
		return smtp.Mandatory
	default:
		return smtp.Mandatory
	}
}
