package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/fault"
)

const goodLine = `{"account_ref":"u-1","population":"consumer","identifiers":[{"type":"email","value":"ada@example.com"}],` +
	`"channels":[{"type":"email","address":"ada@example.com","verified_at":"2026-01-02T03:04:05Z"}],"assurance":{"aal":2,"ial":1},"locale":"en"}`

func TestDecodeLine_ReadsARegistration(t *testing.T) {
	t.Parallel()
	r, err := account.DecodeLine([]byte(goodLine))
	require.NoError(t, err)
	require.Equal(t, "u-1", r.Ref)
	require.Equal(t, "consumer", r.Population)
	require.Equal(t, 2, r.AAL)
	require.Equal(t, 1, r.IAL)
	require.Equal(t, "ada@example.com", r.Identifiers[0].Value.Reveal())
	require.Equal(t, "email", r.Channels[0].Kind)
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), r.Channels[0].VerifiedAt)
}

//
func TestDecodeLine_IsStrict(t *testing.T) {
	t.Parallel()
	eleven := `"identifiers":[` + strings.TrimSuffix(strings.Repeat(`{"type":"username","value":"x"},`, 11), ",") + `]`
	for line, code := range map[string]fault.Code{
		``:                                       fault.CodeInvalidJSON,
		`{`:                                      fault.CodeInvalidJSON,
		`[]`:                                     fault.CodeInvalidRequest,
		`null`:                                   fault.CodeInvalidRequest,
		`{"account_ref":"x"`:                     fault.CodeInvalidJSON,
		`{"account_ref":"x"} {}`:                 fault.CodeInvalidJSON,
		`{"account_ref":"x"}x`:                   fault.CodeInvalidJSON,
		`{"account_ref":"x","account_ref":"y"}`:  fault.CodeInvalidRequest,
		`{"Account_Ref":"x"}`:                    fault.CodeInvalidRequest,
		`{"admin":true}`:                         fault.CodeInvalidRequest,
		`{"account_ref":1}`:                      fault.CodeInvalidRequest,
		`{"account_ref":null}`:                   fault.CodeInvalidRequest,
		`{"assurance":{"aal":"2"}}`:              fault.CodeInvalidRequest,
		`{"assurance":{"aal":1.5}}`:              fault.CodeInvalidRequest,
		`{"assurance":{"aal":1e999999}}`:         fault.CodeInvalidRequest,
		`{"assurance":{"aal":1,"aal":2}}`:        fault.CodeInvalidRequest,
		`{"channels":[{"verified_at":"today"}]}`: fault.CodeInvalidRequest,
		`{"channels":[{"id":"chn_1"}]}`:          fault.CodeInvalidRequest,
		`{"identifiers":{}}`:                     fault.CodeInvalidRequest,
		`{` + eleven + `}`:                       fault.CodeInvalidRequest,
		`{"account_ref":"` + "\xff" + `"}`:       fault.CodeInvalidJSON,
		"{\"account_ref\":\"a\nb\"}":             fault.CodeInvalidJSON,
		strings.Repeat(`[`, 20000):               fault.CodeInvalidRequest,
		strings.Repeat(`{"assurance":`, 9000):    fault.CodeInvalidRequest,
	} {
		_, err := account.DecodeLine([]byte(line))
		require.Equal(t, code, fault.CodeOf(err), "%.60q", line)
	}
}

func FuzzDecodeLine(f *testing.F) {
	f.Add([]byte(goodLine))
	f.Add([]byte(`{"account_ref":"\ud800"}`))
	f.Add([]byte(`{"assurance":{"aal":1e2}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		_, err := account.DecodeLine(line)
		if err != nil {
			require.Contains(t, []fault.Code{fault.CodeInvalidJSON, fault.CodeInvalidRequest}, fault.CodeOf(err))
		}
	})
}
