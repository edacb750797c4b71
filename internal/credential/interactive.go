package credential

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// reportEvery bounds how often one credential's misuse is written down by one node: the first time says it all.
const reportEvery = time.Minute

// ReportInteractiveUse writes down that a machine's credential came from a browser: a person is using it. The signs
// are names of headers. It is the caller's to refuse the request, whatever becomes of the report.
func (s *Clients) ReportInteractiveUse(ctx context.Context, p Principal, requestID string, signs []string) error {
	err := s.report(ctx, p.Client+"/"+p.Credential, func(now time.Time) audit.Event {
		return audit.Event{
			ID: secret.NewID("evt", now, s.Rand), Tenant: p.Tenant, At: now, Actor: p.Actor(), Action: audit.ClientInteractiveUse, Subject: p.Client,
			Outcome: audit.Failure, Reason: "interactive_use", RequestID: requestID,
			Details: map[string]any{"credential": p.Credential, "kind": string(p.Kind), "signs": signs},
		}
	})
	return fault.Wrap(err, "report interactive use")
}

// ReportRefused writes down that a known principal asked for what is not for them (R-172, ASVS 16.3.2): the route, and the code of why. The same
// of one principal is written once a minute by a node. It is the caller's to refuse the request, whatever becomes of the report.
func (s *Clients) ReportRefused(ctx context.Context, p Principal, requestID, route string, why fault.Code) error {
	tenant := p.Tenant
	if tenant == "" { // a person who serves several, and asked for another
		tenant = everyTenant
	}
	details := map[string]any{"route": route}
	if !p.Human() {
		details["credential"], details["kind"] = p.Credential, string(p.Kind)
	}
	err := s.report(ctx, p.Tenant+"/"+p.Name()+"/"+p.Credential+"/"+route+"/"+string(why), func(now time.Time) audit.Event {
		return audit.Event{
			ID: secret.NewID("evt", now, s.Rand), Tenant: tenant, At: now, Actor: p.Actor(), Action: audit.AuthorisationFailed, Subject: p.Name(),
			Outcome: audit.Failure, Reason: string(why), RequestID: requestID, Details: details,
		}
	})
	return fault.Wrap(err, "report refusal")
}

// report writes an event unless the same was written lately. One that could not be written has not been: the next request tries again.
func (s *Clients) report(ctx context.Context, what string, event func(now time.Time) audit.Event) error {
	if !s.reported.first(what, s.Clock.Now()) {
		return nil
	}
	err := s.Store.Report(ctx, event)
	if err != nil {
		s.reported.failed(what)
	}
	return err
}
