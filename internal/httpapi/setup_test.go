package httpapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api"
	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/credential/assertion"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi"
	"github.com/holdfast/holdfast/internal/httpapi/contracttest"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/telemetry"
)

const (
	recoveryID  = "rcv_01kagx3z8fet0a1m6c9d2v4w7y"
	challengeID = "chl_01kagx44n2t9q0e5r8w1y3z6b7"
	factorID    = "fac_01kagx0b1c3d5e7f9g1h3j5k7m"
	accountID   = "acc_01kagwy8j3c5e7g9k1m2n4p6q8"
	clientID    = "cli_01kagx0b1c3d5e7f9g1h3j5k7m"
	channelID   = "chn_01kagwy8j4d6f8h0k2m4n6p8q0"
	eventID     = "evt_01kagx3z8fet0a1m6c9d2v4w7y"
	claimantTok = "hfc_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3aB4"
	grantTok    = "hfg_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3aB4"
)

func t0() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

// core is an in-memory double of everything behind the edge. It remembers what it was asked for.
type core struct {
	mu     sync.Mutex
	err    error // what every use case answers, if set
	panics any
	body   string // what an import read
	asked  []any
}

func (c *core) ask(cmd any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, cmd)
	if c.panics != nil {
		panic(c.panics)
	}
	return c.err
}

func (c *core) last(t *testing.T) any {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NotEmpty(t, c.asked, "no use case was asked")
	return c.asked[len(c.asked)-1]
}

func (c *core) calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked)
}

func view() recovery.View {
	return recovery.View{
		ID: recoveryID, Reference: "HF-7K2M-9QXD", State: recovery.CoolingOff, Methods: []factor.Method{factor.Email, factor.TOTP},
		Satisfied: []recovery.Satisfied{{Method: factor.Email, At: t0()}},
		Remaining: []recovery.AnyOf{{AnyOf: []factor.Method{factor.TOTP, factor.RecoveryCode}}},
		NotBefore: t0().Add(24 * time.Hour).In(time.FixedZone("", 3600)), ExpiresAt: t0().Add(48 * time.Hour),
	}
}

func (c *core) Start(_ context.Context, cmd recovery.StartCommand) (recovery.Started, error) {
	return recovery.Started{View: view(), ClaimantToken: secret.NewString(claimantTok)}, c.ask(cmd)
}

func (c *core) Claim(_ context.Context, cmd recovery.ClaimCommand) (recovery.Started, error) {
	return recovery.Started{View: view(), ClaimantToken: secret.NewString(claimantTok)}, c.ask(cmd)
}

func (c *core) Get(_ context.Context, cmd recovery.GetCommand) (recovery.View, error) {
	return view(), c.ask(cmd)
}

func (c *core) Challenge(_ context.Context, cmd recovery.ChallengeCommand) (recovery.ChallengeView, error) {
	return recovery.ChallengeView{ID: challengeID, Method: cmd.Method, ExpiresAt: t0(), ResendAfter: t0()}, c.ask(cmd)
}

func (c *core) Answer(_ context.Context, cmd recovery.AnswerCommand) (recovery.View, error) {
	return view(), c.ask(cmd)
}

func (c *core) Cancel(_ context.Context, cmd recovery.CancelCommand) (recovery.View, error) {
	return recovery.View{ID: recoveryID, Reference: "HF-7K2M-9QXD", State: recovery.Cancelled, ExpiresAt: t0()}, c.ask(cmd)
}

func (c *core) Grant(_ context.Context, cmd recovery.GrantCommand) (recovery.GrantView, error) {
	return recovery.GrantView{Grant: secret.NewString(grantTok), ExpiresAt: t0()}, c.ask(cmd)
}

func (c *core) Redeem(_ context.Context, cmd recovery.RedeemCommand) (recovery.Redemption, error) {
	return recovery.Redemption{
		AccountRef: "user-1042", RecoveryID: recoveryID, Actions: []string{"reset_password"}, AAL: 2, ProbationUntil: t0(),
		Evidence: []recovery.Satisfied{{Method: factor.TOTP, At: t0()}}, Statement: "a.b.c", ReplacementCode: secret.NewString("7K2M9QXD-0123"),
	}, c.ask(cmd)
}

func (c *core) Object(_ context.Context, cmd recovery.ObjectCommand) (recovery.ObjectionView, error) {
	return recovery.ObjectionView{
		Outcome: recovery.ObjectionPaused, State: recovery.Contested, PausedUntil: t0(), Next: recovery.NextProof, Tenant: "Acme", Support: " 555 0100\u202e\n",
	}, c.ask(cmd)
}

func (c *core) ObjectFromApp(_ context.Context, cmd recovery.AppObjectCommand) ([]recovery.ObjectionView, error) {
	return []recovery.ObjectionView{{Outcome: recovery.ObjectionVetoed, State: recovery.Vetoed, Next: recovery.NextNothing}}, c.ask(cmd)
}

// accounts is the accounts' side of the core; its methods would clash with the recoveries'.
type accounts struct{ *core }

func accountView() account.View {
	return account.View{
		ID: accountID, CreatedAt: t0(), ChangedAt: t0(), SavedLeft: 10,
		Registration: account.Registration{
			Ref: "user-1042", Population: "consumer", AAL: 2, IAL: 1, Locale: "en-GB",
			Identifiers: []account.Identifier{{Type: "email", Value: secret.NewString("robin@example.com")}},
			Channels:    []account.Channel{{ID: channelID, Kind: "email", Address: secret.NewString("robin@example.com"), VerifiedAt: t0()}},
		},
		Factors: []account.FactorView{{ID: factorID, Kind: "totp", EnrolledAt: t0()}},
	}
}

func (a accounts) Put(_ context.Context, cmd account.PutCommand) (account.View, bool, error) {
	return accountView(), cmd.Ref != "known", a.ask(cmd)
}

func (a accounts) Get(_ context.Context, _ account.Caller, ref string) (account.View, error) {
	return accountView(), a.ask(ref)
}

func (a accounts) Erase(_ context.Context, _ account.Caller, ref string) (bool, error) {
	return ref == "held", a.ask(ref)
}

func (a accounts) Import(_ context.Context, cmd account.ImportCommand) (account.ImportReport, error) {
	text, err := io.ReadAll(cmd.Body)
	if err != nil {
		return account.ImportReport{}, fault.Wrap(err, "import")
	}
	a.mu.Lock()
	a.body = string(text)
	a.mu.Unlock()
	return account.ImportReport{Lines: 2, Imported: 1, Refused: 1, Errors: []account.BadLine{{Line: 2, Code: "invalid_json", Detail: "No."}}}, a.ask(cmd)
}

func (a accounts) Enrol(_ context.Context, cmd account.EnrolCommand) (account.Enrolment, error) {
	return account.Enrolment{ID: factorID, Kind: "totp", Secret: secret.NewString("GEZDGNBV"), URL: secret.NewString("otpauth://totp/x")}, a.ask(cmd)
}

func (a accounts) Confirm(_ context.Context, cmd account.ConfirmCommand) (account.FactorView, error) {
	return account.FactorView{ID: factorID, Kind: "totp", EnrolledAt: t0(), ConfirmedAt: t0()}, a.ask(cmd)
}

func (a accounts) RemoveFactor(_ context.Context, cmd account.RemoveFactorCommand) error {
	return a.ask(cmd)
}

func (a accounts) IssueCodes(_ context.Context, cmd account.IssueCodesCommand) ([]secret.String, error) {
	return []secret.String{secret.NewString("7K2M9QXD-0123")}, a.ask(cmd)
}

func (a accounts) Status(_ context.Context, _ account.Caller, ref string) (account.Status, error) {
	return account.Status{
		AccountRef: "user-1042", RecoveryReady: true, Means: []string{"email", "totp"},
		OpenRecoveries: []account.OpenRecovery{{ID: recoveryID, State: "verifying", StartedAt: t0()}},
	}, a.ask(ref)
}

// clients knows three credentials.
type clients struct{}

func (clients) Authenticate(_ context.Context, bearer string) (credential.Principal, error) {
	who := credential.Principal{Tenant: "acme", Client: "cli_1", Credential: "pub", Kind: credential.Service, Scopes: credential.Scopes()}
	switch bearer {
	case "all":
		return who, nil
	case "none":
		who.Scopes = nil
		return who, nil
	case "operator":
		roles := []credential.Role{credential.Operator}
		return credential.Principal{
			Kind: credential.Workforce, Scopes: credential.ScopesOf(roles),
			Staff: &credential.Staff{Person: "stf_1", Roles: roles, Tenants: []string{"acme"}, ACR: "phr", AuthenticatedAt: t0(), At: t0()},
		}, nil
	case "app":
		who.Kind = credential.Publishable
		return who, nil
	case "person":
		return credential.Principal{Tenant: "acme", Kind: credential.Workforce, Scopes: credential.ScopesOf(credential.Roles()), Staff: &credential.Staff{
			Issuer: "https://id.example.com", Subject: "robin", Person: "stf_robin", Roles: credential.Roles(), Tenants: []string{"acme"},
			AuthenticatedAt: t0(), ACR: "phr", At: t0(),
		}}, nil
	case "ai":
		who.Kind, who.Owner = credential.AIAgent, "stf_robin"
		return who, nil
	case "down":
		return who, fault.Of(fault.CodeUnavailable)
	default:
		return credential.Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
}

// registry is the clients' side of the core.
type registry struct{ *core }

func issued() credential.Issued {
	info := credential.Info{PublicID: "jTa5dY9Mr0Tw", CreatedAt: t0(), ExpiresAt: t0().Add(time.Hour)}
	return credential.Issued{
		Client: credential.Client{
			Tenant: "acme", ID: clientID, Name: "helper", Kind: credential.AIAgent, Owner: "robin@example.com", Scopes: []credential.Scope{credential.CasesRead},
			CreatedAt: t0(), Credentials: []credential.Info{info},
		},
		Credential: info, Token: secret.NewString("hfk_live_x"),
	}
}

func (r registry) Inventory(_ context.Context, tenant string) ([]credential.Client, time.Time, error) {
	return []credential.Client{issued().Client}, t0(), r.ask(tenant)
}

func (r registry) CreateClient(_ context.Context, cmd credential.CreateCommand) (credential.Issued, error) {
	return issued(), r.ask(cmd)
}

func (r registry) Rotate(_ context.Context, cmd credential.RotateCommand) (credential.Issued, error) {
	return issued(), r.ask(cmd)
}

func (r registry) Revoke(_ context.Context, cmd credential.RevokeCommand) error { return r.ask(cmd) }

func (r registry) AddKeys(_ context.Context, cmd credential.AddKeysCommand) ([]credential.Key, error) {
	return []credential.Key{{ID: "2026-03", Algorithm: "EdDSA", CreatedAt: t0(), ExpiresAt: t0().Add(time.Hour)}}, r.ask(cmd)
}

func (r registry) RemoveKey(_ context.Context, cmd credential.RemoveKeyCommand) error {
	return r.ask(cmd)
}

func (r registry) DisableOwner(_ context.Context, cmd credential.DisableCommand) ([]string, error) {
	return []string{clientID}, r.ask(cmd)
}

func (r registry) DisableAI(_ context.Context, cmd credential.DisableCommand) ([]string, error) {
	return nil, r.ask(cmd)
}

func (r registry) EnableOwner(_ context.Context, cmd credential.DisableCommand) error {
	return r.ask(cmd)
}

func (r registry) EnableAI(_ context.Context, cmd credential.DisableCommand) error { return r.ask(cmd) }

func (r registry) AIState(context.Context, string) (credential.Switch, error) {
	return credential.Switch{Off: true, At: t0(), By: "stf_1", Reason: "drill"}, nil
}

func (r registry) ReportInteractiveUse(_ context.Context, p credential.Principal, _ string, signs []string) error {
	return r.ask(append([]string{p.Client}, signs...))
}

func (r registry) ReportRefused(context.Context, credential.Principal, string, string, fault.Code) error {
	return nil
}

// limits lets everything pass but the class that is full.
type limits struct {
	mu      sync.Mutex
	full    httpapi.Class
	refused int // credentials
	asked   []httpapi.Class
}

func (l *limits) AllowRequest(_ context.Context, class httpapi.Class, _ netip.Addr, _ *credential.Principal) (httpapi.Quota, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, class)
	quota := httpapi.Quota{Name: "test_client", Limit: 10, Window: time.Minute, Remaining: 7, Reset: 18100 * time.Millisecond}
	if class == l.full {
		return quota, fault.Of(fault.CodeThrottled).After(1500 * time.Millisecond)
	}
	return quota, nil
}

func (l *limits) AllowRefusedCredential(context.Context, netip.Addr) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused++; l.refused > 3 {
		return fault.Of(fault.CodeThrottled).After(time.Minute)
	}
	return nil
}

// texts believes one signature.
type texts struct{ core *core }

const goodSignature = "c2lnbmVk"

func signedForm() http.Header {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {goodSignature}}
}

func (x texts) hear(what string, signatures []string, form []byte) error {
	if len(signatures) != 1 || signatures[0] != goodSignature {
		return fault.Of(fault.CodeForbidden)
	}
	return x.core.ask(what + " " + string(form))
}

func (x texts) Status(_ context.Context, signatures []string, form []byte) error {
	return x.hear("status", signatures, form)
}

func (x texts) Message(_ context.Context, signatures []string, form []byte) error {
	return x.hear("message", signatures, form)
}

// pages are one word each.
type pages struct{}

func word(media, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, text)
	}
}

func (pages) Objection(w http.ResponseWriter, r *http.Request) {
	word("text/html", "objection")(w, r)
}

func (pages) ObjectionScript(w http.ResponseWriter, r *http.Request) {
	word("text/javascript", "script")(w, r)
}

func (pages) Stylesheet(w http.ResponseWriter, r *http.Request) {
	word("text/css", "style")(w, r)
}

func (pages) Reference(w http.ResponseWriter, r *http.Request) {
	word("text/html", "reference")(w, r)
}

func (pages) Problem(w http.ResponseWriter, r *http.Request, typ, title, _ string, _ int) {
	word("text/html", typ+" "+title)(w, r)
}

// bundle is a running edge over doubles, and a client that checks all traffic against the contract.
type bundle struct {
	core     *core
	limits   *limits
	log      *syncBuffer
	base     string
	edge     http.Handler
	client   *http.Client
	contract *contracttest.Transport
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func setup(t *testing.T, change ...func(*httpapi.Config)) *bundle {
	t.Helper()
	keyring, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	b := &bundle{core: &core{}, limits: &limits{}, log: &syncBuffer{}}
	cfg := httpapi.Config{
		PublicURL: "https://recovery.example.com", Contract: api.OpenAPI(), Recoveries: b.core, Accounts: accounts{b.core}, Webhooks: webhooks{b.core},
		Alerts: alerts{b.core}, Controls: controls{b.core}, Funnel: funnel{b.core},
		TextRules: textRules{b.core},
		Clients:   clients{}, Registry: registry{b.core}, ReadKeys: assertion.ParseKeys, Audit: log{b.core}, Limits: b.limits, Texts: texts{b.core}, Replies: true, Pages: pages{}, Keyring: keyring,
		Cases:  cases{b.core},
		JWKS:   func() []byte { return []byte(`{"keys":[]}`) },
		Source: func(*http.Request) (netip.Addr, error) { return netip.MustParseAddr("192.0.2.1"), nil },
		Logger: telemetry.NewLogger(b.log, slog.LevelInfo, false), Metrics: telemetry.NewMetrics(telemetry.Build{}), Clock: clock.System{},
		StepUp:    credential.StepUp{MaxAge: 15 * time.Minute, ACR: []string{"phr"}},
		Overload:  httpapi.Overload{Slots: 64, Queue: 64, Wait: 5 * time.Second},
		BodyLimit: 64 << 10, ImportBodyLimit: 1 << 20, HandlerTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
	}
	for _, f := range change {
		f(&cfg)
	}
	edge, err := httpapi.New(cfg)
	require.NoError(t, err)
	server := httptest.NewServer(edge)
	t.Cleanup(server.Close)
	b.base, b.edge, b.contract = server.URL, edge, contracttest.New(t, nil)
	b.client = &http.Client{Transport: b.contract}
	return b
}

// sent is a request; what it leaves out is filled in as a good client would.
type sent struct {
	method, path, body, bearer string
	header                     http.Header
	noKey, noClaimant          bool
}

type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (b *bundle) send(t *testing.T, s sent) answer {
	t.Helper()
	var body io.Reader
	if s.body != "" {
		body = strings.NewReader(s.body)
	}
	r, err := http.NewRequestWithContext(t.Context(), s.method, b.base+s.path, body)
	require.NoError(t, err)
	if s.bearer != "-" {
		if s.bearer == "" {
			s.bearer = "all"
		}
		r.Header.Set("Authorization", "Bearer "+s.bearer)
	}
	if s.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if s.method == http.MethodPost && !s.noKey {
		r.Header.Set("Idempotency-Key", `"key-1"`)
	}
	if strings.HasPrefix(s.path, "/v1/recoveries/") && !s.noClaimant {
		r.Header.Set("Holdfast-Claimant", claimantTok)
	}
	for name, values := range s.header {
		if values == nil {
			r.Header.Del(name)
			continue
		}
		r.Header[name] = values
	}
	res, err := b.client.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	out := answer{status: res.StatusCode, header: res.Header, body: string(text)}
	_ = json.Unmarshal(text, &out.json)
	return out
}

func (a answer) code() string {
	code, _ := a.json["code"].(string)
	return code
}

// good lists one good request for every operation of the contract.
func good() map[string]sent {
	const registration = `{"population":"consumer","identifiers":[{"type":"email","value":"robin@example.com"}],` +
		`"channels":[{"type":"email","address":"robin@example.com","verified_at":"2025-01-20T08:00:00Z"}],"assurance":{"aal":2,"ial":1},"locale":"en"}`
	const hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	const artefact = `{"kind":"reproofing","provider":"ident-co","reference":"IDC-7781","hash":"` + hash + `","performed_at":"2026-03-01T08:00:00Z"}`
	const decision = `{"decision":"approve","evidence_hash":"` + hash + `","reason":"Looked it up at the provider."}`
	rcv, acc, cas := "/v1/recoveries/"+recoveryID, "/v1/accounts/user-1042", "/v1/cases/"+caseID
	all := map[string]sent{
		"startRecovery":      {method: "POST", path: "/v1/recoveries", body: `{"identifier":{"type":"email","value":"robin@example.com"},"reason":"lost_mfa","client":{"ip":"203.0.113.7","user_agent":"x","known_device":true}}`},
		"claimRecovery":      {method: "POST", path: "/v1/recoveries/claims", body: `{"claim_token":"hfl_k1_abc"}`},
		"getRecovery":        {method: "GET", path: rcv},
		"createChallenge":    {method: "POST", path: rcv + "/challenges", body: `{"method":"email"}`},
		"answerChallenge":    {method: "POST", path: rcv + "/challenges/" + challengeID + "/answers", body: `{"code":"40713926"}`},
		"appealRecovery":     {method: "POST", path: rcv + "/appeal"},
		"openCase":           {method: "POST", path: "/v1/cases", body: `{"reference":"hf 7k2m 9qxd"}`, bearer: "person"},
		"listCases":          {method: "GET", path: "/v1/cases", bearer: "person"},
		"assignCase":         {method: "POST", path: "/v1/cases/assignments", bearer: "person"},
		"getCase":            {method: "GET", path: cas, bearer: "ai"},
		"addCaseNote":        {method: "POST", path: cas + "/notes", body: `{"text":"They know the date of birth."}`, bearer: "ai"},
		"attachCaseArtefact": {method: "POST", path: cas + "/artefacts", body: artefact, bearer: "person"},
		"challengeInCase":    {method: "POST", path: cas + "/challenges", body: `{"method":"email"}`, bearer: "person"},
		"proposeInCase":      {method: "POST", path: cas + "/proposals", body: `{"outcome":"approve"}`, bearer: "ai"},
		"decideInCase":       {method: "POST", path: cas + "/proposals/" + proposalID + "/decisions", body: decision, bearer: "person"},
		"flagCase":           {method: "POST", path: cas + "/flag", body: `{"reason":"coercion"}`, bearer: "ai"},
		"cancelRecovery":     {method: "POST", path: rcv + "/cancel"},
		"takeGrant":          {method: "POST", path: rcv + "/grant", body: `{}`},
		"redeemGrant":        {method: "POST", path: "/v1/grants/redeem", body: `{"grant":"` + grantTok + `"}`},
		"importAccounts":     {method: "POST", path: "/v1/accounts/import", body: "{}\n{\n", noKey: true, header: http.Header{"Content-Type": {"application/x-ndjson"}}},
		"putAccount":         {method: "PUT", path: acc, body: registration},
		"getAccount":         {method: "GET", path: acc},
		"eraseAccount":       {method: "DELETE", path: acc},
		"getAccountStatus":   {method: "GET", path: acc + "/status"},
		"enrolFactor":        {method: "POST", path: acc + "/factors", body: `{"type":"totp","label":"robin"}`},
		"confirmFactor":      {method: "POST", path: acc + "/factors/" + factorID + "/confirm", body: `{"code":"492039"}`},
		"removeFactor":       {method: "DELETE", path: acc + "/factors/" + factorID},
		"issueRecoveryCodes": {method: "POST", path: acc + "/recovery-codes"},
		"objectFromApp":      {method: "POST", path: acc + "/objections", body: `{"evidence":{"method":"totp","code":"492039"}}`},
		"listAlerts":         {method: "GET", path: "/v1/alerts?state=open&limit=10&cursor=" + alertID},
		"getAlert":           {method: "GET", path: "/v1/alerts/" + alertID},
		"acknowledgeAlert":   {method: "POST", path: "/v1/alerts/" + alertID + "/acknowledge", body: `{"reason":"our own load test"}`},
		"readFunnel":         {method: "GET", path: "/v1/funnel?days=7"},
		"listControls":       {method: "GET", path: "/v1/controls?ended=true"},
		"setControl":         {method: "POST", path: "/v1/controls", body: `{"kind":"min_tier","value":"high","reason":"spray","expires_at":"2026-03-01T12:00:00Z"}`},
		"liftControl":        {method: "POST", path: "/v1/controls/" + controlID + "/lift", body: `{"reason":"it is over"}`},
		"getTextRules":       {method: "GET", path: "/v1/text-rules"},
		"putTextRules":       {method: "PUT", path: "/v1/text-rules", body: `{"version":2,"countries":["GB"],"lines":["mobile"],"day":100}`},
		"listClients":        {method: "GET", path: "/v1/clients", bearer: "operator"},
		"createClient":       {method: "POST", path: "/v1/clients", bearer: "operator", body: `{"name":"helper","kind":"ai_agent","owner":"robin@example.com","scopes":["cases:read"]}`},
		"rotateClient":       {method: "POST", path: "/v1/clients/" + clientID + "/rotate", bearer: "operator", body: `{"expires_in_days":30}`},
		"disableClient":      {method: "POST", path: "/v1/clients/" + clientID + "/disable", bearer: "operator"},
		"addClientKeys":      {method: "POST", path: "/v1/clients/" + clientID + "/keys", bearer: "operator", body: `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-03","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`},
		"removeClientKey":    {method: "DELETE", path: "/v1/clients/" + clientID + "/keys/2026-03", bearer: "operator"},
		"disableOwner":       {method: "POST", path: "/v1/clients/disable-owner", bearer: "operator", body: `{"owner":"robin@example.com"}`},
		"enableOwner":        {method: "POST", path: "/v1/clients/enable-owner", bearer: "operator", body: `{"owner":"robin@example.com"}`},
		"disableAI":          {method: "POST", path: "/v1/clients/disable-ai", bearer: "operator", body: `{"reason":"drill"}`},
		"enableAI":           {method: "POST", path: "/v1/clients/enable-ai", bearer: "operator", body: `{"reason":"the drill is over"}`},
		"objectByLink":       {method: "POST", path: "/v1/objections", body: `{"token":"hfo_k1_abc"}`, noKey: true, bearer: "-"},
		"twilioStatus":       {method: "POST", path: "/v1/providers/twilio/status", body: "MessageSid=SM1", noKey: true, bearer: "-", header: signedForm()},
		"twilioMessage":      {method: "POST", path: "/v1/providers/twilio/messages", body: "Body=NO", noKey: true, bearer: "-", header: signedForm()},
		"getJWKS":            {method: "GET", path: "/.well-known/jwks.json", bearer: "-"},
		"getContract":        {method: "GET", path: "/openapi.yaml", bearer: "-"},
		"getReference":       {method: "GET", path: "/docs", bearer: "-"},
		"getProblem":         {method: "GET", path: "/problems/throttled", bearer: "-"},
		"getObjectionPage":   {method: "GET", path: "/objection", bearer: "-"},
		"getObjectionScript": {method: "GET", path: "/objection.js", bearer: "-"},
		"getStylesheet":      {method: "GET", path: "/pages.css", bearer: "-"},
	}
	maps.Copy(all, goodWebhooks())
	maps.Copy(all, goodAudit())
	return all
}
