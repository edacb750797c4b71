package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/telemetry"
)

const (
	sealedEvents = 200_000
	sealRounds   = 6
	// sealerLock is the advisory lock of the one sealer (internal/postgres): who holds it keeps every node from sealing.
	sealerLock = 0x686f6c647365616c
)

// sealing measures how fast the sealer is, and by how much it slows starts while it runs.
func (l *lab) sealing(ctx context.Context) error {
	perSecond, err := l.sealRate(ctx)
	if err != nil {
		return err
	}
	l.result.note(fmt.Sprintf("sealing: %.0f events/s, %d events that were there (goal: 10,000)", perSecond, sealedEvents))
	ratio, err := l.sealCost(ctx)
	if err != nil {
		return err
	}
	l.result.note(fmt.Sprintf("sealing: starts with the sealer at work are %.3f of those without it, 8 clients, median of %d pairs (goal: 0.95)", ratio, sealRounds))
	return nil
}

// sealRate seals a pile of events in a database of their own.
func (l *lab) sealRate(ctx context.Context) (float64, error) {
	d, err := l.newDatabase(ctx, "seal")
	if err != nil {
		return 0, err
	}
	defer d.owner.Close()
	l.sayf("sealing: writing %d events", sealedEvents)
	for i := 0; i < sealedEvents; i += 10_000 {
		_, err := d.owner.Pool().Exec(ctx, `insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, outcome, origin, request_id, details)
			select $1, 'evt_' || lpad(i::text, 8, '0'), now(), 'claimant', 'cli_1', 'recovery.proof.accepted', 'rcv_' || i, 'success', '203.0.113.0/24', 'req_' || i,
			       jsonb_build_object('method', 'email', 'class', 'S', 'source', 'chn_' || i, 'challenge', 'chl_' || i)
			  from generate_series($2::int + 1, $2::int + 10000) i`, tenant, i)
		if err != nil {
			return 0, err
		}
	}
	keys, err := secret.GenerateKeyring(rand.Reader)
	if err != nil {
		return 0, err
	}
	sealer, err := app.NewSealer(l.main.app.Config, d.owner, keys, telemetry.NewMetrics(telemetry.Build{}))
	if err != nil {
		return 0, err
	}
	l.say("sealing: as fast as it can")
	began := time.Now()
	err = sealer.Drain(ctx)
	return sealedEvents / time.Since(began).Seconds(), err
}

// sealCost compares starts with and without the sealer at work, in turns, so that whatever else the machine does meets both.
func (l *lab) sealCost(ctx context.Context) (float64, error) {
	conn, err := pgx.Connect(ctx, l.main.url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost with it.
	start := func(ctx context.Context) error {
		_, err := l.main.start(ctx, email(asked(l.big)))
		return err
	}
	sealing := func(on bool) (row, error) {
		if !on {
			if _, err := conn.Exec(ctx, `select pg_advisory_lock($1)`, int64(sealerLock)); err != nil {
				return row{}, err
			}
			r, _, err := l.main.cell(ctx, "start, no sealing", 8, l.span()/2, start)
			if err != nil {
				return row{}, err
			}
			if _, err := conn.Exec(ctx, `select pg_advisory_unlock($1)`, int64(sealerLock)); err != nil {
				return row{}, err
			}
			return r, l.main.app.Sealer.Drain(ctx) // what piled up meanwhile is not what is measured next
		}
		r, _, err := l.main.cell(ctx, "start, sealing", 8, l.span()/2, start)
		return r, err
	}
	var ratios []float64
	for i := range sealRounds {
		l.sayf("sealing: starts with and without it, pair %d of %d", i+1, sealRounds)
		var with, without row
		for _, on := range []bool{i%2 == 0, i%2 != 0} { // whoever is second meets a larger database
			r, err := sealing(on)
			if err != nil {
				return 0, err
			}
			if on {
				with = r
			} else {
				without = r
			}
		}
		l.result.add(without, with)
		ratios = append(ratios, with.PerSecond/without.PerSecond)
	}
	return median(ratios), nil
}
