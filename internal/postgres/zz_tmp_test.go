package postgres_test
import ("testing";"io";"time";"runtime";"strings";"github.com/stretchr/testify/require";"github.com/holdfast/holdfast/internal/account";"crypto/rand")
type gen struct{ n, max int; buf string }
func (g *gen) Read(p []byte) (int, error) { if g.buf=="" { if g.n==g.max { return 0, io.EOF }; g.buf=importLine(g.n); g.n++ }; k:=copy(p,g.buf); g.buf=g.buf[k:]; return k,nil }
func TestZZ(t *testing.T) {
	w := newWorld(t)
	for _, what := range []string{"first","again"} {
		var peak uint64
		at := time.Now()
		r, err := w.Import(t.Context(), account.ImportCommand{Caller: caller("demo"), Body: &gen{max:200000}, Progress: func(account.ImportReport){ var m runtime.MemStats; runtime.ReadMemStats(&m); peak=max(peak,m.Sys-m.HeapReleased) }})
		require.NoError(t, err)
		t.Log(what, r.Imported, r.Replaced, float64(r.Lines)/time.Since(at).Seconds(), "per s; peak MiB", peak>>20)
	}
	rot, err := w.keys.Rotate(rand.Reader); require.NoError(t, err)
	at := time.Now(); done, err := w.service(rot).Rewrap(t.Context(), 500); require.NoError(t, err)
	t.Log("rewrap", done, float64(done)/time.Since(at).Seconds(), "per s")
	at = time.Now(); v, err := w.service(rot).Get(t.Context(), caller("demo"), "u-777"); require.NoError(t, err); t.Log("get", time.Since(at), strings.ToUpper(v.Population))
}
