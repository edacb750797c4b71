package throttle

import (
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast/holdfast/internal/secret"
)

// redisPrefix begins every key. The braces make a cluster keep all buckets on one node, without which a script could not
// charge several at once; that node is the limit of what Redis adds.
const redisPrefix = "{holdfast}:limit:"

// ErrEvicts means that Redis may throw buckets away when its memory is full. A limit that is thrown away is a limit that is
// not there, so such a server is not used, and neither is one that does not tell.
var ErrEvicts = errors.New("throttle: Redis may evict limits, or does not tell: set maxmemory-policy noeviction")

// Redis keeps buckets in a Redis server (7 or later, or what speaks its language), with the arithmetic that PostgreSQL's
// have: one script charges all buckets or none, on that server's clock, whatever the number of nodes. What it forgets in a
// crash or a fail-over gives each key one fresh burst. It is safe for concurrent use; Close it when it is no longer used.
type Redis struct {
	client *redis.Client
	sound  atomic.Bool // the server was asked, and evicts nothing
}

// NewRedis makes the store from a redis://, rediss:// or unix:// URL. It does not connect: a server that is down is met by
// the first request, and refused by name there (WhenDown).
func NewRedis(url secret.String) (*Redis, error) {
	o, err := redis.ParseURL(url.Reveal())
	if err != nil {
		return nil, errors.New("throttle: the Redis URL does not parse") // the cause would repeat its password
	}
	// A script that is sent again after a lost answer charges twice: stricter, never laxer.
	o.MaxRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = time.Second, time.Second, time.Second
	o.ContextTimeoutEnabled, o.DisableIdentity, o.DialerRetries = true, true, 1
	redis.SetLogger(silence{}) // what it would write is in the errors, and a log line here is a wide event
	return &Redis{client: redis.NewClient(o)}, nil
}

// Close drops the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Check asks the server whether it is there and evicts nothing. It gives ErrEvicts, or what kept it from asking.
func (r *Redis) Check(ctx context.Context) error {
	info, err := r.client.Info(ctx, "memory").Result()
	if err != nil {
		return fmt.Errorf("throttle: ask Redis: %w", err)
	}
	if field(info, "maxmemory") != "0" && field(info, "maxmemory_policy") != "noeviction" {
		r.sound.Store(false)
		return ErrEvicts
	}
	r.sound.Store(true)
	return nil
}

// silence is the library's logger.
type silence struct{}

// Printf drops a line.
func (silence) Printf(context.Context, string, ...any) {}

// field finds a line of Redis' INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

//go:embed take.lua
var takeLua string

//go:embed peek.lua
var peekLua string

//nolint:gochecknoglobals // constants: a script and its hash.
var (
	takeScript = redis.NewScript(takeLua)
	peekScript = redis.NewScript(peekLua)
)

// take implements backend.
func (r *Redis) take(ctx context.Context, charges []charge) ([]level, error) {
	if !r.sound.Load() {
		if err := r.Check(ctx); err != nil {
			return nil, err
		}
	}
	keys := make([]string, len(charges))
	args := make([]any, 0, 2*len(charges))
	for i, c := range charges {
		keys[i] = redisKey(c.key)
		args = append(args, c.pace.cost(c.hits).Microseconds(), c.pace.tolerance.Microseconds())
	}
	said, err := takeScript.Run(ctx, r.client, keys, args...).Int64Slice()
	if err != nil {
		return nil, fmt.Errorf("throttle: take: %w", err)
	}
	if len(said) != 2+2*len(charges) {
		return nil, errors.New("throttle: take: Redis answered something else")
	}
	levels := make([]level, len(charges))
	for i := range levels {
		levels[i] = level{now: micros(said[0]), fullAt: micros(said[2+2*i]), fits: said[3+2*i] == 1, passed: said[1] == 1}
	}
	return levels, nil
}

// peek implements backend.
func (r *Redis) peek(ctx context.Context, key [keySize]byte) (l level, refused bool, err error) {
	said, err := peekScript.Run(ctx, r.client, []string{redisKey(key)}).Int64Slice()
	if err != nil || len(said) != 3 {
		return level{}, false, errors.Join(err, errUnlike(len(said) != 3))
	}
	return level{now: micros(said[0]), fullAt: micros(said[1])}, said[2] == 1, nil
}

// reset implements backend.
func (r *Redis) reset(ctx context.Context, key [keySize]byte) (level, error) {
	if err := r.client.Del(ctx, redisKey(key)).Err(); err != nil {
		return level{}, err
	}
	l, _, err := r.peek(ctx, key)
	return l, err
}

// sweep implements backend: keys have an end of their own.
func (r *Redis) sweep(context.Context, int) (int64, error) { return 0, nil }

func errUnlike(unlike bool) error {
	if unlike {
		return errors.New("redis answered something else")
	}
	return nil
}

func redisKey(key [keySize]byte) string { return redisPrefix + hex.EncodeToString(key[:]) }

func micros(us int64) time.Time { return time.UnixMicro(us).UTC() }
