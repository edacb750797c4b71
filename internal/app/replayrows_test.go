package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// everything lets a service do something of each kind that events tell of: accounts that registered and that were imported, all means, a recovery
// that ends with a grant, one that is objected to, one through people, one by a claim link, clients, and what operators and tenants set.
func everything(t *testing.T, url string) {
	t.Helper()
	d := newClaimDesk(t, apptest.WithDatabase(url), apptest.WithTokens(), apptest.WithEnv("HOLDFAST_SIGNAL_NETWORKS=127.0.0.0/8"))
	there := apptest.NewReceiver(t)
	hooked(t, d.Service, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	means(t, d)
	recoveries(t, d)
	settings(t, d)
	settle(t, d.Service)
}

func means(t *testing.T, d *desk) {
	t.Helper()
	d.Register(t, apptest.Person{Ref: "bob", Email: "bob@example.com", Phone: adaPhone, AAL: 2})
	d.EnrolTOTP(t, "bob")
	d.IssueCodes(t, "bob")
	d.Register(t, apptest.Person{Ref: "dora", Email: "dora@example.com"})
	require.Equal(t, http.StatusNoContent, d.Account(t, http.MethodDelete, "dora", "", nil).Status)
	const line = `{"account_ref":"NAME","population":"consumer","identifiers":[{"type":"email","value":"NAME@example.com"}],"channels":[` +
		`{"type":"email","address":"NAME@example.com","verified_at":"2025-01-02T03:04:05Z"}MORE],"assurance":{"aal":1,"ial":0},"locale":"en"}` + "\n"
	lines := strings.NewReplacer("NAME", "eve", "MORE", `,{"type":"sms","address":"+447700900124","verified_at":"2025-01-02T03:04:05Z"}`).Replace(line) +
		strings.NewReplacer("NAME", "fay", "MORE", "").Replace(line)
	require.EqualValues(t, 2, apptest.Decode[client.ImportReport](t, d.Do(t, apptest.Request{
		Method: http.MethodPost, Path: "/v1/accounts/import", As: d.IdentityToken, Body: lines,
		Header: http.Header{"Content-Type": {"application/x-ndjson"}, "Idempotency-Key": nil},
	}), http.StatusOK).Imported)
}

func recoveries(t *testing.T, d *desk) {
	t.Helper()
	c := d.Start(t, apptest.Claimant{Identifier: apptest.Email("eve@example.com")})
	c.ProveBy(t, client.MethodEmail)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, d.Redeem(t, c.Grant(t).Grant).Status)

	c = d.Start(t, apptest.Claimant{Identifier: apptest.Email("fay@example.com")})
	c.ProveBy(t, client.MethodEmail)
	require.Equal(t, http.StatusAccepted, d.Object(t, d.Mail.Link(t, "fay@example.com", notify.HoldEntered, 1)).Status)

	d.signIn(t)
	desk := d.OpenCase(t, d.agent, d.lost(t))
	require.Equal(t, http.StatusCreated, desk.Note(t, d.agent, "Lost the phone on a journey.").Status)
	desk.Attach(t, d.agent, client.ArtefactReproofing, "IDC-1")
	desk.Propose(t, d.agent, client.OutcomeApprove)
	require.Equal(t, http.StatusOK, desk.Approve(t, d.first).Status)
	require.Equal(t, http.StatusOK, desk.Approve(t, d.second).Status)

	opened := d.openFor(t, d.other, "bob")
	require.NotEmpty(t, opened.Reference)
	d.seated(t, d.Mail.ClaimLink(t, "bob@example.com", 1))
}

func settings(t *testing.T, d *desk) {
	t.Helper()
	operator := d.Staff(t, "olga", credential.Operator)
	d.NewClient(t, apptest.Tenant, credential.AIAgent, credential.AIAgent.Scopes())
	made := d.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/clients", As: operator, Body: map[string]any{
		"name": "status board", "kind": "service", "owner": "robin@example.com", "scopes": []string{"accounts:read"},
		"api_key": false, "keys": []json.RawMessage{newSigningKey(t, "2026-03").jwk}, "expires_in_days": 30,
	}})
	require.Equal(t, http.StatusCreated, made.Status, made.Body)
	require.Equal(t, http.StatusOK, throw(t, d.Service, operator, "disable-ai", "a test").Status)
	token, _ := d.Client(t, apptest.Tenant, credential.TextsRead, credential.TextsWrite)
	apptest.Decode[client.TextRules](t, d.Do(t, apptest.Request{Method: http.MethodPut, Path: "/v1/text-rules", As: token, Body: client.TextRulesRequest{Countries: &[]string{"GB"}}}), http.StatusOK)
	control := client.ControlRequest{Kind: client.MinTier, Reason: "a test", ExpiresAt: d.Now(t).Add(apptest.Day), Value: new("high")}
	apptest.Decode[client.Control](t, d.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/controls", As: operator, Body: control}), http.StatusCreated)
	require.NoError(t, d.App.DB.SetHold(t.Context(), audit.Actor{Kind: audit.ActorOperator, ID: "olga"}, postgres.Hold{Tenant: apptest.Tenant, Reason: "a test"}))
}

// Issue "Done when", R-175, R-176: whatever the database's superuser does, past all triggers, to a row that decides something, replay names.
func TestReplay_NamesEveryRowOfEveryTableThatEventsTellOf(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	if !t.Run("everything", func(t *testing.T) { everything(t, url) }) {
		return
	}
	t.Run("nothing was done", func(t *testing.T) {
		r, said := judged(t, url, "")
		require.Empty(t, said)
		require.Greater(t, r.Rows, 60)
	})
	t.Run("each event says when, where, who and what", func(t *testing.T) {
		pool := pgtest.Pool(t, url)
		var wrong, lost []string
		require.NoError(t, pool.QueryRow(t.Context(), `select coalesce(array_agg(action), '{}') from audit_event
			where subject = '' or tenant_id = '' or action !~ '^[a-z_]+([.][a-z_]+)+$' or at > holdfast_now() or (actor_id = '' and actor_kind not in ('claimant', 'owner', 'system'))`).Scan(&wrong))
		require.Empty(t, wrong)
		require.NoError(t, pool.QueryRow(t.Context(), `select coalesce(array_agg(distinct e.action), '{}') from audit_event e left join audit_personal p on p.tenant_id = e.tenant_id and p.event_id = e.id
			where e.actor_kind in ('claimant', 'owner') and (coalesce(p.request_id, '') = '' or (p.origin = '' and e.actor_kind = 'claimant'))`).Scan(&lost))
		require.Empty(t, lost, "what a claimant or an owner did can be told from the request's log, and a claimant's from its network")
	})
	for name, tc := range map[string]struct{ sql, want string }{
		"an account that demands less":     {`update account set aal = 1 where aal = 2`, "aal is 1, and its events say 2"},
		"an imported one of another kind":  {`update account set population = 'privileged' where id in (select account_id from channel where kind = 'sms' and since < '2025-02-01')`, `population is "privileged"`},
		"an account nobody registered":     {`insert into account select tenant_id, 'acc_forged', 'a', 'b', 'c', population, aal, ial, locale, created_at, changed_at from account limit 1`, "acc_forged: no event tells of it"},
		"an account that was deleted":      {`delete from account where aal = 2`, ": the row is gone"},
		"an imported one that was deleted": {`delete from account where id in (select account_id from channel where kind = 'sms' and since < '2025-02-01')`, ": the row is gone"},
		"an erased one that lives again":   {`update account set erased_at = null, data_key = 'a', ref_hash = 'b', ref_sealed = 'c' where erased_at is not null`, "erased_at is"},
		"an address of age":                {`update channel set since = since - interval '1 year' where kind = 'sms' and since > '2025-02-01'`, "since is"},
		"an address nobody gave":           {`insert into channel select tenant_id, 'chn_forged', account_id, kind, sha256('x'), sealed, since from channel limit 1`, "chn_forged: no event tells of it"},
		"an address under another account": {`update channel set account_id = (select max(id) from account) where kind = 'sms' and since > '2025-02-01'`, ": the row is gone"},
		"an address that was exchanged":    {`update channel set sealed = 'other' where kind = 'sms' and since > '2025-02-01'`, "sealed is"},
		"an address of nobody":             {`update channel set account_id = 'acc_none' where kind = 'sms' and since > '2025-02-01'`, "there is no account that it belongs to"},
		"a factor of age":                  {`update factor set enrolled_at = enrolled_at - interval '1 year'`, "enrolled_at is"},
		"a factor that was taken away":     {`delete from factor`, ": the row is gone"},
		"a saved code of another's":        {`update saved_code set phc = 'other'`, "phc is"},
		"a saved code, not used after all": {`update saved_code set issued_at = issued_at - interval '1 year'`, "issued_at is"},
		"another seat":                     {`update recovery set claimant_hash = sha256('mine')`, "claimant_hash is"},
		"a grant that is good again":       {`update recovery_grant set redeemed_at = null, redeemed_by = null where redeemed_at is not null`, `redeemed_at is ""`},
		"a grant with another token":       {`update recovery_grant set token_hash = sha256('mine')`, "token_hash is"},
		"a grant nobody issued":            {`insert into recovery_grant select tenant_id, 'grt_forged', recovery_id, sha256('mine'), issued_at, expires_at, now() from recovery_grant limit 1`, "grt_forged: no event tells of it"},
		"more guesses":                     {`update challenge set expires_at = expires_at + interval '1 day'`, "expires_at is"},
		"an objection, settled":            {`update objection set resolved_at = at`, "resolved_at is"},
		"an objection, gone":               {`delete from objection`, ": the row is gone"},
		"a notice that never arrived":      {`update notice set accepted_at = created_at where kind = 'hold_entered'`, "accepted_at is"},
		"a notice nobody sent":             {`insert into notice (tenant_id, id, account_id, kind, channel_id, created_at, accepted_at) select tenant_id, 'ntc_forged', account_id, kind, channel_id, created_at, created_at from notice limit 1`, "ntc_forged: no event tells of it"},
		"a notice by which nobody objects": {`update notice set objection_hash = sha256(convert_to(id, 'UTF8')) where objection_hash is not null`, "objection_hash is"},
		"a notice that never was":          {`delete from notice where objection_hash is not null`, ": the row is gone"},
		"a notice of a hold, once another": {`update notice set kind = 'hold_entered' where kind = 'recovery_started' and accepted_at is not null`, `kind is "hold_entered"`},
		"a notice to somebody else":        {`update notice set channel_id = (select max(id) from channel) where kind = 'hold_entered'`, "channel_id is"},
		"a notice of another recovery":     {`update notice set recovery_id = null where kind = 'hold_entered'`, ": the row is gone"},
		"a claim link of one's own":        {`update notice set claim_hash = sha256(convert_to(id, 'UTF8')) where claim_hash is not null`, "claim_hash is"},
		"a claim link that nobody sent": {`insert into notice (tenant_id, id, account_id, recovery_id, kind, channel_id, created_at, claim_hash) select tenant_id, 'ntc_forged', account_id, recovery_id, kind, channel_id, created_at, sha256('mine')
			from notice where claim_hash is not null limit 1`, "ntc_forged: no event tells of it"},
		"a proof that is suspect no more": {`update evidence set suspect = not suspect`, "suspect is"},
		"a proof by an address of age":    {`update evidence set source_since = source_since - interval '1 year'`, "source_since is"},
		"a code that is good again":       {`update factor set last_step = last_step - 1`, "last_step is"},
		"a seat that is free again":       {`update claim_seat set taken_at = null, taken_by = null, notice_id = null`, "taken_at is"},
		"a case without its worker":       {`update support_case set workers = '{}'`, "workers is"},
		"words that were exchanged":       {`update support_note set sealed = 'other'`, "sealed is"},
		"another check":                   {`update support_artefact set hash = sha256('other')`, "hash is"},
		"a proposal by somebody else":     {`update support_proposal set person = 'stf_other'`, "person is"},
		"a decision turned":               {`update support_decision set consent = false`, "consent is false"},
		"a decision nobody made":          {`insert into support_decision select tenant_id, proposal_id, 'stf_forged', consent, security, hash, reason, read_at, at from support_decision limit 1`, "stf_forged: no event tells of it"},
		"somebody who was not drawn":      {`update support_assignment set person = 'stf_forged' where person = (select min(person) from support_assignment)`, "stf_forged: no event tells of it"},
		"a decision about nothing":        {`update support_decision set proposal_id = 'prp_none' where person = (select min(person) from support_decision)`, "there is no support_case that it belongs to"},
		"a client that may more":          {`update client set scopes = '{grants:redeem}' where kind = 'service'`, "scopes is"},
		"another's credential":            {`update client_credential set secret_hash = sha256('mine')`, "secret_hash is"},
		"a credential nobody issued":      {`insert into client_credential select 'forged', tenant_id, client_id, sha256('mine'), created_at, expires_at from client_credential limit 1`, "client_credential forged: no event tells of it"},
		"a credential of another age":     {`update client_credential set expires_at = expires_at - interval '1 day'`, "expires_at is"},
		"another key":                     {`update client_key set jwk = '{}'`, "jwk is"},
		"a switch that is on":             {`update client_switch set off = false`, "off is false"},
		"a switch nobody turned":          {`insert into client_switch select tenant_id, subject, version + 1, false, at, changed_by, reason from client_switch`, "ai/2: no event tells of it"},
		"a control that is lifted":        {`update control set lifted_at = set_at, lifted_by = 'x'`, "lifted_at is"},
		"a control that is gone":          {`delete from control`, ": the row is gone"},
		"a hold that is gone":             {`delete from legal_hold`, ": the row is gone"},
		"texts to more countries":         {`update text_rule set countries = '{GB,US}'`, "countries is"},
		"signals that go elsewhere":       {`update webhook_endpoint set url = 'https://elsewhere.example.com/'`, "url is"},
		"claim links that lead elsewhere": {`update tenant set claim_url = 'https://elsewhere.example.com/'`, "claim_url is"},
		"whence an event came, gone":      {`delete from audit_personal where event_id = (select min(event_id) from audit_personal p join audit_leaf using (tenant_id, event_id) join audit_event e on e.id = p.event_id where e.action = 'recovery.initiated')`, "the row is gone, before its time and without an erasure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, said := judged(t, pgtest.Copy(t, url), tc.sql)
			require.Contains(t, said, tc.want)
		})
	}
}

// What is changed as the schema's owner, with all triggers on, is told by no event either.
func TestReplay_NamesWhatIsChangedWithoutAnEvent(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	_, said := replayed(t, s)
	require.Empty(t, said)
	s.ByHand()
	_, err := s.Owner.Pool().Exec(t.Context(), `update channel set suspect_at = null, since = since - interval '1 day'`)
	require.NoError(t, err)
	_, said = replayed(t, s)
	require.Contains(t, said, "since is")
}

// Whoever edits a row and waits for the service to write it is named, though the event that the service writes tells the row as it stands then.
func TestReplay_NamesAnEditThatAnEventToldAsItsOwn(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]string{
		"an account":         `update account set aal = 3`,
		"an address":         `update channel set since = since - interval '1 year'`,
		"one that goes then": `update factor set enrolled_at = enrolled_at - interval '1 year'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.New(t)
			s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
			s.EnrolTOTP(t, "ada")
			forced(t, s, edit)
			require.Equal(t, http.StatusNoContent, s.Account(t, http.MethodDelete, "ada", "", nil).Status)
			_, said := replayed(t, s)
			require.Contains(t, said, "it was not what event")
		})
	}
}

// judged replays a database, after the superuser did something to it past all triggers.
func judged(t *testing.T, url, sql string) (app.Replayed, string) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 2})
	require.NoError(t, err)
	defer db.Close()
	if sql != "" {
		err = pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `set local session_replication_role = replica`); err != nil {
				return err
			}
			tag, err := tx.Exec(t.Context(), sql)
			if err == nil {
				require.Positive(t, tag.RowsAffected())
			}
			return err
		})
		require.NoError(t, err)
	}
	var said []string
	r, err := app.Replay(t.Context(), db, "", func(text string) { said = append(said, text) })
	require.NoError(t, err)
	return r, strings.Join(said, "\n")
}
