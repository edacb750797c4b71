package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func hex(i int) string { return strconv.FormatInt(int64(i), 16) }

// twoCodes reads two of the saved codes that were issued.
func twoCodes(body string) (first, second string, err error) {
	var out struct {
		Codes []string `json:"recovery_codes"`
	}
	if json.Unmarshal([]byte(body), &out) != nil || len(out.Codes) < 2 {
		return "", "", errors.New("no saved codes were issued")
	}
	return out.Codes[0], out.Codes[1], nil
}

// What differs between any two answers: ids, tokens, references, times, and headers that are made for each.
var (
	ofItsOwn = regexp.MustCompile(`(rcv|chl|req)_[0-9a-z]+|hfc_[A-Za-z0-9_-]+|HF-[0-9A-Z]{4}-[0-9A-Z]{4}|\d{4}-\d\d-\d\dT[0-9:.]+Z`) //nolint:gochecknoglobals // a constant.
	unequal  = []string{"Date", "X-Request-Id", "Location", "Content-Length", "Retry-After"}                                         //nolint:gochecknoglobals // a constant.
)

// face is what anybody can see of an answer.
func face(r answer) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.status)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		if slices.Contains(unequal, name) {
			fmt.Fprintln(&b, name)
			continue
		}
		fmt.Fprintln(&b, name, r.header[name])
	}
	b.WriteString(ofItsOwn.ReplaceAllString(r.body, "…"))
	return b.String()
}

// walk does what a prober would with one name, over every limit, and gives what could be seen.
func (a *attacker) walk(ctx context.Context, email string) (faces []string, statuses []int, err error) {
	see := func(r answer, err error) error {
		faces = append(faces, face(r))
		return err
	}
	c, r, err := a.start(ctx, email, a.from(), nil)
	if err := see(r, err); err != nil {
		return nil, nil, err
	}
	for _, method := range []string{"email", "sms", "totp", "recovery_code", "passkey"} {
		challenge, r, err := c.ask(ctx, method)
		if err := see(r, err); err != nil {
			return nil, nil, err
		}
		if challenge == "" {
			continue
		}
		for _, guess := range []string{"12345678", "not a code"} {
			r, err := c.answer(ctx, challenge, guess)
			if err := see(r, err); err != nil {
				return nil, nil, err
			}
		}
	}
	r, err = a.call(ctx, http.MethodGet, "/v1/recoveries/"+c.id, a.App, c.token, nil, nil)
	if err := see(r, err); err != nil {
		return nil, nil, err
	}
	for range 40 {
		_, r, err := a.start(ctx, email, a.from(), nil)
		if err := see(r, err); err != nil {
			return nil, nil, err
		}
		statuses = append(statuses, r.status)
	}
	return faces, statuses, nil
}

// enumeration compares what is seen of a name that exists with what is seen of one that does not (T21, T22, R-071 to R-075).
func enumeration(ctx context.Context, a *attacker, r *Report) error {
	v, err := a.victim(ctx, 0, "+12025550101")
	if err != nil {
		return err
	}
	known, throttleKnown, err := a.walk(ctx, v.email)
	if err != nil {
		return err
	}
	unknown, throttleUnknown, err := a.walk(ctx, nobody(a.salt, 0))
	if err != nil {
		return err
	}
	differ := 0
	for i := range min(len(known), len(unknown)) {
		if known[i] != unknown[i] {
			differ++
		}
	}
	r.note("answers compared, with status, headers and body", len(known))
	r.atMost("answers that differ", differ+max(len(known)-len(unknown), len(unknown)-len(known)), 0)
	throttled := slices.Index(throttleKnown, http.StatusTooManyRequests)
	r.note("starts until the throttle", throttled)
	different := 0
	if !slices.Equal(throttleKnown, throttleUnknown) {
		different = 1
	}
	r.atMost("throttle sequences that differ", different, 0)
	if throttled < 0 {
		return errNoLimits
	}
	return nil
}

// timing compares how long starts take, in interleaved pairs: the chance that a start of a known name took longer than one of an
// unknown name. Half is nothing learned.
func timing(ctx context.Context, a *attacker, r *Report) error {
	var known, unknown []float64
	for i := range a.size(300, 40) {
		v, err := a.victim(ctx, i, "")
		if err != nil {
			return err
		}
		names := []string{v.email, nobody(a.salt, i)}
		for n := range 2 {
			which := (n + i) % 2
			_, got, err := a.start(ctx, names[which], a.from(), nil)
			if err != nil {
				return err
			}
			if which == 0 {
				known = append(known, got.took.Seconds())
			} else {
				unknown = append(unknown, got.took.Seconds())
			}
		}
	}
	auc := auc(known, unknown)
	low, high := 0.42, 0.58
	if !a.Large { // few pairs on a busy machine only show a coarse difference
		low, high = 0.25, 0.75
	}
	r.note("pairs", len(known))
	r.Numbers = append(r.Numbers, Number{Name: "AUC", Value: fmt.Sprintf("%.3f (%.2f to %.2f)", auc, low, high), Bad: auc < low || auc > high})
	return nil
}

// auc is the probability that one of a is larger than one of b, ties counting half.
func auc(a, b []float64) float64 {
	sum := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				sum++
			case x == y:
				sum += 0.5
			}
		}
	}
	return sum / float64(len(a)*len(b))
}
