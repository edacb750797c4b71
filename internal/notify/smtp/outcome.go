package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/textproto"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/holdfast/holdfast/internal/notify"
)

// notAdmitted says why there was no session. Nothing of the message was sent, so that it is no bounce: it is deferred even
// when the server answers 5yz, since a wrong password or a blocked address of ours must not drop a notice.
func notAdmitted(ctx context.Context, err error, connected bool) error {
	var (
		reply   *textproto.Error
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case ctx.Err() != nil:
		return &notify.Deferred{Reason: interrupted(ctx)}
	case errors.As(err, &reply):
		return &notify.Deferred{Reason: entryReason(reply.Code), Code: reply.Code}
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &unknown),
		strings.HasPrefix(err.Error(), "STARTTLS "): // the library has no error value for "not offered"
		return &notify.Deferred{Reason: notify.ReasonTLS}
	case !connected:
		return &notify.Deferred{Reason: notify.ReasonUnreachable}
	case errors.Is(err, gomail.ErrNoSupportedAuthDiscovered):
		return &notify.Deferred{Reason: notify.ReasonUnauthorized}
	default:
		return &notify.Deferred{Reason: notify.ReasonHungUp}
	}
}

// notAccepted says what became of the message once the session stood. The library's error names the recipient, so that
// only its numbers are taken.
func notAccepted(ctx context.Context, err error) error {
	var sent *gomail.SendError
	if !errors.As(err, &sent) {
		return &notify.Unknown{Reason: interrupted(ctx)}
	}
	code := sent.ErrorCode()
	switch {
	case entryReason(code) == notify.ReasonUnauthorized:
		return &notify.Deferred{Reason: notify.ReasonUnauthorized, Code: code}
	case code >= 500 && sent.Reason == gomail.ErrSMTPRcptTo:
		return &notify.Rejected{Reason: notify.ReasonBadAddress, Code: code}
	case code >= 500:
		return &notify.Rejected{Reason: notify.ReasonRefused, Code: code}
	case code >= 400:
		return &notify.Deferred{Reason: notify.ReasonProvider, Code: code}
	case sent.Reason == gomail.ErrSMTPDataClose:
		// The final dot was written and not answered: the server may well have the message (RFC 5321, section 4.2.5).
		return &notify.Unknown{Reason: interrupted(ctx)}
	default:
		return &notify.Deferred{Reason: interrupted(ctx)}
	}
}

// entryReason tells replies about our credentials (RFC 4954, section 6) from the rest.
func entryReason(code int) notify.Reason {
	switch code {
	case 432, 454, 530, 534, 535, 538:
		return notify.ReasonUnauthorized
	default:
		return notify.ReasonProvider
	}
}

// interrupted says who ended the exchange: we by our time limit, we by giving up, or the server.
func interrupted(ctx context.Context) notify.Reason {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return notify.ReasonTimeout
	case ctx.Err() != nil:
		return notify.ReasonCancelled
	default:
		return notify.ReasonHungUp
	}
}
