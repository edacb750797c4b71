package attack

import (
	"context"
	"net/http"
	"sync"
)

// spray guesses two codes on each of many accounts (T14).
func spray(ctx context.Context, a *attacker, r *Report) error {
	var victims []victim
	guesses, accepted := 0, 0
	for i := range a.size(60, 8) {
		v, err := a.victim(ctx, i, "")
		if err != nil {
			return err
		}
		victims = append(victims, v)
		c, _, err := a.start(ctx, v.email, a.from(), nil)
		if err != nil {
			return err
		}
		challenge, _, err := c.ask(ctx, "email")
		if err != nil {
			return err
		}
		for range 2 {
			got, err := c.answer(ctx, challenge, wrong())
			if err != nil {
				return err
			}
			guesses++
			if got.status == http.StatusOK {
				accepted++
			}
		}
	}
	r.note("guesses", guesses)
	r.atMost("guesses accepted", accepted, 0)
	return a.keptOut(ctx, r, victims[:3], "email")
}

// guessing guesses one account's codes over many recoveries at once (T13, R-050, R-067). The counters are the account's, so the
// owner's other methods stay open.
func guessing(ctx context.Context, a *attacker, r *Report) error {
	v, err := a.victim(ctx, 0, "+12025550100")
	if err != nil {
		return err
	}
	type try struct {
		c         claim
		challenge string
	}
	var tries []try
	for range 20 {
		c, got, err := a.start(ctx, v.email, a.from(), nil)
		if err != nil {
			return err
		}
		if got.status != http.StatusCreated {
			continue
		}
		challenge, _, err := c.ask(ctx, "email")
		if err != nil {
			return err
		}
		tries = append(tries, try{c, challenge})
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	accepted, guesses, throttled := 0, 0, 0
	for _, x := range tries {
		wg.Go(func() {
			for range a.size(10, 4) {
				got, err := x.c.answer(ctx, x.challenge, wrong())
				mu.Lock()
				guesses++
				switch {
				case err != nil:
					failed = err
				case got.status == http.StatusOK:
					accepted++
				case got.status == http.StatusTooManyRequests:
					throttled++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	r.note("recoveries at once", len(tries))
	r.note("guesses", guesses)
	r.note("refused unseen, with 429", throttled)
	r.atMost("guesses accepted", accepted, 0)
	return a.keptOut(ctx, r, []victim{v}, "sms")
}

// rotation starts recoveries from ever new addresses of one /64 (T41, R-078).
func rotation(ctx context.Context, a *attacker, r *Report) error {
	network := a.from()
	network = network[:len(network)-len("::7")]
	begun := 0
	tried := a.size(100, 16)
	for i := range tried {
		_, got, err := a.start(ctx, nobody(a.salt, i), network+"::"+hex(i+1)+":7", nil)
		if err != nil {
			return err
		}
		if got.status == http.StatusCreated {
			begun++
		}
	}
	r.note("addresses tried", tried)
	r.atMost("recoveries begun", begun, 10)
	if begun == tried {
		return errNoLimits
	}
	v, err := a.victim(ctx, 0, "")
	if err != nil {
		return err
	}
	return a.keptOut(ctx, r, []victim{v}, "email")
}

// forwarded states no address and forges headers that could name one (T41, R-078).
func forwarded(ctx context.Context, a *attacker, r *Report) error {
	begun := 0
	tried := a.size(60, 16)
	for i := range tried {
		ip := a.from()
		_, got, err := a.start(ctx, nobody(a.salt, i), "", http.Header{
			"X-Forwarded-For": {ip + ", " + a.from()}, "X-Real-Ip": {ip}, "True-Client-Ip": {ip}, "Forwarded": {`for="[` + ip + `]"`},
		})
		if err != nil {
			return err
		}
		if got.status == http.StatusCreated {
			begun++
		}
	}
	r.note("addresses claimed", tried)
	r.atMost("recoveries begun", begun, 10)
	if begun == tried {
		return errNoLimits
	}
	v, err := a.victim(ctx, 0, "")
	if err != nil {
		return err
	}
	return a.keptOut(ctx, r, []victim{v}, "email")
}

// argon2 answers with many wrong saved codes at once (T42, R-022). An owner's own saved code is judged meanwhile.
func argon2(ctx context.Context, a *attacker, r *Report) error {
	v, err := a.victim(ctx, 0, "")
	if err != nil {
		return err
	}
	issued, err := a.call(ctx, http.MethodPost, "/v1/accounts/"+v.ref+"/recovery-codes", a.Identity, "", map[string]any{}, nil)
	if err != nil {
		return err
	}
	own, foreign, err := twoCodes(issued.body)
	if err != nil {
		return err
	}
	var before int64
	if a.Resident != nil {
		if before, err = a.Resident(ctx); err != nil {
			return err
		}
	}
	type try struct {
		c         claim
		challenge string
	}
	var tries []try
	for i := range a.size(64, 16) {
		c, _, err := a.start(ctx, nobody(a.salt, i), a.from(), nil)
		if err != nil {
			return err
		}
		challenge, _, err := c.ask(ctx, "recovery_code")
		if err != nil {
			return err
		}
		tries = append(tries, try{c, challenge})
	}
	// The owner has begun before: who begins while a node is full is shed, and who has begun can end.
	c, _, err := a.start(ctx, v.email, a.from(), nil)
	if err != nil {
		return err
	}
	challenge, _, err := c.ask(ctx, "recovery_code")
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	guesses, accepted := 0, 0
	for _, x := range tries {
		wg.Go(func() {
			for range 3 {
				got, err := x.c.answer(ctx, x.challenge, foreign)
				mu.Lock()
				if err == nil {
					guesses++
				}
				if got.status == http.StatusOK {
					accepted++
				}
				mu.Unlock()
			}
		})
	}
	kept := 1
	for range 5 { // the service may say that it is busy; the owner presses the button again
		got, err := c.answer(ctx, challenge, own)
		if err != nil {
			return err
		}
		if got.status == http.StatusOK {
			kept = 0
			break
		}
	}
	wg.Wait()
	r.note("guesses", guesses)
	r.atMost("guesses accepted", accepted, 0)
	if a.Resident != nil {
		after, err := a.Resident(ctx)
		if err != nil {
			return err
		}
		r.atMost("memory grew by, MiB", int((after-before)>>20), 512)
	}
	r.atMost("victims kept out", kept, 0)
	return nil
}
