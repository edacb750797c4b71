package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast/holdfast/internal/app/dev"
	"github.com/holdfast/holdfast/internal/attack"
	"github.com/holdfast/holdfast/internal/fault"
)

type attackCmd struct {
	Scenario string        `default:"all" help:"Which attack, or all; list shows them."`
	Dev      string        `default:".holdfast/dev.json" help:"The dev.json of the instance: only a development instance on this machine is attacked."`
	For      time.Duration `default:"10m" help:"How long all of it may take at most."`
}

var (
	errNotDev = errors.New("this is no development instance on this machine; nothing else is attacked")
	errBroken = fmt.Errorf("something got through: %w", errCheckFailed)
)

// Run plays the attacks and says what got through. It ends with 3 when a promise broke.
func (c attackCmd) Run(e *env) error {
	if c.Scenario == "list" {
		for _, s := range attack.Scenarios() {
			e.printf("%-12s %s\n", s.Name, s.Does)
		}
		return nil
	}
	chosen := attack.Scenarios()
	if c.Scenario != "all" {
		chosen = nil
		for _, s := range attack.Scenarios() {
			if s.Name == c.Scenario {
				chosen = append(chosen, s)
			}
		}
		if chosen == nil {
			return usageError{fmt.Errorf("no such scenario; --scenario list shows them")}
		}
	}
	ctx, cancel := context.WithTimeout(e.ctx, min(c.For, time.Hour))
	defer cancel()
	target, err := devTarget(ctx, c.Dev)
	if err != nil {
		return err
	}
	broken := false
	for i, s := range chosen {
		e.printf("%s: %s\n", s.Name, s.Does)
		if i > 0 { // a day later, so that one attack does not meet what another has used up
			if err := passDay(ctx, target); err != nil {
				return fault.Wrap(err, s.Name)
			}
		}
		r, err := s.Run(ctx, target)
		if err != nil {
			return fault.Wrap(err, s.Name)
		}
		for _, n := range r.Numbers {
			mark := " "
			if n.Bad {
				mark = "!"
			}
			e.printf("  %s %-48s %s\n", mark, n.Name, n.Value)
		}
		verdict := "held"
		if !r.Held() {
			verdict, broken = "BROKEN", true
		}
		e.printf("  %s\n", verdict)
	}
	if broken {
		return errBroken
	}
	return nil
}

// passDay moves the instance's clock, as only development can.
func passDay(ctx context.Context, t attack.Target) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.Base+"/dev/clock", strings.NewReader(`{"advance":"25h"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := t.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("/dev/clock answers %d", res.StatusCode)
	}
	return nil
}

// devTarget reads dev.json and makes sure that what it names is a development instance on this machine: a loopback address that
// answers where only development does.
func devTarget(ctx context.Context, file string) (attack.Target, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return attack.Target{}, fault.Wrap(err, "read dev.json")
	}
	var d dev.Description
	if err := json.Unmarshal(text, &d); err != nil {
		return attack.Target{}, fault.Wrap(err, "read dev.json")
	}
	for _, address := range []string{d.BaseURL, d.AdminURL} {
		if !onThisMachine(address) {
			return attack.Target{}, errNotDev
		}
	}
	b := bench{base: d.BaseURL, admin: d.AdminURL, http: loopback()}
	if _, err := b.inbox(ctx); err != nil {
		return attack.Target{}, errors.Join(errNotDev, err)
	}
	return attack.Target{
		Base: d.BaseURL, App: d.Credentials.App, Identity: d.Credentials.Identity, HTTP: b.http, Inbox: b.inbox, Resident: b.resident,
		Settled: b.settled, Now: time.Now, Large: true, // it moves the instance's clock between attacks
	}, nil
}

// onThisMachine reports whether an address is a loopback one. Of names only localhost is taken, and connections are held to
// loopback addresses wherever it leads.
func onThisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || (err == nil && ip.IsLoopback())
}

// loopback is a client that connects to this machine and to nothing else.
func loopback() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().IsLoopback() {
			return errNotDev
		}
		return nil
	}}
	return &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bench is what an attack needs to see of the instance.
type bench struct {
	base, admin string
	http        *http.Client
}

func (b bench) get(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/json, text/plain;q=0.5")
	res, err := b.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %d", req.URL.Path, res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	return string(text), err
}

// inbox reads the latest messages, newest first.
func (b bench) inbox(ctx context.Context) ([]attack.Message, error) {
	text, err := b.get(ctx, b.base+"/dev/inbox")
	if err != nil {
		return nil, err
	}
	var in struct {
		Messages []struct {
			To   string `json:"to"`
			Kind string `json:"kind"`
			Code string `json:"code"`
		} `json:"messages"`
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, fault.Wrap(err, "read inbox")
	}
	out := make([]attack.Message, 0, len(in.Messages))
	for _, m := range in.Messages {
		out = append(out, attack.Message{To: m.To, Kind: m.Kind, Code: m.Code})
	}
	return out, nil
}

// metric sums the samples of a metric.
func (b bench) metric(ctx context.Context, name string) (float64, error) {
	text, err := b.get(ctx, b.admin+"/metrics")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):]), 64)
			if err != nil {
				return 0, fault.Wrap(err, "read metrics")
			}
			sum += value
		}
	}
	return sum, nil
}

func (b bench) resident(ctx context.Context) (int64, error) {
	bytes, err := b.metric(ctx, "process_resident_memory_bytes")
	return int64(bytes), err
}

// settled waits until no job has been done for a second.
func (b bench) settled(ctx context.Context) error {
	const glance, quiet = 200 * time.Millisecond, 5
	last, same := -1.0, 0
	for same < quiet {
		done, err := b.metric(ctx, "holdfast_jobs_total")
		if err != nil {
			return err
		}
		if same++; done != last {
			last, same = done, 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(glance):
		}
	}
	return nil
}
