package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// erase erases at once.
func (w *world) erase(tenant, ref string) {
	w.t.Helper()
	waiting, err := w.Erase(w.t.Context(), caller(tenant), ref)
	require.NoError(w.t, err)
	require.False(w.t, waiting)
}

// an erasure that is asked for in probation waits, is told to the owner, and is done when nothing is open any more.
func TestErase_WaitsForTheEndOfProbation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.put(ada("demo", "u-1")).ID
	w.recoveryIn("demo", id, "completed")
	for range 2 {
		waiting, err := w.Erase(t.Context(), caller("demo"), "u-1")
		require.NoError(t, err)
		require.True(t, waiting)
	}
	require.Equal(t, 1, scalar[int](w, `select count(*) from audit_event where action = $1`, audit.ErasureQueued), "asking again changes nothing")
	require.Equal(t, 2, scalar[int](w, `select count(*) from notice where kind = 'erasure_queued'`), "every address is told")
	s, err := w.Status(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.False(t, s.ErasureAskedAt.IsZero())
	n, err := w.EraseDue(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, n, "nothing is due yet")

	w.exec(`update recovery set probation_until = now() - interval '1 second'`)
	n, err = w.EraseDue(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 1, scalar[int](w, `select count(*) from account where erased_at is not null and data_key is null`))
	require.Equal(t, "queued", scalar[string](w, `select reason from audit_event where action = $1`, audit.AccountErased))
	n, err = w.EraseDue(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, n)
}

// an account that cannot be erased does not keep the others from it.
func TestErase_OneThatFailsKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, ref := range []string{"u-1", "u-2"} {
		cmd := ada("demo", ref)
		cmd.Identifiers = []account.Identifier{{Type: "username", Value: secret.NewString(ref)}}
		w.recoveryIn("demo", w.put(cmd).ID, "completed")
		waiting, err := w.Erase(t.Context(), caller("demo"), ref)
		require.NoError(t, err)
		require.True(t, waiting)
		w.exec(`update account set erasure_asked_at = now() - make_interval(hours => $1) where erasure_asked_at > now() - interval '30 minutes'`, 9-i)
	}
	w.exec(`update account set data_key = 'broken' where erasure_asked_at = (select min(erasure_asked_at) from account)`)
	w.exec(`update recovery set probation_until = now() - interval '1 second'`)
	_, err := w.EraseDue(t.Context(), 10)
	require.Error(t, err, "somebody has to hear of it")
	require.Equal(t, 1, scalar[int](w, `select count(*) from account where erased_at is not null`))
}

// I9, R-092: whoever writes by hand as the service's role meets the same rule, named.
func TestTheDatabase_KeepsAFrozenAccountAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.put(ada("demo", "u-1")).ID
	f := w.enrolled("demo", "u-1")
	w.recoveryIn("demo", id, "cooling_off")
	w.exec(`delete from notice`)
	for what, sql := range map[string]string{
		"a new address":       `insert into channel (tenant_id, id, account_id, kind, address_hash, sealed, since) select 'demo', 'chn_x', '` + id + `', 'email', sha256('x'), 'x', now()`,
		"a removed address":   `update channel set removed_at = now() where kind = 'sms'`,
		"a backdated address": `update channel set since = since - interval '1 year'`,
		"an address gone":     `delete from channel where kind = 'sms'`,
		"a new identifier":    `insert into identifier (tenant_id, hash, account_id, type, sealed) select 'demo', sha256('y'), '` + id + `', 'email', 'x'`,
		"an identifier gone":  `delete from identifier`,
		"a new factor":        `insert into factor (tenant_id, id, account_id, kind, sealed, enrolled_at) select 'demo', 'fac_x', '` + id + `', 'totp', 'x', now()`,
		"a removed factor":    `update factor set removed_at = now() where id = '` + f.ID + `'`,
		"a factor gone":       `delete from factor`,
		"another assurance":   `update account set aal = 1`,
		"an erasure":          `update account set erased_at = now(), data_key = null, ref_hash = null, ref_sealed = null`,
	} {
		_, err := w.db.Pool().Exec(t.Context(), sql)
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, what)
		require.Equal(t, "account_frozen", refused.ConstraintName, what)
	}
	for what, sql := range map[string]string{
		"a new key's hash": `update channel set address_hash = sha256('new')`,
		"a suspicion":      `update channel set suspect_at = now(), suspect_until = now() + interval '1 day'`,
	} {
		_, err := w.db.Pool().Exec(t.Context(), sql)
		require.NoError(t, err, what)
	}
}

// verifying a suspect address anew ends the suspicion, and its age begins anew as well.
func TestASuspectAddress_CountsAgainOnceItIsVerifiedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cmd := ada("demo", "u-1")
	w.put(cmd)
	before := scalar[time.Time](w, `select since from channel where kind = 'email'`)
	w.exec(`update channel set suspect_at = now() - interval '1 hour', suspect_until = now() + interval '6 days' where kind = 'email'`)
	means := func() []string {
		s, err := w.Status(t.Context(), caller("demo"), "u-1")
		require.NoError(t, err)
		return s.Means
	}
	require.Equal(t, []string{"sms"}, means())
	w.put(cmd)
	require.Equal(t, []string{"sms"}, means(), "saying the same again verifies nothing")

	cmd.Channels[0].VerifiedAt = time.Now().Add(-time.Minute)
	w.put(cmd)
	require.Equal(t, []string{"email", "sms"}, means())
	require.True(t, scalar[time.Time](w, `select since from channel where kind = 'email' and removed_at is null`).After(before))

	w.exec(`update channel set suspect_at = now() - interval '8 days', suspect_until = now() - interval '1 day' where removed_at is null`)
	require.Equal(t, []string{"email", "sms"}, means(), "a suspicion ends by itself")
}

// after a reversal the identity system is told what to end.
func TestStatus_SaysWhatToRevokeAfterAReversal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.put(ada("demo", "u-1")).ID
	w.recoveryIn("demo", id, "reversed")
	s, err := w.Status(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.Len(t, s.Reversals, 1)
	require.Equal(t, "rcv_"+id, s.Reversals[0].RecoveryID)
	require.Equal(t, []string{account.RevokeSessions, account.RevokeCredentials, account.RevokeCodes}, s.Reversals[0].Revoke)
	require.Equal(t, []string{account.RestrictHighValue}, s.Restrict)
	require.Empty(t, s.OpenRecoveries)
	_, err = w.IssueCodes(t.Context(), account.IssueCodesCommand{Caller: caller("demo"), Ref: "u-1"})
	require.Equal(t, fault.Code(""), fault.CodeOf(err), "the owner's account changes again")

	w.exec(`update recovery set closed_at = now() - interval '8 days'`)
	s, err = w.Status(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.Len(t, s.Reversals, 1)
	require.Empty(t, s.Restrict)
	w.exec(`update recovery set closed_at = now() - interval '31 days'`)
	s, err = w.Status(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.Empty(t, s.Reversals)
}
