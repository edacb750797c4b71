package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// accountTx is the account.Tx: everything that it writes travels with COMMIT.
type accountTx struct {
	q *dbsqlc.Queries
	p *pipeline
}

var errNoEvent = errors.New("a change of an account without its audit event")

// Apply implements account.Tx.
func (t *accountTx) Apply(ctx context.Context, c account.Change) error {
	if len(c.Events) == 0 || c.Tenant == "" || c.Account == "" || c.At.IsZero() {
		return errNoEvent
	}
	for _, write := range []func(context.Context, account.Change) error{
		t.create, t.profile, t.identifiers, t.channels, t.factors, t.codes, t.erase,
	} {
		if err := write(ctx, c); err != nil {
			return err
		}
	}
	if err := t.p.insertNotices(ctx, t.q, c.Notices...); err != nil {
		return err
	}
	if err := t.p.appendEvents(c.Events...); err != nil {
		return err
	}
	if c.Remember == nil {
		return nil
	}
	return t.q.Remember(ctx, t.p, dbsqlc.RememberParams{
		Key: c.Remember.Key[:], Fingerprint: c.Remember.Fingerprint[:], Outcome: c.Remember.Outcome, ExpiresAt: c.At.Add(rememberFor),
	})
}

func (t *accountTx) create(ctx context.Context, c account.Change) error {
	if c.Create == nil {
		return nil
	}
	var rows bulk
	rows.add(*c.Create)
	return rows.insert(ctx, t.q, t.p, c.Tenant)
}

func (t *accountTx) profile(ctx context.Context, c account.Change) error {
	if c.Profile == nil {
		return nil
	}
	return t.q.UpdateProfile(ctx, t.p, dbsqlc.UpdateProfileParams{
		TenantID: c.Tenant, ID: c.Account, Population: c.Profile.Population, Locale: c.Profile.Locale, At: c.At,
		Aal: int16(c.Profile.AAL), Ial: int16(c.Profile.IAL), //nolint:gosec // 0 to 3.
	})
}

func (t *accountTx) identifiers(ctx context.Context, c account.Change) error {
	if len(c.DropIdentifiers) > 0 {
		err := t.q.DropIdentifiers(ctx, t.p, dbsqlc.DropIdentifiersParams{TenantID: c.Tenant, AccountID: c.Account, Hashes: c.DropIdentifiers})
		if err != nil {
			return err
		}
	}
	var rows bulk
	rows.addIdentifiers(c.Account, c.AddIdentifiers)
	return rows.insert(ctx, t.q, t.p, c.Tenant)
}

func (t *accountTx) channels(ctx context.Context, c account.Change) error {
	if len(c.RemoveChannels) > 0 {
		err := t.q.RemoveChannels(ctx, t.p, dbsqlc.RemoveChannelsParams{TenantID: c.Tenant, AccountID: c.Account, Ids: c.RemoveChannels, At: &c.At})
		if err != nil {
			return err
		}
	}
	var rows bulk
	rows.addChannels(c.Account, c.AddChannels)
	return rows.insert(ctx, t.q, t.p, c.Tenant)
}

func (t *accountTx) factors(ctx context.Context, c account.Change) error {
	if f := c.AddFactor; f != nil {
		err := t.q.InsertFactor(ctx, t.p, dbsqlc.InsertFactorParams{
			TenantID: c.Tenant, ID: f.ID, AccountID: c.Account, Kind: f.Kind, Sealed: f.Sealed, EnrolledAt: f.EnrolledAt,
		})
		if err != nil {
			return err
		}
	}
	if f := c.Confirm; f != nil {
		err := t.q.ConfirmFactor(ctx, t.p, dbsqlc.ConfirmFactorParams{TenantID: c.Tenant, AccountID: c.Account, ID: f.Factor, At: &c.At, Step: f.Step})
		if err != nil {
			return err
		}
	}
	if c.RemoveFactor != "" {
		err := t.q.RemoveFactor(ctx, t.p, dbsqlc.RemoveFactorParams{TenantID: c.Tenant, AccountID: c.Account, ID: c.RemoveFactor, At: &c.At})
		if err != nil {
			return err
		}
	}
	if len(c.DropFactors) > 0 {
		err := t.q.DropPendingFactors(ctx, t.p, dbsqlc.DropPendingFactorsParams{TenantID: c.Tenant, AccountID: c.Account, Ids: c.DropFactors})
		if err != nil {
			return err
		}
	}
	if c.Failed == nil {
		return nil
	}
	return t.q.PutCounter(ctx, t.p, dbsqlc.PutCounterParams{
		TenantID: c.Tenant, Subject: c.Account, Kind: confirmKind(c.Failed.Factor), Recent: []time.Time{},
		Consecutive: int32(c.Failed.Count), //nolint:gosec // ten at most.
	})
}

func (t *accountTx) codes(ctx context.Context, c account.Change) error {
	if len(c.ReplaceCodes) == 0 {
		return nil
	}
	if err := t.q.RevokeSavedCodes(ctx, t.p, dbsqlc.RevokeSavedCodesParams{TenantID: c.Tenant, AccountID: c.Account, At: &c.At}); err != nil {
		return err
	}
	for _, code := range c.ReplaceCodes {
		err := t.q.InsertSavedCode(ctx, t.p, dbsqlc.InsertSavedCodeParams{
			TenantID: c.Tenant, ID: code.ID, AccountID: c.Account, Prefix: code.Prefix, Phc: code.PHC, IssuedAt: c.At,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *accountTx) erase(ctx context.Context, c account.Change) error {
	if c.AskErasure {
		return t.q.AskErasure(ctx, t.p, dbsqlc.AskErasureParams{TenantID: c.Tenant, ID: c.Account, At: &c.At, By: &c.AskedBy})
	}
	if !c.Erase {
		return nil
	}
	err := t.q.KeepSubject(ctx, t.p, dbsqlc.KeepSubjectParams{TenantID: c.Tenant, AccountID: c.Account, Sealed: c.Farewell, Until: c.At.Add(account.FarewellFor)})
	if err != nil {
		return err
	}
	if err := t.q.EraseIdentifiers(ctx, t.p, dbsqlc.EraseIdentifiersParams{TenantID: c.Tenant, AccountID: c.Account}); err != nil {
		return err
	}
	if err := t.q.EraseFactors(ctx, t.p, dbsqlc.EraseFactorsParams{TenantID: c.Tenant, AccountID: c.Account}); err != nil {
		return err
	}
	if err := t.q.EraseSavedCodes(ctx, t.p, dbsqlc.EraseSavedCodesParams{TenantID: c.Tenant, AccountID: c.Account}); err != nil {
		return err
	}
	if err := t.q.EraseReplyHashes(ctx, t.p, dbsqlc.EraseReplyHashesParams{TenantID: c.Tenant, AccountID: c.Account}); err != nil {
		return err
	}
	if err := t.q.EraseChannels(ctx, t.p, dbsqlc.EraseChannelsParams{TenantID: c.Tenant, AccountID: c.Account, At: &c.At}); err != nil {
		return err
	}
	if err := t.q.EraseAuditPersonal(ctx, t.p, dbsqlc.EraseAuditPersonalParams{TenantID: c.Tenant, AccountID: c.Account}); err != nil {
		return err
	}
	return t.q.EraseAccount(ctx, t.p, dbsqlc.EraseAccountParams{TenantID: c.Tenant, ID: c.Account, At: &c.At})
}

// bulk gathers rows of many accounts, to insert them with one statement per table.
type bulk struct {
	accounts    dbsqlc.InsertAccountsParams
	identifiers dbsqlc.InsertIdentifiersParams
	channels    dbsqlc.InsertChannelsParams
}

func (b *bulk) add(a account.Stored) {
	p := &b.accounts
	p.Ids, p.RefHashes, p.DataKeys, p.RefsSealed = append(p.Ids, a.ID), append(p.RefHashes, a.RefHash), append(p.DataKeys, a.DataKey), append(p.RefsSealed, a.RefSealed)
	p.Populations, p.Locales = append(p.Populations, a.Population), append(p.Locales, a.Locale)
	p.Aals, p.Ials = append(p.Aals, int16(a.AAL)), append(p.Ials, int16(a.IAL)) //nolint:gosec // 0 to 3.
	p.CreatedAt = a.CreatedAt
	b.addIdentifiers(a.ID, a.Identifiers)
	b.addChannels(a.ID, a.Channels)
}

func (b *bulk) addIdentifiers(owner string, ids []account.StoredIdentifier) {
	p := &b.identifiers
	for _, id := range ids {
		p.Hashes, p.AccountIds, p.Types, p.Sealed = append(p.Hashes, id.Hash), append(p.AccountIds, owner), append(p.Types, id.Type), append(p.Sealed, id.Sealed)
	}
}

func (b *bulk) addChannels(owner string, channels []account.StoredChannel) {
	p := &b.channels
	for _, c := range channels {
		p.Ids, p.AccountIds, p.Kinds = append(p.Ids, c.ID), append(p.AccountIds, owner), append(p.Kinds, c.Kind)
		p.AddressHashes, p.Sealed, p.Since = append(p.AddressHashes, c.Hash), append(p.Sealed, c.Sealed), append(p.Since, c.Since)
	}
}

// insert queues what was gathered. All accounts of one bulk begin at the same time.
func (b *bulk) insert(ctx context.Context, q *dbsqlc.Queries, p *pipeline, tenant string) error {
	b.accounts.TenantID, b.identifiers.TenantID, b.channels.TenantID = tenant, tenant, tenant
	if len(b.accounts.Ids) > 0 {
		if err := q.InsertAccounts(ctx, p, b.accounts); err != nil {
			return err
		}
	}
	if len(b.identifiers.Hashes) > 0 {
		if err := q.InsertIdentifiers(ctx, p, b.identifiers); err != nil {
			return err
		}
	}
	if len(b.channels.Ids) > 0 {
		return q.InsertChannels(ctx, p, b.channels)
	}
	return nil
}
