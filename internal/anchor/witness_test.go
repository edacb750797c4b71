package anchor_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/anchor"
	"github.com/holdfast/holdfast/internal/anchor/anchortest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
)

// watched is a witness behind an address, and its anchor.
func watched(t testing.TB, w *anchortest.Witness, h http.Handler) (*anchor.Witness, audit.Witness) {
	t.Helper()
	url, client := serve(t, h)
	k, err := audit.ParseWitness(w.VerifierKey())
	require.NoError(t, err)
	return anchor.NewWitness(k, url+"/witness/", client), k
}

//
func TestWitness_CosignsALogThatGrows(t *testing.T) {
	t.Parallel()
	w := anchortest.NewWitness(t, "witness.example/w1").Trust(origin, key(t))
	a, k := watched(t, w, w)
	require.Equal(t, "witness.example/w1", a.Name())
	b := newBook(t, 700, 700, "")
	known := int64(0)
	for _, size := range []int64{0, 1, 5, 5, 256, 699, 700} {
		telling := b.telling(t, size, known)
		lines, err := a.Tell(t.Context(), telling)
		require.NoError(t, err, size)
		cosigned, err := audit.Cosignatures(append(telling.Note, lines...), []audit.Witness{k})
		require.NoError(t, err)
		require.Len(t, cosigned, 1)
		require.WithinDuration(t, time.Now(), cosigned[0].At, time.Minute)
		its, _ := w.Size(origin)
		require.Equal(t, size, its)
		if size < 600 { // after that, what is known of the witness is out of date: it tells its size itself
			known = size
		}
	}
	w.Forget()
	_, err := a.Tell(t.Context(), b.telling(t, 700, 700))
	require.NoError(t, err, "a witness that lost its memory begins anew")
}

// a witness knows that a log went back, or is another one; in the words of tlog-witness of today, and of those before.
func TestWitness_TellsALogThatWentBackFromOneThatForked(t *testing.T) {
	t.Parallel()
	for name, former := range map[string]bool{"today": false, "formerly": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := anchortest.NewWitness(t, "witness.example/w1").Trust(origin, key(t))
			w.Former = former
			a, _ := watched(t, w, w)
			b := newBook(t, 500, 500, "")
			_, err := a.Tell(t.Context(), b.telling(t, 400, 0))
			require.NoError(t, err)

			for _, size := range []int64{0, 1, 300, 399} {
				for _, known := range []int64{0, size} {
					_, err = a.Tell(t.Context(), b.telling(t, size, known))
					var conflict *auditlog.Conflict
					require.ErrorAs(t, err, &conflict, size)
					require.Equal(t, int64(400), conflict.Size)
				}
			}
			fork := newBook(t, 500, 350, "x")
			for _, known := range []int64{0, 350, 400} {
				for _, size := range []int64{400, 401, 500} {
					_, err = a.Tell(t.Context(), fork.telling(t, size, known))
					require.ErrorIs(t, err, auditlog.ErrForked, "%d, known %d", size, known)
				}
			}
			its, _ := w.Size(origin)
			require.Equal(t, int64(400), its)
			_, err = a.Tell(t.Context(), b.telling(t, 500, 400))
			require.NoError(t, err, "the log itself goes on")
		})
	}
}

// Whatever answers where a witness was once, and has not named a size, has said nothing of the log, for all that the database knows of it.
func TestWitness_ThatNamesNoSizeIsNoWordOnALogThatItKnew(t *testing.T) {
	t.Parallel()
	w := anchortest.NewWitness(t, "witness.example/w1")
	b := newBook(t, 20, 20, "")
	for name, h := range map[string]http.Handler{
		"409 alone":  says(409, "text/plain", ""),
		"422 always": says(422, "text/plain", ""),
	} {
		for _, known := range []int64{10, 20} {
			t.Run(fmt.Sprint(name, known), func(t *testing.T) {
				t.Parallel()
				a, _ := watched(t, w, h)
				_, err := a.Tell(t.Context(), b.telling(t, 20, known))
				require.Error(t, err)
				require.NotErrorIs(t, err, auditlog.ErrForked)
			})
		}
	}
	a, _ := watched(t, w, says(409, "text/x.tlog.size", "20\n"))
	_, err := a.Tell(t.Context(), b.telling(t, 20, 0))
	require.ErrorIs(t, err, auditlog.ErrForked, "409 that names the very size")
}

// A witness of which nothing is known yet, or that is none, cannot stop the log, whatever it answers; but never is anything taken for a
// cosignature that is not the witness' own.
func TestWitness_AnswersThatAreNoWordOnTheLog(t *testing.T) {
	t.Parallel()
	w, other := anchortest.NewWitness(t, "witness.example/w1"), anchortest.NewWitness(t, "witness.example/w2")
	b := newBook(t, 20, 20, "")
	text := b.telling(t, 20, 0).Checkpoint.Text()
	late := anchortest.NewWitness(t, "witness.example/w1")
	now := time.Now()
	for name, h := range map[string]http.Handler{
		"unknown log":             w,
		"unknown key":             anchortest.NewWitness(t, "witness.example/w3").Trust(origin, strings.Replace(key(t), "a", "b", 1)),
		"400":                     says(400, "text/plain", ""),
		"403":                     says(403, "text/plain", ""),
		"422 at the first":        says(422, "text/plain", ""),
		"429":                     says(429, "text/plain", ""),
		"500":                     says(500, "text/plain", ""),
		"redirect":                http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect),
		"redirect as of old":      http.RedirectHandler("/elsewhere", http.StatusFound),
		"409 of another kind":     says(409, "text/plain", "500\n"),
		"409 without a size":      says(409, "text/x.tlog.size", "many\n"),
		"409 negative":            says(409, "text/x.tlog.size", "-1\n"),
		"409 with a leading zero": says(409, "text/x.tlog.size", "0500\n"),
		"409 beyond all":          says(409, "text/x.tlog.size", "9223372036854775808\n"),
		"409 without end of line": says(409, "text/x.tlog.size", "500"),
		"refuses what it names":   says(409, "text/x.tlog.size", "0\n"),
		"a page":                  says(200, "text/html", "<html>\n"),
		"nothing":                 says(200, "text/plain", ""),
		"somebody else's":         says(200, "text/plain", other.Line(text, now)),
		"same name, other key":    says(200, "text/plain", late.Line(text, now)),
		"of another checkpoint":   says(200, "text/plain", w.Line("x"+text, now)),
		"from the future":         says(200, "text/plain", w.Line(text, now.Add(time.Hour))),
		"endless":                 http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { _, _ = out.Write(make([]byte, 1<<20)) }),
		"breaks off": http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
			out.Header().Set("Content-Length", "9")
			_, _ = out.Write([]byte("x"))
		}),
		"its size never stands":    moving(),
		"closes without an answer": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := watched(t, w, h)
			lines, err := a.Tell(t.Context(), b.telling(t, 20, 0))
			require.Error(t, err)
			require.Empty(t, lines)
			require.NotErrorIs(t, err, auditlog.ErrForked)
			var conflict *auditlog.Conflict
			require.NotErrorAs(t, err, &conflict)
			require.NotContains(t, err.Error(), "127.0.0.1")
		})
	}
}

// moving names another size each time.
func moving() http.Handler {
	sizes := make(chan string, 10)
	for i := range 10 {
		sizes <- string(rune('1'+i%9)) + "\n"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(<-sizes))
	})
}

func TestWitness_ThatIsSlowIsLeft(t *testing.T) {
	t.Parallel()
	w := anchortest.NewWitness(t, "witness.example/w1")
	asked, over := make(chan struct{}), make(chan struct{})
	a, _ := watched(t, w, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-over
	}))
	t.Cleanup(func() { close(over) }) // before the server waits for its handlers
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-asked
		stop() // the deadline, earlier
	}()
	_, err := a.Tell(ctx, newBook(t, 3, 3, "").telling(t, 3, 0))
	require.ErrorIs(t, err, context.Canceled)
}
