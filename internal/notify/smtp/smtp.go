// Package smtp sends mail through a mail server: the port notify.Sender on go-mail.
//
// Every message gets a connection of its own. Holdfast sends few mails, each of which matters, and a connection that is not
// kept cannot be half dead. The connection is ours and not the library's, so that it ends with the context, whatever
// the server does, and is closed on every path.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/secret"
)

// TLS says how much a connection must be protected.
type TLS string

// The policies. With Mandatory a server without STARTTLS gets nothing; with Opportunistic it is used where it is offered, and
// then it must be right; with None, for development, it is never used. Implicit is TLS from the first byte (RFC 8314).
const (
	Mandatory     TLS = "mandatory"
	Opportunistic TLS = "opportunistic"
	None          TLS = "none"
	Implicit      TLS = "implicit"
)

// DefaultTimeout bounds one message from the dial to the server's last word.
const DefaultTimeout = 30 * time.Second

// Config is what a sender needs to know.
type Config struct {
	Host     string
	Port     int
	Username string         // with Password: sign in by the best mechanism that the server offers
	Password secret.String  // without TLS only mechanisms are used that do not send it
	TLS      TLS            // Mandatory when empty
	RootCAs  *x509.CertPool // the system's when nil
	From     string         // "Example <no-reply@example.com>" or the bare address
	HeloName string         // this machine's host name when empty
	Timeout  time.Duration  // DefaultTimeout when 0
}

// Sender sends by one mail server. It is safe for concurrent use and holds nothing open.
type Sender struct {
	cfg  Config
	from *mail.Address
	dial gomail.DialContextFunc
}

// New checks the configuration. It does not connect: a mail server that is down must not keep the service from starting.
func New(cfg Config) (*Sender, error) {
	from, err := mail.ParseAddress(cfg.From)
	if err != nil {
		return nil, errors.New("smtp: the sender's address is not a mail address")
	}
	if cfg.TLS == "" {
		cfg.TLS = Mandatory
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	switch {
	case cfg.Host == "", cfg.Port < 1, cfg.Port > 65535:
		return nil, errors.New("smtp: host and port are needed")
	case cfg.Timeout < 0:
		return nil, errors.New("smtp: the timeout must be positive")
	case (cfg.Username == "") != cfg.Password.IsZero():
		return nil, errors.New("smtp: user name and password belong together")
	case hasControl(cfg.HeloName), hasControl(cfg.Host), hasControl(from.Name):
		return nil, errors.New("smtp: a setting holds a control character")
	}
	s := &Sender{cfg: cfg, from: from, dial: (&net.Dialer{}).DialContext}
	if cfg.TLS == Implicit {
		s.dial = (&tls.Dialer{Config: s.tlsConfig()}).DialContext
	}
	if _, err := s.client(s.dial); err != nil { // tries the options once
		return nil, err
	}
	return s, nil
}

// Send hands m to the server. The receipt names the Message-ID, which stays the same when m is sent again.
//
// A 5yz reply to the message is *notify.Rejected, a 4yz reply *notify.Deferred. What goes wrong before the message is named
// (no connection, no TLS, no sign-in) is never the message's fault, and is always Deferred. When the message was handed
// over whole but the server's last word is missing, the outcome is *notify.Unknown.
func (s *Sender) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	msg, err := s.compose(m)
	if err != nil {
		return notify.Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()

	wire := &wire{dial: s.dial}
	defer wire.close()
	defer context.AfterFunc(ctx, wire.close)()
	client, err := s.client(wire.open)
	if err != nil {
		return notify.Receipt{}, &notify.Deferred{Reason: notify.ReasonProvider}
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return notify.Receipt{}, notAdmitted(ctx, err, wire.opened())
	}
	if err := client.SendWithSMTPClient(session, msg); err != nil && !msg.IsDelivered() {
		return notify.Receipt{}, notAccepted(ctx, err)
	}
	_ = client.CloseWithSMTPClient(session) // QUIT is a courtesy: the server has the message
	return notify.Receipt{Provider: "smtp", ProviderRef: s.messageID(m)}, nil
}

// client makes a go-mail client for one message. It changes itself while it signs in, so it cannot be shared.
func (s *Sender) client(dial gomail.DialContextFunc) (*gomail.Client, error) {
	opts := []gomail.Option{
		gomail.WithPort(s.cfg.Port),
		gomail.WithTimeout(2 * s.cfg.Timeout), // the context is the limit; the library must not be first to give up
		gomail.WithDialContextFunc(dial),
		gomail.WithTLSConfig(s.tlsConfig()),
		gomail.WithoutNoop(),
		gomail.WithoutRset(),
	}
	if s.cfg.HeloName != "" {
		opts = append(opts, gomail.WithHELO(s.cfg.HeloName))
	}
	switch s.cfg.TLS {
	case Mandatory:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Opportunistic:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case None:
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	case Implicit: // our own dial speaks TLS already; the library finds that out by itself
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		return nil, errors.New("smtp: the TLS policy is mandatory, opportunistic, implicit or none")
	}
	if s.cfg.Username != "" {
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(s.cfg.Username), gomail.WithPassword(s.cfg.Password.Reveal()))
	}
	client, err := gomail.NewClient(s.cfg.Host, opts...)
	if err != nil {
		return nil, errors.New("smtp: the mail client cannot be set up")
	}
	return client, nil
}

func (s *Sender) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.cfg.Host, RootCAs: s.cfg.RootCAs, MinVersion: tls.VersionTLS12}
}

// messageID is stable for a message, so that a mailbox drops what it gets twice.
func (s *Sender) messageID(m notify.Message) string {
	_, domain, _ := strings.Cut(s.from.Address, "@")
	return fmt.Sprintf("%s@%s", m.ID, domain)
}
