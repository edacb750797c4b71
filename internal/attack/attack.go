// Package attack plays attackers against a development instance, through its public API alone, and says what got through. Each
// scenario is bounded in count and time, makes its own victims, and ends with a verdict.
//
// The same scenarios run as tests and as `holdfast attack`. Many addresses are played by stating them: a server-side client speaks
// for people at many addresses, and the limits hold it to each.
package attack

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Target is the instance that is attacked.
type Target struct {
	Base     string // http://127.0.0.1:…
	App      string // a credential that may start recoveries
	Identity string // one that may register accounts and issue saved codes
	HTTP     *http.Client
	// Inbox gives the latest messages, newest first.
	Inbox func(ctx context.Context) ([]Message, error)
	// Resident gives the service's resident memory in bytes; nil where it cannot be told apart.
	Resident func(ctx context.Context) (int64, error)
	// Settled waits until the instance has sent what it has to send.
	Settled func(ctx context.Context) error
	// Now is the process's clock, for the names of victims and the time that answers take.
	Now func() time.Time
	// Large makes scenarios as big as the command runs them; tests run short ones.
	Large bool
}

// Message is one message of the inbox.
type Message struct {
	To   string
	Kind string
	Code string
}

// Number is one measured figure. Bad is set when it breaks what the scenario promises.
type Number struct {
	Name  string
	Value string
	Bad   bool
}

// Report is what a scenario found.
type Report struct { //nolint:recvcheck // a scenario fills it through a pointer; for everyone else it is a value.
	Scenario string
	Numbers  []Number
}

// Held reports whether every promise held.
func (r Report) Held() bool {
	for _, n := range r.Numbers {
		if n.Bad {
			return false
		}
	}
	return len(r.Numbers) > 0
}

func (r *Report) note(name string, value int) {
	r.Numbers = append(r.Numbers, Number{Name: name, Value: strconv.Itoa(value)})
}

func (r *Report) atMost(name string, value, most int) {
	r.Numbers = append(r.Numbers, Number{Name: name, Value: fmt.Sprintf("%d (at most %d)", value, most), Bad: value > most})
}

// Scenario is one attack.
type Scenario struct {
	Name string
	Does string
	run  func(ctx context.Context, a *attacker, r *Report) error
}

// Run plays the scenario.
func (s Scenario) Run(ctx context.Context, t Target) (Report, error) {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	r := Report{Scenario: s.Name}
	err := s.run(ctx, &attacker{Target: t, salt: binary.BigEndian.Uint32(b[:4])}, &r)
	return r, err
}

// Scenarios lists the attacks.
func Scenarios() []Scenario {
	return []Scenario{
		{"spray", "two wrong codes on each of many accounts, each from an address of its own", spray},
		{"guessing", "one account's codes guessed from many addresses at once, over many recoveries", guessing},
		{"enumeration", "who has an account, by body, status, headers and throttle", enumeration},
		{"timing", "who has an account, by the time that a start takes", timing},
		{"pump-prefix", "codes by text to many numbers of one prefix", pumpPrefix},
		{"pump-many", "codes by text to many prefixes of one country", pumpMany},
		{"budget", "a country's budget burnt, so that people who rely on it get nothing", budget},
		{"notices", "an owner's mailbox flooded, to bury the notice that matters", notices},
		{"rotation", "rotating addresses within one /64", rotation},
		{"forwarded", "forged X-Forwarded-For, Forwarded and X-Real-Ip headers", forwarded},
		{"argon2", "many wrong saved codes at once, to exhaust memory", argon2},
	}
}

// attacker is one run.
type attacker struct {
	Target

	salt    uint32
	address uint32
}

// size is the number for the command, or the one for a test.
func (a *attacker) size(large, short int) int {
	if a.Large {
		return large
	}
	return short
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

func (r answer) text(field string) string {
	var out map[string]any
	_ = json.Unmarshal([]byte(r.body), &out)
	text, _ := out[field].(string)
	return text
}

// call sends one request.
func (a *attacker) call(ctx context.Context, method, path, bearer, claimant string, body any, header http.Header) (answer, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.Base+path, reader)
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if claimant != "" {
		req.Header.Set("Holdfast-Claimant", claimant)
	}
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", `"`+rand.Text()+`"`)
	}
	begun := a.Now()
	res, err := a.HTTP.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return answer{status: res.StatusCode, header: res.Header, body: string(text), took: a.Now().Sub(begun)}, err
}

// from makes up an address in a network of its own.
func (a *attacker) from() string {
	a.address++
	return fmt.Sprintf("2001:db8:%x:%x::7", a.salt>>16^a.address>>8, a.salt&0xffff^a.address&0xff<<8^a.address)
}

// claim is one recovery in the attacker's, or an owner's, hands.
type claim struct {
	a         *attacker
	id, token string
}

// start starts a recovery of an email address; ip "" states none.
func (a *attacker) start(ctx context.Context, email, ip string, header http.Header) (claim, answer, error) {
	body := map[string]any{"identifier": map[string]string{"type": "email", "value": email}, "reason": "lost_password"}
	if ip != "" {
		body["client"] = map[string]any{"ip": ip}
	}
	r, err := a.call(ctx, http.MethodPost, "/v1/recoveries", a.App, "", body, header)
	return claim{a, r.text("id"), r.text("claimant_token")}, r, err
}

func (c claim) ask(ctx context.Context, method string) (string, answer, error) {
	r, err := c.a.call(ctx, http.MethodPost, "/v1/recoveries/"+c.id+"/challenges", c.a.App, c.token, map[string]string{"method": method}, nil)
	return r.text("id"), r, err
}

func (c claim) answer(ctx context.Context, challenge, code string) (answer, error) {
	return c.a.call(ctx, http.MethodPost, "/v1/recoveries/"+c.id+"/challenges/"+challenge+"/answers", c.a.App, c.token, map[string]string{"code": code}, nil)
}

// victim is an account with an owner.
type victim struct{ ref, email, phone string }

// victim registers an account with addresses of age.
func (a *attacker) victim(ctx context.Context, i int, phone string) (victim, error) {
	v := victim{ref: fmt.Sprintf("victim-%x-%d", a.salt, i), phone: phone}
	v.email = v.ref + "@example.com"
	verified := a.Now().Add(-90 * 24 * time.Hour).UTC().Format(time.RFC3339)
	channels := []map[string]string{{"type": "email", "address": v.email, "verified_at": verified}}
	if phone != "" {
		channels = append(channels, map[string]string{"type": "sms", "address": phone, "verified_at": verified})
	}
	r, err := a.call(ctx, http.MethodPut, "/v1/accounts/"+v.ref, a.Identity, "", map[string]any{
		"population": "consumer", "identifiers": []map[string]string{{"type": "email", "value": v.email}}, "channels": channels, "assurance": map[string]int{"aal": 1, "ial": 0},
	}, nil)
	if err == nil && r.status != http.StatusCreated {
		err = fmt.Errorf("register a victim: %d %s", r.status, r.body)
	}
	return v, err
}

// recovers plays the owner, at a device and address of their own: do they get a code and does it prove?
func (a *attacker) recovers(ctx context.Context, v victim, method string) (bool, error) {
	c, r, err := a.start(ctx, v.email, a.from(), nil)
	if err != nil || r.status != http.StatusCreated {
		return false, err
	}
	to := v.email
	if method == "sms" {
		to = v.phone
	}
	before, err := a.codes(ctx, to)
	if err != nil {
		return false, err
	}
	challenge, r, err := c.ask(ctx, method)
	if err != nil || r.status != http.StatusCreated {
		return false, err
	}
	if err := a.Settled(ctx); err != nil {
		return false, err
	}
	after, err := a.codes(ctx, to)
	if err != nil || len(after) == len(before) {
		return false, err
	}
	r, err = c.answer(ctx, challenge, after[0])
	return r.status == http.StatusOK, err
}

// codes lists the codes that an address got, newest first.
func (a *attacker) codes(ctx context.Context, to string) ([]string, error) {
	messages, err := a.Inbox(ctx)
	return codesOf(messages, to), err
}

func codesOf(messages []Message, to string) []string {
	var out []string
	for _, m := range messages {
		if m.To == to && m.Code != "" {
			out = append(out, m.Code)
		}
	}
	return out
}

// keptOut counts the owners who cannot recover.
func (a *attacker) keptOut(ctx context.Context, r *Report, victims []victim, method string) error {
	out := 0
	for _, v := range victims {
		ok, err := a.recovers(ctx, v, method)
		if err != nil {
			return err
		}
		if !ok {
			out++
		}
	}
	r.atMost("victims kept out", out, 0)
	return nil
}

// wrong is a guess at an eight-digit code.
func wrong() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%08d", binary.BigEndian.Uint32(b[:])%100_000_000)
}

var errNoLimits = errors.New("this instance relaxes its limits: start it with holdfast dev --strict")

func nobody(salt uint32, i int) string {
	return "nobody-" + strconv.FormatUint(uint64(salt), 16) + "-" + strings.Repeat("x", i%3) + strconv.Itoa(i) + "@example.com"
}
