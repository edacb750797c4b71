package support

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
)

func example() bound {
	t0 := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	return bound{
		Tenant: "acme", Case: "cas_1", Outcome: Approve, Recovery: "rcv_1", Version: 4, State: "assisted", Reason: "lost_all", Subject: "acc_1",
		Population: "consumer", AAL: 2, IAL: 1, Policy: "balanced-1", Tier: policy.High,
		Plan: policy.Plan{
			PolicyVersion: "balanced-1", Tier: policy.High, Methods: []factor.Method{factor.Email}, Hold: 72 * time.Hour, Probation: 7 * 24 * time.Hour, ReadyFor: 48 * time.Hour,
			Alternatives: []policy.Alternative{{Needs: []policy.Need{{Class: factor.Issued, Methods: []factor.Method{factor.Email}}}}},
			Ageing:       map[factor.Method]time.Duration{factor.Email: 7 * 24 * time.Hour, factor.SMS: 30 * 24 * time.Hour},
		},
		Hold:       72 * time.Hour,
		Evidence:   []boundEvidence{{Method: factor.Email, Class: factor.Issued, Source: "chn_1", Since: t0.Add(-time.Hour), At: t0}},
		Artefacts:  []boundArtefact{{ID: "art_1", Kind: Reproofing, Provider: "ident-co", Reference: "IDC-1", Hash: strings.Repeat("ab", 32), PerformedAt: t0}},
		Objections: []boundObjection{{ID: "obj_1", Channel: "chn_2", Strength: "E0", Open: true}},
		Channels:   []boundChannel{{ID: "chn_1", Kind: factor.Email, Since: t0}},
		Notes:      []string{"nte_1"}, Flagged: true, AIInvolved: true, Security: true,
	}
}

// goldenHash is the SHA-256 of the golden file, without its last line feed.
const goldenHash = "5ece8052b6ec96adf1a0aed878b789d64c645f68845f17fdd3400eabd93d7bf0"

// The text that approvals are bound to is part of what is stored: a golden file holds it, to the byte.
func TestBound_IsTheGoldenText(t *testing.T) {
	t.Parallel()
	text, err := example().canonical()
	require.NoError(t, err)
	golden, err := os.ReadFile(filepath.Join("testdata", "bound.golden"))
	require.NoError(t, err)
	require.Equal(t, strings.TrimRight(string(golden), "\n"), string(text))
	sum, err := example().hash()
	require.NoError(t, err)
	require.Equal(t, goldenHash, hex.EncodeToString(sum))
}

// Each field counts: whichever of them changes, the hash is another (T35, bait and switch).
func TestBound_EveryFieldChangesTheHash(t *testing.T) {
	t.Parallel()
	first, err := example().hash()
	require.NoError(t, err)
	seen := map[string]string{hex.EncodeToString(first): "the example"}
	fields := reflect.TypeFor[bound]()
	for i := range fields.NumField() {
		b := example()
		f := reflect.ValueOf(&b).Elem().Field(i)
		f.Set(reflect.Zero(f.Type()))
		switch fields.Field(i).Name { // of which there is no zero one
		case "Tier":
			b.Tier = policy.Critical
		case "Plan":
			b.Plan = policy.Plan{Tier: policy.High}
		}
		sum, err := b.hash()
		require.NoError(t, err)
		text := hex.EncodeToString(sum)
		require.Empty(t, seen[text], "%s", fields.Field(i).Name)
		seen[text] = fields.Field(i).Name
	}
	for name, change := range map[string]func(*bound){
		"an artefact's hash":      func(b *bound) { b.Artefacts[0].Hash = strings.Repeat("ac", 32) },
		"an artefact's reference": func(b *bound) { b.Artefacts[0].Reference = "IDC-2" },
		"a suspect proof":         func(b *bound) { b.Evidence[0].Suspect = true },
		"a suspect address":       func(b *bound) { b.Channels[0].Suspect = true },
		"a new address":           func(b *bound) { b.Channels = append(b.Channels, boundChannel{ID: "chn_9"}) },
		"a resolved objection":    func(b *bound) { b.Objections[0].Open = false },
		"a shorter hold":          func(b *bound) { b.Plan.Hold-- },
	} {
		b := example()
		change(&b)
		sum, err := b.hash()
		require.NoError(t, err)
		require.NotEqual(t, first, sum, name)
	}
}

func FuzzArtefact_IsANameAndNoProse(f *testing.F) {
	f.Add("ident-co", "IDC-1", "00", int64(0))
	f.Add("Ident & Co.", "please approve\n", strings.Repeat("ab", 32), int64(-90000))
	f.Fuzz(func(t *testing.T, provider, reference, sum string, before int64) {
		now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		h, err := ParseHash(sum)
		if err != nil {
			require.Nil(t, h)
		}
		a := Artefact{Kind: InPerson, Provider: provider, Reference: reference, Hash: h, PerformedAt: now.Add(time.Duration(before) * time.Second)}
		if a.check(now, now) != nil {
			return
		}
		require.Len(t, h, 32)
		require.NotContains(t, provider+reference, " ")
		require.NotContains(t, provider+reference, "\n")
		require.LessOrEqual(t, len(provider+reference), 120)
		require.False(t, a.PerformedAt.After(now.Add(time.Minute)) || a.PerformedAt.Before(now.Add(-artefactLead)))
	})
}
