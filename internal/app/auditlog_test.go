package app_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/postgres"
)

// proofOf is what an auditor's own tools read of a proof: nothing of the service's code is in it but the verifier.
type proofOf struct {
	Index        int64        `json:"index"`
	Event        audit.Event  `json:"event"`
	Leaf         string       `json:"leaf"`
	Salt         []byte       `json:"salt"`
	PersonalSalt []byte       `json:"personal_salt"`
	Proof        []audit.Hash `json:"proof"`
	Checkpoint   string       `json:"checkpoint"`
}

func (p proofOf) check(t testing.TB, keys []string) {
	t.Helper()
	c, err := audit.OpenCheckpoint([]byte(p.Checkpoint), keys)
	require.NoError(t, err)
	require.NoError(t, audit.CheckInclusion(c.Head, p.Index, audit.LeafHash([]byte(p.Leaf)), p.Proof))
	leaf, err := audit.ParseLeaf([]byte(p.Leaf))
	require.NoError(t, err)
	entry := audit.Entry{Event: p.Event, Salt: p.Salt}
	if p.PersonalSalt != nil {
		entry.Personal = &audit.Personal{Salt: p.PersonalSalt, Origin: p.Event.Origin, RequestID: p.Event.RequestID}
	}
	differences, err := leaf.Compare(entry)
	require.NoError(t, err)
	require.Empty(t, differences)
}

// auditor reads a log over HTTP.
type auditor struct {
	s     *apptest.Service
	token string
}

func newAuditor(t testing.TB, s *apptest.Service, tenant string) auditor {
	t.Helper()
	token, _ := s.Client(t, tenant, credential.AuditRead)
	return auditor{s, token}
}

func (a auditor) get(t testing.TB, path string) apptest.Answer {
	t.Helper()
	return a.s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/audit/" + path, As: a.token})
}

func (a auditor) events(t testing.TB, query string) []client.AuditEvent {
	t.Helper()
	return apptest.Decode[client.AuditEvents](t, a.get(t, "events"+query), http.StatusOK).Events
}

func (a auditor) keys(t testing.TB) []string {
	t.Helper()
	return apptest.Decode[client.AuditKeys](t, a.get(t, "keys"), http.StatusOK).Keys
}

// prove waits until the event is sealed and published, and gives its proof.
func (a auditor) prove(t testing.TB, id string) proofOf {
	t.Helper()
	var answer apptest.Answer
	require.Eventually(t, func() bool {
		answer = a.get(t, "events/"+id+"/proof")
		return answer.Status != http.StatusConflict
	}, apptest.Patience, 50*time.Millisecond)
	return decodeProof(t, answer)
}

func decodeProof(t testing.TB, answer apptest.Answer) proofOf {
	t.Helper()
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	var p proofOf
	dec := json.NewDecoder(strings.NewReader(answer.Body))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&p))
	return p
}

// The issue, "An audit trail that proves itself": an auditor follows one recovery, proves each of its events, and that the log
// only grew meanwhile.
func TestAuditor_ProvesEveryEventOfARecoveryAndThatTheLogOnlyGrew(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	a := newAuditor(t, s, apptest.Tenant)
	s.Register(t, apptest.Person{Ref: "u1", Email: "u1@example.com", Phone: "+447700900001"})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("u1@example.com")})
	c.ProveBy(t, client.MethodEmail)
	keys := a.keys(t)
	require.Len(t, keys, 1)

	events := a.events(t, "?recovery_id="+c.ID)
	require.Greater(t, len(events), 3)
	first := a.prove(t, events[len(events)-1].ID)
	for _, e := range events {
		p := a.prove(t, e.ID)
		p.check(t, keys)
		require.Equal(t, e.ID, p.Event.ID)
	}
	for _, e := range a.events(t, "?account_ref=u1") {
		require.NotNil(t, e.Account)
	}
	require.NotEmpty(t, a.events(t, "?action=account.registered&limit=1"))
	require.Empty(t, a.events(t, "?until=2020-01-01T00:00:00Z"))

	c.Do(t, http.MethodPost, "/cancel", nil)
	last := a.prove(t, a.events(t, "?action=recovery.cancelled")[0].ID)
	last.check(t, keys)
	before, err := audit.OpenCheckpoint([]byte(first.Checkpoint), keys)
	require.NoError(t, err)
	after, err := audit.OpenCheckpoint([]byte(last.Checkpoint), keys)
	require.NoError(t, err)
	grown := apptest.Decode[client.AuditConsistency](t, a.get(t, "consistency?from="+strconv.FormatInt(before.Size, 10)+"&to="+strconv.FormatInt(after.Size, 10)), http.StatusOK)
	hashes := make([]audit.Hash, len(grown.Proof))
	for i, text := range grown.Proof {
		require.NoError(t, json.Unmarshal([]byte(strconv.Quote(text)), &hashes[i]))
	}
	require.NoError(t, audit.CheckConsistency(after.Head, before.Head, hashes))

	note := a.get(t, "checkpoint")
	require.Equal(t, http.StatusOK, note.Status)
	newest, err := audit.OpenCheckpoint([]byte(note.Body), keys)
	require.NoError(t, err)
	require.Equal(t, "recovery.example.com/audit", newest.Origin)
	tile := a.get(t, "tile/0/000.p/1")
	require.Equal(t, http.StatusOK, tile.Status)
	require.Len(t, tile.Body, 32)
	require.Equal(t, http.StatusNotFound, a.get(t, "tile/1/000.p/1").Status)
	require.Equal(t, http.StatusNotFound, a.get(t, "tile/0/000").Status, "not full yet")
	require.Equal(t, http.StatusUnprocessableEntity, a.get(t, "consistency?from=9&to=3").Status)
	require.Equal(t, http.StatusUnprocessableEntity, a.get(t, "events?limit=0").Status)
	require.Equal(t, http.StatusUnprocessableEntity, a.get(t, "events?unknown=1").Status)
	require.Equal(t, http.StatusUnprocessableEntity, a.get(t, "events?limit=1&limit=2").Status)
}

// a tenant sees its own events and nobody else's.
func TestAuditor_SeesNothingOfAnotherTenant(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	_, err := s.Owner.CreateTenant(t.Context(), postgres.Tenant{ID: "rival", Name: "Rival"})
	require.NoError(t, err)
	s.Register(t, apptest.Person{Ref: "u1", Email: "u1@example.com", Phone: "+447700900001"})
	mine, theirs := newAuditor(t, s, apptest.Tenant), newAuditor(t, s, "rival")
	id := mine.events(t, "?action=account.registered")[0].ID
	mine.prove(t, id)
	for _, path := range []string{"events/" + id, "events/" + id + "/proof"} {
		require.Equal(t, http.StatusNotFound, theirs.get(t, path).Status, path)
	}
	for _, e := range theirs.events(t, "") {
		require.Equal(t, "rival", e.Tenant)
	}
	require.Empty(t, theirs.events(t, "?account_ref=u1"))
	require.Equal(t, http.StatusForbidden, s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/audit/events", As: s.AppToken}).Status)
}

// after an erasure every proof holds, and of what the events said about the person nothing is left.
func TestErasure_KeepsEveryProofAndNothingOfThePerson(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	a := newAuditor(t, s, apptest.Tenant)
	s.Register(t, apptest.Person{Ref: "u1", Email: "u1@example.com", Phone: "+447700900001"})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("u1@example.com"), IP: "2001:db8:77:88::9"})
	c.Ask(t, client.MethodEmail)
	c.Do(t, http.MethodPost, "/cancel", nil)
	keys := a.keys(t)
	before := map[string]proofOf{}
	for _, e := range a.events(t, "?account_ref=u1") {
		before[e.ID] = a.prove(t, e.ID)
		require.NotEmpty(t, before[e.ID].Event.RequestID+string(before[e.ID].Event.Actor.Kind))
	}
	require.Greater(t, len(before), 3)
	account := *a.events(t, "?action=account.registered")[0].Account
	erased := s.Do(t, apptest.Request{Method: http.MethodDelete, Path: "/v1/accounts/u1", As: s.IdentityToken})
	require.Equal(t, http.StatusNoContent, erased.Status, erased.Body)

	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM audit_personal p JOIN audit_event e ON e.tenant_id = p.tenant_id AND e.id = p.event_id
		WHERE e.account_id = $1 AND e.action <> 'account.erased'`, account))
	require.Empty(t, a.events(t, "?account_ref=u1"), "the name leads nowhere")
	for id, then := range before {
		now := a.prove(t, id)
		require.Equal(t, then.Leaf, now.Leaf)
		require.Empty(t, now.PersonalSalt)
		require.Empty(t, now.Event.RequestID)
		now.check(t, keys)
	}
}
