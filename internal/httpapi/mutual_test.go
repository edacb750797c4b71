package httpapi_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/httpapi"
)

// where client certificates are verified, a grant is redeemed with one or not at all; a good credential alone is
// not enough.
func TestRedeem_DemandsAClientCertificateWhereTheyAreVerified(t *testing.T) {
	t.Parallel()
	e := setup(t, func(cfg *httpapi.Config) { cfg.ClientCertificates = true })
	for name, tc := range map[string]struct {
		tls  *tls.ConnectionState
		want int
	}{
		"without TLS":            {nil, http.StatusUnauthorized},
		"without a certificate":  {&tls.ConnectionState{}, http.StatusUnauthorized},
		"with a verified one":    {&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}, http.StatusOK},
		"with an unverified one": {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/v1/grants/redeem", strings.NewReader(`{"grant":"`+grantTok+`"}`))
			r.Header.Set("Authorization", "Bearer all")
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", `"`+strings.ReplaceAll(name, " ", "-")+`"`)
			r.TLS = tc.tls
			w := httptest.NewRecorder()
			e.edge.ServeHTTP(w, r)
			require.Equal(t, tc.want, w.Code, w.Body.String())
		})
	}
}
