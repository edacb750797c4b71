package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/textrule"
)

// Dispatches is the dispatch.Store on PostgreSQL.
type Dispatches struct{ db *DB }

// NewDispatches makes the store.
func NewDispatches(db *DB) *Dispatches { return &Dispatches{db: db} }

var _ dispatch.Store = (*Dispatches)(nil)

// Delivery implements dispatch.Store.
func (s *Dispatches) Delivery(ctx context.Context, tenant, id string) (dispatch.Delivery, error) {
	row, err := s.db.q.LoadDelivery(ctx, s.db.pool, dbsqlc.LoadDeliveryParams{TenantID: tenant, ID: id})
	if err != nil {
		return dispatch.Delivery{}, translate(err, "load delivery")
	}
	var plan struct {
		Defer bool `json:"defer_to_idp"`
	}
	if err := json.Unmarshal(row.Plan, &plan); err != nil {
		return dispatch.Delivery{}, fmt.Errorf("decode plan: %w", err)
	}
	return dispatch.Delivery{
		Tenant: tenant, Challenge: id, Recovery: row.RecoveryID, Method: factor.Method(row.Method), Sends: int(row.Sends),
		ExpiresAt: row.ExpiresAt.UTC(), Now: row.Now.UTC(), Over: row.ConsumedAt != nil || !recovery.State(row.State).Open(),
		Accepted: row.AcceptedAt != nil, DeferToIDP: plan.Defer, Account: text(row.AccountID), Channel: text(row.ChannelID),
		Address: row.AddressSealed, DataKey: row.DataKey, Locale: row.Locale, Reference: row.Reference,
		Brand:     dispatch.Brand{Name: row.TenantName, Locale: row.TenantLocale, Support: row.SupportContact},
		Texts:     textsOf(row),
		CarrierAt: instant(row.CarrierAt), CarrierLine: phone.Line(row.CarrierLine), SIMSwappedAt: instant(row.SimSwappedAt),
	}, nil
}

// textsOf is the rules of the delivery's tenant.
func textsOf(row dbsqlc.LoadDeliveryRow) textrule.Tenant {
	own := ownTexts(row.OwnCountries, row.OwnLines)
	own.PrefixHour, own.CountryDay, own.Day = orZero(row.OwnPrefixHour), orZero(row.OwnCountryDay), orZero(row.OwnDay)
	return textrule.Tenant{Granted: textrule.Granted{Countries: row.TextCountries, Day: orNegative(row.TextDay)}, Own: own}
}

// Minted implements dispatch.Store in one transaction: a code that was stored is one whose owner will hear of the start.
func (s *Dispatches) Minted(ctx context.Context, d dispatch.Delivery, codeHash []byte) (bool, error) {
	wanted := true
	err := s.db.inTx(ctx, func(p *pipeline) error {
		_, err := s.db.q.MintChallenge(ctx, p, dbsqlc.MintChallengeParams{
			TenantID: d.Tenant, ID: d.Challenge, Sends: int32(d.Sends), CodeHash: codeHash, //nolint:gosec // at most 5.
		})
		if fault.CodeOf(translate(err, "")) == fault.CodeNotFound {
			wanted = false
			return nil
		}
		if err != nil {
			return err
		}
		// A decoy asks for the addresses of nobody, so that it costs the same.
		// One at a time, so that starts side by side do not each find that nobody has heard.
		if _, err := p.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "heard "+d.Tenant+" "+cmp.Or(d.Account, d.Recovery)); err != nil {
			return err
		}
		channels, err := s.db.q.UnheardChannels(ctx, p, dbsqlc.UnheardChannelsParams{TenantID: d.Tenant, AccountID: d.Account})
		if err != nil {
			return err
		}
		return p.insertNotices(ctx, s.db.q, started(d, channels)...)
	})
	return wanted, err
}

// started makes the coalesced initiation notices: the only ones with a cap, and with a budget of their own.
func started(d dispatch.Delivery, channels []string) []outbox.Notice {
	out := make([]outbox.Notice, 0, len(channels))
	for _, c := range channels {
		out = append(out, outbox.Notice{
			ID: secret.NewID("ntc", d.Now, rand.Reader), Tenant: d.Tenant, Account: d.Account, Recovery: d.Recovery,
			Kind: string(recovery.NoticeStarted), Channel: c, CreatedAt: d.Now,
		})
	}
	return out
}

// Sent implements dispatch.Store.
func (s *Dispatches) Sent(ctx context.Context, d dispatch.Delivery, w dispatch.Word) error {
	return s.db.inTx(ctx, func(p *pipeline) error {
		action, outcome := audit.ChallengeSent, audit.Success
		if w.Reason == "" {
			err := s.db.q.AcceptChallenge(ctx, p, dbsqlc.AcceptChallengeParams{TenantID: d.Tenant, ID: d.Challenge, Sends: int32(d.Sends)}) //nolint:gosec // at most 5.
			if err != nil {
				return err
			}
		} else {
			action, outcome = audit.ChallengeSendFailed, audit.Failure
		}
		err := p.appendEvents(audit.Event{
			ID: newEventID(d.Now), Tenant: d.Tenant, At: d.Now, Actor: audit.Actor{Kind: audit.ActorSystem, ID: "dispatch"}, Action: action,
			Subject: d.Challenge, Recovery: d.Recovery, Reason: w.Reason, Outcome: outcome,
			Details: map[string]any{"method": string(d.Method), "sends": d.Sends, "channel": d.Channel},
		})
		if err != nil {
			return err
		}
		took := deliveryOf(d.Tenant, w)
		took.ChallengeID = &d.Challenge
		return s.db.took(ctx, p, took, d.Now)
	})
}

// Notice implements dispatch.Store.
func (s *Dispatches) Notice(ctx context.Context, tenant, id string) (dispatch.Notice, error) {
	row, err := s.db.q.LoadNotice(ctx, s.db.pool, dbsqlc.LoadNoticeParams{TenantID: tenant, ID: id})
	if err != nil {
		return dispatch.Notice{}, translate(err, "load notice")
	}
	return dispatch.Notice{
		Tenant: tenant, ID: id, Kind: row.Kind, Recovery: text(row.RecoveryID), Account: row.AccountID, Channel: row.ChannelID,
		ChannelKind: factor.Method(row.ChannelKind), ObjectionHash: row.ObjectionHash,
		ClaimHash: row.ClaimHash, ClaimPage: row.ClaimUrl, SeatFree: row.SeatFree, SeatUntil: row.SeatUntil.UTC(), CreatedAt: row.CreatedAt.UTC(),
		NotBefore: instant(row.NotBefore), Done: row.AcceptedAt != nil || row.FailedAt != nil, Address: row.AddressSealed,
		DataKey: row.DataKey, Locale: text(&row.Locale), Reference: row.Reference,
		Texts: textrule.Tenant{Granted: textrule.Granted{Countries: row.TextCountries, Day: -1}, Own: ownTexts(row.OwnCountries, row.OwnLines)},
		Brand: dispatch.Brand{Name: row.TenantName, Locale: row.TenantLocale, Support: row.SupportContact},
	}, nil
}

// NoticeDone implements dispatch.Store. Whoever is first records the word; a second one changes nothing.
func (s *Dispatches) NoticeDone(ctx context.Context, n dispatch.Notice, w dispatch.Word) error {
	return s.db.inTx(ctx, func(p *pipeline) error {
		at, action, outcome, err := s.mark(ctx, p, n, w.Reason)
		if fault.CodeOf(translate(err, "")) == fault.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		err = p.appendEvents(audit.Event{
			ID: newEventID(at), Tenant: n.Tenant, At: at, Actor: audit.Actor{Kind: audit.ActorSystem, ID: "dispatch"}, Action: action,
			Subject: n.ID, Recovery: n.Recovery, Reason: w.Reason, Outcome: outcome,
			Details: map[string]any{"kind": n.Kind, "channel": n.Channel},
		})
		if err != nil {
			return err
		}
		took := deliveryOf(n.Tenant, w)
		took.NoticeID = &n.ID
		return s.db.took(ctx, p, took, at)
	})
}

// MayReply implements dispatch.Store.
func (s *Dispatches) MayReply(ctx context.Context, n dispatch.Notice, hash []byte) error {
	return translate(s.db.q.MayReply(ctx, s.db.pool, dbsqlc.MayReplyParams{TenantID: n.Tenant, ID: n.ID, ReplyHash: hash}), "note who may reply")
}

func (s *Dispatches) mark(ctx context.Context, p *pipeline, n dispatch.Notice, reason string) (time.Time, audit.Action, audit.Outcome, error) {
	if reason != "" {
		at, err := s.db.q.FailNotice(ctx, p, dbsqlc.FailNoticeParams{TenantID: n.Tenant, ID: n.ID, Reason: &reason})
		return at.UTC(), audit.NoticeFailed, audit.Failure, err
	}
	at, err := s.db.q.AcceptNotice(ctx, p, dbsqlc.AcceptNoticeParams{TenantID: n.Tenant, ID: n.ID})
	return at.UTC(), audit.NoticeAccepted, audit.Success, err
}
