package apptest

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what authenticator apps use (RFC 6238).
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
)

// Person is an account to register.
type Person struct {
	Ref        string
	Population client.Population // consumer when empty
	AAL        int               // 1 when 0
	Email      string            // its identifier and first address
	Phone      string            // for text messages; none when empty
	Backup     string            // a second e-mail address; none when empty
	Aged       time.Duration     // for how long the addresses have been verified; 60 days when 0, which is enough for everything
}

// Registration is what the identity system registers of a person.
func (s *Service) Registration(t testing.TB, p Person) client.AccountRegistration {
	t.Helper()
	if p.Aged == 0 {
		p.Aged = 60 * Day
	}
	verified, locale := s.Now(t).Add(-p.Aged), "en"
	r := client.AccountRegistration{
		Population: p.Population, Assurance: client.Assurance{Aal: max(p.AAL, 1)}, Locale: &locale,
		Identifiers: []client.Identifier{Email(p.Email)},
		Channels:    []client.Channel{{Type: client.ChannelTypeEmail, Address: p.Email, VerifiedAt: verified}},
	}
	if r.Population == "" {
		r.Population = "consumer"
	}
	if p.Phone != "" {
		r.Channels = append(r.Channels, client.Channel{Type: client.ChannelTypeSms, Address: p.Phone, VerifiedAt: verified})
	}
	if p.Backup != "" {
		r.Channels = append(r.Channels, client.Channel{Type: client.ChannelTypeEmail, Address: p.Backup, VerifiedAt: verified})
	}
	return r
}

// Register registers a person.
func (s *Service) Register(t testing.TB, p Person) {
	t.Helper()
	a := s.Account(t, http.MethodPut, p.Ref, "", s.Registration(t, p))
	require.Equal(t, http.StatusCreated, a.Status, a.Body)
}

// Account sends a request about an account as the identity system. The path goes on after the account's name.
func (s *Service) Account(t testing.TB, method, ref, path string, body any) Answer {
	t.Helper()
	return s.Do(t, Request{Method: method, Path: "/v1/accounts/" + ref + path, As: s.IdentityToken, Body: body})
}

// IssueCodes gives a person new saved codes.
func (s *Service) IssueCodes(t testing.TB, ref string) []string {
	t.Helper()
	return Decode[client.RecoveryCodes](t, s.Account(t, http.MethodPost, ref, "/recovery-codes", nil), http.StatusCreated).RecoveryCodes
}

// EnrolTOTP gives a person an authenticator app, and its seed to the test.
func (s *Service) EnrolTOTP(t testing.TB, ref string) (seed string) {
	t.Helper()
	e := Decode[client.Enrolment](t, s.Account(t, http.MethodPost, ref, "/factors", client.EnrolRequest{Type: client.FactorTypeTotp}), http.StatusCreated)
	a := s.Account(t, http.MethodPost, ref, "/factors/"+e.ID+"/confirm", client.ConfirmRequest{Code: s.TOTP(t, e.Secret)})
	require.Equal(t, http.StatusOK, a.Status, a.Body)
	return e.Secret
}

// TOTP is what a person's authenticator app shows now: RFC 6238 written down once more, so that the test does not ask what it
// tests.
func (s *Service) TOTP(t testing.TB, seed string) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed)
	require.NoError(t, err)
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, s.Now(t).Unix()/30) // a hash takes everything
	sum := mac.Sum(nil)
	number := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", number%1_000_000)
}

// Status reads an account's status.
func (s *Service) Status(t testing.TB, ref string) client.AccountStatus {
	t.Helper()
	return Decode[client.AccountStatus](t, s.Account(t, http.MethodGet, ref, "/status", nil), http.StatusOK)
}

// Day is a day.
const Day = 24 * time.Hour
