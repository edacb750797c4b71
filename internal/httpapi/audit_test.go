package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
)

// log is the audit log's side of the core.
type log struct{ *core }

func (l log) Case(_ context.Context, _ auditlog.Reader, caseID, _ string, _ int) (auditlog.CaseTrail, error) {
	return auditlog.CaseTrail{Page: auditlog.Page{Records: []auditlog.Record{auditRecord()}}, Decisions: []auditlog.Decision{{
		Event: eventID, Proposal: proposalID, Outcome: "approve", ProposedBy: "stf_robin", Person: "stf_sam", Consent: true, At: t0().Add(time.Minute),
		DrawnAt: t0(), FirstLookAt: t0().Add(time.Second), Reason: "Looked it up.",
	}}}, l.ask(caseID)
}

func (l log) Desk(_ context.Context, _ auditlog.Reader, f auditlog.DeskFilter) (auditlog.Desk, error) {
	return auditlog.Desk{Workers: []auditlog.Worker{{
		Actor: audit.Actor{Kind: audit.ActorAgent, ID: "stf_sam"}, Cases: 1, Looks: 2, Drawn: 1, Approved: 1, DrawToDecide: time.Minute,
		Proposers: []auditlog.Pair{{Person: "stf_robin", Proposals: 1}},
	}}, Next: "stf_sam"}, l.ask(f)
}

func auditRecord() auditlog.Record {
	return auditlog.Record{
		Entry: audit.Entry{
			Event: audit.Event{
				ID: eventID, Tenant: "acme", At: t0(), Actor: audit.Actor{Kind: audit.ActorClient, ID: "cli_1"}, Action: audit.AccountRegistered,
				Subject: accountID, Account: accountID, Outcome: audit.Success, Details: map[string]any{"channels": json.Number("2")},
			},
			Salt: []byte("0123456789abcdef"), Personal: &audit.Personal{Salt: []byte("fedcba9876543210"), Origin: "203.0.113.0/24", RequestID: "req_1"},
		},
		Index: 0, Leaf: []byte("{}"),
	}
}

func (l log) Events(_ context.Context, _ auditlog.Reader, f auditlog.Filter) (auditlog.Page, error) {
	return auditlog.Page{Records: []auditlog.Record{auditRecord()}, Next: eventID}, l.ask(f)
}

func (l log) Event(_ context.Context, _ auditlog.Reader, id string) (auditlog.Record, error) {
	return auditRecord(), l.ask(id)
}

func (l log) Proof(_ context.Context, _ auditlog.Reader, id string) (auditlog.Proof, error) {
	return auditlog.Proof{Record: auditRecord(), Checkpoint: []byte("a note"), Hashes: []audit.Hash{{1}}}, l.ask(id)
}

func (l log) Checkpoint(context.Context, int) ([]byte, error) {
	return []byte("a note"), l.ask("checkpoint")
}

func (l log) Consistency(_ context.Context, from, to int64) ([2]int64, []audit.Hash, error) {
	return [2]int64{from, to}, []audit.Hash{{1}}, l.ask([2]int64{from, to})
}

func (l log) Tile(_ context.Context, path string) ([]byte, error) {
	return make([]byte, 32), l.ask(path)
}

func (l log) VerifierKeys() (string, []string) { return "o", []string{"o+1+k"} }

func (l log) Export(_ context.Context, _ auditlog.Reader, _ auditlog.Filter, format auditlog.Format) (auditlog.Exporting, error) {
	return exporting(format), l.ask(format)
}

type exporting string

func (e exporting) Write(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "{}\n")
	return err
}

// goodAudit is a good call of every operation on the audit log.
func goodAudit() map[string]sent {
	evt, tile := "/v1/audit/events", "/v1/audit/tile/0"
	return map[string]sent{
		"listAuditEvents":     {method: "GET", path: evt + "?account_ref=user-1042&recovery_id=" + recoveryID + "&action=recovery.ready&since=2026-03-01T00:00:00Z&limit=5"},
		"getAuditEvent":       {method: "GET", path: evt + "/" + eventID},
		"proveAuditEvent":     {method: "GET", path: evt + "/" + eventID + "/proof"},
		"getCaseTrail":        {method: "GET", path: "/v1/audit/cases/" + caseID + "?limit=5", bearer: "person"},
		"listDeskWork":        {method: "GET", path: "/v1/audit/people?since=2026-03-01T00:00:00Z&until=2026-03-08T00:00:00Z&limit=5", bearer: "person"},
		"getAuditCheckpoint":  {method: "GET", path: "/v1/audit/checkpoint"},
		"getAuditConsistency": {method: "GET", path: "/v1/audit/consistency?from=3&to=9"},
		"exportAudit":         {method: "GET", path: "/v1/audit/export?format=ocsf&since=2026-03-01T00:00:00Z"},
		"getAuditKeys":        {method: "GET", path: "/v1/audit/keys"},
		"getAuditTile":        {method: "GET", path: tile + "/067"},
		"getAuditTile2":       {method: "GET", path: tile + "/x001/067"},
		"getAuditTile3":       {method: "GET", path: tile + "/x001/067.p/12"},
		"getAuditTile4":       {method: "GET", path: tile + "/x001/x002/067.p/12"},
	}
}
