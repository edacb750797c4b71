package totp

import (
	"fmt"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/holdfast/holdfast/internal/secret"
)

// Code is what an authenticator app with this seed, in base32, shows at that time. The service never needs it: it is for
// development and tests, which play the person with the app.
func Code(text secret.String, at time.Time) (secret.String, error) {
	code, err := hotp.GenerateCodeCustom(text.Reveal(), uint64(Step(at)), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}) //nolint:gosec // steps are positive after 1970.
	if err != nil {
		return secret.String{}, fmt.Errorf("totp: make code") // the cause could repeat the seed
	}
	return secret.NewString(code), nil
}
