package app

import (
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/secret"
)

// stageOf is the stage of the funnel that an event stands for, "" for none. A proof that starts the hold counts as both.
func stageOf(e audit.Event) []string {
	var out []string
	if _, proof := e.Details["class"].(string); proof && e.Outcome == audit.Success {
		out = append(out, "proof")
	}
	switch e.Action { //nolint:exhaustive // the others are no stage.
	case audit.RecoveryInitiated:
		out = append(out, "started")
	case audit.CoolingOffEntered, audit.RecoveryApproved:
		out = append(out, "held")
	case audit.RecoveryContested, audit.RecoveryObjected:
		out = append(out, "objected")
	case audit.RecoveryCompleted:
		out = append(out, "completed")
	case audit.RecoveryExpired, audit.RecoveryCancelled:
		out = append(out, "abandoned")
	}
	return out
}

// stage counts what an event means for the funnel. A recovery's id says when it began.
func (a *App) stage(e audit.Event) {
	began, err := secret.TimeOf("rcv", e.Recovery)
	if err != nil {
		return
	}
	tier, _ := e.Details["tier"].(string)
	method, _ := e.Details["method"].(string)
	for _, stage := range stageOf(e) {
		a.Metrics.Stage(stage, tier, method, max(e.At.Sub(began), 0))
	}
}
