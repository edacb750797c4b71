package anchor

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/secret"
)

// Witness is a witness of the log (C2SP tlog-witness): it keeps the newest checkpoint, wants a proof that the next one continues it, and
// cosigns that.
type Witness struct {
	key    audit.Witness
	to     secret.String
	client *http.Client
}

var _ auditlog.Outside = (*Witness)(nil)

const (
	witnessTries = 3               // of one checkpoint: the witness' size may have come from another node meanwhile
	ahead        = 5 * time.Minute // by how much a witness' clock may be before ours
)

// NewWitness makes the anchor. prefix is the witness' submission prefix; the client should follow no redirects and be guarded.
func NewWitness(key audit.Witness, prefix string, client *http.Client) *Witness {
	return &Witness{key: key, to: secret.NewString(strings.TrimSuffix(prefix, "/") + "/add-checkpoint"), client: client}
}

// Name implements auditlog.Outside: the name in the witness' key.
func (w *Witness) Name() string { return w.key.Name() }

// Tell implements auditlog.Outside.
//
// Three answers are about the log's history. A size beyond the checkpoint is a Conflict. "Another root of that size" and "no
// continuation" (422, for a proof that we have checked ourselves), from the size that the witness itself has named just now, are
// auditlog.ErrForked. A 422 before it has named any size can be anything: it is asked for its size, and when it names none, that is an
// ordinary failure. Before July 2026 tlog-witness had 409 for another root of the same size, and did not say that a size goes with it:
// such witnesses are still about, so both are heard.
func (w *Witness) Tell(ctx context.Context, t auditlog.Telling) (string, error) {
	old, named := t.Known, false
	for range witnessTries {
		a, err := w.ask(ctx, t, old)
		if err != nil {
			return "", err
		}
		if a.status == http.StatusOK {
			return w.cosigned(t, a.body)
		}
		if old, err = judge(t.Checkpoint.Size, old, named, a); err != nil {
			return "", err
		}
		named = old > 0
	}
	return "", errors.New("its size changes faster than it can be told")
}

// judge reads an answer that is no cosignature: from which size the checkpoint is to be told next, which is the size that the witness has
// named in it, or 0 to have it name one.
func judge(size, old int64, named bool, a answer) (int64, error) {
	switch a.status {
	case http.StatusConflict:
		return conflict(size, old, named, a)
	case http.StatusUnprocessableEntity:
		if old == 0 {
			return 0, a.refused()
		}
		return differs(old, named)
	case http.StatusNotFound:
		return 0, errors.New("it answers 404: it does not know a log of this origin; have its operator add it, or mend the address")
	case http.StatusForbidden:
		return 0, errors.New("it answers 403: it knows none of the log's keys; give its operator what `holdfast audit keys` prints")
	default:
		return 0, a.refused()
	}
}

// conflict reads a 409.
func conflict(size, old int64, named bool, a answer) (int64, error) {
	its, ok := a.size()
	switch {
	case !ok && old > 0 && old == size:
		return differs(old, named)
	case !ok:
		return 0, errors.New("it answers 409 and does not tell its size")
	case its > size:
		return 0, &auditlog.Conflict{Size: its}
	case its != old:
		return its, nil
	case old > 0 && old == size:
		return differs(old, true)
	default:
		return 0, errors.New("it refuses the size that it names itself")
	}
}

// differs says that the witness holds another root of that size, once it has named the size itself.
func differs(old int64, named bool) (int64, error) {
	if !named {
		return 0, nil
	}
	return 0, fmt.Errorf("%w (the witness holds another root of %d leaves)", auditlog.ErrForked, old)
}

// ask makes one add-checkpoint request.
func (w *Witness) ask(ctx context.Context, t auditlog.Telling, old int64) (answer, error) {
	var proof []audit.Hash
	if old > 0 && old < t.Checkpoint.Size {
		var err error
		if proof, err = t.Prove(ctx, old); err != nil {
			return answer{}, fmt.Errorf("prove consistency: %w", err)
		}
	}
	return post(ctx, w.client, w.to, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, addCheckpoint(old, proof, t.Note))
}

// addCheckpoint writes the body: old size, proof, an empty line, the checkpoint.
func addCheckpoint(old int64, proof []audit.Hash, note []byte) []byte {
	out := []byte("old " + strconv.FormatInt(old, 10) + "\n")
	for _, h := range proof {
		out = append(base64.StdEncoding.AppendEncode(out, h[:]), '\n')
	}
	return append(append(out, '\n'), note...)
}

// cosigned checks the lines that the witness gave, and keeps its own.
func (w *Witness) cosigned(t auditlog.Telling, body []byte) (string, error) {
	c, err := w.key.Cosignature(t.Checkpoint.Text(), string(body))
	if err != nil {
		return "", err
	}
	if c.At.After(t.At.Add(ahead)) {
		return "", fmt.Errorf("%w: it is of a time to come", audit.ErrCosignature)
	}
	return c.Line, nil
}
