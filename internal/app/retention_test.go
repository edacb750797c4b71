package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/postgres"
)

const month = 30 * 24 * time.Hour

func forget(t *testing.T, s *apptest.Service) postgres.Forgotten {
	t.Helper()
	gone, _, err := s.App.DB.ForgetRecoveries(t.Context(), s.App.Config.Retention.Work, 100)
	require.NoError(t, err)
	return gone
}

// what people wrote and attached around a recovery goes with it: no key opens the words, the check's reference is gone. The case
// is still there, the document still proves nothing twice, and replay has nothing to say.
func TestForget_TakesACasesWordsAndReferences(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	claim := d.lost(t)
	c := d.OpenCase(t, d.agent, claim)
	require.Equal(t, http.StatusCreated, c.Note(t, d.agent, "Lost the phone on a journey.").Status)
	artefact := d.Artefact(t, client.ArtefactReproofing, "IDC-1")
	require.Equal(t, http.StatusCreated, c.Do(t, d.agent, http.MethodPost, "/artefacts", artefact).Status)
	p := c.Propose(t, d.agent, client.OutcomeDeny)
	require.NotEmpty(t, p.ID)
	require.Equal(t, http.StatusOK, claim.Do(t, http.MethodPost, "/cancel", nil).Status)
	settle(t, d.Service)

	d.Advance(t, month-time.Hour)
	require.Empty(t, forget(t, d.Service))
	d.Advance(t, 2*time.Hour)
	_, err := d.App.Cases.Settle(t.Context(), 10)
	require.NoError(t, err)
	gone := forget(t, d.Service)
	for _, table := range []string{"recovery", "support_note", "support_case", "support_artefact"} {
		require.Equal(t, int64(1), gone[table], table)
	}
	require.Zero(t, apptest.Query[int](t, d.Service, `SELECT count(*) FROM support_case WHERE data_key IS NOT NULL`))
	require.Zero(t, apptest.Query[int](t, d.Service, `SELECT count(*) FROM support_artefact WHERE reference LIKE '%IDC-1%'`))

	d.signIn(t)
	seen := c.Read(t, d.agent)
	require.Empty(t, seen.Notes)
	again := d.OpenCase(t, d.agent, d.lost(t))
	artefact.PerformedAt = d.Now(t)
	artefact.Reference = "IDC-2"
	apptest.Refused(t, again.Do(t, d.agent, http.MethodPost, "/artefacts", artefact), http.StatusConflict, client.ProblemCodeArtefactUsed)
	r, said := replayed(t, d.Service)
	require.Empty(t, said)
	require.Equal(t, 2, r.Recoveries)
}

// an account that a legal hold is on is not erased, and is once the hold is lifted.
func TestErase_WaitsForAHold(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada})
	id := apptest.Query[string](t, s, `SELECT id FROM account`)
	by := audit.Actor{Kind: audit.ActorOperator, ID: "root"}
	tenant := apptest.Query[string](t, s, `SELECT tenant_id FROM account`)
	require.NoError(t, s.App.DB.SetHold(t.Context(), by, postgres.Hold{Tenant: tenant, Account: id, Reason: "case 7"}))
	require.Equal(t, http.StatusAccepted, s.Account(t, http.MethodDelete, "ada", "", nil).Status)
	_, err := s.App.Accounts.EraseDue(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM account WHERE erased_at IS NOT NULL`))
	require.NoError(t, s.App.DB.LiftHold(t.Context(), by, tenant, id))
	_, err = s.App.Accounts.EraseDue(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, apptest.Query[int](t, s, `SELECT count(*) FROM account WHERE erased_at IS NOT NULL`))
}

// The loops of a working node forget by themselves, and count what they did.
func TestForget_IsALoopOfEveryWorkingNode(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("nobody@example.com")})
	c.Ask(t, client.MethodEmail)
	require.Equal(t, http.StatusOK, c.Do(t, http.MethodPost, "/cancel", nil).Status)
	settle(t, s)
	s.Advance(t, month+time.Hour)
	require.NoError(t, s.App.Forget(t.Context()))
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM challenge`))
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM recovery WHERE network <> '' OR signals <> '{}'`))
}
