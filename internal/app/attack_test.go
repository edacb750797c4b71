package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/attack"
)

// Every attack that `holdfast attack` plays, in its short form, against a service with its real limits: nothing gets through, and
// no victim is kept out. T11 to T14, T21, T22, T25, T30, T31, T41, T42.
func TestAttacks_GetNothingThroughAndKeepNobodyOut(t *testing.T) {
	t.Parallel()
	for _, scenario := range attack.Scenarios() {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			s := apptest.New(t)
			r, err := scenario.Run(t.Context(), attack.Target{
				Base: s.Base, App: s.AppToken, Identity: s.IdentityToken, HTTP: &http.Client{Timeout: apptest.Patience}, Now: time.Now, //nolint:forbidigo // names and the time that answers take.
				Settled: func(context.Context) error { settle(t, s); return nil },
				Inbox: func(context.Context) ([]attack.Message, error) {
					var out []attack.Message
					for _, m := range s.Mail.All() {
						out = append([]attack.Message{{To: m.To.Reveal(), Kind: string(m.Kind), Code: m.Code.Reveal()}}, out...)
					}
					return out, nil
				},
			})
			require.NoError(t, err)
			require.True(t, r.Held(), "%+v", r.Numbers)
		})
	}
}
