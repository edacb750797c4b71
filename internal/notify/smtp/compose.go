package smtp

import (
	"net/mail"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
)

const (
	maxAddress = 254 // RFC 5321, section 4.5.3.1.3, without the brackets
	maxID      = 120
	maxSubject = 300
)

// compose makes the mail. What could open a header or name a second recipient is refused, never repaired (R-034, T20).
func (s *Sender) compose(m notify.Message) (*gomail.Msg, error) {
	to, ok := bareAddress(m.To.Reveal())
	if !ok {
		return nil, &notify.Rejected{Reason: notify.ReasonBadAddress}
	}
	if m.Channel != factor.Email || !safeID(m.ID) || m.Text == "" ||
		m.Subject == "" || len(m.Subject) > maxSubject || hasControl(m.Subject) {
		return nil, &notify.Rejected{Reason: notify.ReasonBadMessage}
	}

	msg := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	msg.ToMailAddress(to)
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(s.messageID(m))
	if !m.At.IsZero() {
		msg.SetDateWithValue(m.At.UTC())
	}
	// RFC 3834, section 5, and what Exchange heeds instead: nobody's holiday notice should answer.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	if safeID(m.Locale) {
		msg.SetGenHeader(gomail.HeaderContentLang, m.Locale)
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

// bareAddress takes one mail address and nothing around it: no name, no list, no group, no quotes.
func bareAddress(s string) (*mail.Address, bool) {
	if len(s) > maxAddress || hasControl(s) {
		return nil, false
	}
	addr, err := mail.ParseAddress(s)
	if err != nil || addr.Name != "" || addr.Address != s {
		return nil, false
	}
	return addr, true
}

// safeID reports whether s can stand in a header as it is.
func safeID(s string) bool {
	if s == "" || len(s) > maxID {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
		default:
			return false
		}
	}
	return true
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar })
}
