package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/textrule"
)

// Recoveries are the use cases of a recovery. Errors are faults, or read as internal; a refusal has been committed before it
// is returned. Every method may be repeated with the same Idempotency-Key.
type Recoveries interface {
	Start(ctx context.Context, cmd recovery.StartCommand) (recovery.Started, error)
	// Claim hands over the claimant's seat of a recovery that support started, to whoever brings a claim link.
	Claim(ctx context.Context, cmd recovery.ClaimCommand) (recovery.Started, error)
	Get(ctx context.Context, cmd recovery.GetCommand) (recovery.View, error)
	Challenge(ctx context.Context, cmd recovery.ChallengeCommand) (recovery.ChallengeView, error)
	Answer(ctx context.Context, cmd recovery.AnswerCommand) (recovery.View, error)
	Cancel(ctx context.Context, cmd recovery.CancelCommand) (recovery.View, error)
	Grant(ctx context.Context, cmd recovery.GrantCommand) (recovery.GrantView, error)
	Redeem(ctx context.Context, cmd recovery.RedeemCommand) (recovery.Redemption, error)
	Object(ctx context.Context, cmd recovery.ObjectCommand) (recovery.ObjectionView, error)
	ObjectFromApp(ctx context.Context, cmd recovery.AppObjectCommand) ([]recovery.ObjectionView, error)
}

// Accounts are the use cases of an account. What belongs to another tenant is fault.CodeNotFound.
type Accounts interface {
	// Put registers or replaces an account and says whether it is new.
	Put(ctx context.Context, cmd account.PutCommand) (account.View, bool, error)
	Get(ctx context.Context, caller account.Caller, ref string) (account.View, error)
	Erase(ctx context.Context, caller account.Caller, ref string) (waiting bool, err error)
	// Import reads the body to its end. An error of the body is returned as it came.
	Import(ctx context.Context, cmd account.ImportCommand) (account.ImportReport, error)
	Enrol(ctx context.Context, cmd account.EnrolCommand) (account.Enrolment, error)
	Confirm(ctx context.Context, cmd account.ConfirmCommand) (account.FactorView, error)
	RemoveFactor(ctx context.Context, cmd account.RemoveFactorCommand) error
	IssueCodes(ctx context.Context, cmd account.IssueCodesCommand) ([]secret.String, error)
	Status(ctx context.Context, caller account.Caller, ref string) (account.Status, error)
}

// Texts takes what the provider of text messages tells us. Who speaks is judged by the signature alone; a request that is not
// surely the provider's is fault.CodeForbidden, and nothing was looked up for it.
type Texts interface {
	// Status takes a report of a message's status in; it is idempotent.
	Status(ctx context.Context, signatures []string, form []byte) error
	// Message takes an answer of a person in; each counts once.
	Message(ctx context.Context, signatures []string, form []byte) error
}

// Alerts are where a tenant sees and acknowledges what detectors found. What belongs to another tenant is fault.CodeNotFound.
type Alerts interface {
	List(ctx context.Context, f abuse.Filter) (alerts []abuse.Alert, next string, err error)
	Get(ctx context.Context, tenant, id string) (abuse.Alert, error)
	Acknowledge(ctx context.Context, cmd abuse.AcknowledgeCommand) (abuse.Alert, error)
}

// Funnel is what a tenant's recoveries became.
type Funnel interface {
	Rows(ctx context.Context, tenant string, days int) ([]abuse.FunnelRow, error)
}

// Controls are how a tenant raises the bar for itself. There is no call that lowers it.
type Controls interface {
	List(ctx context.Context, tenant string, all bool) (now time.Time, controls []abuse.Control, err error)
	Set(ctx context.Context, cmd abuse.SetCommand) (abuse.Control, error)
	// Lift ends a control before its time; what an operator set is fault.CodeForbidden.
	Lift(ctx context.Context, cmd abuse.LiftCommand) (abuse.Control, error)
}

// TextRules are what a tenant lets its own text messages reach and cost, within what operators let it.
type TextRules interface {
	Get(ctx context.Context, tenant string) (textrule.View, error)
	// Set replaces the tenant's own rules. What is wider than operators let is fault.CodeInvalidRequest with the bound; rules that
	// were changed since they were read are CodeConflict.
	Set(ctx context.Context, cmd textrule.SetCommand) (textrule.View, error)
}

// Audit is what can be asked of the audit log. A tenant sees its own events; hashes are the whole installation's.
type Audit interface {
	Events(ctx context.Context, who auditlog.Reader, f auditlog.Filter) (auditlog.Page, error)
	Event(ctx context.Context, who auditlog.Reader, id string) (auditlog.Record, error)
	Case(ctx context.Context, who auditlog.Reader, caseID, cursor string, limit int) (auditlog.CaseTrail, error)
	Desk(ctx context.Context, who auditlog.Reader, f auditlog.DeskFilter) (auditlog.Desk, error)
	Proof(ctx context.Context, who auditlog.Reader, id string) (auditlog.Proof, error)
	Checkpoint(ctx context.Context, cosignatures int) ([]byte, error)
	Consistency(ctx context.Context, from, to int64) (sizes [2]int64, hashes []audit.Hash, err error)
	Tile(ctx context.Context, path string) ([]byte, error)
	VerifierKeys() (origin string, keys []string)
	// Export begins an export; an error after that can no more become an answer.
	Export(ctx context.Context, who auditlog.Reader, f auditlog.Filter, format auditlog.Format) (auditlog.Exporting, error)
}

// Authenticator tells who presents a credential.
type Authenticator interface {
	// Authenticate gives the principal of a live credential. Everything else is fault.CodeUnauthenticated, in one form; a
	// store that does not answer is fault.CodeUnavailable.
	Authenticate(ctx context.Context, bearer string) (credential.Principal, error)
}

// Registry is the inventory of clients. What belongs to another tenant is fault.CodeNotFound.
type Registry interface {
	// Inventory gives all clients of a tenant without their secrets, and the service's time.
	Inventory(ctx context.Context, tenant string) ([]credential.Client, time.Time, error)
	CreateClient(ctx context.Context, cmd credential.CreateCommand) (credential.Issued, error)
	Rotate(ctx context.Context, cmd credential.RotateCommand) (credential.Issued, error)
	Revoke(ctx context.Context, cmd credential.RevokeCommand) error
	AddKeys(ctx context.Context, cmd credential.AddKeysCommand) ([]credential.Key, error)
	RemoveKey(ctx context.Context, cmd credential.RemoveKeyCommand) error
	DisableOwner(ctx context.Context, cmd credential.DisableCommand) ([]string, error)
	EnableOwner(ctx context.Context, cmd credential.DisableCommand) error
	DisableAI(ctx context.Context, cmd credential.DisableCommand) ([]string, error)
	EnableAI(ctx context.Context, cmd credential.DisableCommand) error
	// AIState is the switch that a tenant's AI agents are under.
	AIState(ctx context.Context, tenant string) (credential.Switch, error)
	// ReportInteractiveUse writes down that a machine's credential came from a browser. An error has written nothing.
	ReportInteractiveUse(ctx context.Context, p credential.Principal, requestID string, signs []string) error
	// ReportRefused writes down that somebody known asked for what is not for them: a route as the contract writes it, and why. An error
	// has written nothing.
	ReportRefused(ctx context.Context, p credential.Principal, requestID, route string, why fault.Code) error
}

// disabler is one way to disable many clients.
type disabler func(context.Context, credential.DisableCommand) ([]string, error)

// Class groups the routes that share a limit.
type Class string

// The classes.
const (
	ClassStart     Class = "start"     // starting recoveries; the core limits by identifier as well
	ClassChallenge Class = "challenge" // asking for challenges: each may send a message
	ClassVerify    Class = "verify"    // answering challenges, confirming factors
	ClassRead      Class = "read"      // reading and cancelling
	ClassGrant     Class = "grant"     // taking and redeeming grants
	ClassAccount   Class = "account"   // the identity system's work on accounts
	ClassObjection Class = "objection" // owners' objections, never to be lost lightly
	ClassAudit     Class = "audit"     // reading the audit log
	ClassPage      Class = "page"      // documents and pages that anyone may read
	ClassCaseOpen  Class = "case_open" // looking up a reference or an account
	ClassCaseRead  Class = "case_read" // reading cases: masked, and each reading is written down
	ClassCaseWork  Class = "case_work" // whatever changes a case
	ClassProvider  Class = "provider"  // what pretends to be a provider's callback and is not
)

// Limits is the first wall against abuse. It fails closed: a store that does not answer is fault.CodeUnavailable, unless
// the class guards nothing but capacity. A refusal is fault.CodeThrottled with a coarse time to come back.
type Limits interface {
	// AllowRequest is asked once for each request, after its caller is known and before anything is looked up. The
	// principal is nil where anyone may call. It tells what is left of the client's own quota, if the request falls under one
	// and the client is a server's; also beside a refusal.
	AllowRequest(ctx context.Context, class Class, source netip.Addr, who *credential.Principal) (Quota, error)
	// AllowRefusedCredential is asked after a credential was refused, so that guessing from one source ends.
	AllowRefusedCredential(ctx context.Context, source netip.Addr) error
}

// Quota is an authenticated server-side client's own, and nobody else's business. The zero Quota is none.
type Quota struct {
	Name      string
	Limit     int64
	Window    time.Duration
	Remaining int64
	Reset     time.Duration
}

// Pages are the pages for people. They change nothing, whatever the request, and set their own
// Content-Security-Policy and caching.
type Pages interface {
	Objection(w http.ResponseWriter, r *http.Request)
	ObjectionScript(w http.ResponseWriter, r *http.Request)
	Stylesheet(w http.ResponseWriter, r *http.Request)
	Reference(w http.ResponseWriter, r *http.Request)
	// Problem documents one code of the problem documents. typ is the problem's type URI.
	Problem(w http.ResponseWriter, r *http.Request, typ, title, meaning string, status int)
}

// Metrics counts requests. The route is its pattern.
type Metrics interface {
	Request(route, method string, status int, code fault.Code, took time.Duration)
	RequestStarted() (done func())
	// Shed counts a request that was turned away because the node is full.
	Shed(class string)
}
