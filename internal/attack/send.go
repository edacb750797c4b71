package attack

import (
	"context"
	"fmt"
)

// pump asks for a code by text for each victim and counts what was sent.
func (a *attacker) pump(ctx context.Context, victims []victim) (sent int, err error) {
	before, err := a.Inbox(ctx)
	if err != nil {
		return 0, err
	}
	for _, v := range victims {
		c, _, err := a.start(ctx, v.email, a.from(), nil)
		if err != nil {
			return 0, err
		}
		if _, _, err := c.ask(ctx, "sms"); err != nil {
			return 0, err
		}
	}
	if err := a.Settled(ctx); err != nil {
		return 0, err
	}
	after, err := a.Inbox(ctx)
	if err != nil {
		return 0, err
	}
	for _, v := range victims {
		sent += len(codesOf(after, v.phone)) - len(codesOf(before, v.phone))
	}
	return sent, nil
}

// register makes victims with the numbers.
func (a *attacker) register(ctx context.Context, n int, number func(i int) string) ([]victim, error) {
	var out []victim
	for i := range n {
		v, err := a.victim(ctx, i, number(i))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// pumpPrefix asks for codes to numbers that differ in their last digits alone (T11).
func pumpPrefix(ctx context.Context, a *attacker, r *Report) error {
	victims, err := a.register(ctx, 40, func(i int) string { return fmt.Sprintf("+4477009001%02d", i) })
	if err != nil {
		return err
	}
	sent, err := a.pump(ctx, victims)
	if err != nil {
		return err
	}
	r.note("codes asked for", len(victims))
	r.atMost("messages sent before the stop", sent, 19)
	return a.keptOut(ctx, r, victims[len(victims)-2:], "email")
}

// areas are area codes whose numbers 555-01xx belong to nobody.
func areas() []int {
	return []int{
		202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234, 239, 240, 248, 251, 252, 253, 254, 256,
		260, 262, 267, 269, 270, 276, 281, 301, 302, 303,
	}
}

// pumpMany asks for codes to numbers of as many prefixes of one country (T11).
func pumpMany(ctx context.Context, a *attacker, r *Report) error {
	victims, err := a.register(ctx, len(areas()), func(i int) string { return fmt.Sprintf("+1%d5550142", areas()[i]) })
	if err != nil {
		return err
	}
	sent, err := a.pump(ctx, victims)
	if err != nil {
		return err
	}
	r.note("codes asked for, to as many prefixes", len(victims))
	r.atMost("messages sent before the stop", sent, 20)
	return a.keptOut(ctx, r, victims[len(victims)-2:], "email")
}

// budget burns a country's budget with new numbers; a number that verified a code before is still served (T12).
func budget(ctx context.Context, a *attacker, r *Report) error {
	owner, err := a.victim(ctx, 1000, "+13035550199")
	if err != nil {
		return err
	}
	before, err := a.recovers(ctx, owner, "sms")
	if err != nil {
		return err
	}
	if !before {
		return fmt.Errorf("the budget is burnt already: try a new instance")
	}
	victims, err := a.register(ctx, len(areas()), func(i int) string { return fmt.Sprintf("+1%d5550143", areas()[i]) })
	if err != nil {
		return err
	}
	sent, err := a.pump(ctx, victims)
	if err != nil {
		return err
	}
	r.note("codes asked for", len(victims))
	r.note("messages sent before the stop", sent)
	return a.keptOut(ctx, r, []victim{owner}, "sms")
}

// notices floods an owner with recoveries of their account; they hear of it once a day, and of a hold always (T30, T31, R-100).
func notices(ctx context.Context, a *attacker, r *Report) error {
	v, err := a.victim(ctx, 0, "+12025550102")
	if err != nil {
		return err
	}
	begun := 0
	for range a.size(25, 12) {
		c, _, err := a.start(ctx, v.email, a.from(), nil)
		if err != nil {
			return err
		}
		if c.id == "" {
			continue
		}
		begun++
		if _, _, err := c.ask(ctx, "totp"); err != nil {
			return err
		}
	}
	if err := a.Settled(ctx); err != nil {
		return err
	}
	count := func(kind string) (n int, err error) {
		messages, err := a.Inbox(ctx)
		for _, m := range messages {
			if m.Kind == kind && (m.To == v.email || m.To == v.phone) {
				n++
			}
		}
		return n, err
	}
	started, err := count("recovery_started")
	if err != nil {
		return err
	}
	r.note("recoveries begun", begun)
	r.atMost("notices of a start, over two addresses", started, 2)
	if err := a.keptOut(ctx, r, []victim{v}, "email"); err != nil {
		return err
	}
	if err := a.Settled(ctx); err != nil {
		return err
	}
	held, err := count("hold_entered")
	if err != nil {
		return err
	}
	r.atMost("addresses that did not hear of the hold", 2-held, 0)
	return nil
}
