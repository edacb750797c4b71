package phone_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/phone"
)

//
func TestTexts_GoToListedKindsInListedCountriesAlone(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		number  string
		carrier phone.Line
		want    phone.Refusal
	}{
		"a mobile":                              {number: "+4915112345678"},
		"a mobile that its carrier confirms":    {number: "+4915112345678", carrier: phone.Mobile},
		"where numbers do not tell":             {number: "+14155552671"},
		"a landline gets calls only":            {number: "+4930123456", want: phone.RefusedLandline},
		"a landline behind a number of both":    {number: "+14155552671", carrier: phone.Fixed, want: phone.RefusedLandline},
		"a country that is not listed":          {number: "+33612345678", want: phone.RefusedCountry},
		"Guernsey is not Great Britain":         {number: "+447911123456", want: phone.RefusedCountry},
		"premium, America":                      {number: "+19005551234", want: phone.RefusedLine},
		"premium, Great Britain":                {number: "+449098765432", want: phone.RefusedLine},
		"premium behind a mobile's number":      {number: "+4915112345678", carrier: phone.Premium, want: phone.RefusedLine},
		"shared cost":                           {number: "+491801234567", want: phone.RefusedLine},
		"toll-free":                             {number: "+18005551234", want: phone.RefusedLine},
		"international toll-free":               {number: "+80012345678", want: phone.RefusedLine},
		"international premium":                 {number: "+979123456789", want: phone.RefusedLine},
		"a pager":                               {number: "+447640123456", want: phone.RefusedLine},
		"a voicemail, by its carrier":           {number: "+4915112345678", carrier: phone.Voicemail, want: phone.RefusedLine},
		"a number that follows its owner":       {number: "+447012345678", want: phone.RefusedLine},
		"a company's number":                    {number: "+445512345678", want: phone.RefusedLine},
		"a satellite":                           {number: "+8816123456789", want: phone.RefusedLine},
		"a ship":                                {number: "+870123456789", want: phone.RefusedLine},
		"a line that nobody knows":              {number: "+4915112345678", carrier: "carrier pigeon", want: phone.RefusedLine},
		"letters":                               {number: "+1415FLOWERS", want: phone.RefusedLine},
		"an extension":                          {number: "+14155552671;ext=5", want: phone.RefusedLine},
		"two pluses":                            {number: "++14155552671", want: phone.RefusedLine},
		"no plus":                               {number: "14155552671", want: phone.RefusedLine},
		"other scripts' digits":                 {number: "+４９15112345678", want: phone.RefusedLine},
		"blanks":                                {number: "+49 151 12345678", want: phone.RefusedLine},
		"two numbers":                           {number: "+4915112345678,+4915112345679", want: phone.RefusedLine},
		"a number for films":                    {number: "+447700900123", want: phone.RefusedLine},
		"nothing":                               {number: "", want: phone.RefusedLine},
		"too many digits":                       {number: "+4915112345678901234", want: phone.RefusedLine},
		"emergency":                             {number: "+49112", want: phone.RefusedLine},
		"a trunk prefix within":                 {number: "+49015112345678", want: phone.RefusedLine},
		"a mobile's number of the wrong length": {number: "+491511234", want: phone.RefusedLine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, phone.Read(tc.number, false).Texts([]string{"DE", "GB", "US"}, tc.carrier))
		})
	}
	require.Equal(t, phone.RefusedCountry, phone.Read("+4915112345678", false).Texts(nil, ""), "without a list nothing is allowed")
}

func TestFiction_IsRealOnlyWhereItIsAskedFor(t *testing.T) {
	t.Parallel()
	for number, country := range map[string]string{"+447700900123": "GB", "+15550100123": "US"} {
		require.Equal(t, phone.Invalid, phone.Read(number, false).Line)
		require.Equal(t, phone.Number{Text: number, Country: country, Line: phone.Mobile}, phone.Read(number, true))
	}
	require.Equal(t, phone.Premium, phone.Read("+449098765432", true).Line)
}

func TestPrefix_LeavesFourDigitsOut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "+491511234", phone.Read("+4915112345678", false).Prefix())
	require.Equal(t, phone.Read("+4915112349999", false).Prefix(), phone.Read("+4915112340000", false).Prefix())
	require.Empty(t, phone.Read("+12", false).Prefix())
}

func TestHours_ReadDaysAndHours(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"P7D": 168, "PT24H": 24, "P1DT12H": 36, "": 0, "P": 0, "7D": 0, "P1W": 0, "P-7D": 0, "PT24M": 0, "P99999999D": 0} {
		require.Equal(t, want, phone.Hours(text), text)
	}
}

// Whatever stands there, nothing is texted that is no plain number of a listed country.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"+4915112345678", "+1415FLOWERS", "++1", "+1;ext=5", "+8816123456789", "+447700900123", "+", "", "\x00", "+0"} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, text string, fiction bool) {
		n := phone.Read(text, fiction)
		if n.Texts([]string{"DE", "GB", "US"}, "") != "" {
			return
		}
		require.Equal(t, text, n.Text)
		require.Contains(t, []string{"DE", "GB", "US"}, n.Country)
		require.Empty(t, strings.Trim(text[1:], "0123456789"))
		require.NotEmpty(t, n.Prefix())
		phone.Hours(text)
	})
}
