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
	// Pool is the database. Its transactions must be READ COMMITTED, PostgreSQL's default.
	Pool *pgxpool.Pool
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
	buckets buckets
	rules   map[Name]Rule
	timeout time.Duration
	random  io.Reader
	refused func(ctx context.Context, rule Name)
	sweeper sweeper
}

// New makes the limits. It does not touch the database.
func New(cfg Config) (*Limits, error) {
	if err := cfg.Rules.Validate(); err != nil {
		return nil, err
	}
	b, err := newBuckets(cfg.Pool, cfg.HashKey)
	if err != nil {
		return nil, err
	}
	l := &Limits{buckets: b, rules: map[Name]Rule{}, timeout: cfg.Timeout, random: cfg.Random, refused: cfg.Refused}
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

// Take is one hit on one rule. The key is what the rule counts by, in clear: it is hashed before it is stored.
type Take struct {
	Rule Name
	Key  string
}

// Allow charges all the rules that a request falls under, or none of them when one has no room. It costs one round trip,
// does not wait for the disk, and must be called before anything is looked up.
//
// A refusal is fault.CodeThrottled with a coarse time to come back; which rule it was stays in the cause, for the
// log. A store that does not answer is fault.CodeUnavailable, unless every rule of the request says Pass. An unknown rule
// is fault.CodeInternal. No takes are allowed.
func (l *Limits) Allow(ctx context.Context, takes []Take) error {
	if len(takes) == 0 {
		return nil
	}
	asked, err := l.charges(takes)
	if err != nil {
		return fault.Of(fault.CodeInternal).Because(err)
	}
	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	levels, err := l.buckets.take(bounded, asked.charges)
	if err != nil {
		if l.passWhenDown(takes) {
			return nil
		}
		return fault.Of(fault.CodeUnavailable).Because(err)
	}
	return l.verdict(ctx, asked, levels)
}

// request is a list of charges and, beside each, the rule that it comes from.
type request struct {
	charges []charge
	rules   []Name
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
			key := l.buckets.keyOf("rule:"+string(rule.Name), w.Period, take.Key)
			if i, again := at[key]; again {
				req.charges[i].hits++
				continue
			}
			at[key] = len(req.charges)
			req.charges = append(req.charges, charge{key: key, pace: paceOf(w.Limit, w.burst(), w.Period), hits: 1})
			req.rules = append(req.rules, rule.Name)
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
	for i, level := range levels {
		if level.fits {
			continue
		}
		c := req.charges[i]
		wait = max(wait, level.used()+c.pace.cost(c.hits)-c.pace.tolerance)
		if name := string(req.rules[i]); len(refusedBy) == 0 || refusedBy[len(refusedBy)-1] != name {
			refusedBy = append(refusedBy, name)
			l.refused(ctx, req.rules[i])
		}
	}
	if refusedBy == nil {
		return nil
	}
	return fault.Of(fault.CodeThrottled).After(l.comeBack(wait)).
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
