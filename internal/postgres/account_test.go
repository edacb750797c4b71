package postgres_test

import (
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

func requireFault(t *testing.T, code fault.Code, err error) {
	t.Helper()
	require.Equal(t, code, fault.CodeOf(err), "%v", err)
}

func TestPut_RegistersAnAccountThatCanBeReadBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	v, created, err := w.Put(t.Context(), ada("demo", "u-1"))

	require.NoError(t, err)
	require.True(t, created)
	got, err := w.Get(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.Equal(t, v, got)
	require.Equal(t, "u-1", got.Ref)
	require.Equal(t, "u-1@example.com", got.Identifiers[0].Value.Reveal())
	require.Len(t, got.Channels, 2)
	require.Less(t, got.Channels[0].VerifiedAt, time.Now().Add(-80*24*time.Hour), "the first sight believes how long it was verified")
	require.Equal(t, 1, scalar[int](w, `select count(*) from audit_event e join audit_personal p on p.event_id = e.id where e.action = 'account.registered' and e.actor_id = 'cli_test' and p.request_id = 'req_test' and e.request_id = ''`))
	require.Zero(t, scalar[int](w, `select count(*) from notice`))
}

func TestPut_ASecondTimeChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(ada("demo", "u-1"))
	before := w.dump()

	_, created, err := w.Put(t.Context(), ada("demo", "u-1"))

	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, before, w.dump())
}

//
func TestPut_KeepsTheAgeOfWhatStaysAndTellsAllAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.put(ada("demo", "u-1"))
	cmd := ada("demo", "u-1")
	cmd.Channels[1] = channel("sms", "+15550109999")
	cmd.Identifiers = append(cmd.Identifiers, account.Identifier{Type: "username", Value: secret.NewString("Ada")})

	second := w.put(cmd)

	require.Equal(t, first.Channels[0], second.Channels[0])
	require.NotEqual(t, first.Channels[1].ID, second.Channels[1].ID)
	require.Greater(t, second.Channels[1].VerifiedAt, time.Now().Add(-time.Minute), "a change cannot be backdated")
	require.Equal(t, 1, scalar[int](w, `select count(*) from channel where removed_at is not null and id = $1`, first.Channels[1].ID))
	for _, kind := range []string{"channel_added", "channel_removed"} {
		require.Equal(t, 3, scalar[int](w, `select count(*) from notice where kind = $1`, kind), "the mailbox, the old number, the new number")
	}
	require.Equal(t, 6, scalar[int](w, `select count(*) from river.river_job where kind = 'notice.deliver'`))
	require.Equal(t, 1, scalar[int](w, `select count(*) from audit_event where action = 'account.replaced' and details->>'channels_added' = '1'`))
	got, err := w.Get(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.Equal(t, second, got)
}

//
func TestPut_RefusesWhatIsNotRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, spoil := range map[string]func(r *account.Registration){
		"no reference":           func(r *account.Registration) { r.Ref = "" },
		"a reference with a NUL": func(r *account.Registration) { r.Ref = "a\x00b" },
		"population":             func(r *account.Registration) { r.Population = "Consumer'; drop table account; --" },
		"aal 0":                  func(r *account.Registration) { r.AAL = 0 },
		"ial 4":                  func(r *account.Registration) { r.IAL = 4 },
		"locale":                 func(r *account.Registration) { r.Locale = "en\r\nX: y" },
		"not verified":           func(r *account.Registration) { r.Channels[0].VerifiedAt = time.Time{} },
		"verified tomorrow":      func(r *account.Registration) { r.Channels[0].VerifiedAt = time.Now().Add(24 * time.Hour) },
		"two destinations":       func(r *account.Registration) { r.Channels[0].Address = secret.NewString("a@example.com,b@example.com") },
		"a header": func(r *account.Registration) {
			r.Channels[0].Address = secret.NewString("a@example.com\r\nBcc: b@example.com")
		},
		"an unknown channel":     func(r *account.Registration) { r.Channels[0].Kind = "fax" },
		"the same channel twice": func(r *account.Registration) { r.Channels = append(r.Channels, r.Channels[0]) },
		"an identifier twice":    func(r *account.Registration) { r.Identifiers = append(r.Identifiers, r.Identifiers[0]) },
		"eleven identifiers": func(r *account.Registration) {
			for _, c := range "abcdefghij" {
				r.Identifiers = append(r.Identifiers, email(string(c)+"@example.com"))
			}
		},
	} {
		cmd := ada("demo", "u-1")
		spoil(&cmd.Registration)
		_, _, err := w.Put(t.Context(), cmd)
		require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(err), name)
		require.Len(t, fault.From(err).Fields, 1, name)
	}
	require.Zero(t, scalar[int](w, `select count(*) from account`))
}

func TestPut_AnIdentifierNamesOneAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(ada("demo", "u-1"))
	cmd := ada("demo", "u-2")
	cmd.Identifiers = []account.Identifier{email("u-1@EXAMPLE.com")}

	_, _, err := w.Put(t.Context(), cmd)

	requireFault(t, fault.CodeIdentifierTaken, err)
	require.Equal(t, 1, scalar[int](w, `select count(*) from account`))
	cmd.Tenant = "other"
	_, created, err := w.Put(t.Context(), cmd)
	require.NoError(t, err)
	require.True(t, created, "another tenant's names are its own")
}

// Two keyrings with another primary are a rotation under way: the same name has another hash on each node.
func TestPut_OfManyAtOnceForOneIdentifierHasOneWinner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	staged, _, err := w.keys.Stage(rand.Reader)
	require.NoError(t, err)
	promoted, err := staged.Promote(staged.KeyIDs()[1])
	require.NoError(t, err)
	nodes := []*account.Service{w.service(staged), w.service(promoted)}
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			cmd := ada("demo", "u-"+string(rune('a'+i)))
			cmd.Identifiers = []account.Identifier{email("shared@example.com")}
			_, _, errs[i] = nodes[i%2].Put(t.Context(), cmd)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		requireFault(t, fault.CodeIdentifierTaken, err)
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, scalar[int](w, `select count(*) from account`))
}

func TestPut_OfManyAtOnceForOneReferenceMakesOneAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	created := make([]bool, 16)
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() { _, created[i], errs[i] = w.Put(t.Context(), ada("demo", "u-1")) })
	}
	wg.Wait()
	n := 0
	for i, err := range errs {
		require.NoError(t, err)
		if created[i] {
			n++
		}
	}
	require.Equal(t, 1, n)
}

//
func TestAccounts_AreNotThereForAnotherTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(ada("demo", "u-1"))
	e := w.enrolled("demo", "u-1")
	before := w.dump()
	c := caller("other")

	_, err := w.Get(t.Context(), c, "u-1")
	requireFault(t, fault.CodeNotFound, err)
	_, err = w.Status(t.Context(), c, "u-1")
	requireFault(t, fault.CodeNotFound, err)
	_, err = w.Erase(t.Context(), c, "u-1")
	requireFault(t, fault.CodeNotFound, err)
	_, err = w.Enrol(t.Context(), account.EnrolCommand{Caller: c, Ref: "u-1", Kind: "totp"})
	requireFault(t, fault.CodeNotFound, err)
	_, err = w.Confirm(t.Context(), account.ConfirmCommand{Caller: c, Ref: "u-1", Factor: e.ID, Code: secret.NewString("123456")})
	requireFault(t, fault.CodeNotFound, err)
	requireFault(t, fault.CodeNotFound, w.RemoveFactor(t.Context(), account.RemoveFactorCommand{Caller: c, Ref: "u-1", Factor: e.ID}))
	_, err = w.IssueCodes(t.Context(), account.IssueCodesCommand{Caller: c, Ref: "u-1"})
	requireFault(t, fault.CodeNotFound, err)
	require.Equal(t, before, w.dump())

	w.put(ada("other", "u-9"))
	requireFault(t, fault.CodeNotFound, w.RemoveFactor(t.Context(), account.RemoveFactorCommand{Caller: c, Ref: "u-9", Factor: e.ID}))
}

//
func TestChanges_WaitWhileARecoveryIsPastItsProofs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.put(ada("demo", "u-1")).ID
	f := w.enrolled("demo", "u-1")
	c := caller("demo")
	changes := func() map[string]error {
		cmd := ada("demo", "u-1")
		cmd.Channels = cmd.Channels[:1]
		tongue := ada("demo", "u-1")
		tongue.Locale = "fr"
		out := map[string]error{}
		_, _, out["address"] = w.Put(t.Context(), cmd)
		_, _, out["profile"] = w.Put(t.Context(), tongue)
		_, out["enrolment"] = w.Enrol(t.Context(), account.EnrolCommand{Caller: c, Ref: "u-1", Kind: "totp"})
		out["factor"] = w.RemoveFactor(t.Context(), account.RemoveFactorCommand{Caller: c, Ref: "u-1", Factor: f.ID})
		_, out["codes"] = w.IssueCodes(t.Context(), account.IssueCodesCommand{Caller: c, Ref: "u-1"})
		return out
	}
	for _, state := range []string{"assisted", "cooling_off", "contested", "ready", "granted", "completed"} {
		w.recoveryIn("demo", id, state)
		before := w.dump()
		for what, err := range changes() {
			require.Equal(t, fault.CodeRecoveryOpen, fault.CodeOf(err), "%s in %s: %v", what, state, err)
		}
		_, _, err := w.Put(t.Context(), ada("demo", "u-1"))
		require.NoError(t, err, "what changes nothing is fine")
		require.Equal(t, before, w.dump())
		s, err := w.Status(t.Context(), c, "u-1")
		require.NoError(t, err)
		require.Subset(t, s.Restrict, []string{account.RestrictAddresses, account.RestrictFactors, account.RestrictErasure})
		require.Equal(t, state == "completed", !s.ProbationUntil.IsZero())
		require.Equal(t, state != "completed", len(s.OpenRecoveries) == 1)
	}
	w.exec(`update recovery set probation_until = now() - interval '1 second'`)
	s, err := w.Status(t.Context(), c, "u-1")
	require.NoError(t, err)
	require.Empty(t, s.Restrict, "what is over by the clock is over")
	for _, state := range []string{"initiated", "verifying", "closed", "vetoed", "cancelled", "expired", "reversed"} {
		w.recoveryIn("demo", id, state)
		_, err := w.IssueCodes(t.Context(), account.IssueCodesCommand{Caller: c, Ref: "u-1"})
		require.NoError(t, err, state)
	}
}

//
func TestErase_LeavesNothingThatCouldBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cmd := ada("demo", "u-1")
	w.put(cmd)
	cmd.Channels[1] = channel("sms", "+15550109999")
	w.put(cmd)
	w.enrolled("demo", "u-1")
	_, err := w.IssueCodes(t.Context(), account.IssueCodesCommand{Caller: caller("demo"), Ref: "u-1"})
	require.NoError(t, err)
	key := scalar[[]byte](w, `select data_key from account`)
	sealed := scalar[[]byte](w, `select sealed from channel limit 1`)
	require.NotEmpty(t, sealed)

	w.erase("demo", "u-1")

	require.Zero(t, scalar[int](w, `select (select count(*) from identifier) + (select count(*) from factor) + (select count(*) from saved_code)`))
	require.Zero(t, scalar[int](w, `select count(*) from channel where length(sealed) > 0 or removed_at is null`))
	require.Equal(t, 1, scalar[int](w, `select count(*) from account where erased_at is not null and data_key is null`), "a tombstone")
	requireNowhere(t, w.dump(), "u-1", string(key), string(sealed), "15550109999", "7700900123")
	for _, h := range account.RefHashes(w.keys, "demo", "u-1") {
		requireNowhere(t, w.dump(), string(h))
	}
	require.Equal(t, 1, scalar[int](w, `select count(*) from audit_event where action = 'account.erased'`))
	_, err = w.Erase(t.Context(), caller("demo"), "u-1")
	requireFault(t, fault.CodeNotFound, err)
	_, err = w.Get(t.Context(), caller("demo"), "u-1")
	requireFault(t, fault.CodeNotFound, err)
	_, created, err := w.Put(t.Context(), ada("demo", "u-1"))
	require.NoError(t, err)
	require.True(t, created, "the name is free again")
}

//
func TestDatabase_HoldsNoPersonalDataInClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cmd := ada("demo", "person-4711")
	cmd.Identifiers = append(cmd.Identifiers, account.Identifier{Type: "username", Value: secret.NewString("AdaLovelace")})
	w.put(cmd)
	cmd.Channels[1] = channel("voice", "+15550109999")
	w.put(cmd)
	c := caller("demo")
	e, err := w.Enrol(t.Context(), account.EnrolCommand{Caller: c, Ref: "person-4711", Kind: "totp", Label: "lovelace", Key: w.key(c, "enrol", "k1")})
	require.NoError(t, err)
	codes, err := w.IssueCodes(t.Context(), account.IssueCodesCommand{Caller: c, Ref: "person-4711", Key: w.key(c, "codes", "k2")})
	require.NoError(t, err)

	texts := []string{"person-4711", "lovelace", "7700900123", "5550109999", e.Secret.Reveal()}
	for _, code := range codes {
		all := strings.ReplaceAll(code.Reveal(), "-", "")
		texts = append(texts, code.Reveal(), all, all[8:])
	}
	requireNowhere(t, w.dump(), texts...)
}

// code computes what the owner's app shows.
func code(t testing.TB, base32 secret.String, step int64) secret.String {
	t.Helper()
	c, err := hotp.GenerateCodeCustom(base32.Reveal(), uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	require.NoError(t, err)
	return secret.NewString(c)
}

func (w *world) enrolled(tenant, ref string) account.FactorView {
	w.t.Helper()
	c := caller(tenant)
	e, err := w.Enrol(w.t.Context(), account.EnrolCommand{Caller: c, Ref: ref, Kind: "totp"})
	require.NoError(w.t, err)
	f, err := w.Confirm(w.t.Context(), account.ConfirmCommand{Caller: c, Ref: ref, Factor: e.ID, Code: code(w.t, e.Secret, time.Now().Unix()/30)})
	require.NoError(w.t, err)
	return f
}

//
func TestEnrol_CountsOnceItsFirstCodeIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(ada("demo", "u-1"))
	c := caller("demo")
	cmd := account.EnrolCommand{Caller: c, Ref: "u-1", Kind: "totp", Label: "Ada", Key: w.key(c, "enrol", "k1")}
	e, err := w.Enrol(t.Context(), cmd)
	require.NoError(t, err)
	require.Len(t, e.Secret.Reveal(), 32, "160 bits")
	require.Contains(t, e.URL.Reveal(), "otpauth://totp/")
	again, err := w.Enrol(t.Context(), cmd)
	require.NoError(t, err)
	require.Equal(t, e, again, "a retry gets its seed")
	v, err := w.Get(t.Context(), c, "u-1")
	require.NoError(t, err)
	require.Empty(t, v.Factors)

	wrong := account.ConfirmCommand{Caller: c, Ref: "u-1", Factor: e.ID, Code: secret.NewString("00000x"), Key: w.key(c, "confirm", "k2")}
	for range 2 {
		_, err = w.Confirm(t.Context(), wrong)
		requireFault(t, fault.CodeFactorRefused, err)
	}
	require.Equal(t, 1, scalar[int](w, `select consecutive from attempt_counter where kind = $1`, "confirm:"+e.ID), "a retry is not counted twice")
	require.Zero(t, scalar[int](w, `select count(*) from notice`))

	step := time.Now().Unix() / 30
	f, err := w.Confirm(t.Context(), account.ConfirmCommand{Caller: c, Ref: "u-1", Factor: e.ID, Code: code(t, e.Secret, step), Key: w.key(c, "confirm", "k3")})
	require.NoError(t, err)
	require.Equal(t, e.ID, f.ID)
	require.GreaterOrEqual(t, scalar[int64](w, `select last_step from factor`), step, "the code that confirmed proves nothing any more")
	require.Equal(t, 2, scalar[int](w, `select count(*) from notice where kind = 'factor_added'`))

	require.NoError(t, w.RemoveFactor(t.Context(), account.RemoveFactorCommand{Caller: c, Ref: "u-1", Factor: e.ID}))
	requireFault(t, fault.CodeNotFound, w.RemoveFactor(t.Context(), account.RemoveFactorCommand{Caller: c, Ref: "u-1", Factor: e.ID}))
	require.Equal(t, 2, scalar[int](w, `select count(*) from notice where kind = 'factor_removed'`))
}

func TestConfirm_EndsAfterTenWrongCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(ada("demo", "u-1"))
	c := caller("demo")
	e, err := w.Enrol(t.Context(), account.EnrolCommand{Caller: c, Ref: "u-1", Kind: "totp"})
	require.NoError(t, err)
	for range 10 {
		_, err := w.Confirm(t.Context(), account.ConfirmCommand{Caller: c, Ref: "u-1", Factor: e.ID, Code: secret.NewString("wrong")})
		requireFault(t, fault.CodeFactorRefused, err)
	}
	_, err = w.Confirm(t.Context(), account.ConfirmCommand{Caller: c, Ref: "u-1", Factor: e.ID, Code: code(t, e.Secret, time.Now().Unix()/30)})
	requireFault(t, fault.CodeNotFound, err)
	require.Equal(t, 10, scalar[int](w, `select count(*) from audit_event where action = 'factor.bound' and outcome = 'failure'`))
}

func TestEnrol_IsBoundedAndForgetsWhatWasNeverConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(ada("demo", "u-1"))
	cmd := account.EnrolCommand{Caller: caller("demo"), Ref: "u-1", Kind: "totp"}
	for range 5 {
		_, err := w.Enrol(t.Context(), cmd)
		require.NoError(t, err)
	}
	_, err := w.Enrol(t.Context(), cmd)
	requireFault(t, fault.CodeFactorRefused, err)
	w.exec(`update factor set enrolled_at = enrolled_at - interval '61 minutes'`)
	_, err = w.Enrol(t.Context(), cmd)
	require.NoError(t, err)
	require.Equal(t, 1, scalar[int](w, `select count(*) from factor`))
	cmd.Kind = "passkey"
	_, err = w.Enrol(t.Context(), cmd)
	requireFault(t, fault.CodeInvalidRequest, err)
}

//
func TestIssueCodes_ReplacesTheOldOnesAndTellsTheOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(ada("demo", "u-1"))
	c := caller("demo")
	cmd := account.IssueCodesCommand{Caller: c, Ref: "u-1", Key: w.key(c, "codes", "k1")}

	first, err := w.IssueCodes(t.Context(), cmd)
	require.NoError(t, err)
	require.Len(t, first, 10)
	again, err := w.IssueCodes(t.Context(), cmd)
	require.NoError(t, err)
	require.Equal(t, first, again, "a retry gets its codes")
	require.Equal(t, 2, scalar[int](w, `select count(*) from notice where kind = 'codes_issued'`))

	cmd.Key = w.key(c, "codes", "k2")
	second, err := w.IssueCodes(t.Context(), cmd)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.Equal(t, 10, scalar[int](w, `select count(*) from saved_code where revoked_at is null`))
	require.Equal(t, 10, scalar[int](w, `select count(*) from saved_code where revoked_at is not null`))
	v, err := w.Get(t.Context(), c, "u-1")
	require.NoError(t, err)
	require.Equal(t, 10, v.SavedLeft)
}

//
func TestStatus_SaysHowWellAnAccountCouldBeRecovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cmd := ada("demo", "u-1")
	cmd.Channels = []account.Channel{channel("sms", "+447700900123"), channel("voice", "+447700900123")}
	w.put(cmd)

	s, err := w.Status(t.Context(), caller("demo"), "u-1")

	require.NoError(t, err)
	require.Equal(t, "u-1", s.AccountRef)
	require.False(t, s.RecoveryReady, "two ways to one telephone are one means")
	require.Equal(t, []string{"sms", "voice"}, s.Means)
	require.Equal(t, []string{account.WarnOnlyRestricted, account.WarnSingleAddress, account.WarnNoSavedCodes}, s.Warnings)

	_, err = w.IssueCodes(t.Context(), account.IssueCodesCommand{Caller: caller("demo"), Ref: "u-1"})
	require.NoError(t, err)
	cmd.Channels = append(cmd.Channels, channel("email", "ada@example.com"))
	w.put(cmd)
	s, err = w.Status(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.True(t, s.RecoveryReady)
	require.Equal(t, []string{"email", "sms", "voice", "recovery_code"}, s.Means)
	require.Empty(t, s.Warnings)

	w.exec(`insert into attempt_counter (tenant_id, subject, kind, disabled_at) select tenant_id, id, 'recovery_code', now() from account`)
	s, err = w.Status(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.False(t, s.RecoveryReady)
}

func TestRewrap_BringsEveryAccountUnderTheNewKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, ref := range []string{"u-1", "u-2", "u-3"} {
		w.put(ada("demo", ref))
	}
	w.put(ada("other", "u-1"))
	w.put(ada("demo", "u-4"))
	w.erase("demo", "u-4")
	rotated, err := w.keys.Rotate(rand.Reader)
	require.NoError(t, err)
	both := w.service(rotated)
	before, err := both.Get(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err, "found under the old key")
	cmd := ada("demo", "u-9")
	cmd.Identifiers = []account.Identifier{email("u-1@example.com")}
	_, _, err = both.Put(t.Context(), cmd)
	requireFault(t, fault.CodeIdentifierTaken, err)

	done, err := both.Rewrap(t.Context(), 2)

	require.NoError(t, err)
	require.Equal(t, 4, done)
	done, err = both.Rewrap(t.Context(), 100)
	require.NoError(t, err)
	require.Zero(t, done)
	retired, err := rotated.Retire(w.keys.PrimaryID())
	require.NoError(t, err)
	after, err := w.service(retired).Get(t.Context(), caller("demo"), "u-1")
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, created, err := w.service(retired).Put(t.Context(), ada("demo", "u-2"))
	require.NoError(t, err)
	require.False(t, created)
	require.Zero(t, scalar[int](w, `select count(*) from audit_event where action = 'account.replaced'`), "nothing changed for anybody")
}
