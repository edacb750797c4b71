package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/factor/savedcode"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi"
	"github.com/holdfast/holdfast/internal/limit"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
	"github.com/holdfast/holdfast/internal/throttle"
)

// rules is the table of the edge's and the identities' limits as the configuration has it.
func rules(cfg config.Config) (throttle.Rules, error) {
	overrides, err := throttle.ParseOverrides(cfg.Limits.Rules)
	if err != nil {
		return nil, fault.Wrap(err, "HOLDFAST_LIMITS")
	}
	out, err := throttle.DefaultRules().With(overrides)
	if err != nil {
		return nil, fault.Wrap(err, "HOLDFAST_LIMITS")
	}
	if cfg.Dev() && cfg.LimitFactor > 1 {
		out = out.Scaled(int64(cfg.LimitFactor))
	}
	return out, nil
}

// Limits tells of every limit under a configuration: the one place that lists them all.
func Limits(cfg config.Config) ([]limit.Limit, error) {
	table, err := rules(cfg)
	if err != nil {
		return nil, err
	}
	out := table.Limits()
	out = append(out, recovery.RowLimits()...)
	out = append(out, textRules(cfg).Limits()...)
	out = append(out, overload(cfg).Limits()...)
	out = append(out, signal.Limits()...)
	return append(out, savedcode.Limits()...), nil
}

// overload is how much a node takes on at once: by default as much as leaves a quarter of the database's connections to owners,
// jobs and pages.
func overload(cfg config.Config) httpapi.Overload {
	slots := cfg.HTTP.Slots
	if slots == 0 {
		slots = max(int(cfg.Database.MaxConns)*3/4, 2)
	}
	return httpapi.Overload{Slots: slots, Queue: 8 * slots, Wait: min(2*time.Second, cfg.HTTP.HandlerTimeout/2)}
}

// limits builds the first two walls on the store that the configuration names.
func (a *App) limits(ctx context.Context, deps Deps) (limits, error) {
	table, err := rules(a.Config)
	if err != nil {
		return limits{}, err
	}
	cfg := throttle.Config{
		HashKey: a.Keys.MAC(secret.PurposeNetwork, "throttle"), Rules: table,
		Refused: func(_ context.Context, rule throttle.Name) { a.Metrics.Throttled(string(rule)) },
	}
	cfg.Unlimited = deps.Unlimited && a.Config.Dev()
	if a.Config.Limits.Store == config.InRedis {
		if cfg.Redis, err = a.openRedis(ctx); err != nil {
			return limits{}, err
		}
	} else {
		cfg.Pool = a.DB.Pool()
	}
	l, err := throttle.New(cfg)
	return limits{l, newSightings()}, fault.Wrap(err, "build limits")
}

// openRedis makes the Redis store. A server that may evict limits is a mistake to be put right before anything is served. One
// that is down is not: the node starts, refuses what its rules say it refuses, and objections pass.
func (a *App) openRedis(ctx context.Context) (*throttle.Redis, error) {
	r, err := throttle.NewRedis(a.Config.Limits.RedisURL)
	if err != nil {
		return nil, fault.Wrap(err, "HOLDFAST_REDIS_URL")
	}
	a.redis = r
	err = r.Check(ctx)
	if errors.Is(err, throttle.ErrEvicts) {
		return nil, errors.Join(err, r.Close())
	}
	if err != nil {
		a.Log.WarnContext(ctx, "Redis does not answer: what it limits is refused until it does", slog.String("cause", err.Error()))
	}
	return r, nil
}

// Close drops the connections of an App that does not run any more.
func (a *App) Close() {
	if a.redis != nil {
		_ = a.redis.Close()
	}
	a.DB.Close()
}
