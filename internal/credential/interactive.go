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
	if !s.reported.first(p.Client+"/"+p.Credential, s.Clock.Now()) {
		return nil
	}
	err := s.Store.Report(ctx, func(now time.Time) audit.Event {
		return audit.Event{
			ID: secret.NewID("evt", now, s.Rand), Tenant: p.Tenant, At: now, Actor: p.Actor(), Action: audit.ClientInteractiveUse, Subject: p.Client,
			Outcome: audit.Failure, Reason: "interactive_use", RequestID: requestID,
			Details: map[string]any{"credential": p.Credential, "kind": string(p.Kind), "signs": signs},
		}
	})
	return fault.Wrap(err, "report interactive use")
}
