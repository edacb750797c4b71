package textrule_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/textrule"
)

func t0() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

// memory is one tenant's rules.
type memory struct {
	in     textrule.Loaded
	events []audit.Event
}

func (m *memory) Loaded(context.Context, string) (textrule.Loaded, error) { return m.in, nil }

func (m *memory) Changing(_ context.Context, _ string, fn func(textrule.Tx, textrule.Loaded) error) error {
	return fn(m, m.in)
}

func (m *memory) SetOwn(_ context.Context, next textrule.Loaded, e audit.Event) error {
	m.in, m.events = next, append(m.events, e)
	return nil
}

func (m *memory) Grant(_ context.Context, g textrule.Granted, e audit.Event) error {
	m.in.Tenant.Granted, m.events = g, append(m.events, e)
	return nil
}

func installation() textrule.Rules {
	return textrule.Rules{Countries: []string{"DE", "GB"}, Lines: textrule.Lines(), PrefixHour: 20, CountryDay: 2000, Day: 2000}
}

func newService() (*textrule.Service, *memory) {
	m := &memory{in: textrule.Loaded{Now: t0(), Tenant: textrule.Tenant{Granted: textrule.Granted{Day: -1}}}}
	return &textrule.Service{Store: m, Installation: installation()}, m
}

func robin() audit.Actor { return audit.Actor{Kind: audit.ActorClient, ID: "cli_1"} }

// Whatever a tenant and operators say, in whatever order: what counts is never wider than what operators let, and
// never wider than what the tenant wants.
func TestEffective_IsNeverWiderThanEitherPart(t *testing.T) {
	t.Parallel()
	countries := [][]string{nil, {}, {"DE"}, {"DE", "GB"}, {"DE", "FR", "US"}}
	lines := [][]phone.Line{nil, {phone.Mobile}, {phone.Mobile, phone.VoIP}}
	for _, granted := range countries {
		for _, day := range []int{-1, 0, 10, 5000} {
			for _, own := range countries {
				for _, line := range lines {
					for _, n := range []int{0, 1, 15, 9000} {
						tenant := textrule.Tenant{
							Granted: textrule.Granted{Countries: granted, Day: day},
							Own:     textrule.Rules{Countries: own, Lines: line, PrefixHour: n, CountryDay: n, Day: n},
						}
						c, e := tenant.Ceiling(installation()), tenant.Effective(installation())
						require.Subset(t, c.Countries, e.Countries)
						require.Subset(t, c.Lines, e.Lines)
						require.LessOrEqual(t, e.PrefixHour, c.PrefixHour)
						require.LessOrEqual(t, e.CountryDay, c.CountryDay)
						require.LessOrEqual(t, e.Day, c.Day)
						require.LessOrEqual(t, c.Day, 2000)
						if own != nil {
							require.Subset(t, own, e.Countries)
						}
						if line != nil {
							require.Subset(t, line, e.Lines)
						}
						if n > 0 {
							require.LessOrEqual(t, e.Day, n)
						}
					}
				}
			}
		}
	}
}

func TestSet_RefusesWhatIsWiderByNameAndBound(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rules   textrule.Rules
		granted textrule.Granted
		pointer string
		detail  string
	}{
		"another country":      {textrule.Rules{Countries: []string{"DE", "FR"}}, textrule.Granted{Day: -1}, "/countries/1", "DE, GB"},
		"nothing was let":      {textrule.Rules{Countries: []string{"DE"}}, textrule.Granted{Countries: []string{}, Day: -1}, "/countries/0", "none"},
		"no country":           {textrule.Rules{Countries: []string{"de"}}, textrule.Granted{Day: -1}, "/countries/0", "capital"},
		"a line that costs":    {textrule.Rules{Lines: []phone.Line{phone.Premium, phone.Mobile}}, textrule.Granted{Day: -1}, "/lines/1", "voip"},
		"no line":              {textrule.Rules{Lines: []phone.Line{}}, textrule.Granted{Day: -1}, "/lines", "countries"},
		"more a prefix":        {textrule.Rules{PrefixHour: 21}, textrule.Granted{Day: -1}, "/prefix_hour", "at most 20"},
		"more a day":           {textrule.Rules{Day: 2001}, textrule.Granted{Day: -1}, "/day", "at most 2000"},
		"more than was let":    {textrule.Rules{Day: 11}, textrule.Granted{Day: 10}, "/day", "at most 10"},
		"a country above all":  {textrule.Rules{CountryDay: 11}, textrule.Granted{Day: 10}, "/country_day", "at most 10"},
		"less than nothing":    {textrule.Rules{Day: -1}, textrule.Granted{Day: -1}, "/day", "at most"},
		"operators let it all": {textrule.Rules{Countries: []string{"FR"}, Day: 2001}, textrule.Granted{Countries: []string{"FR"}, Day: 9999}, "/day", "at most 2000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := newService()
			m.in.Tenant.Granted = tc.granted
			_, err := s.Set(t.Context(), textrule.SetCommand{Tenant: "acme", Rules: tc.rules, By: robin()})
			var f *fault.Fault
			require.ErrorAs(t, err, &f)
			require.Equal(t, fault.CodeInvalidRequest, f.Code)
			require.Len(t, f.Fields, 1)
			require.Equal(t, tc.pointer, f.Fields[0].Pointer)
			require.Contains(t, f.Fields[0].Detail, tc.detail)
			require.Empty(t, m.events)
		})
	}
}

func TestSet_IsGuardedByItsVersionAndWritesDownBeforeAndAfter(t *testing.T) {
	t.Parallel()
	s, m := newService()
	first := textrule.SetCommand{Tenant: "acme", Rules: textrule.Rules{Countries: []string{"GB", "DE", "GB"}, Day: 100}, By: robin()}
	v, err := s.Set(t.Context(), first)
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Version)
	require.Equal(t, []string{"DE", "GB"}, v.Own.Countries)
	require.Equal(t, 100, v.Effective.Day)

	again, err := s.Set(t.Context(), first)
	require.NoError(t, err, "a repetition finds its own work")
	require.Equal(t, v, again)
	require.Len(t, m.events, 1)

	stale := textrule.SetCommand{Tenant: "acme", Rules: textrule.Rules{Day: 50}, By: robin()}
	_, err = s.Set(t.Context(), stale)
	require.Equal(t, fault.CodeConflict, fault.CodeOf(err))
	stale.Version = 1
	_, err = s.Set(t.Context(), stale)
	require.NoError(t, err)
	require.Len(t, m.events, 2)
	require.Equal(t, audit.TextRulesSet, m.events[1].Action)
	require.Equal(t, map[string]any{
		"version": int64(2), "before": map[string]any{"countries": []string{"DE", "GB"}, "day": 100}, "after": map[string]any{"day": 50},
	}, m.events[1].Details)
}

// What operators take back stays taken back, whatever the tenant had set.
func TestGrant_NarrowsWhatATenantHadSet(t *testing.T) {
	t.Parallel()
	s, m := newService()
	_, err := s.Set(t.Context(), textrule.SetCommand{Tenant: "acme", Rules: textrule.Rules{Countries: []string{"DE", "GB"}, Day: 100}, By: robin()})
	require.NoError(t, err)
	sam := audit.Actor{Kind: audit.ActorOperator, ID: "sam"}
	require.NoError(t, s.Grant(t.Context(), textrule.GrantCommand{Tenant: "acme", Granted: textrule.Granted{Countries: []string{"GB", "FR"}, Day: 7}, By: sam}))
	v, err := s.Get(t.Context(), "acme")
	require.NoError(t, err)
	require.Equal(t, []string{"GB"}, v.Effective.Countries)
	require.Equal(t, 7, v.Effective.Day)
	require.Equal(t, map[string]any{"before": map[string]any{}, "after": map[string]any{"countries": []string{"GB", "FR"}, "day": 7}}, m.events[1].Details)
	require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(s.Grant(t.Context(), textrule.GrantCommand{Tenant: "acme", Granted: textrule.Granted{Countries: []string{"fr"}}})))
}
