// Package anchor keeps checkpoints of the audit log where the database's operator does not reach: in a file of the node, at a
// receiver of the operator's own (a webhook), and at witnesses, who cosign them (C2SP tlog-witness).
package anchor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	exchangeWithin = 10 * time.Second // one request and its answer
	mostAnswer     = 64 << 10         // a dozen signature lines of the largest kind there is
	userAgent      = "Holdfast-Anchor/1"
	sizeType       = "text/x.tlog.size" // how an answer says a size (C2SP tlog-witness)
)

// answer is what somebody outside said.
type answer struct {
	status int
	kind   string // media type, without parameters
	later  time.Duration
	body   []byte
}

// post makes one request. No redirect is followed, an answer that is too long or breaks off is none, and no error repeats the address.
func post(ctx context.Context, client *http.Client, to secret.String, header http.Header, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Reveal(), bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("no request can be made of the address")
	}
	req.Header = header
	req.Header.Set("User-Agent", userAgent)
	res, err := client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("it does not answer: %w", bare(err))
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("its answer broke off: %w", bare(err))
	}
	if len(text) > mostAnswer {
		return answer{}, errors.New("its answer is too long")
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	return answer{status: res.StatusCode, kind: kind, later: retryAfter(res.Header), body: text}, nil
}

// bare is an error of package http without the address.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// retryAfter reads for how long somebody asks to be left alone (RFC 9110, section 10.2.3): in seconds, or by a date, which is measured against
// their own; 0 when they do not ask.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second //nolint:gosec // 31 bits of seconds fit.
	}
	at, err := http.ParseTime(text)
	now, errNow := http.ParseTime(h.Get("Date"))
	if err != nil || errNow != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}

// refused tells an answer that is no yes.
func (a answer) refused() error {
	if (a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable) && a.later > 0 {
		return &auditlog.Later{Status: a.status, After: a.later}
	}
	if a.status >= 300 && a.status < 400 {
		return fmt.Errorf("it answers %d, and redirects are not followed", a.status)
	}
	return fmt.Errorf("it answers %d", a.status)
}

// size reads the size that a 409 tells.
func (a answer) size() (int64, bool) {
	if a.kind != sizeType {
		return 0, false
	}
	return parseSize(string(a.body))
}

// parseSize reads a size as C2SP tlog-witness has it: decimal, without leading zeros, and an end of line.
func parseSize(text string) (int64, bool) {
	digits, ok := strings.CutSuffix(text, "\n")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || n > math.MaxInt64 || strconv.FormatUint(n, 10) != digits {
		return 0, false
	}
	return int64(n), true //nolint:gosec // it was compared.
}
