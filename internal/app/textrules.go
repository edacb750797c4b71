package app

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/notify/twilio"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/textrule"
	"github.com/holdfast/holdfast/internal/throttle"
)

// textRules is what the configuration lets text messages cost and reach. Development's factor widens it as it does all limits.
func textRules(cfg config.Config) dispatch.TextRules {
	r := dispatch.TextRules{
		Countries: cfg.Texts.Countries, Fiction: cfg.Dev(),
		PrefixHour: cfg.Texts.PrefixHour, CountryDay: cfg.Texts.CountryDay, TenantDay: cfg.Texts.TenantDay, Day: cfg.Texts.Day,
	}
	if !cfg.Dev() || cfg.LimitFactor <= 1 {
		return r
	}
	for _, n := range []*int{&r.PrefixHour, &r.CountryDay, &r.TenantDay, &r.Day} {
		*n = int(math.Min(float64(*n)*cfg.LimitFactor, 1<<30))
	}
	return r
}

// NewTextRules builds the use cases of tenants' text rules, for the service and for an operator's command.
func NewTextRules(db *postgres.DB, cfg config.Config) *textrule.Service {
	return &textrule.Service{Store: postgres.NewTextRules(db), Installation: textRules(cfg).Ceiling()}
}

// carrier builds what asks carriers; nil where none is configured, and then every SIM is unknown.
func (a *App) carrier() (dispatch.Carrier, error) {
	if !a.Config.Twilio.Lookup {
		return nil, nil //nolint:nilnil // none is asked.
	}
	t := a.Config.Twilio
	var base *url.URL
	if t.LookupBaseURL != "" {
		var err error
		if base, err = url.Parse(t.LookupBaseURL); err != nil {
			return nil, fmt.Errorf("HOLDFAST_TWILIO_LOOKUP_BASE_URL does not parse")
		}
	}
	l, err := twilio.NewLookup(twilio.LookupConfig{AccountSID: t.AccountSID, AuthToken: t.AuthToken, BaseURL: base})
	if err != nil {
		return nil, fault.Wrap(err, "build carrier look-up")
	}
	return budgeted{l, a.limiter}, nil
}

// budgeted keeps what is paid for look-ups within their own budget. Beyond it, or when the budget's store is down, a SIM is
// unknown: that raises, and opens nothing.
type budgeted struct {
	lookup  *twilio.Lookup
	limiter *throttle.Limits
}

// Report implements dispatch.Carrier.
func (b budgeted) Report(ctx context.Context, tenant string, number secret.String, now time.Time) (phone.Report, error) {
	if err := b.limiter.Allow(ctx, []throttle.Take{{Rule: throttle.LookupTenant, Key: tenant}}); err != nil {
		return phone.Report{}, err
	}
	return b.lookup.Report(ctx, number, now)
}
