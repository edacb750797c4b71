package audit

import "strings"

// OCSFVersion is the version of the Open Cybersecurity Schema Framework that events are exported in.
const OCSFVersion = "1.4.0"

// The classes of OCSF that our events are.
const (
	ocsfAccountChange  = 3001
	ocsfAuthentication = 3002
	ocsfEntity         = 3004
	ocsfAPI            = 6003
	ocsfOther          = 99
)

// OCSF writes an event in the schema's own terms. What OCSF has no word for stands in unmapped. An AI agent is named by
// its agent's id, beside the actor.
func OCSF(e Entry) map[string]any {
	class, activity, name := ocsfClass(e.Event.Action)
	out := map[string]any{
		"class_uid": class, "category_uid": class / 1000, "activity_id": activity, "activity_name": name, "type_uid": class*100 + activity,
		"time": e.Event.At.UnixMilli(), "severity_id": ocsfSeverity(e.Event), "status_id": 1, "status": "Success",
		"message":  string(e.Event.Action),
		"metadata": ocsfMetadata(e.Event),
		"actor":    ocsfActor(e.Event.Actor),
		"unmapped": ocsfUnmapped(e.Event),
	}
	if e.Event.Outcome == Failure {
		out["status_id"], out["status"] = 2, "Failure"
	}
	user := map[string]any{"uid": first(e.Event.Account, e.Event.Subject), "type_id": 1}
	switch class {
	case ocsfAccountChange, ocsfAuthentication:
		out["user"] = user
	case ocsfEntity:
		out["entity"] = map[string]any{"uid": e.Event.Subject, "type": entityType(e.Event.Subject)}
	case ocsfAPI:
		out["api"] = map[string]any{"operation": string(e.Event.Action)}
		out["src_endpoint"] = map[string]any{"name": "unknown"}
	}
	if e.Personal != nil && e.Personal.Origin != "" && class != ocsfAccountChange {
		out["src_endpoint"] = map[string]any{"name": e.Personal.Origin}
	}
	return out
}

// ocsfClass gives class and activity of an action.
func ocsfClass(a Action) (class, activity int, name string) {
	text := string(a)
	switch {
	case a == ProofAccepted, a == ProofRejected:
		return ocsfAuthentication, 1, "Logon"
	case a == AuditRead:
		return ocsfAPI, 2, "Read"
	case a == AuditExported:
		return ocsfAPI, ocsfOther, "Export"
	case a == AccountRegistered:
		return ocsfAccountChange, 1, "Create"
	case a == AccountErased:
		return ocsfAccountChange, 6, "Delete"
	case a == FactorBound:
		return ocsfAccountChange, 10, "MFA Factor Enable"
	case a == FactorRevoked:
		return ocsfAccountChange, 11, "MFA Factor Disable"
	case a == RecoveryCompleted:
		return ocsfAccountChange, 4, "Password Reset"
	case strings.HasPrefix(text, "account."), strings.HasPrefix(text, "factor."), strings.HasPrefix(text, "saved_code."):
		return ocsfAccountChange, ocsfOther, text
	case a == RecoveryInitiated, a == ClientCreated:
		return ocsfEntity, 1, "Create"
	default:
		return ocsfEntity, 3, "Update"
	}
}

// ocsfSeverity is informational, and low for what was refused.
func ocsfSeverity(e Event) int {
	if e.Outcome == Failure {
		return 2
	}
	return 1
}

func ocsfMetadata(e Event) map[string]any {
	return map[string]any{
		"version": OCSFVersion, "uid": e.ID, "tenant_uid": e.Tenant, "log_name": "holdfast audit", "event_code": string(e.Action),
		"product": map[string]any{"name": "Holdfast", "vendor_name": "Holdfast"},
	}
}

func ocsfActor(a Actor) map[string]any {
	switch a.Kind {
	case ActorAI:
		return map[string]any{"app_name": "ai_agent", "app_uid": a.ID, "user": map[string]any{"uid": a.ID, "type_id": 3}}
	case ActorClient:
		return map[string]any{"app_name": "client", "app_uid": a.ID}
	case ActorAgent, ActorOperator:
		return map[string]any{"user": map[string]any{"uid": first(a.ID, string(a.Kind)), "type_id": 2}}
	case ActorClaimant, ActorOwner, ActorSystem:
		return map[string]any{"app_name": string(a.Kind)}
	default:
		return map[string]any{"app_name": string(a.Kind)}
	}
}

func ocsfUnmapped(e Event) map[string]any {
	out := map[string]any{"subject": e.Subject, "actor_kind": string(e.Actor.Kind)}
	if e.Actor.Kind == ActorAI { // ai_operation.ai_agent, which the pinned version does not have yet
		out["ai_operation"] = map[string]any{"ai_agent": map[string]any{"uid": e.Actor.ID}}
	}
	for name, text := range map[string]string{"recovery": e.Recovery, "from": e.From, "to": e.To, "reason": e.Reason, "policy_version": e.PolicyVersion} {
		if text != "" {
			out[name] = text
		}
	}
	if e.Details != nil {
		out["details"] = e.Details
	}
	return out
}

// entityType names a thing by the prefix of its id.
func entityType(id string) string {
	prefix, _, found := strings.Cut(id, "_")
	if !found {
		return "other"
	}
	return prefix
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
