package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gate tells the load where the service is, while it is up.
type gate struct {
	mu   sync.Mutex
	base string
	turn chan struct{} // closed and replaced whenever it opens
}

func newGate() *gate { return &gate{turn: make(chan struct{})} }

func (g *gate) open(base string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.base = base
	close(g.turn)
	g.turn = make(chan struct{})
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.base = ""
}

// await gives the address of the service, and waits for it while the service is down.
func (g *gate) await(ctx context.Context) (string, error) {
	for {
		g.mu.Lock()
		base, turn := g.base, g.turn
		g.mu.Unlock()
		if base != "" {
			return base, nil
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// answered is a request that was answered as the contract foresees.
type answered struct {
	kind, request, recovery, claimant, challenge string
	status                                       int
}

// actions are the audit events of which one has to tell of the request.
func (a answered) actions() []string {
	switch {
	case a.kind == "start":
		return []string{"recovery.initiated"}
	case a.kind == "ask":
		return []string{"recovery.challenge.requested"}
	case a.status == http.StatusOK:
		return []string{"recovery.proof.accepted", "recovery.cooling_off.entered"}
	default:
		return []string{"recovery.proof.rejected"}
	}
}

// load is claimants who go through recoveries, whatever happens to the service, and write down what they were told.
type load struct {
	app  string
	gate *gate
	mail *sink

	mu       sync.Mutex
	over     bool
	answered []answered
	repeated int
	strange  []string
}

func (l *load) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

func (l *load) finished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// answers counts what was answered so far.
func (l *load) answers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answered)
}

// count counts the requests of a kind that were answered so far.
func (l *load) count(kind string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, a := range l.answered {
		if a.kind == kind {
			n++
		}
	}
	return n
}

// run goes through recoveries of its share of the people, one after the other.
func (l *load) run(ctx context.Context, share int) {
	for i := share; !l.finished() && ctx.Err() == nil; i += claimants {
		l.recover(ctx, i)
	}
}

func (l *load) recover(ctx context.Context, i int) {
	address := fmt.Sprintf("u%d@example.com", i%people)
	var r struct {
		ID    string `json:"id"`
		Token string `json:"claimant_token"`
	}
	start := map[string]any{
		"identifier": map[string]string{"type": "email", "value": address}, "reason": "lost_password",
		"client": map[string]any{"ip": fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff), "known_device": true},
	}
	id, status, err := l.post(ctx, "/v1/recoveries", "", start, &r)
	if err != nil || !l.note(answered{"start", id, r.ID, r.Token, "", status}, http.StatusCreated) {
		return
	}
	var ch struct {
		ID string `json:"id"`
	}
	id, status, err = l.post(ctx, "/v1/recoveries/"+r.ID+"/challenges", r.Token, map[string]string{"method": "email"}, &ch)
	if err != nil || status == http.StatusTooManyRequests || !l.note(answered{"ask", id, r.ID, r.Token, ch.ID, status}, http.StatusCreated) {
		return
	}
	code := "00000000"
	if i%3 != 0 {
		if code = l.code(ctx, ch.ID); code == "" {
			return // on its way still
		}
	}
	id, status, err = l.post(ctx, "/v1/recoveries/"+r.ID+"/challenges/"+ch.ID+"/answers", r.Token, map[string]string{"code": code}, nil)
	if err == nil && status != http.StatusTooManyRequests {
		l.note(answered{"answer", id, r.ID, r.Token, ch.ID, status}, http.StatusOK, http.StatusUnprocessableEntity)
	}
}

// code waits for a code, not for long: a job that died with its worker is done again only after a while.
func (l *load) code(ctx context.Context, challenge string) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		code, there, changed := l.mail.has(challenge)
		if there {
			return code
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ""
		}
	}
}

// note writes an answer down, and reports whether it was one of those foreseen.
func (l *load) note(a answered, foreseen ...int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, status := range foreseen {
		if a.status == status {
			l.answered = append(l.answered, a)
			return true
		}
	}
	l.strange = append(l.strange, fmt.Sprintf("%+v", a))
	return false
}

// post sends a request until it is answered, always with the same key, as a good client does.
func (l *load) post(ctx context.Context, path, claimant string, body, out any) (requestID string, status int, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", 0, err
	}
	requestID = rand.Text()
	for attempt := 0; ; attempt++ {
		base, err := l.gate.await(ctx)
		if err != nil {
			return "", 0, err
		}
		status, got, err := l.send(ctx, base+path, claimant, requestID, text)
		switch {
		case ctx.Err() != nil:
			return "", 0, ctx.Err()
		case err != nil, status >= http.StatusInternalServerError, status == http.StatusConflict:
			continue // it died, is dying, or the first attempt is still at work
		}
		if attempt > 0 {
			l.mu.Lock()
			l.repeated++
			l.mu.Unlock()
		}
		if out != nil && status == http.StatusCreated {
			err = json.Unmarshal(got, out)
		}
		return requestID, status, err
	}
}

func (l *load) send(ctx context.Context, url, claimant, requestID string, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	method := http.MethodPost
	if body == nil {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.app)
	req.Header.Set("X-Request-Id", requestID)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", `"`+requestID+`"`)
	}
	if claimant != "" {
		req.Header.Set("Holdfast-Claimant", claimant)
	}
	res, err := http.DefaultClient.Do(req) //nolint:forbidigo // its context has a deadline.
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, got, err
}

// checkEffects reads every recovery as its claimant does: it is there, and shows what its answers said.
func (l *load) checkEffects(t *testing.T) {
	t.Helper()
	base, err := l.gate.await(t.Context())
	require.NoError(t, err)
	seen := map[string][]answered{}
	for _, a := range l.answered {
		seen[a.recovery] = append(seen[a.recovery], a)
	}
	for id, all := range seen {
		status, got, err := l.send(t.Context(), base+"/v1/recoveries/"+id, all[0].claimant, rand.Text(), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%s", got)
		var r struct {
			State        string `json:"state"`
			Requirements struct {
				Satisfied []any `json:"satisfied"`
			} `json:"requirements"`
		}
		require.NoError(t, json.Unmarshal(got, &r))
		want, proofs := "initiated", 0
		for _, a := range all {
			switch {
			case a.kind == "ask":
				want = "verifying"
			case a.kind == "answer" && a.status == http.StatusOK:
				want, proofs = "cooling_off", 1 // one address only: it is held for a day
			}
		}
		require.Equal(t, want, r.State, "%+v", all)
		require.Len(t, r.Requirements.Satisfied, proofs)
	}
}

// checkMessages waits for the code of every challenge that was answered for. A job that was at work when its worker was
// killed is found and done again by another one after a while.
func (l *load) checkMessages(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	missing := 0
	for _, a := range l.answered {
		if a.kind != "ask" {
			continue
		}
		_, there, _ := l.mail.has(a.challenge)
		if !there {
			missing++
		}
		for !there {
			var changed <-chan struct{}
			if _, there, changed = l.mail.has(a.challenge); there {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				require.FailNow(t, "a message is lost", "%+v", a)
			}
		}
	}
	t.Logf("%d of %d codes came after the last restart", missing, l.count("ask"))
}
