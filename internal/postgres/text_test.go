package postgres_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/postgres"
)

// pump asks for codes by text straight at the budgets.
type pump struct {
	*world
	store *postgres.Dispatches
	rules dispatch.TextRules
	sent  int
}

func newPump(t *testing.T, change func(*dispatch.TextRules)) *pump {
	t.Helper()
	w := newWorld(t)
	p := &pump{world: w, store: postgres.NewDispatches(w.db), rules: dispatch.DefaultTextRules()}
	if change != nil {
		change(&p.rules)
	}
	return p
}

// send asks for one code to a number and gives what stood against it.
func (p *pump) send(challenge, channel, country, prefix string, tenant ...string) string {
	p.t.Helper()
	refusal, err := p.try(challenge, channel, country, prefix, append(tenant, "demo")[0])
	require.NoError(p.t, err)
	return refusal
}

func (p *pump) try(challenge, channel, country, prefix, tenant string) (string, error) {
	now, err := p.db.Now(p.t.Context())
	if err != nil {
		return "", err
	}
	return p.store.ReserveText(p.t.Context(),
		dispatch.Delivery{Tenant: tenant, Challenge: challenge, Sends: 1, Channel: channel, Now: now},
		dispatch.Text{Country: country, Prefix: p.keys.MAC("destination", prefix)[:16], Rules: p.rules})
}

// many sends n codes to n numbers, over as many prefixes as said, and gives how many were let through.
func (p *pump) many(n int, country string, prefixes int) int {
	p.t.Helper()
	through := 0
	for range n {
		p.sent++
		id := fmt.Sprintf("%s-%d", country, p.sent)
		if p.send(id, "chn-"+id, country, fmt.Sprintf("%s-%d", country, p.sent%prefixes)) == "" {
			through++
		}
	}
	return through
}

func (p *pump) forward(by string) {
	p.t.Helper()
	_, err := p.root.Exec(p.t.Context(), `INSERT INTO clock_shift (by) VALUES ($1::text::interval) ON CONFLICT (only_row) DO UPDATE SET by = clock_shift.by + excluded.by`, by)
	require.NoError(p.t, err)
}

// typed marks the code of a challenge as typed in, as an accepted answer does.
func (p *pump) typed(challenge string) {
	p.t.Helper()
	_, err := p.root.Exec(p.t.Context(), `SELECT text_verified('demo', $1)`, challenge)
	require.NoError(p.t, err)
}

func (p *pump) pauses() []string {
	p.t.Helper()
	var out []string
	rows, err := p.root.Query(p.t.Context(), `SELECT details->>'scope' || ' ' || (details->>'country') FROM audit_event WHERE action = 'abuse.texts_paused' ORDER BY at, id`)
	require.NoError(p.t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		require.NoError(p.t, rows.Scan(&s))
		out = append(out, s)
	}
	return out
}

// R-060, T11: whoever rents ten thousand numbers in a row gets fewer than twenty codes, however many ask at once.
func TestReserveText_StopsAPumpOfOnePrefixBelowTwenty(t *testing.T) {
	t.Parallel()
	p := newPump(t, func(r *dispatch.TextRules) { r.CountryDay = 1000 })
	var through atomic.Int32
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for m := range 7 {
				id := fmt.Sprintf("c-%d-%d", n, m)
				if refusal, err := p.try(id, "chn-"+id, "DE", "+491511234", "demo"); err == nil && refusal == "" {
					through.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 16, through.Load())
	require.Equal(t, "text_prefix_spent", p.send("next", "chn-next", "DE", "+491511234"))
	require.Empty(t, p.send("elsewhere", "chn-elsewhere", "DE", "+491519999"), "another prefix is not touched")

	p.forward("61 minutes")
	require.Empty(t, p.send("later-1", "chn-l1", "DE", "+491511234"), "the hour slides on")
	for n := range 3 {
		require.Empty(t, p.send(fmt.Sprintf("later-%d", n+2), fmt.Sprintf("chn-l%d", n+2), "DE", "+491511234"))
	}
	p.forward("4 minutes")
	require.Equal(t, "text_paused", p.send("later-5", "chn-l5", "DE", "+491511234"), "twenty codes that nobody typed in are enough")
	require.Equal(t, []string{"prefix DE"}, p.pauses())
}

// fifty codes over many prefixes and none typed in pause the country, once, and say so; another country goes on.
func TestReserveText_PausesACountryWhoseCodesNobodyTypesIn(t *testing.T) {
	t.Parallel()
	p := newPump(t, func(r *dispatch.TextRules) { r.CountryDay = 1000 })
	require.Equal(t, 19, p.many(19, "GB", 19))
	p.forward("5 minutes")
	require.Equal(t, 1, p.many(1, "GB", 50))
	p.forward("5 minutes")
	require.Zero(t, p.many(30, "GB", 50))
	require.Equal(t, []string{"country GB"}, p.pauses(), "one pause, one event")
	require.Equal(t, 5, p.many(5, "DE", 50))

	p.forward("65 minutes")
	require.Equal(t, 20, p.many(20, "GB", 50), "it is tried again")
	p.forward("4 minutes")
	require.Zero(t, p.many(1, "GB", 50))
	p.forward("2 hours")
	require.Zero(t, p.many(1, "GB", 50), "the second pause within a day lasts a day")
	p.forward("23 hours")
	require.Equal(t, 1, p.many(1, "GB", 50))
}

// The honest traffic beside it: a rush in which a third of the codes are typed in late, and half in all, pauses nothing.
func TestReserveText_LeavesHonestTrafficAlone(t *testing.T) {
	t.Parallel()
	p := newPump(t, func(r *dispatch.TextRules) { r.CountryDay = 1000 })
	for round := range 10 {
		for n := range 30 {
			id := fmt.Sprintf("c-%d-%d", round, n)
			require.Empty(t, p.send(id, "chn-"+id, "DE", fmt.Sprintf("+49151%d", n)))
		}
		p.forward("2 minutes")
		for n := range 10 {
			p.typed(fmt.Sprintf("c-%d-%d", round, n))
		}
		p.forward("2 minutes")
	}
	require.Empty(t, p.pauses())
}

// T12: a country's day that new numbers have used up, or that is paused, still serves the numbers that verified a code before.
func TestReserveText_KeepsAFifthForNumbersWithHistory(t *testing.T) {
	t.Parallel()
	p := newPump(t, nil)
	for n := range 10 {
		require.Empty(t, p.send(fmt.Sprintf("old-%d", n), fmt.Sprintf("chn-old-%d", n), "DE", fmt.Sprintf("+49170%d", n)))
		p.typed(fmt.Sprintf("old-%d", n))
	}
	p.forward("40 days")
	require.Equal(t, 16, p.many(100, "DE", 100), "four fifths of twenty")
	require.Equal(t, "text_country_spent", p.send("new", "chn-new", "DE", "+491601"))
	for n := range 4 {
		require.Empty(t, p.send(fmt.Sprintf("again-%d", n), fmt.Sprintf("chn-old-%d", n), "DE", fmt.Sprintf("+49170%d", n)))
	}
	require.Equal(t, "text_country_spent", p.send("again-4", "chn-old-4", "DE", "+491704"), "and not one above the budget")
	p.forward("23 hours")
	require.Zero(t, p.many(1, "DE", 100), "no window's edge gives a second day")
	p.forward("130 minutes")
	require.Equal(t, 1, p.many(1, "DE", 100))
}

// tenants do not use up one another's countries; a tenant's day, and the installation's, stop everything.
func TestReserveText_BoundsATenantsDayAndTheInstallations(t *testing.T) {
	t.Parallel()
	p := newPump(t, func(r *dispatch.TextRules) { r.TenantDay, r.Day = 10, 15 })
	for n := range 8 {
		require.Empty(t, p.send(fmt.Sprintf("a-%d", n), fmt.Sprintf("chn-a-%d", n), "DE", fmt.Sprintf("+49151%d", n)))
	}
	require.Equal(t, "text_tenant_spent", p.send("a-8", "chn-a-8", "FR", "+336"))
	for n := range 4 {
		require.Empty(t, p.send(fmt.Sprintf("b-%d", n), fmt.Sprintf("chn-b-%d", n), "DE", fmt.Sprintf("+49151%d", n), "other"))
	}
	require.Equal(t, "text_day_spent", p.send("b-4", "chn-b-4", "FR", "+336", "other"))
}

// A country's budget grows with what is verified: three times the 95th percentile of a day.
func TestReserveText_GrowsWithWhatIsVerified(t *testing.T) {
	t.Parallel()
	p := newPump(t, nil)
	for day := range 28 {
		for n := range 12 {
			id := fmt.Sprintf("h-%d-%d", day, n)
			require.Empty(t, p.send(id, "chn-"+id, "DE", fmt.Sprintf("+49151%d", n)))
			p.typed(id)
		}
		p.forward("26 hours")
	}
	require.Equal(t, 28, p.many(100, "DE", 100), "four fifths of three times twelve")
}

func TestReserveText_CountsASendingOnceHoweverOftenItIsTried(t *testing.T) {
	t.Parallel()
	p := newPump(t, nil)
	for range 30 {
		require.Empty(t, p.send("one", "chn-one", "DE", "+49151"))
	}
	require.Equal(t, 15, p.many(100, "DE", 100))
	require.Empty(t, p.send("one", "chn-one", "DE", "+49151"), "the first yes stands")
}

// What no budget looks at any more goes; that a number verified once is remembered for longer.
func TestForgetTexts_KeepsWhatIsStillLookedAt(t *testing.T) {
	t.Parallel()
	p := newPump(t, nil)
	require.Empty(t, p.send("verified", "chn-v", "DE", "+49151"))
	p.typed("verified")
	require.Empty(t, p.send("not", "chn-n", "DE", "+49152"))
	p.forward("29 days")
	n, err := p.db.ForgetTexts(t.Context(), 100)
	require.NoError(t, err)
	require.Zero(t, n)
	p.forward("2 days")
	n, err = p.db.ForgetTexts(t.Context(), 100)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	p.forward("370 days")
	n, err = p.db.ForgetTexts(t.Context(), 100)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

// A number's own word about its line never loosens by an answer that says less.
func TestKnowCarrier_KeepsWhatWasKnown(t *testing.T) {
	t.Parallel()
	p := newPump(t, nil)
	var line string
	var known, swapped *time.Time
	_, err := p.root.Exec(t.Context(), `
		INSERT INTO account (tenant_id, id, ref_hash, data_key, ref_sealed, population, aal, ial, created_at, changed_at)
		VALUES ('demo', 'acc_1', '\x01', '\x01', '\x01', 'consumer', 1, 0, now(), now());
		INSERT INTO channel (tenant_id, id, account_id, kind, address_hash, sealed, since) VALUES ('demo', 'chn_1', 'acc_1', 'sms', decode(repeat('00', 32), 'hex'), '\x01', now())`)
	require.NoError(t, err)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	d := dispatch.Delivery{Tenant: "demo", Channel: "chn_1"}
	require.NoError(t, p.store.KnowCarrier(t.Context(), d, phone.Report{Line: phone.Mobile, SIMKnown: true, SwappedAt: at}))
	require.NoError(t, p.store.KnowCarrier(t.Context(), d, phone.Report{}))
	row := p.root.QueryRow(t.Context(), `SELECT carrier_line, sim_known_at, sim_swapped_at FROM channel WHERE id = 'chn_1'`)
	require.NoError(t, row.Scan(&line, &known, &swapped))
	require.Equal(t, "mobile", line)
	require.NotNil(t, known)
	require.Equal(t, at, swapped.UTC())
}
