package main

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is how often a claimant's page asks whether the recovery is ready.
const pollEvery = 25 * time.Millisecond

// codeWithin is how long a flow waits for a code or a state before something is wrong.
const codeWithin = time.Minute

// flows measures whole recoveries that no hold stops: with two codes, an emailed one and a saved one, which cost an argon2id
// to check and another for the code that takes the used one's place; and with the emailed one alone. The default policy has
// no way for two codes without a hold but this one.
func (l *lab) flows(ctx context.Context) error {
	for _, flow := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"whole, e-mail and saved code", l.recoverByTwo},
		{"whole, e-mail alone", l.recoverByOne},
	} {
		for _, n := range clients() {
			l.sayf("%s, %d clients", flow.name, n)
			r, steps, err := l.main.cell(ctx, flow.name, n, l.span(), flow.do)
			if err != nil {
				return err
			}
			l.result.add(r)
			l.result.steps(flow.name, n, steps)
		}
	}
	return nil
}

func (l *lab) recoverByOne(ctx context.Context) error {
	n, err := l.consumer()
	if err != nil {
		return err
	}
	c, err := l.main.proveAddress(ctx, n)
	if err != nil {
		return err
	}
	return l.main.finish(ctx, c)
}

func (l *lab) recoverByTwo(ctx context.Context) error {
	n, err := l.employee()
	if err != nil {
		return err
	}
	c, err := l.main.proveAddress(ctx, n)
	if err != nil {
		return err
	}
	challenge, err := l.main.challenge(ctx, c, "recovery_code")
	if err != nil {
		return err
	}
	if err := l.main.answer(ctx, &c, challenge, l.codes.code(n)); err != nil {
		return err
	}
	return l.main.finish(ctx, c)
}

// proveAddress starts a recovery and answers the code that comes by e-mail.
func (s *service) proveAddress(ctx context.Context, n int) (claim, error) {
	c, err := s.start(ctx, email(n))
	if err != nil {
		return c, err
	}
	codes, done := s.mail.expect(email(n))
	defer done()
	challenge, err := s.challenge(ctx, c, "email")
	if err != nil {
		return c, err
	}
	late := time.NewTimer(codeWithin)
	defer late.Stop()
	select {
	case <-ctx.Done():
		return c, ctx.Err()
	case <-late.C:
		return c, fmt.Errorf("no code came")
	case code := <-codes:
		return c, s.answer(ctx, &c, challenge, code)
	}
}

// finish waits until the notices are accepted and takes and redeems the grant.
func (s *service) finish(ctx context.Context, c claim) error {
	for begun := time.Now(); c.State != "ready"; {
		if time.Since(begun) > codeWithin {
			return fmt.Errorf("a recovery stays %s", c.State)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
		if err := s.read(ctx, &c); err != nil {
			return err
		}
	}
	return s.grant(ctx, c)
}
