package postgres_test

import (
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
	"github.com/holdfast/holdfast/internal/secret"
)

// still is chance without jitter: the waits of two claims are then the same.
type still struct{}

func (still) Read(b []byte) (int, error) {
	if len(b) == 4 {
		clear(b)
		return len(b), nil
	}
	return rand.Read(b)
}

// seen is one answer as an attacker sees it, with what must differ masked: ids, tokens, and the moment of the call.
type seen struct {
	code      fault.Code
	retry     time.Duration
	state     recovery.State
	methods   string
	satisfied int
	remaining string
	expires   time.Duration
	resend    time.Duration
	hinted    bool
}

func (s *scene) seeError(err error) seen {
	f := fault.From(err)
	if f == nil {
		return seen{}
	}
	return seen{code: f.Code, retry: f.RetryAfter.Round(5 * time.Second)}
}

func (s *scene) seeView(v recovery.View, err error, now time.Time) seen {
	if err != nil {
		return s.seeError(err)
	}
	return seen{
		state: v.State, methods: fmt.Sprint(v.Methods), satisfied: len(v.Satisfied), remaining: fmt.Sprint(v.Remaining),
		expires: v.ExpiresAt.Sub(now).Round(5 * time.Second), hinted: !v.NotBefore.IsZero() || !v.ReadyUntil.IsZero(),
	}
}

func (s *scene) seeChallenge(v recovery.ChallengeView, err error, now time.Time) seen {
	if err != nil {
		return s.seeError(err)
	}
	return seen{
		methods: string(v.Method), expires: v.ExpiresAt.Sub(now).Round(5 * time.Second), resend: v.ResendAfter.Sub(now).Round(5 * time.Second),
	}
}

// pair is one claim to an account and one to nothing, which the test treats alike.
type pair struct {
	claims     [2]*claim
	challenges [2]map[factor.Method]string
}

// do makes one request on both and gives what was seen.
func (s *scene) do(p *pair, act string, m factor.Method, code secret.String, raw string) [2]seen {
	var out [2]seen
	for i, c := range p.claims {
		now := s.now()
		switch act {
		case "challenge":
			v, err := s.Challenge(s.t.Context(), recovery.ChallengeCommand{Caller: app(), Ref: c.ref, Method: m, Key: s.key("challenge", raw+c.id, "")})
			if err == nil {
				p.challenges[i][m] = v.ID
			}
			out[i] = s.seeChallenge(v, err, now)
		case "answer":
			v, err := s.Answer(s.t.Context(), recovery.AnswerCommand{
				Caller: app(), Ref: c.ref, Challenge: p.challenges[i][m], Code: code, Key: s.key("answer", raw+c.id, ""),
			})
			out[i] = s.seeView(v, err, now)
		case "get":
			v, err := s.Get(s.t.Context(), recovery.GetCommand{Caller: app(), Ref: c.ref})
			out[i] = s.seeView(v, err, now)
		case "grant":
			_, err := c.grant()
			out[i] = s.seeError(err)
		case "cancel":
			v, err := s.Cancel(s.t.Context(), recovery.CancelCommand{Caller: app(), Ref: c.ref, Key: s.key("cancel", raw+c.id, "")})
			out[i] = s.seeView(v, err, now)
		case "wake":
			c.wake()
		case "wrong token":
			_, err := s.Get(s.t.Context(), recovery.GetCommand{Caller: app(), Ref: recovery.Ref{ID: c.id, Claimant: p.claims[1-i].ref.Claimant}})
			out[i] = s.seeError(err)
		}
	}
	return out
}

// I8, R-073: whatever is done up to the first accepted proof, a decoy answers as an account does, and leaves as much behind.
func TestDecoy_AnswersAsAnAccountDoes(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *recovery.Config) { c.Rand = still{} })
	var n atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		kinds := map[string]func(p *person){
			"full": func(*person) {}, "single": single, "new": func(p *person) { p.since = time.Hour },
			"privileged": func(p *person) { p.population = "privileged" }, "federated": func(p *person) { p.population = "federated" },
		}
		kind := rapid.SampledFrom([]string{"full", "single", "new", "privileged", "federated"}).Draw(rt, "account")
		who := s.person(fmt.Sprintf("%s-%d", kind, n.Add(1)), kinds[kind])
		p := &pair{
			claims:     [2]*claim{s.start(who.identifier), s.start("no-" + who.identifier)},
			challenges: [2]map[factor.Method]string{{}, {}},
		}
		for range rapid.IntRange(3, 15).Draw(rt, "requests") {
			act := rapid.SampledFrom([]string{"challenge", "challenge", "answer", "answer", "answer", "get", "grant", "wake", "wrong token", "cancel"}).Draw(rt, "request")
			if act == "cancel" && rapid.IntRange(0, 5).Draw(rt, "really") > 0 {
				act = "get"
			}
			m := rapid.SampledFrom(append(recoverytest.Offered(), factor.Passkey)).Draw(rt, "method")
			code := secret.NewString(rapid.SampledFrom([]string{"000000", "00000000", "", "not a code"}).Draw(rt, "code"))
			if m == factor.RecoveryCode {
				code = typed(t)
			}
			raw := rand.Text()
			out := s.do(p, act, m, code, raw)
			require.Equal(rt, out[0], out[1], "%s %s of %s: account, decoy", act, m, kind)
			require.False(rt, out[0].hinted)
			if rapid.IntRange(0, 4).Draw(rt, "retry") == 0 && act != "get" && act != "grant" {
				again := s.do(p, act, m, code, raw)
				require.Equal(rt, again[0], again[1], "a retry of %s %s", act, m)
			}
			s.advance(rapid.SampledFrom([]time.Duration{0, 0, 40 * time.Second, 3 * time.Minute, 11 * time.Minute, 2 * time.Hour, 25 * time.Hour}).Draw(rt, "passes"))
		}
		require.Equal(rt, s.leftBy(p.claims[0]), s.leftBy(p.claims[1]), "rows")
		p.claims[0].audited()
		p.claims[1].audited()
	})
}

// leftBy counts what a claim left in each table.
func (s *scene) leftBy(c *claim) string {
	s.t.Helper()
	return get[string](s, `SELECT jsonb_build_object(
		'version', r.version, 'state', r.state, 'wakes', r.wake_at IS NOT NULL,
		'challenges', (SELECT jsonb_agg(jsonb_build_array(method, sends, attempts) ORDER BY method) FROM challenge WHERE recovery_id = r.id),
		'jobs', (SELECT count(*) FROM river.river_job j JOIN challenge h ON h.id = j.args->>'id' WHERE h.recovery_id = r.id),
		'counters', (SELECT jsonb_agg(jsonb_build_array(kind, consecutive, cardinality(recent), wait_until IS NULL) ORDER BY kind) FROM attempt_counter WHERE subject = r.subject),
		'events', (SELECT jsonb_agg(jsonb_build_array(action, outcome, from_state, to_state) ORDER BY recovery_version) FROM audit_event WHERE recovery_id = r.id),
		'assessments', (SELECT count(*) FROM assessment WHERE recovery_id = r.id),
		'notices', (SELECT count(*) FROM notice WHERE recovery_id = r.id))::text
		FROM recovery r WHERE id = $1`, c.id)
}

// I7, R-067: guesses over any number of recoveries of one subject, by any path of resends, waits and retries, stay within the
// limits of each method.
func TestGuesses_OverManyRecoveriesStayWithinTheLimits(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	var n atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		who := s.person(fmt.Sprintf("p%d", n.Add(1)))
		claims := []*claim{s.start(who.identifier)}
		guesses := map[factor.Method][]time.Time{}
		for range rapid.IntRange(5, 25).Draw(rt, "requests") {
			c := rapid.SampledFrom(claims).Draw(rt, "claim")
			m := rapid.SampledFrom([]factor.Method{factor.Email, factor.TOTP, factor.TOTP}).Draw(rt, "method")
			switch rapid.SampledFrom([]string{"guess", "guess", "guess", "start", "pass"}).Draw(rt, "what") {
			case "start":
				claims = append(claims, s.start(who.identifier))
			case "pass":
				s.advance(rapid.SampledFrom([]time.Duration{31 * time.Second, 3 * time.Minute, 11 * time.Minute, time.Hour, 5 * time.Hour}).Draw(rt, "passes"))
			case "guess":
				if ch, err := c.tryChallenge(m); err == nil && m == factor.Email {
					s.mint(c.id, ch.ID, goodCode)
				}
				for range 3 {
					before := s.failures(who.id, m)
					_, _ = c.answer(get[string](s, `SELECT coalesce((SELECT id FROM challenge WHERE recovery_id = $1 AND method = $2), '')`, c.id, string(m)), secret.NewString("00000000"))
					if s.failures(who.id, m) > before { // a refusal without a judgement looks the same from outside
						guesses[m] = append(guesses[m], s.now())
					}
				}
			}
		}
		for m, at := range guesses {
			for i := range at {
				require.False(rt, i >= 10 && at[i].Sub(at[i-10]) < time.Hour-time.Second, "%s: more than ten within an hour", m)
				require.False(rt, i >= 3 && at[i].Sub(at[i-3]) < 29*time.Second, "%s: no wait after three", m)
			}
			require.Equal(rt, len(at), get[int](s, `SELECT count(*) FROM audit_event a JOIN recovery r ON r.id = a.recovery_id
				WHERE r.subject = $1 AND a.action = 'recovery.proof.rejected' AND a.details->>'method' = $2`, who.id, string(m)), "%s: a judgement was not counted", m)
		}
	})
}

// failures is how many failures in a row a method of a subject has.
func (s *scene) failures(subject string, m factor.Method) int {
	s.t.Helper()
	return get[int](s, `SELECT coalesce((SELECT consecutive FROM attempt_counter WHERE subject = $1 AND kind = $2), 0)`, subject, string(m))
}
