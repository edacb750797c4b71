package app_test

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
)

const (
	adaRef     = "lovelace-4711"
	adaNetwork = "2001:db8:beef::/48"
	adaSource  = "2001:db8:beef:88::9"
	adaNote    = "Wilhelmina, her sister, was at the counter."
	adaProof   = "IDC-ada-0815"
)

// life is somebody with a history: factors, recoveries that ended in every way, objections, a case, notices, signals.
type life struct {
	s        *apptest.Service
	keys     *secret.Keyring
	keyring  string
	database string
	seed     string
	there    *apptest.Receiver
	auditor  auditor
}

func live(t *testing.T) *life {
	t.Helper()
	l := &life{database: pgtest.URL(t), there: apptest.NewReceiver(t)}
	keys, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	l.keys, _, err = keys.StageTokens(rand.Reader)
	require.NoError(t, err)
	text, err := l.keys.Reveal()
	require.NoError(t, err)
	l.keyring = string(text)
	l.s = l.serve(t, l.database)
	l.auditor = newAuditor(t, l.s, apptest.Tenant)
	hooked(t, l.s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: l.there.URL + "/set"})
	hooked(t, l.s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: l.there.URL + "/hook"})
	l.s.Register(t, apptest.Person{Ref: "bob", Email: "bob@example.net", Phone: "+447700900102"})
	l.s.Register(t, apptest.Person{Ref: adaRef, Email: ada, Phone: adaPhone, Backup: backup})
	l.seed = l.s.EnrolTOTP(t, adaRef)
	l.s.IssueCodes(t, adaRef)
	l.s.Advance(t, 8*apptest.Day)
	l.completes(t)
	l.vetoes(t)
	l.isHelped(t)
	return l
}

// serve runs the service on a database under this life's keyring.
func (l *life) serve(t *testing.T, database string) *apptest.Service {
	t.Helper()
	return apptest.New(t, apptest.WithDatabase(database), apptest.WithEnv("HOLDFAST_KEYRING="+l.keyring, "HOLDFAST_SIGNAL_NETWORKS=127.0.0.0/8", "HOLDFAST_LIMIT_FACTOR=1000"))
}

func (l *life) start(t *testing.T, reason client.Reason) *apptest.Claim {
	t.Helper()
	return l.s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), IP: adaSource, Reason: reason})
}

// completes gets in, and sits the probation out.
func (l *life) completes(t *testing.T) {
	t.Helper()
	c := l.start(t, client.LostPassword)
	c.ProveBy(t, client.MethodEmail)
	r := c.Prove(t, client.MethodTotp, l.s.TOTP(t, l.seed))
	heard(t, l.s)
	l.s.Advance(t, r.NotBefore.Sub(l.s.Now(t))+time.Minute)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, l.s.Redeem(t, c.Grant(t).Grant).Status)
	settle(t, l.s)
	l.s.Advance(t, 40*apptest.Day)
	require.Equal(t, client.StateClosed, c.Read(t).State)
}

// vetoes stops a claim with the authenticator.
func (l *life) vetoes(t *testing.T) {
	t.Helper()
	c := l.start(t, client.LostPassword)
	c.ProveBy(t, client.MethodEmail)
	apptest.Decode[client.Objections](t, l.s.Account(t, http.MethodPost, adaRef, "/objections", client.AppObjectionRequest{
		Evidence: &client.Evidence{Method: client.EvidenceMethodTotp, Code: l.s.TOTP(t, l.seed)},
	}), http.StatusAccepted)
	require.Equal(t, client.StateVetoed, c.Read(t).State)
}

// isHelped goes through support, is approved by two, objects to it, and thinks better of it.
func (l *life) isHelped(t *testing.T) {
	t.Helper()
	agent := l.s.Staff(t, "kim", credential.Agent)
	claim := l.start(t, client.LostAll)
	c := l.s.OpenCase(t, agent, claim)
	require.Equal(t, http.StatusCreated, c.Note(t, agent, adaNote).Status)
	c.Attach(t, agent, client.ArtefactReproofing, adaProof)
	c.Propose(t, agent, client.OutcomeApprove)
	for _, name := range []string{"noor", "olu"} {
		require.Equal(t, http.StatusOK, c.Approve(t, l.s.Staff(t, name, credential.Approver)).Status)
	}
	require.Equal(t, client.StateCoolingOff, claim.Read(t).State)
	apptest.Decode[client.Objection](t, l.s.Object(t, l.s.Mail.Link(t, adaPhone, notify.HoldEntered, 2)), http.StatusAccepted)
	require.Equal(t, client.StateContested, claim.Read(t).State)
	require.Equal(t, http.StatusOK, claim.Do(t, http.MethodPost, "/cancel", nil).Status)
	settle(t, l.s)
}

// traces are what a dump could hold of the person, and whether it does while the account is there.
func (l *life) traces(t *testing.T, proofs map[string]proofOf) map[string]string {
	t.Helper()
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(l.seed)
	require.NoError(t, err)
	out := map[string]string{
		"the e-mail address": ada, "the other address": backup, "the telephone number": adaPhone, "the account's name": adaRef,
		"the network": adaNetwork, "a name in a note": "Wilhelmina", "why somebody approved": "Looked it up at the provider.", "the check's reference": adaProof,
		"the seed":                  string(seed),
		"the name's hash":           string(account.RefHashes(l.keys, apptest.Tenant, adaRef)[0]),
		"the identifier's hash":     string(l.keys.IdentifierHash(apptest.Tenant, "email", ada)),
		"the address's hash":        string(l.keys.MAC(secret.PurposeDestination, "channel", apptest.Tenant, "email", ada)),
		"the wrapped key":           apptest.Query[string](t, l.s, `SELECT encode(data_key, 'hex') FROM account WHERE ref_hash = $1`, account.RefHashes(l.keys, apptest.Tenant, adaRef)[0]),
		"the number, as it is kept": apptest.Query[string](t, l.s, `SELECT encode(sealed, 'hex') FROM channel c JOIN account a ON a.id = c.account_id WHERE a.ref_hash = $1 AND kind = 'sms'`, account.RefHashes(l.keys, apptest.Tenant, adaRef)[0]),
	}
	for id, p := range proofs {
		if p.PersonalSalt != nil {
			out["the salt beside "+id] = string(p.PersonalSalt)
		}
		if p.Event.RequestID != "" {
			out["the request of "+id] = p.Event.RequestID
		}
	}
	return out
}

// passing is what detectors count with, truncated networks among it. It is gone within a day.
var passing = []string{"public.abuse_tally"} //nolint:gochecknoglobals // a constant.

// after an erasure a real dump holds nothing that leads to the person, for somebody who has the keyring too; every proof
// that was given, and every export, still verifies on a machine that has nothing else; and the dump, restored, serves and is whole.
func TestErasure_LeavesNothingOfThePersonInADump(t *testing.T) {
	t.Parallel()
	l := live(t)
	proofs := map[string]proofOf{}
	for _, e := range l.auditor.events(t, "?account_ref="+adaRef+"&limit=500") {
		proofs[e.ID] = l.auditor.prove(t, e.ID)
	}
	require.Greater(t, len(proofs), 30)
	keys := l.auditor.keys(t)
	export := l.auditor.get(t, "export")
	require.Equal(t, http.StatusOK, export.Status)
	traces := l.traces(t, proofs)
	told(t, l)

	before := takeDump(t, l.database)
	opened := before.open(t, l.keys, apptest.Tenant)
	for what, trace := range traces {
		require.NotEmpty(t, before.found(opened, trace), "the search does not find %s while it is there", what)
	}
	require.Contains(t, before.found(opened, "bob@example.net"), "sealed in public.identifier")
	for _, never := range []string{adaSource, "ExampleApp/4.2"} {
		require.Empty(t, before.found(opened, never), "was never to be kept")
	}

	_, err := l.s.Owner.Pool().Exec(t.Context(), `UPDATE support_artefact SET reference = id`)
	require.ErrorContains(t, err, "an artefact stays as it was attached")
	agent := l.s.Staff(t, "kim", credential.Agent)
	open := l.s.OpenCase(t, agent, l.start(t, client.LostAll))
	require.Equal(t, http.StatusNoContent, l.s.Account(t, http.MethodDelete, adaRef, "", nil).Status)
	apptest.Refused(t, open.Note(t, agent, adaNote), http.StatusConflict, client.ProblemCodeNotAllowedInState)
	told(t, l)
	at := takeDump(t, l.database)
	opened = at.open(t, l.keys, apptest.Tenant)
	require.Empty(t, at.left(opened, traces, passing...), "at once")
	require.Contains(t, at.found(opened, "bob@example.net"), "sealed in public.identifier", "the search still finds what is there")

	l.s.Advance(t, 2*apptest.Day)
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, l.s, `SELECT count(*) FROM abuse_tally WHERE source = $1`, adaNetwork) == 0
	}, apptest.Patience, 50*time.Millisecond)
	after := takeDump(t, l.database)
	opened = after.open(t, l.keys, apptest.Tenant)
	require.Empty(t, after.left(opened, traces), "after two days")

	for id, then := range proofs {
		now := l.auditor.prove(t, id)
		require.Equal(t, then.Leaf, now.Leaf)
		require.Empty(t, now.PersonalSalt)
		now.check(t, keys)
		then.check(t, keys)
	}
	verifiesOffline(t, keys, export.Body, "; personal data of 0 erased")
	l.restored(t, after, keys)
}

// told waits until everybody has acknowledged everything, and what was kept for them is gone.
func told(t *testing.T, l *life) {
	t.Helper()
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, l.s, `SELECT count(*) FROM signal_delivery WHERE status <> 'delivered'`) == 0
	}, apptest.Patience, 20*time.Millisecond)
	settle(t, l.s)
	_, err := postgres.NewSignals(l.s.App.DB).Tidy(t.Context(), signal.KeepEnded, 10)
	require.NoError(t, err)
}

// verifiesOffline checks an export with the program, in an environment that names no service and no database.
func verifiesOffline(t *testing.T, keys []string, export, says string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "export.ndjson")
	require.NoError(t, os.WriteFile(file, []byte(export), 0o600))
	out := program(t, nil, append(withKeys(keys), file)...)
	require.Contains(t, out, ": good: ")
	require.Contains(t, out, says)
}

func withKeys(keys []string) []string {
	args := []string{"audit", "verify", "-q"}
	for _, k := range keys {
		args = append(args, "--key", k)
	}
	return args
}

// program runs the command as a process of its own; it has to succeed.
func program(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), built(t), args...) //nolint:gosec // our own program.
	cmd.Env = append([]string{"HOME=" + t.TempDir()}, environ...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%v\n%s", args, out)
	return string(out)
}

// built builds the command.
func built(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast")
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "build", "-o", path, "github.com/holdfast/holdfast/cmd/holdfast").CombinedOutput() //nolint:gosec // our own program.
	require.NoError(t, err, string(out))
	return path
}

// restored reads the dump into a fresh database, and shows that it serves, verifies and replays, and that the log goes on.
func (l *life) restored(t *testing.T, d dump, keys []string) {
	t.Helper()
	database := pgtest.URLWith(t, func(context.Context, string) error { return nil }, "empty")
	d.restore(t, database)
	s := l.serve(t, database)
	bob := s.Start(t, apptest.Claimant{Identifier: apptest.Email("bob@example.net"), NewDevice: true})
	require.Equal(t, client.StateCoolingOff, bob.ProveBy(t, client.MethodEmail).State)
	require.Equal(t, http.StatusNotFound, s.Account(t, http.MethodGet, adaRef, "/status", nil).Status)
	nobody := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	nobody.Ask(t, client.MethodEmail)
	settle(t, s)
	require.Empty(t, s.Mail.To(ada, notify.RecoveryCode), "nobody is written to")

	again := newAuditor(t, s, apptest.Tenant)
	again.prove(t, again.events(t, "?recovery_id="+bob.ID)[0].ID).check(t, keys)
	environ := []string{"HOLDFAST_DATABASE_URL=" + database, "HOLDFAST_KEYRING=" + l.keyring, "HOLDFAST_PUBLIC_URL=" + apptest.Public}
	file := filepath.Join(t.TempDir(), "log.ndjson")
	program(t, environ, "audit", "export", "--all", file)
	whole, err := os.ReadFile(file) //nolint:gosec // the test's own.
	require.NoError(t, err)
	verifiesOffline(t, keys, string(whole), "(the whole log)")
	require.Contains(t, program(t, environ, "audit", "replay"), " 0 not justified")
	require.NotEmpty(t, months(t, l.s))
	require.Subset(t, months(t, s), months(t, l.s), "the log's partitions with their bounds, triggers and rights")
}

// months tells of each partition of the log what it holds, what watches over it, and that nobody has any right on it.
func months(t *testing.T, s *apptest.Service) []string {
	t.Helper()
	return apptest.Texts(t, s, `SELECT concat_ws(' ', c.oid::regclass, pg_get_expr(c.relpartbound, c.oid),
		(SELECT string_agg(g.tgname, ' ' ORDER BY g.tgname) FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal),
		has_table_privilege('holdfast_service', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'), has_table_privilege('holdfast_auditor', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'))
		FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' AND c.relname LIKE 'audit_event%' ORDER BY 1`)
}
