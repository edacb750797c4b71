package throttle

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast/holdfast/internal/fault"
)

// defaultTimeout bounds the wait for the store, so that a store that hangs is a store that is down.
const defaultTimeout = 2 * time.Second

// Config is what Limits is built from.
type Config struct {
	// Pool is the database that holds the buckets. Its transactions must be READ COMMITTED, PostgreSQL's default.
	Pool *pgxpool.Pool
	// Redis holds the buckets in place of Pool.
	Redis *Redis
	// Unlimited lets everything pass and asks no store: to measure what limiting costs, and for nothing else.
	Unlimited bool
	// HashKey hashes what is limited before it is stored: at least 16 secret bytes, the same on every node.
	HashKey []byte
	// Rules is the table of limits.
	Rules Rules
	// Timeout bounds one call; 0 means two seconds.
	Timeout time.Duration
	// Random is the source of the jitter; nil means the system's.
	Random io.Reader
	// Refused, if set, is told which rule refused, for metrics. It must not block.
	Refused func(ctx context.Context, rule Name)
}

// Limits judges requests against the rules. It may be used by many goroutines.
type Limits struct {
	buckets backend
	hasher  hasher
	rules   map[Name]Rule
	timeout time.Duration
	random  io.Reader
	refused func(ctx context.Context, rule Name)
}

// New makes the limits. It touches neither the database nor Redis.
func New(cfg Config) (*Limits, error) {
	if err := cfg.Rules.Validate(); err != nil {
		return nil, err
	}
	h, err := newHasher(cfg.HashKey)
	if err != nil {
		return nil, err
	}
	b, err := cfg.backend()
	if err != nil {
		return nil, err
	}
	l := &Limits{buckets: b, hasher: h, rules: map[Name]Rule{}, timeout: cfg.Timeout, random: cfg.Random, refused: cfg.Refused}
	for _, rule := range cfg.Rules.clone() {
		l.rules[rule.Name] = rule
	}
	if l.timeout <= 0 {
		l.timeout = defaultTimeout
	}
	if l.random == nil {
		l.random = rand.Reader
	}
	if l.refused == nil {
		l.refused = func(context.Context, Name) {}
	}
	return l, nil
}

func (c Config) backend() (backend, error) {
	switch {
	case c.Unlimited:
		return unlimited{}, nil
	case c.Redis != nil && c.Pool != nil:
		return nil, errors.New("throttle: one store, PostgreSQL or Redis")
	case c.Redis != nil:
		return c.Redis, nil
	default:
		return newBuckets(c.Pool)
	}
}

// Take is one hit on one rule. The key is what the rule counts by, in clear: it is hashed before it is stored.
type Take struct {
	Rule Name
	Key  string
	// Own says that the bucket is the authenticated caller's own quota, of which it may know everything. A refusal by
	// such buckets alone names the exact time to come back.
	Own bool
}

// Room is what a bucket holds after a request.
type Room struct {
	Rule      Name
	Limit     int64
	Period    time.Duration
	Used      int64         // hits that have not flowed off; those of this request included, if it passed
	Remaining int64         // hits that would pass at once
	Reset     time.Duration // until nothing of it is used any more
	Own       bool
}

// Allow charges all the rules that a request falls under, or none of them when one has no room. It costs one round trip,
// does not wait for the disk, and must be called before anything is looked up.
//
// A refusal is fault.CodeThrottled with a coarse time to come back, exact only for the caller's own quota; which rule it was stays in the cause, for the
// log. A store that does not answer is fault.CodeUnavailable, unless every rule of the request says Pass. An unknown rule
// is fault.CodeInternal. No takes are allowed.
func (l *Limits) Allow(ctx context.Context, takes []Take) error {
	_, err := l.Judge(ctx, takes)
	return err
}

// Judge is Allow, and tells what room there is in each bucket, in the order of the takes and of their rules' windows; none
// when the store does not answer.
func (l *Limits) Judge(ctx context.Context, takes []Take) ([]Room, error) {
	if len(takes) == 0 {
		return nil, nil
	}
	asked, err := l.charges(takes)
	if err != nil {
		return nil, fault.Of(fault.CodeInternal).Because(err)
	}
	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	levels, err := l.buckets.take(bounded, asked.charges)
	if err != nil {
		if l.passWhenDown(takes) {
			return nil, nil
		}
		return nil, fault.Of(fault.CodeUnavailable).Because(err)
	}
	return asked.rooms(levels), l.verdict(ctx, asked, levels)
}

// rooms puts levels into words.
func (r request) rooms(levels []level) []Room {
	out := make([]Room, len(levels))
	for i, level := range levels {
		p, w := r.charges[i].pace, r.windows[i]
		used := level.used()
		out[i] = Room{
			Rule: r.rules[i], Limit: w.Limit, Period: w.Period, Used: int64((used + p.emission - 1) / p.emission),
			Remaining: max(int64((p.tolerance-used)/p.emission), 0), Reset: used, Own: r.own[i],
		}
	}
	return out
}

// request is a list of charges and, beside each, the rule that it comes from.
type request struct {
	charges []charge
	rules   []Name
	windows []Window
	own     []bool
}

// charges lists one charge per window of each rule. A bucket that is hit twice is charged once, for two.
func (l *Limits) charges(takes []Take) (request, error) {
	var req request
	at := map[[keySize]byte]int{}
	for _, take := range takes {
		rule, ok := l.rules[take.Rule]
		if !ok {
			return request{}, fmt.Errorf("throttle: there is no rule %q", take.Rule)
		}
		for _, w := range rule.Windows {
			key := l.hasher.keyOf("rule:"+string(rule.Name), w.Period, take.Key)
			if i, again := at[key]; again {
				req.charges[i].hits++
				continue
			}
			at[key] = len(req.charges)
			req.charges = append(req.charges, charge{key: key, pace: paceOf(w.Limit, w.burst(), w.Period), hits: 1})
			req.rules = append(req.rules, rule.Name)
			req.windows = append(req.windows, w)
			req.own = append(req.own, take.Own)
		}
	}
	return req, nil
}

func (l *Limits) passWhenDown(takes []Take) bool {
	for _, take := range takes {
		if l.rules[take.Rule].WhenDown != Pass {
			return false
		}
	}
	return true
}

// verdict turns the levels into nil or a refusal that waits for the slowest of the buckets that refused.
func (l *Limits) verdict(ctx context.Context, req request, levels []level) error {
	var wait time.Duration
	var refusedBy []string
	own := true
	for i, level := range levels {
		if level.fits {
			continue
		}
		c := req.charges[i]
		own = own && req.own[i]
		wait = max(wait, level.used()+c.pace.cost(c.hits)-c.pace.tolerance)
		if name := string(req.rules[i]); len(refusedBy) == 0 || refusedBy[len(refusedBy)-1] != name {
			refusedBy = append(refusedBy, name)
			l.refused(ctx, req.rules[i])
		}
	}
	if refusedBy == nil {
		return nil
	}
	if !own {
		wait = l.comeBack(wait)
	}
	return fault.Of(fault.CodeThrottled).After(wait).
		Because(errors.New("refused by " + strings.Join(refusedBy, ", ")))
}

// comeBack rounds a wait up to a coarse step and adds up to half of it by chance, so that it tells neither a bucket's
// level nor its size, and so that those who were refused together do not come back together.
func (l *Limits) comeBack(wait time.Duration) time.Duration {
	const longest = 24 * time.Hour
	step := longest
	for _, s := range []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour} {
		if wait <= s {
			step = s
			break
		}
	}
	var chance [4]byte
	if _, err := io.ReadFull(l.random, chance[:]); err != nil {
		return step // without chance the coarse step still tells nothing exact
	}
	jitter := int64(binary.BigEndian.Uint32(chance[:])) % (int64(step/time.Second)/2 + 1)
	return step + time.Duration(jitter)*time.Second
}
