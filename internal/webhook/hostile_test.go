package webhook_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/signal"
	"github.com/holdfast/holdfast/internal/webhook"
)

// raw answers each request with what write says, and keeps the connection open until the test is over.
func raw(t *testing.T, write func(io.Writer)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan struct{})
	t.Cleanup(func() {
		close(over)
		_ = l.Close()
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close() //nolint:errcheck // the test is over.
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				write(conn)
				<-over
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// whatever a receiver does, an attempt ends in its time, and nothing of it is taken for an answer.
func TestPush_EndsWhateverTheReceiverDoes(t *testing.T) {
	t.Parallel()
	endless := func(w io.Writer, piece string) {
		for {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
		}
	}
	for name, write := range map[string]func(io.Writer){
		"another protocol, and silence": func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		},
		"another protocol, without end": func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			endless(w, "x")
		},
		"informational answers without end": func(w io.Writer) { endless(w, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") },
		"headers without end": func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 202 Accepted\r\n")
			endless(w, "X-A: "+strings.Repeat("a", 100)+"\r\n")
		},
		"a chunk without end": func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n")
			endless(w, "0")
		},
		"nothing": func(io.Writer) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := webhook.New(webhook.Config{Allowed: loopback(), Timeout: 500 * time.Millisecond})
			url, done := raw(t, write), make(chan signal.Answer, 1)
			go func() { done <- push(t, p, url) }()
			select {
			case a := <-done:
				require.NotEmpty(t, a.Failure)
				require.Zero(t, a.Status)
			case <-time.After(30 * time.Second):
				t.Fatal("the attempt does not end")
			}
		})
	}
}
