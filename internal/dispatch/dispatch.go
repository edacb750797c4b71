// Package dispatch does what the outbox's jobs ask for: it mints a code and sends it, or sends a notice until its provider
// accepts it.
//
// A code exists in clear only between its minting here and the provider's acceptance (ADR 0007): the outbox holds ids, the
// table a keyed hash. For a decoy the same work is done and nothing is sent.
package dispatch

import (
	"context"
	"io"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/textrule"
)

// codeDigits is the length of a one-time code (requirements.md, section 3).
const codeDigits = 8

// Brand is how a tenant appears in messages.
type Brand struct {
	Name, Locale, Support string
}

// Delivery is a challenge that is to be sent.
type Delivery struct {
	Tenant, Challenge, Recovery string
	Method                      factor.Method
	Sends                       int
	ExpiresAt                   time.Time
	Now                         time.Time
	Over                        bool // answered, or its recovery is no longer open
	Accepted                    bool // the provider has it already
	DeferToIDP                  bool // the account signs in through its organisation: it is told so, and gets no code
	Account                     string
	Channel                     string
	Address                     []byte // sealed; nil for a decoy and for methods without a channel
	DataKey                     []byte
	Locale                      string
	Reference                   string
	Brand                       Brand
	Texts                       textrule.Tenant
	CarrierAt                   time.Time
	CarrierLine                 phone.Line
	SIMSwappedAt                time.Time
}

// Notice is a notice that is to be sent.
type Notice struct {
	Tenant, ID, Kind, Recovery, Account, Channel string
	ChannelKind                                  factor.Method
	ObjectionHash                                []byte
	ClaimHash                                    []byte
	ClaimPage                                    string    // where the tenant's claim links lead
	SeatFree                                     bool      // a claim link has something to hand over
	SeatUntil                                    time.Time // and until when
	CreatedAt, NotBefore                         time.Time
	Done                                         bool // accepted or failed before
	Address, DataKey                             []byte
	Locale, Reference                            string
	Brand                                        Brand
	Texts                                        textrule.Tenant // for what its texts reach; no budget bounds notices
}

// Store is what dispatching reads and writes.
type Store interface {
	// Delivery loads a challenge; fault.CodeNotFound when there is none.
	Delivery(ctx context.Context, tenant, challenge string) (Delivery, error)
	// Minted stores the code's hash, if the challenge still waits for this send, and makes sure that each address on file
	// hears once a day that a recovery was started. It reports whether this send is still wanted.
	Minted(ctx context.Context, d Delivery, codeHash []byte) (bool, error)
	// Sent records the provider's word.
	Sent(ctx context.Context, d Delivery, w Word) error
	// ReserveText lets one code through to a number, or says what stands against it: "" for yes. Repeated for one sending it
	// gives the first yes again. A pause that it begins is written down as an event.
	ReserveText(ctx context.Context, d Delivery, t Text) (refusal string, err error)
	// KnowCarrier keeps what a carrier said of the channel's number, and that it was asked.
	KnowCarrier(ctx context.Context, d Delivery, r phone.Report) error
	// Notice loads a notice; fault.CodeNotFound when there is none.
	Notice(ctx context.Context, tenant, id string) (Notice, error)
	// NoticeDone records the provider's word. What it already reported of the message's end counts at once.
	NoticeDone(ctx context.Context, n Notice, w Word) error
	// MayReply notes which number may answer the notice, before it can: hash is a keyed one.
	MayReply(ctx context.Context, n Notice, hash []byte) error
}

// Word is a provider's answer to a message that it will not be asked to send again.
type Word struct {
	Reason              string // why it was refused for good; empty when it was accepted
	Provider, Reference string // when it was accepted: who will say more, and by which name; empty where nobody will
}

// Waker has a recovery look whether something is due: the first accepted notice may have been what it waited for.
type Waker interface {
	Wake(ctx context.Context, tenant, recovery string) error
}

// Addresses opens a sealed address.
type Addresses interface {
	Address(tenant, account, channel string, dataKey, sealed []byte) (secret.String, error)
}

// Metrics counts what was sent.
type Metrics interface {
	Message(channel, kind, outcome string)
	Carrier(outcome string)
}

// Config is what a Dispatcher is made of.
type Config struct {
	Store     Store
	Waker     Waker
	Sender    notify.Sender
	Renderer  *notify.Renderer
	Links     notify.Links
	Loopback  bool // claim pages on this machine over http; development only
	Addresses Addresses
	Keys      *secret.Keyring
	Rand      io.Reader
	Metrics   Metrics
	Replies   bool // this installation hears what is answered to its text messages
	Texts     TextRules
	Carrier   Carrier // nil where no carrier is asked: the state of every SIM is unknown then
	// Stops says whether operators have stopped codes to a country, before anything is sent. Notices do not ask. Nil for never.
	Stops func(tenant, country string) bool
}

// Dispatcher sends. It is safe for concurrent use.
type Dispatcher struct{ Config }

// New makes a Dispatcher.
func New(cfg Config) *Dispatcher { return &Dispatcher{Config: cfg} }

// Retry asks for another attempt, after the provider's own wait if it named one.
type Retry struct {
	After time.Duration
	Cause error
}

// Error tells the cause, which holds no address and no code.
func (r *Retry) Error() string { return "try again: " + r.Cause.Error() }

// Unwrap gives the cause.
func (r *Retry) Unwrap() error { return r.Cause }

// Challenge sends one challenge. sends tells which send the job is for: a later one makes it void. A nil error
// means that nothing is left to do; *Retry that it is to be tried again.
func (d *Dispatcher) Challenge(ctx context.Context, tenant, id string, sends int) error {
	work, err := d.Store.Delivery(ctx, tenant, id)
	if fault.CodeOf(err) == fault.CodeNotFound {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, "load challenge")
	}
	if work.Over || work.Accepted || work.Sends != sends || !work.Now.Before(work.ExpiresAt) {
		return nil
	}
	code, err := secret.MintCode(d.Rand, codeDigits)
	if err != nil {
		return fault.Wrap(err, "mint code")
	}
	wanted, err := d.Store.Minted(ctx, work, d.Keys.CodeHash(work.Recovery, work.Challenge, code))
	if err != nil || !wanted || work.Address == nil {
		return fault.Wrap(err, "store code")
	}
	return d.sendCode(ctx, work, code)
}

func (d *Dispatcher) sendCode(ctx context.Context, work Delivery, code secret.String) error {
	kind := notify.RecoveryCode
	data := notify.Data{
		TenantName: work.Brand.Name, TenantLocale: work.Brand.Locale, SupportContact: work.Brand.Support,
		Code: code, ValidFor: work.ExpiresAt.Sub(work.Now).Truncate(time.Minute), At: work.Now, Reference: work.Reference,
	}
	data.ValidFor = max(data.ValidFor, time.Minute)
	if work.DeferToIDP {
		kind, data.Code, data.ValidFor = notify.UseYourOrganisation, secret.String{}, 0
	}
	to, err := d.Addresses.Address(work.Tenant, work.Account, work.Channel, work.DataKey, work.Address)
	if err != nil {
		return fault.Wrap(err, "open address")
	}
	if work.Method == factor.SMS {
		refusal, err := d.mayText(ctx, work, to)
		if err != nil {
			return err
		}
		if refusal != "" {
			d.Metrics.Message(string(work.Method), string(kind), refusal)
			return fault.Wrap(d.Store.Sent(ctx, work, Word{Reason: refusal}), "record refusal")
		}
	}
	m, err := d.message(kind, work.Method, work.Locale, data)
	if err != nil {
		return err
	}
	m.ID, m.To, m.Tenant, m.Code = messageID(work.Challenge, work.Sends, work.Now), to, work.Tenant, data.Code
	word, err := d.send(ctx, m)
	if err != nil {
		return err
	}
	return fault.Wrap(d.Store.Sent(ctx, work, word), "record send")
}

// Notice sends one notice. A rejection is final for the address and counts as a bounce; everything else is tried
// again: a notice is never dropped for being one too many.
func (d *Dispatcher) Notice(ctx context.Context, tenant, id string) error {
	work, err := d.Store.Notice(ctx, tenant, id)
	if fault.CodeOf(err) == fault.CodeNotFound {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, "load notice")
	}
	if work.Done {
		return d.wake(ctx, work)
	}
	word, err := d.sendNotice(ctx, work)
	if err != nil {
		return err
	}
	if err := d.Store.NoticeDone(ctx, work, word); err != nil {
		return fault.Wrap(err, "record notice")
	}
	return d.wake(ctx, work)
}

// sendNotice gives the provider's word, or the error for which to try again.
func (d *Dispatcher) sendNotice(ctx context.Context, work Notice) (Word, error) {
	if work.DataKey == nil {
		return Word{Reason: "erased"}, nil
	}
	data := notify.Data{
		TenantName: work.Brand.Name, TenantLocale: work.Brand.Locale, SupportContact: work.Brand.Support,
		At: work.CreatedAt, NotBefore: work.NotBefore, Reference: work.Reference,
	}
	kind := notify.Kind(work.Kind)
	if kind == notify.ClaimLink {
		refusal, err := d.claim(work, &data)
		if err != nil || refusal != "" {
			return Word{Reason: refusal}, err
		}
	}
	objectable := work.ObjectionHash != nil && kind.MayLink()
	if objectable {
		token, err := d.Keys.ObjectionTokenFor(work.ID, work.ObjectionHash)
		if err != nil {
			return Word{}, fault.Wrap(err, "derive objection link")
		}
		data.Link = d.Links.Objection(token)
	}
	to, err := d.Addresses.Address(work.Tenant, work.Account, work.Channel, work.DataKey, work.Address)
	if err != nil {
		return Word{}, fault.Wrap(err, "open address")
	}
	if objectable && d.Replies && work.ChannelKind == factor.SMS {
		if err := d.Store.MayReply(ctx, work, d.Keys.MAC(secret.PurposeReply, to.Reveal())); err != nil {
			return Word{}, fault.Wrap(err, "note who may reply")
		}
		data.CanReply = true
	}
	if work.ChannelKind == factor.SMS {
		if refusal := d.Texts.of(work.Texts).judge(phone.Read(to.Reveal(), d.Texts.Fiction), ""); refusal != "" {
			d.Metrics.Message(string(work.ChannelKind), string(kind), string(refusal))
			return Word{Reason: string(refusal)}, nil // as if it had bounced: another address has to hear of it
		}
	}
	m, err := d.message(kind, work.ChannelKind, work.Locale, data)
	if err != nil {
		return Word{}, err
	}
	m.ID, m.To, m.Tenant = work.ID, to, work.Tenant
	for _, link := range []secret.String{data.Link, data.Claim} {
		if !link.IsZero() {
			m.Links = append(m.Links, link.Reveal())
		}
	}
	return d.send(ctx, m)
}

// claim makes the claim link, or says why none is sent any more. The page may have been taken away since the case was opened.
func (d *Dispatcher) claim(work Notice, data *notify.Data) (refusal string, err error) {
	if !work.SeatFree {
		return "claim_over", nil
	}
	page, err := notify.ParsePage(work.ClaimPage, d.Loopback)
	if err != nil {
		return "claim_no_page", nil //nolint:nilerr // for good: a link that leads elsewhere is not sent.
	}
	token, err := d.Keys.ClaimLinkTokenFor(work.ID, work.ClaimHash)
	if err != nil {
		return "", fault.Wrap(err, "derive claim link")
	}
	data.Claim, data.Until = page.Claim(token), work.SeatUntil
	return "", nil
}

func (d *Dispatcher) wake(ctx context.Context, work Notice) error {
	if work.Recovery == "" || work.Kind != string(notify.HoldEntered) {
		return nil
	}
	err := d.Waker.Wake(ctx, work.Tenant, work.Recovery)
	if fault.CodeOf(err) == fault.CodeConflict {
		return nil // somebody else changed it and has looked
	}
	return fault.Wrap(err, "wake recovery")
}

func (d *Dispatcher) message(kind notify.Kind, channel factor.Method, locale string, data notify.Data) (notify.Message, error) {
	subject, text, html, err := d.Renderer.Render(kind, channel, locale, data)
	if err != nil {
		return notify.Message{}, fault.Wrap(err, "render")
	}
	return notify.Message{Channel: channel, Locale: locale, Kind: kind, Subject: subject, Text: text, HTML: html, At: data.At}, nil
}

// send hands the message over and gives the provider's word; the error is *Retry.
func (d *Dispatcher) send(ctx context.Context, m notify.Message) (Word, error) {
	receipt, err := d.Sender.Send(ctx, m)
	outcome := "accepted"
	if err != nil {
		outcome = string(notify.ReasonOf(err))
	}
	d.Metrics.Message(string(m.Channel), string(m.Kind), outcome)
	if err != nil && !notify.Permanent(err) {
		return Word{}, &Retry{After: notify.RetryAfter(err), Cause: err}
	}
	return Word{Reason: string(notify.ReasonOf(err)), Provider: receipt.Provider, Reference: receipt.ProviderRef}, nil
}
