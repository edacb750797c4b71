package dev

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/factor/totp"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	demoTenant = "demo"
	operator   = "holdfast dev"
	// seedAge is how old the demo accounts are: their factors count as aged (requirements.md, section 3).
	seedAge = 60 * 24 * time.Hour
)

// seed makes the demo tenant, its clients and its accounts, where an earlier start has not.
func (d *instance) seed(ctx context.Context, out *Description) error {
	_, err := d.owner.CreateTenant(ctx, postgres.Tenant{ID: demoTenant, Name: "Holdfast Demo", SupportContact: "https://support.example.com", Locale: "en"})
	if err != nil && fault.CodeOf(err) != fault.CodeConflict {
		return err
	}
	out.Tenant = demoTenant
	page, err := notify.ParsePage(d.app.Config.HTTP.PublicURL+"/dev/claim", true)
	if err != nil {
		return err
	}
	tenant, err := d.owner.Tenant(ctx, demoTenant)
	if err != nil {
		return err
	}
	if tenant.ClaimPage != page.String() {
		err = d.owner.SetTenantClaimPage(ctx, demoTenant, page.String(), audit.Actor{Kind: audit.ActorOperator, ID: operator})
	}
	if err != nil {
		return err
	}
	if err := d.seedClients(ctx, out); err != nil {
		return err
	}
	if len(out.Accounts) == len(demoAccounts()) {
		return nil
	}
	return d.seedAccounts(ctx, out)
}

// seedClients makes a client for every credential that dev.json does not hold or that no longer opens anything.
func (d *instance) seedClients(ctx context.Context, out *Description) error {
	for _, c := range []struct {
		name   string
		token  *string
		scopes []credential.Scope
	}{
		{"demo app", &out.Credentials.App, []credential.Scope{credential.RecoveriesStart}},
		{"demo identity system", &out.Credentials.Identity, []credential.Scope{
			credential.AccountsWrite, credential.AccountsRead, credential.GrantsRedeem, credential.ObjectionsWrite,
			credential.SignalsWrite, credential.SignalsRead,
		}},
	} {
		if _, err := d.app.Clients.Authenticate(ctx, *c.token); err == nil {
			continue
		} else if fault.CodeOf(err) != fault.CodeUnauthenticated {
			return err
		}
		made, err := d.app.Clients.CreateClient(ctx, credential.CreateCommand{
			Tenant: demoTenant, Name: c.name, Kind: credential.Service, Owner: operator, Scopes: c.scopes, Lifetime: credential.MaxLifetime,
			By: audit.Actor{Kind: audit.ActorOperator, ID: operator},
		})
		if err != nil {
			return err
		}
		*c.token = made.Token.Reveal()
	}
	return nil
}

// demo is one account of the demo.
type demo struct {
	Account
	aal   int
	totp  bool
	codes bool
}

// demoAccounts is who lives in the demo: one of each kind that meets another policy.
func demoAccounts() []demo {
	mail := func(address string) Channel { return Channel{Type: "email", Address: address} }
	text := func(number string) Channel { return Channel{Type: "sms", Address: number} }
	person := func(ref, population, address string, channels ...Channel) Account {
		return Account{
			AccountRef: ref, Population: population, Identifier: Identifier{Type: "email", Value: address},
			Channels: append([]Channel{mail(address)}, channels...),
		}
	}
	return []demo{
		{Account: person("user-ada", "consumer", "ada@example.com", text("+447700900101")), aal: 1},
		{Account: person("user-ben", "consumer", "ben@example.com", text("+447700900102"), mail("ben.backup@example.org")), aal: 2, totp: true, codes: true},
		{Account: person("user-cleo", "consumer", "cleo@example.com"), aal: 1},
		{Account: person("staff-dora", "business", "dora@example.net", text("+447700900104")), aal: 2, totp: true, codes: true},
		{Account: person("admin-eve", "privileged", "eve@example.net", text("+447700900105")), aal: 2, totp: true, codes: true},
		{Account: person("user-finn", "pseudonymous", "finn@example.org"), aal: 1, codes: true},
		{Account: person("staff-gus", "federated", "gus@example.net"), aal: 1},
	}
}

// seedAccounts registers the demo accounts as they would have been registered two months ago: the clock is set back while
// nobody is served yet, so that their factors are aged and the hold is the policy's, not the seed's.
func (d *instance) seedAccounts(ctx context.Context, out *Description) (err error) {
	if err := d.owner.AdvanceClock(ctx, -seedAge); err != nil {
		return err
	}
	defer func() {
		if back := d.owner.AdvanceClock(ctx, seedAge); err == nil {
			err = back
		}
	}()
	now, err := d.owner.Now(ctx)
	if err != nil {
		return err
	}
	out.Accounts = nil
	for _, a := range demoAccounts() {
		if err := d.seedAccount(ctx, &a, now); err != nil {
			return fault.Wrap(err, a.AccountRef)
		}
		out.Accounts = append(out.Accounts, a.Account)
	}
	return nil
}

func (d *instance) seedAccount(ctx context.Context, a *demo, now time.Time) error {
	by := account.Caller{Tenant: demoTenant, Client: operator, Operator: true}
	r := account.Registration{
		Ref: a.AccountRef, Population: a.Population, AAL: a.aal, Locale: "en",
		Identifiers: []account.Identifier{{Type: a.Identifier.Type, Value: secret.NewString(a.Identifier.Value)}},
	}
	for _, c := range a.Channels {
		r.Channels = append(r.Channels, account.Channel{Kind: c.Type, Address: secret.NewString(c.Address), VerifiedAt: now.Add(-time.Hour)})
	}
	if _, _, err := d.app.Accounts.Put(ctx, account.PutCommand{Caller: by, Registration: r}); err != nil {
		return err
	}
	if a.totp {
		if err := d.seedTOTP(ctx, by, a, now); err != nil {
			return err
		}
	}
	if !a.codes {
		return nil
	}
	codes, err := d.app.Accounts.IssueCodes(ctx, account.IssueCodesCommand{Caller: by, Ref: a.AccountRef})
	for _, c := range codes {
		a.RecoveryCodes = append(a.RecoveryCodes, c.Reveal())
	}
	return err
}

// seedTOTP enrols an authenticator and confirms it with its own first code, as its app would.
func (d *instance) seedTOTP(ctx context.Context, by account.Caller, a *demo, now time.Time) error {
	view, err := d.app.Accounts.Get(ctx, by, a.AccountRef)
	if err != nil {
		return err
	}
	for _, f := range slices.Backward(view.Factors) { // what an interrupted start left
		if err := d.app.Accounts.RemoveFactor(ctx, account.RemoveFactorCommand{Caller: by, Ref: a.AccountRef, Factor: f.ID}); err != nil {
			return err
		}
	}
	e, err := d.app.Accounts.Enrol(ctx, account.EnrolCommand{Caller: by, Ref: a.AccountRef, Kind: "totp", Label: a.AccountRef})
	if err != nil {
		return err
	}
	a.TOTPSecret = e.Secret.Reveal()
	code, err := totp.Code(e.Secret, now)
	if err != nil {
		return err
	}
	_, err = d.app.Accounts.Confirm(ctx, account.ConfirmCommand{Caller: by, Ref: a.AccountRef, Factor: e.ID, Code: code})
	return err
}
