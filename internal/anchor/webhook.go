package anchor

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/secret"
)

// Webhook is a receiver of the operator's own: it is sent each checkpoint, as the signed note that it is, signed once more as Standard
// Webhooks has it. It answers 2xx for what it keeps, and 409 for what does not reach what it keeps or is something else: best with
// its own size, as a witness does. The same checkpoint has the same webhook-id from whichever node, however often.
type Webhook struct {
	to     secret.String
	keys   [][]byte
	client *http.Client
}

var _ auditlog.Outside = (*Webhook)(nil)

// webhookName is what the store and the metrics call it. A witness of that name beside it is refused at the start.
const webhookName = "webhook"

// NewWebhook makes the anchor. The client should follow no redirects and be guarded.
func NewWebhook(to secret.String, keys [][]byte, client *http.Client) *Webhook {
	return &Webhook{to: to, keys: keys, client: client}
}

// Name implements auditlog.Outside.
func (w *Webhook) Name() string { return webhookName }

// Tell implements auditlog.Outside. A 409 that names a size beyond the checkpoint, or none, is a Conflict; one that names the
// checkpoint's size or a smaller one says that the receiver keeps another log, which is auditlog.ErrForked.
func (w *Webhook) Tell(ctx context.Context, t auditlog.Telling) (string, error) {
	id := checkpointID(t.Checkpoint.Text())
	a, err := post(ctx, w.client, w.to, http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(t.At.Unix(), 10)},
		"Webhook-Signature": {w.sign(id, t.At, t.Note)},
	}, t.Note)
	if err != nil {
		return "", err
	}
	switch {
	case a.status >= 200 && a.status < 300:
		return "", nil
	case a.status != http.StatusConflict:
		return "", a.refused()
	}
	its, _ := a.size()
	if its > 0 && its <= t.Checkpoint.Size {
		return "", fmt.Errorf("%w (the receiver holds something else of %d leaves)", auditlog.ErrForked, its)
	}
	return "", &auditlog.Conflict{Size: its}
}

// checkpointID names a checkpoint: origin, size and root make it.
func checkpointID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "chk_" + hex.EncodeToString(sum[:16])
}

// sign gives webhook-signature: one HMAC-SHA256 of each secret over id.timestamp.body (Standard Webhooks, v1).
func (w *Webhook) sign(id string, at time.Time, body []byte) string {
	out := make([]string, 0, len(w.keys))
	for _, key := range w.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		out = append(out, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(out, " ")
}
