package recoverytest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/factor/savedcode"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// Issuer is the public URL of the test services.
const Issuer = "https://recovery.example.com"

// Offered is what the test services offer.
func Offered() []factor.Method {
	return []factor.Method{factor.Email, factor.SMS, factor.TOTP, factor.RecoveryCode}
}

// NewService makes a Service over a store: everything real but for the parts that this package stands in for. It judges by the
// preset balanced. change may replace any part.
func NewService(store recovery.Store, keys *secret.Keyring, change ...func(*recovery.Config)) (*recovery.Service, error) {
	balanced, err := policy.Preset(policy.PresetBalanced)
	if err != nil {
		return nil, err
	}
	signer, err := keys.Signer()
	if err != nil {
		return nil, err
	}
	cfg := recovery.Config{
		Store: store, Limits: NoLimits{}, Controls: NoControls{}, Identifiers: Identifiers{}, SavedCodes: SavedCodes{}, TOTP: TOTP{}, Policies: Policies{balanced},
		Vault: Vault{keys}, Keys: keys, Signer: signer, Rand: rand.Reader, Issuer: Issuer, Offered: Offered(),
	}
	for _, c := range change {
		c(&cfg)
	}
	return recovery.NewService(cfg), nil
}

// NoLimits lets everybody start.
type NoLimits struct{}

// AllowStart implements recovery.Limits.
func (NoLimits) AllowStart(context.Context, string, netip.Addr, []byte, []byte) (recovery.Velocity, error) {
	return recovery.Velocity{}, nil
}

// NoControls raises nothing.
type NoControls struct{}

// Current implements recovery.Controls.
func (NoControls) Current(string) recovery.Raised { return recovery.Raised{} }

// Identifiers folds case and nothing else.
type Identifiers struct{}

// Canonical implements recovery.Identifiers.
func (Identifiers) Canonical(_ recovery.IdentifierType, value secret.String) (exact, coarse string, err error) {
	text := strings.ToLower(strings.TrimSpace(value.Reveal()))
	if text == "" {
		return "", "", fault.Of(fault.CodeInvalidRequest)
	}
	return text, text, nil
}

// Policies gives every tenant one policy.
type Policies struct{ Policy *policy.Policy }

// Current implements recovery.Policies.
func (p Policies) Current(string) *policy.Policy { return p.Policy }

// SavedCodes are real codes with a hash that costs nothing.
type SavedCodes struct{}

// Parse implements recovery.SavedCodes.
func (SavedCodes) Parse(typed secret.String) (prefix string, body secret.String, err error) {
	return savedcode.Parse(typed)
}

// Verify implements recovery.SavedCodes.
func (SavedCodes) Verify(_ context.Context, phc string, body secret.String) (bool, error) {
	return phc != "" && phc == hashOf(body), nil
}

// Mint implements recovery.SavedCodes.
func (SavedCodes) Mint(context.Context) (prefix, phc string, plain secret.String, err error) {
	codes, err := savedcode.Mint(rand.Reader, 1)
	if err != nil {
		return "", "", secret.String{}, err
	}
	return codes[0].Prefix, hashOf(codes[0].Body), codes[0].Plain, nil
}

func hashOf(body secret.String) string {
	sum := sha256.Sum256([]byte(body.Reveal()))
	return hex.EncodeToString(sum[:])
}

// TOTP has the real one's steps, and codes of its own.
type TOTP struct{}

const period = 30 * time.Second

// Code is the one-time code of a seed at a time.
func (TOTP) Code(seed []byte, at time.Time) secret.String {
	return totpCode(seed, at.Unix()/int64(period/time.Second))
}

// Verify implements recovery.TOTP: this step or the one before it, and after lastStep.
func (TOTP) Verify(seed []byte, code secret.String, now time.Time, lastStep int64) (int64, bool) {
	current := now.Unix() / int64(period/time.Second)
	for _, step := range []int64{current, current - 1} {
		if step > lastStep && totpCode(seed, step).Reveal() == code.Reveal() {
			return step, true
		}
	}
	return 0, false
}

func totpCode(seed []byte, step int64) secret.String {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte(nil), seed...), uint64(step))) //nolint:gosec // not negative after 1970.
	return secret.NewString(fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[:4])%1_000_000))
}

// Vault opens what was never sealed: the test's rows hold the texts themselves.
type Vault struct{ Keys *secret.Keyring }

// AccountRef implements recovery.Vault.
func (Vault) AccountRef(_ string, a recovery.Account) (string, error) {
	return string(a.RefSealed), nil
}

// Seed implements recovery.Vault.
func (Vault) Seed(_ string, _ recovery.Account, t recovery.TOTPFactor) ([]byte, error) {
	return t.Sealed, nil
}

// RefHashes implements recovery.Vault.
func (v Vault) RefHashes(tenant, ref string) [][]byte {
	return v.Keys.IdentifierHashes(tenant, "account_ref", ref)
}
