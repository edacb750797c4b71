// Package alertmanager tells a Prometheus Alertmanager of the alerts that detectors raised, by its API v2.
//
// Every node that works tells it everything that is live, again and again, and what was resolved lately with its end: Alertmanager
// takes equal alerts for one, so that no node has to be the one that tells, and a lost request is made good by the next.
package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	// firesFor is how long Alertmanager takes an alert for firing that nobody repeats: several rounds.
	firesFor = 5 * time.Minute
	timeout  = 10 * time.Second
	// mostAnswer bounds what is read of an answer.
	mostAnswer = 4 << 10
	// atOnce bounds the alerts of one request.
	atOnce = 200
)

// Config is what a Client is made of.
type Config struct {
	URL      secret.String // of Alertmanager, without /api/v2; may hold a name and a password for basic authentication
	Runbooks string        // what the links to runbooks begin with; none when empty
	Now      func() time.Time
}

// Client tells Alertmanager. It is safe for concurrent use.
type Client struct {
	endpoint string
	user     *url.Userinfo
	runbooks string
	now      func() time.Time
	http     *http.Client
	means    map[string]string
}

// New makes a Client. It fails when the address is none.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL.Reveal())
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("alertmanager: the address is not an http or https address") // the cause repeats it
	}
	c := &Client{user: u.User, runbooks: strings.TrimSuffix(cfg.Runbooks, "/"), now: cfg.Now, means: map[string]string{}}
	u.User = nil
	c.endpoint = u.JoinPath("api", "v2", "alerts").String()
	c.http = &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, d := range abuse.Detectors() {
		c.means[d.Name] = d.Means
	}
	return c, nil
}

// posted is one alert as Alertmanager takes it.
type posted struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// Push tells of the alerts as they are at the database's time now. That clock and Alertmanager's may differ, so times are told
// by how long ago they are.
func (c *Client) Push(ctx context.Context, now time.Time, alerts []abuse.Alert) error {
	for len(alerts) > 0 {
		n := min(len(alerts), atOnce)
		if err := c.send(ctx, now, alerts[:n]); err != nil {
			return err
		}
		alerts = alerts[n:]
	}
	return nil
}

func (c *Client) send(ctx context.Context, now time.Time, alerts []abuse.Alert) error {
	here := c.now()
	out := make([]posted, 0, len(alerts))
	for _, a := range alerts {
		out = append(out, c.posted(a, func(at time.Time) time.Time { return here.Add(at.Sub(now)).UTC() }, here))
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode alerts: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return errors.New("alertmanager: no request can be made of the address")
	}
	req.Header.Set("Content-Type", "application/json")
	if c.user != nil {
		password, _ := c.user.Password()
		req.SetBasicAuth(c.user.Username(), password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("alertmanager does not answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, mostAnswer))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("alertmanager answers %d", res.StatusCode)
	}
	return nil
}

// posted writes an alert. What identifies it does not change while it lives: the severity is a label, so one that escalates is
// told twice, and the smaller one ends by itself.
func (c *Client) posted(a abuse.Alert, at func(time.Time) time.Time, here time.Time) posted {
	p := posted{
		Labels: map[string]string{
			"alertname": a.Detector, "severity": string(a.Severity), "tenant": a.Tenant, "service": "holdfast", "alert_id": a.ID,
		},
		Annotations: map[string]string{
			"summary": c.means[a.Detector], "count": strconv.FormatInt(a.Count, 10), "threshold": strconv.FormatInt(a.Threshold, 10),
			"state": string(a.State),
		},
		StartsAt: at(a.FirstSeen), EndsAt: here.Add(firesFor).UTC(),
	}
	for name, value := range a.Labels {
		p.Labels["about_"+name] = value
	}
	if c.runbooks != "" {
		p.Annotations["runbook_url"] = c.runbooks + "/" + a.Detector + ".md"
	}
	if a.AcknowledgedBy != "" {
		p.Annotations["acknowledged_by"], p.Annotations["acknowledgement"] = a.AcknowledgedBy, a.Acknowledgement
	}
	if a.State == abuse.Resolved {
		p.EndsAt = at(a.ResolvedAt)
	}
	return p
}
