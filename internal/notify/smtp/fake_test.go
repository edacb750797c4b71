package smtp_test

import (
	"bufio"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// script says what the fake server answers to a verb: "" for the usual reply, else the reply itself, or one of the two below.
// The verb "GREETING" stands for the start, "." for the end of the data.
type script map[string]string

const (
	hang   = "hang"    // say nothing until the client leaves
	hangUp = "hang up" // close the connection
)

// fake is a mail server that misbehaves to order.
type fake struct {
	host string
	port int

	mu   sync.Mutex
	left chan struct{} // gets a value whenever a connection has ended
	data []string
}

func startFake(t *testing.T, s script) *fake {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	f := &fake{host: host, port: number, left: make(chan struct{}, 64)}

	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				f.serve(conn, s)
				_ = conn.Close()
				f.left <- struct{}{}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait() // every client has to leave: a connection that stays open would hang here
	})
	return f
}

// serve speaks just enough SMTP.
func (f *fake) serve(conn net.Conn, s script) {
	in := bufio.NewReader(conn)
	if !reply(conn, in, s, "GREETING", "220 mail.example.test ready") {
		return
	}
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(strings.ToUpper(text)), " ")
		usual := map[string]string{
			"EHLO": "250-mail.example.test\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250 ENHANCEDSTATUSCODES", "DATA": "354 go on", "QUIT": "221 bye",
		}[verb]
		if usual == "" {
			usual = "250 2.0.0 ok"
		}
		if !reply(conn, in, s, verb, usual) {
			return
		}
		if verb == "DATA" && strings.HasPrefix(s.or("DATA", usual), "354") {
			if !f.read(in) || !reply(conn, in, s, ".", "250 2.0.0 queued") {
				return
			}
		}
	}
}

// read takes the message in, to the line that is a dot.
func (f *fake) read(in *bufio.Reader) bool {
	var data strings.Builder
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if text == ".\r\n" {
			f.mu.Lock()
			f.data = append(f.data, data.String())
			f.mu.Unlock()
			return true
		}
		data.WriteString(text)
	}
}

func (s script) or(verb, usual string) string {
	if special, ok := s[verb]; ok {
		return special
	}
	return usual
}

// reply answers and reports whether to go on.
func reply(conn net.Conn, in *bufio.Reader, s script, verb, usual string) bool {
	switch text := s.or(verb, usual); text {
	case hang:
		_, _ = in.ReadByte()
		return false
	case hangUp:
		return false
	default:
		_, err := conn.Write([]byte(text + "\r\n"))
		return err == nil
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
