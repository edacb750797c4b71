package main

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// sink is a mail server that keeps what it gets, by the challenge or notice that the Message-ID names.
type sink struct {
	listener net.Listener
	rejects  atomic.Bool // every recipient, for good

	mu      sync.Mutex
	mails   map[string]string // the last code, or nothing, by challenge or notice
	changed chan struct{}     // closed and replaced with every mail
}

var (
	messageID = regexp.MustCompile(`(?mi)^Message-ID:\s*<((?:chl|ntc)_[0-9a-z]{26})`)
	codeLine  = regexp.MustCompile(`(?m)^\s*(\d{8})\s*$`)
)

// startSink starts the mail server. It ends with the test.
func startSink(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed below.
	require.NoError(t, err)
	s := &sink{listener: l, mails: map[string]string{}, changed: make(chan struct{})}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.talk(conn) })
		}
	})
	return s
}

// environ is the configuration that sends here.
func (s *sink) environ(t *testing.T) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	require.NoError(t, err)
	return []string{
		"HOLDFAST_SMTP_HOST=" + host, "HOLDFAST_SMTP_PORT=" + port, "HOLDFAST_SMTP_TLS=none", "HOLDFAST_SMTP_FROM=Acme <recovery@example.com>",
	}
}

// talk speaks SMTP (RFC 5321) with one client, as much of it as is needed.
func (s *sink) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	say := func(line string) { _, _ = fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 sink.example.test ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.ToUpper(verb) {
		case "DATA":
			say("354 go on")
			var mail strings.Builder
			for {
				part, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if part == ".\r\n" {
					break
				}
				mail.WriteString(part)
			}
			s.keep(mail.String())
			say("250 kept")
		case "RCPT":
			if s.rejects.Load() {
				say("550 5.1.1 no such mailbox here")
				continue
			}
			say("250 go on")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 sink.example.test")
		}
	}
}

func (s *sink) keep(mail string) {
	mail = strings.ReplaceAll(mail, "\r\n", "\n")
	id := messageID.FindStringSubmatch(mail)
	if id == nil {
		return
	}
	code := ""
	if found := codeLine.FindStringSubmatch(mail); found != nil {
		code = found[1]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails[id[1]] = code
	close(s.changed)
	s.changed = make(chan struct{})
}

// has reports whether a mail of a challenge or notice has come, its code, and what to wait for if it has not.
func (s *sink) has(id string) (code string, there bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	code, there = s.mails[id]
	return code, there, s.changed
}
