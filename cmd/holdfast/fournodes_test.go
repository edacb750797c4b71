package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// four nodes, each a process of its own, share one source's limit exactly, however many ask at the same moment; another
// source is not touched by it.
func TestServe_FourNodesShareOneLimitExactly(t *testing.T) {
	t.Parallel()
	_ = binary(t)
	database := pgtest.URL(t)
	environ := production(t, database)
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	app := field(t, operate(t, environ, "", "client", "create", "--tenant", "acme", "--name", "app", "--owner", "Robin", "--scope", "recoveries:start"), "token")
	nodes := make([]string, 4)
	for i := range nodes {
		nodes[i] = launch(t, environ, serving, "serve").public
	}
	start := func(node, from string, n int) int {
		body := fmt.Sprintf(`{"identifier":{"type":"email","value":"nobody-%d@example.com"},"reason":"lost_mfa","client":{"ip":%q}}`, n, from)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node+"/v1/recoveries", bytes.NewBufferString(body))
		if err != nil {
			return 0
		}
		r.Header = http.Header{
			"Authorization": {"Bearer " + app}, "Content-Type": {"application/json"}, "Idempotency-Key": {fmt.Sprintf(`"start-%s-%d"`, from, n)},
		}
		res, err := http.DefaultClient.Do(r) //nolint:forbidigo // a test's.
		if err != nil {
			return 0
		}
		defer func() { _ = res.Body.Close() }()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	var begun, refused atomic.Int64
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			switch start(nodes[n%4], "192.0.2.7", n) {
			case http.StatusCreated:
				begun.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 10, begun.Load())
	require.EqualValues(t, 30, refused.Load())
	for i, node := range nodes {
		require.Equal(t, http.StatusTooManyRequests, start(node, "192.0.2.7", 100+i))
		require.Equal(t, http.StatusCreated, start(node, "198.51.100.7", 200+i))
	}
}
