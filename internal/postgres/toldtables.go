package postgres

import (
	"strings"

	"github.com/holdfast/holdfast/internal/audit"
)

// about says what the events are about that tell of a table's rows.
type about string

// What events are about.
const (
	aboutAccount  about = "account"  // by account_id, and imports
	aboutRecovery about = "recovery" // by recovery_id
	aboutSubject  about = "subject"  // by subject
)

// toldTable is a table whose rows events tell of: the other half of the migrations' make_told. It is written down here as well
// because replay must not ask the database that it judges.
type toldTable struct {
	name   string
	about  about
	from   string // what the row x is read from; its name when empty
	scope  string // what its events are about, as an expression over the row x
	id     string
	fields string // those with # are told as digests of bytes, with ~ of text
	rule   audit.RowRule
	// head is for a table whose rows the others of the same scope hang on: its rows are walked. begins is the action of the event
	// that makes one.
	head   bool
	begins audit.Action
	// under is the table that a row's scope has to be in; the row is no one's otherwise.
	under string
}

// What is told of a notice, and its rule. Of one without a link nobody has to tell before it was sent.
const noticeFields = "account_id recovery_id kind channel_id #objection_hash #claim_hash created_at accepted_at failed_at delivered_at failed_reason"

var noticeRule = audit.RowRule{ //nolint:gochecknoglobals // a constant, if Go had such ones.
	Untold: true, Until: []string{"objection_hash", "claim_hash", "accepted_at", "failed_at", "delivered_at"}, Forgotten: true, GoesWithout: "recovery_id",
}

// toldTables are all of them. A test holds them against the triggers.
var toldTables = []toldTable{ //nolint:gochecknoglobals // a constant, if Go had such ones.
	{
		name: "account", about: aboutAccount, scope: "x.id", id: "x.id", head: true, begins: audit.AccountRegistered,
		fields: "population aal ial locale created_at erased_at erasure_asked_at erasure_asked_by",
	},
	{
		name: "channel", about: aboutAccount, scope: "x.account_id", id: "x.id", under: "account",
		fields: "account_id kind since removed_at suspect_at suspect_until #sealed", rule: audit.RowRule{Ends: []string{"removed_at"}},
	},
	{
		name: "factor", about: aboutAccount, scope: "x.account_id", id: "x.id", under: "account",
		fields: "account_id kind enrolled_at confirmed_at removed_at suspect_at suspect_until last_step #sealed", rule: audit.RowRule{Ends: []string{"removed_at"}},
	},
	{
		name: "saved_code", about: aboutAccount, scope: "x.account_id", id: "x.id", under: "account",
		fields: "account_id issued_at used_at revoked_at ~phc", rule: audit.RowRule{Ends: []string{"used_at", "revoked_at"}},
	},

	{name: "recovery", about: aboutRecovery, scope: "x.id", id: "x.id", head: true, begins: audit.RecoveryInitiated, fields: "#claimant_hash client_id subject created_at"},
	{
		name: "recovery_grant", about: aboutRecovery, scope: "x.recovery_id", id: "x.id", under: "recovery",
		fields: "recovery_id #token_hash issued_at expires_at voided_at redeemed_at redeemed_by",
	},
	{
		name: "challenge", about: aboutRecovery, scope: "x.recovery_id", id: "x.id", under: "recovery",
		fields: "recovery_id method channel_id sends attempts created_at expires_at accepted_at consumed_at", rule: audit.RowRule{Forgotten: true},
	},
	{name: "objection", about: aboutRecovery, scope: "x.recovery_id", id: "x.id", under: "recovery", fields: "recovery_id channel strength at resolved_at"},
	{
		name: "claim_seat", about: aboutRecovery, scope: "x.recovery_id", id: "x.recovery_id", under: "recovery",
		fields: "expires_at taken_at taken_by notice_id", rule: audit.RowRule{Forgotten: true},
	},

	{name: "evidence", about: aboutRecovery, scope: "x.recovery_id", id: "x.recovery_id || '/' || x.challenge_id", under: "recovery", fields: "recovery_id method class source source_since accepted_at phishing_resistant aal suspect"},

	// A recovery's notices hang on it; the others are about their account, and nothing follows from them. Which table of the two toldNamed gives is the first.
	{
		name: "notice", about: aboutSubject, from: "(select * from %s where recovery_id is null) x", scope: "x.id", id: "x.id", head: true, fields: noticeFields, rule: noticeRule,
	},
	{name: "notice", about: aboutRecovery, scope: "x.recovery_id", id: "x.id", under: "recovery", fields: noticeFields, rule: noticeRule},

	{
		name: "support_case", about: aboutSubject, scope: "x.id", id: "x.id", head: true, begins: audit.CaseOpened,
		fields: "recovery_id via opened_by state version workers barred flagged_at flag_reason ai_involved outcome created_at expires_at closed_at",
	},
	{
		name: "support_note", about: aboutSubject, scope: "x.case_id", id: "x.id", under: "support_case",
		fields: "person client at #sealed", rule: audit.RowRule{Forgotten: true},
	},
	{
		name: "support_artefact", about: aboutSubject, scope: "x.case_id", id: "x.id", under: "support_case",
		fields: "recovery_id kind provider #hash performed_at person at",
	},
	{
		name: "support_proposal", about: aboutSubject, scope: "x.case_id", id: "x.id", under: "support_case",
		fields: "recovery_id recovery_version outcome #hash policy_version person client ai security at expires_at status closed_at",
	},
	{name: "support_assignment", about: aboutSubject, from: "support_proposal p join %s x on x.tenant_id = p.tenant_id and x.proposal_id = p.id", scope: "p.case_id", id: "x.proposal_id || '/' || x.person", under: "support_case", fields: "at expires_at read_at"},
	{
		name: "support_decision", about: aboutSubject, from: "support_proposal p join %s x on x.tenant_id = p.tenant_id and x.proposal_id = p.id", scope: "p.case_id", id: "x.proposal_id || '/' || x.person", under: "support_case",
		fields: "consent security #hash #reason account read_at at",
	},

	{name: "client", about: aboutSubject, scope: "x.id", id: "x.id", head: true, begins: audit.ClientCreated, fields: "kind scopes ~owner created_at disabled_at"},
	{
		name: "client_credential", about: aboutSubject, scope: "x.client_id", id: "x.public_id", under: "client",
		fields: "client_id #secret_hash created_at expires_at revoked_at",
	},
	{
		name: "client_key", about: aboutSubject, scope: "x.client_id", id: "x.client_id || '/' || x.kid", under: "client",
		fields: "algorithm ~jwk created_at expires_at revoked_at",
	},
	{name: "client_switch", about: aboutSubject, scope: "x.subject", id: "x.subject || '/' || x.version", head: true, begins: audit.ClientsSwitchedOff, fields: "off at changed_by"},

	{name: "legal_hold", about: aboutSubject, scope: "coalesce(nullif(x.account_id, ''), x.tenant_id)", id: "x.account_id", head: true, begins: audit.HoldSet, fields: "set_at"},
	{
		name: "control", about: aboutSubject, scope: "x.id", id: "x.id", head: true, begins: audit.ControlSet,
		fields: "kind value set_by_kind set_by set_at expires_at lifted_at lifted_by",
	},
	{
		name: "text_rule", about: aboutSubject, scope: "x.tenant_id", id: "x.tenant_id", head: true, begins: audit.TextRulesSet,
		fields: "version countries lines prefix_hour country_day day changed_at changed_by",
	},
	{
		name: "webhook_endpoint", about: aboutSubject, scope: "x.id", id: "x.id", head: true, begins: audit.WebhookCreated,
		fields: "kind ~url events ~audience ~subject_issuer saved_code_type state public_keys previous_until created_at",
	},
	{name: "tenant", about: aboutSubject, scope: "x.id", id: "x.id", head: true, fields: "~claim_url text_countries text_day", rule: audit.RowRule{Untold: true}},
}

// row is the expression that gives what is told of a row.
func (t toldTable) row() string {
	var out []string
	for f := range strings.FieldsSeq(t.fields) {
		name := strings.TrimLeft(f, "#~")
		var sql string
		switch f[0] {
		case '#':
			sql = "left(encode(sha256(x." + name + "), 'hex'), 24)"
		case '~':
			sql = "left(encode(sha256(convert_to(x." + name + ", 'UTF8')), 'hex'), 24)"
		default:
			sql = "x." + name
		}
		out = append(out, "'"+name+"', "+sql)
	}
	return "jsonb_strip_nulls(jsonb_build_object(" + strings.Join(out, ", ") + "))"
}

// tenant is the expression for whose row it is: a tenant's own row is its.
func (t toldTable) tenant() string {
	if t.name == "tenant" {
		return "x.id"
	}
	return "x.tenant_id"
}

func toldRules() map[string]audit.RowRule {
	out := map[string]audit.RowRule{}
	for _, t := range toldTables {
		out[t.name] = t.rule
	}
	return out
}
