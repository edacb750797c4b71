package postgres_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// post is one kind of POST, made twice with one Idempotency-Key: what it answers as text, its secrets included.
type post func(raw, body string) (string, error)

// posts makes every POST of a recovery that is where it has to be for that.
func (s *scene) posts(t *testing.T) map[string]post {
	t.Helper()
	text := func(v any, tokens ...secret.String) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		for _, token := range tokens {
			b = append(b, token.Reveal()...)
		}
		return string(b)
	}
	at := func(name string, bring func(c *claim, p *person)) (*claim, *person) {
		p := s.person(name)
		c := s.start(p.identifier)
		bring(c, p)
		return c, p
	}
	// These move the clock, so they come first.
	ready, _ := at("ready", (*claim).ready)
	redeeming, _ := at("redeeming", (*claim).ready)
	grant, err := redeeming.grant()
	require.NoError(t, err)
	verifying, _ := at("verifying", func(*claim, *person) {})
	answering, _ := at("answering", func(*claim, *person) {})
	right := answering.challenge(factor.Email)
	s.mint(answering.id, right.ID, goodCode)
	erring, _ := at("erring", func(*claim, *person) {})
	wrong := erring.challenge(factor.Email)
	stopping, _ := at("stopping", func(*claim, *person) {})
	objected, objector := at("objected", func(c *claim, p *person) { c.hold(p) })
	link := objected.link(objector.mailbox)

	return map[string]post{
		"start": func(raw, body string) (string, error) {
			cmd := s.startCommand("ada@example.com")
			cmd.Key = s.key("start", raw, body)
			out, err := s.Start(t.Context(), cmd)
			return text(out.View, out.ClaimantToken), err
		},
		"challenge": func(raw, body string) (string, error) {
			out, err := s.Challenge(t.Context(), recovery.ChallengeCommand{Caller: app(), Ref: verifying.ref, Method: factor.SMS, Key: s.key("challenge", raw, body)})
			return text(out), err
		},
		"a right answer": func(raw, body string) (string, error) {
			out, err := s.Answer(t.Context(), recovery.AnswerCommand{
				Caller: app(), Ref: answering.ref, Challenge: right.ID, Code: secret.NewString(goodCode), Key: s.key("answer", raw, body),
			})
			return text(out), err
		},
		"a wrong answer": func(raw, body string) (string, error) {
			out, err := s.Answer(t.Context(), recovery.AnswerCommand{
				Caller: app(), Ref: erring.ref, Challenge: wrong.ID, Code: secret.NewString(badCode), Key: s.key("answer", raw, body),
			})
			return text(out), err
		},
		"cancel": func(raw, body string) (string, error) {
			out, err := s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: stopping.ref, Key: s.key("cancel", raw, body)})
			return text(out), err
		},
		"object": func(raw, body string) (string, error) {
			out, err := s.Object(t.Context(), recovery.ObjectCommand{Token: link, Key: s.key("object", raw, body)})
			return text(out), err
		},
		"grant": func(raw, body string) (string, error) {
			out, err := s.Grant(t.Context(), recovery.GrantCommand{Caller: app(), Ref: ready.ref, Key: s.key("grant", raw, body)})
			return text(out.ExpiresAt, out.Grant), err
		},
		"redeem": func(raw, body string) (string, error) {
			out, err := s.Redeem(t.Context(), recovery.RedeemCommand{Caller: app(), Grant: grant.Grant, Key: s.key("redeem", raw, body)})
			return text(out, out.ReplacementCode), err
		},
	}
}

// rows counts what a POST could have written.
func (s *scene) rows() int {
	return get[int](s, `SELECT (SELECT count(*) FROM recovery) + (SELECT sum(version) FROM recovery) + (SELECT count(*) FROM audit_event)
		+ (SELECT count(*) FROM challenge) + (SELECT sum(attempts) FROM challenge) + (SELECT count(*) FROM notice)
		+ (SELECT count(*) FROM recovery_grant) + (SELECT count(*) FROM saved_code) + (SELECT sum(consecutive) FROM attempt_counter)
		+ (SELECT count(*) FROM objection) + (SELECT count(*) FROM river.river_job) + (SELECT count(*) FROM idempotency)`)
}

// a retry gets the first answer, token and refusal included, and has no second effect; another body is another
// request.
func TestIdempotency_AnswersARetryAsTheFirstTime(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for name, p := range s.posts(t) {
		first, err := p("the key of "+name, "body")
		code := fault.CodeOf(err)
		if name == "a wrong answer" {
			require.Equal(t, fault.CodeProofRefused, code)
		} else {
			require.NoError(t, err, name)
		}
		before := s.rows()
		for range 2 {
			again, err := p("the key of "+name, "body")
			require.Equal(t, code, fault.CodeOf(err), name)
			require.Equal(t, first, again, name)
		}
		_, err = p("the key of "+name, "another body")
		require.Equal(t, fault.CodeIdempotencyReused, fault.CodeOf(err), name)
		require.Equal(t, before, s.rows(), "%s had a second effect", name)
	}
}

// Eight requests with one key at once: one effect, and every answer is the one answer or says that it is being worked on.
func TestIdempotency_LetsOneOfManyWin(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for name, p := range s.posts(t) {
		before := s.rows()
		var mu sync.Mutex
		answers := map[string]int{}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				out, err := p("the key of "+name, "body")
				mu.Lock()
				defer mu.Unlock()
				switch code := fault.CodeOf(err); {
				case code == fault.CodeIdempotencyInFlight:
				case code != "" && name != "a wrong answer":
					answers[fmt.Sprintf("%s: %v", code, err)]++
				default:
					answers[string(code)+out]++
				}
			})
		}
		wg.Wait()
		require.Len(t, answers, 1, name)
		after := s.rows()
		_, _ = p("the key of "+name, "body")
		require.Equal(t, after, s.rows(), name)
		require.Greater(t, after, before, name)
	}
}

// The answers are of no use to who reads the table, and not to who comes without the key (ADR 0013).
func TestIdempotency_RemembersForADayAndUnderSeal(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.start("ada@example.com")
	require.WithinDuration(t, s.now().Add(24*time.Hour), get[time.Time](s, `SELECT expires_at FROM idempotency`), time.Minute)
	require.NotContains(t, string(get[[]byte](s, `SELECT outcome FROM idempotency`)), "rcv_")
}
