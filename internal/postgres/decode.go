package postgres

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
)

// hexBytes is a bytea as PostgreSQL writes it into JSON: \x and hexadecimal digits.
type hexBytes []byte

// UnmarshalText reads it.
func (b *hexBytes) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), `\x`)
	if !ok {
		return fmt.Errorf("bytea in JSON without its prefix")
	}
	raw, err := hex.DecodeString(digits)
	*b = raw
	return err
}

// moment is a nullable timestamptz in JSON.
type moment struct{ time.Time }

// UnmarshalJSON reads null as the zero time and everything else as UTC.
func (m *moment) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		m.Time = time.Time{}
		return nil
	}
	if err := json.Unmarshal(b, &m.Time); err != nil {
		return err
	}
	m.Time = m.Time.UTC()
	return nil
}

type accountJSON struct {
	ID         string   `json:"id"`
	Population string   `json:"population"`
	AAL        int      `json:"aal"`
	IAL        int      `json:"ial"`
	Locale     string   `json:"locale"`
	DataKey    hexBytes `json:"data_key"`
	RefSealed  hexBytes `json:"ref_sealed"`
	Erased     bool     `json:"erased"`
	ErasureAt  moment   `json:"erasure_asked_at"`
	Channels   []struct {
		ID        string `json:"id"`
		Kind      string `json:"kind"`
		Hash      string `json:"hash"`
		Since     moment `json:"since"`
		RemovedAt moment `json:"removed_at"`
		SuspectAt moment `json:"suspect_at"`
		SIMKnown  moment `json:"sim_known_at"`
		Swapped   moment `json:"sim_swapped_at"`
	} `json:"channels"`
	Factors []struct {
		ID        string   `json:"id"`
		Kind      string   `json:"kind"`
		Sealed    hexBytes `json:"sealed"`
		Since     moment   `json:"since"`
		SuspectAt moment   `json:"suspect_at"`
		LastStep  int64    `json:"last_step"`
	} `json:"factors"`
	Saved struct {
		Left  int    `json:"left"`
		Since moment `json:"since"`
	} `json:"saved"`
	Disabled []string `json:"disabled"`
}

// decodeAccount reads account_snapshot(); nil for an unknown or erased account. For an unknown one it reads that of a stand-in
// all the same, which is thrown away: the work is not to tell.
func decodeAccount(raw []byte, known bool) (*recovery.Account, error) {
	if raw == nil {
		return nil, nil //nolint:nilnil // no account is an answer.
	}
	var a accountJSON
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("decode account: %w", err)
	}
	out := &recovery.Account{
		ID: a.ID, Population: a.Population, AAL: a.AAL, IAL: a.IAL, Locale: a.Locale, DataKey: a.DataKey, RefSealed: a.RefSealed,
		SavedLeft: a.Saved.Left, SavedSince: a.Saved.Since.Time, Disabled: a.Disabled, ErasureAskedAt: a.ErasureAt.Time,
	}
	first := map[string]string{} // the channels come in the order of their age
	for _, c := range a.Channels {
		address := ""
		if one, more := first[c.Hash]; more {
			address = one
		} else {
			first[c.Hash] = c.ID
		}
		out.Channels = append(out.Channels, recovery.Channel{
			ID: c.ID, Kind: factor.Method(c.Kind), Address: address, Since: c.Since.Time, RemovedAt: c.RemovedAt.Time, Suspect: !c.SuspectAt.IsZero(),
			SIMKnownAt: c.SIMKnown.Time, SIMSwappedAt: c.Swapped.Time,
		})
	}
	for _, f := range a.Factors {
		out.TOTP = append(out.TOTP, recovery.TOTPFactor{ID: f.ID, Sealed: f.Sealed, Since: f.Since.Time, Suspect: !f.SuspectAt.IsZero(), LastStep: f.LastStep})
	}
	if a.Erased || !known {
		return nil, nil //nolint:nilnil // an erased account is none.
	}
	return out, nil
}

func decodeHistory(raw []byte) (recovery.History, error) {
	var h struct {
		Recoveries int  `json:"recoveries"`
		Failures   int  `json:"failures"`
		Objected   bool `json:"objected"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return recovery.History{}, fmt.Errorf("decode history: %w", err)
	}
	return recovery.History(h), nil
}

// decodeLoaded turns a row into the aggregate and what lies around it.
func decodeLoaded(row dbsqlc.LoadRecoveryRow, key idempotency.Key) (recovery.Loaded, error) {
	in := recovery.Loaded{Now: row.Now.UTC(), ClaimantHash: row.Recovery.ClaimantHash, Case: caseState(row.CaseState)}
	var err error
	if in.Replay, err = replayOf(key, row.Free, row.Fingerprint, row.Outcome); err != nil {
		return recovery.Loaded{}, err
	}
	if in.Recovery, err = decodeRecovery(row.Recovery); err != nil {
		return recovery.Loaded{}, err
	}
	if in.Account, err = decodeAccount(row.Account, row.Recovery.AccountID != nil); err != nil {
		return recovery.Loaded{}, err
	}
	if in.History, err = decodeHistory(row.History); err != nil {
		return recovery.Loaded{}, err
	}
	if err := json.Unmarshal(row.Recovery.Signals, &in.Signals); err != nil {
		return recovery.Loaded{}, fmt.Errorf("decode signals: %w", err)
	}
	return in, decodeChildren(row, &in)
}

func decodeRecovery(r dbsqlc.Recovery) (recovery.Recovery, error) {
	state, err := recovery.ParseState(r.State)
	if err != nil {
		return recovery.Recovery{}, err
	}
	tier, err := policy.ParseTier(r.Tier)
	if err != nil {
		return recovery.Recovery{}, err
	}
	out := recovery.Recovery{
		ID: r.ID, Tenant: r.TenantID, Reference: r.Reference, Account: text(r.AccountID), Subject: r.Subject, Client: r.ClientID,
		Reason: recovery.Reason(r.Reason), Network: r.Network, State: state, Version: r.Version, Tier: tier, Approved: r.Approved,
		PausedTotal: r.PausedTotal, ContestedAt: instant(r.ContestedAt), GrantID: text(r.GrantID), GrantExpires: instant(r.GrantExpires),
		CreatedAt: r.CreatedAt.UTC(), ChangedAt: r.ChangedAt.UTC(), HeldAt: instant(r.HeldAt), RemindedAt: instant(r.RemindedAt), NotBefore: instant(r.NotBefore),
		ReadyUntil: instant(r.ReadyUntil), ExpiresAt: r.ExpiresAt.UTC(), CompletedAt: instant(r.CompletedAt),
		ProbationUntil: instant(r.ProbationUntil), ClosedAt: instant(r.ClosedAt), WakeAt: instant(r.WakeAt),
		GrantRedeemed: r.CompletedAt != nil,
	}
	if err := json.Unmarshal(r.Plan, &out.Plan); err != nil {
		return recovery.Recovery{}, fmt.Errorf("decode plan: %w", err)
	}
	return out, nil
}

type evidenceJSON struct {
	Method            string `json:"method"`
	Class             string `json:"class"`
	Source            string `json:"source"`
	SourceSince       moment `json:"source_since"`
	AcceptedAt        moment `json:"accepted_at"`
	PhishingResistant bool   `json:"phishing_resistant"`
	AAL               int    `json:"aal"`
	Suspect           bool   `json:"suspect"`
}

type objectionJSON struct {
	ID         string            `json:"id"`
	Channel    string            `json:"channel"`
	Strength   uint8             `json:"strength"`
	Evidence   []factor.Evidence `json:"evidence"`
	At         moment            `json:"at"`
	ResolvedAt moment            `json:"resolved_at"`
}

type challengeJSON struct {
	ID         string   `json:"id"`
	Method     string   `json:"method"`
	ChannelID  *string  `json:"channel_id"`
	Sends      int      `json:"sends"`
	Attempts   int      `json:"attempts"`
	CodeHash   hexBytes `json:"code_hash"`
	CreatedAt  moment   `json:"created_at"`
	ExpiresAt  moment   `json:"expires_at"`
	ResendAt   moment   `json:"resend_at"`
	MintedAt   moment   `json:"minted_at"`
	AcceptedAt moment   `json:"accepted_at"`
	ConsumedAt moment   `json:"consumed_at"`
}

type counterJSON struct {
	Kind        string   `json:"kind"`
	Consecutive int      `json:"consecutive"`
	Recent      []moment `json:"recent"`
	WaitUntil   moment   `json:"wait_until"`
	DisabledAt  moment   `json:"disabled_at"`
}

type toldJSON struct {
	Channel string `json:"channel"`
	Since   moment `json:"since"`
	Suspect bool   `json:"suspect"`
}

type grantJSON struct {
	ID         string   `json:"id"`
	TokenHash  hexBytes `json:"token_hash"`
	ExpiresAt  moment   `json:"expires_at"`
	VoidedAt   moment   `json:"voided_at"`
	RedeemedAt moment   `json:"redeemed_at"`
}

type savedJSON struct {
	ID        string `json:"id"`
	PHC       string `json:"phc"`
	IssuedAt  moment `json:"issued_at"`
	UsedAt    moment `json:"used_at"`
	RevokedAt moment `json:"revoked_at"`
}

// decodeChildren reads the aggregates' JSON columns.
func decodeChildren(row dbsqlc.LoadRecoveryRow, in *recovery.Loaded) error {
	var evidence []evidenceJSON
	var objections []objectionJSON
	var challenges []challengeJSON
	var counters []counterJSON
	var grants []grantJSON
	var saved []savedJSON
	var noticesOK []toldJSON
	for _, c := range []struct {
		raw  []byte
		into any
	}{
		{row.Evidence, &evidence},
		{row.Objections, &objections},
		{row.Challenges, &challenges},
		{row.NoticesOk, &noticesOK},
		{row.Counters, &counters},
		{row.Grants, &grants},
		{row.Saved, &saved},
	} {
		if err := json.Unmarshal(c.raw, c.into); err != nil {
			return fmt.Errorf("decode %T: %w", c.into, err)
		}
	}
	addresses := addressesOf(in.Account)
	in.Recovery.NoticesOpen, in.Recovery.NoticesOK = int(row.NoticesOpen), told(noticesOK, in.Account)
	for _, e := range evidence {
		in.Recovery.Evidence = append(in.Recovery.Evidence, factor.Evidence{
			Method: factor.Method(e.Method), Class: factor.Class(e.Class), Source: e.Source, Address: addresses[e.Source], Since: e.SourceSince.Time, At: e.AcceptedAt.Time,
			PhishingResistant: e.PhishingResistant, AAL: e.AAL, Suspect: e.Suspect,
		})
	}
	for _, o := range objections {
		for i := range o.Evidence {
			o.Evidence[i].Address = addresses[o.Evidence[i].Source]
		}
		in.Recovery.Objections = append(in.Recovery.Objections, recovery.Objection{
			ID: o.ID, Channel: o.Channel, Address: addresses[o.Channel], Strength: factor.Strength(o.Strength), Evidence: o.Evidence, At: o.At.Time, Open: o.ResolvedAt.IsZero(),
		})
	}
	for _, c := range challenges {
		in.Challenges = append(in.Challenges, recovery.Challenge{
			ID: c.ID, Method: factor.Method(c.Method), Channel: text(c.ChannelID), Sends: c.Sends, Attempts: c.Attempts, CodeHash: c.CodeHash,
			CreatedAt: c.CreatedAt.Time, ExpiresAt: c.ExpiresAt.Time, ResendAt: c.ResendAt.Time, MintedAt: c.MintedAt.Time,
			AcceptedAt: c.AcceptedAt.Time, ConsumedAt: c.ConsumedAt.Time,
		})
	}
	in.Counters = make(map[string]recovery.Counter, len(counters))
	for _, k := range counters {
		c := recovery.Counter{Consecutive: k.Consecutive, WaitUntil: k.WaitUntil.Time, DisabledAt: k.DisabledAt.Time}
		for _, t := range k.Recent {
			c.Recent = append(c.Recent, t.Time)
		}
		in.Counters[k.Kind] = c
	}
	for _, g := range grants {
		in.Grants = append(in.Grants, recovery.GrantRecord{
			ID: g.ID, Hash: g.TokenHash, ExpiresAt: g.ExpiresAt.Time, Voided: !g.VoidedAt.IsZero(), Redeemed: !g.RedeemedAt.IsZero(),
		})
	}
	for _, s := range saved {
		in.Saved = &recovery.SavedCode{ID: s.ID, PHC: s.PHC, IssuedAt: s.IssuedAt.Time, Unused: s.UsedAt.IsZero() && s.RevokedAt.IsZero()}
	}
	return nil
}

// told says of the channels that accepted the notice of the hold what is known of them. Of an account that is gone, none
// speaks for anybody.
func told(rows []toldJSON, a *recovery.Account) []recovery.Told {
	var out []recovery.Told
	addresses := addressesOf(a)
	for _, t := range rows {
		out = append(out, recovery.Told{Channel: t.Channel, Address: addresses[t.Channel], Since: t.Since.Time, Suspect: t.Suspect || a == nil})
	}
	return out
}

// addressesOf names the address of each channel that is not the only one to lead there.
func addressesOf(a *recovery.Account) map[string]string {
	out := map[string]string{}
	if a == nil {
		return out
	}
	for _, c := range a.Channels {
		if c.Address != "" {
			out[c.ID] = c.Address
		}
	}
	return out
}

// text is the string behind a nullable column.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// instant is the time behind a nullable column.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// nullable is nil for the zero time.
func nullable(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
