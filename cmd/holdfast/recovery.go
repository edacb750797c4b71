package main

import (
	"encoding/json"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

type recoveryCmd struct {
	Show recoveryShowCmd `cmd:"" help:"Show one recovery: what stops it, and what became of its notices."`
}

type recoveryShowCmd struct {
	Name   string `arg:"" help:"The recovery's id (rcv_…) or reference (HF-7K2M-9QXD)."`
	Tenant string `help:"The tenant, where several have the same reference."`
	Events int    `default:"15" help:"How many of its audit events, 1 to 1000."`
	JSON   bool   `help:"As one JSON object."`
}

// Run shows a recovery. No address, no code and nothing of the account's name is shown.
func (c recoveryShowCmd) Run(e *env) error {
	name := c.Name
	if !strings.HasPrefix(name, "rcv_") {
		var err error
		if name, err = secret.ParseReference(name); err != nil {
			return usageError{fault.Wrap(err, "the recovery is named by its id or its reference")}
		}
	}
	return e.withDB(func(db *postgres.DB) error {
		found, err := db.ShowRecovery(e.ctx, operator(), c.Tenant, name, c.Events)
		if err != nil {
			return err
		}
		page := pageOf(found)
		if c.JSON {
			enc := json.NewEncoder(e.out)
			enc.SetIndent("", "  ")
			return fault.Wrap(enc.Encode(page), "write recovery")
		}
		return e.printRecovery(page)
	})
}

// recoveryPage is what is shown, in the words of the API.
type recoveryPage struct {
	ID            string          `json:"id"`
	Reference     string          `json:"reference"`
	Tenant        string          `json:"tenant"`
	Account       string          `json:"account,omitempty"`
	State         recovery.State  `json:"state"`
	Version       int64           `json:"version"`
	Tier          string          `json:"tier"`
	PolicyVersion string          `json:"policy_version"`
	Reason        recovery.Reason `json:"reason"`
	Client        string          `json:"client"`
	Times         []stamp         `json:"times"`
	Obstacles     []obstacle      `json:"obstacles"`
	Evidence      []evidence      `json:"evidence"`
	Notices       []notice        `json:"notices"`
	Objections    []objection     `json:"objections"`
	Events        []event         `json:"events"`
}

type stamp struct {
	What string    `json:"what"`
	At   time.Time `json:"at"`
}

type obstacle struct {
	Code recovery.Obstacle `json:"code"`
	Text string            `json:"text"`
}

type evidence struct {
	Class   string    `json:"class"`
	Method  string    `json:"method"`
	Source  string    `json:"source"`
	Since   time.Time `json:"since"`
	At      time.Time `json:"accepted_at"`
	Suspect bool      `json:"suspect"`
}

type notice struct {
	ID          string    `json:"id"`
	At          time.Time `json:"at"`
	Kind        string    `json:"kind"`
	Channel     string    `json:"channel"`
	ChannelKind string    `json:"channel_kind"`
	Status      string    `json:"status"`
	StatusAt    time.Time `json:"status_at"`
	Reason      string    `json:"reason,omitempty"`
	Provider    string    `json:"provider,omitempty"`
	Counts      bool      `json:"counts"` // an acceptance of it would open the gate
}

type objection struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Channel  string    `json:"channel"`
	Strength string    `json:"strength"`
	Stands   bool      `json:"stands"`
}

type event struct {
	At      time.Time `json:"at"`
	Action  string    `json:"action"`
	Outcome string    `json:"outcome"`
	Actor   string    `json:"actor"`
	Change  string    `json:"change,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// obstacleText says in plain words what an obstacle means and who can do something.
func obstacleText(o recovery.Obstacle) string {
	switch o {
	case recovery.ObstacleUnknownAccount:
		return "It names no account. It looks like any other from outside and leads nowhere."
	case recovery.ObstacleErased:
		return "Its account was erased. Nobody can be let in."
	case recovery.ObstacleUnproven:
		return "Nothing has been proven yet."
	case recovery.ObstacleEvidence:
		return "What was shown does not suffice for its plan."
	case recovery.ObstacleOrganisation:
		return "The account signs in through its organisation. It is never recovered here."
	case recovery.ObstaclePeople:
		return "Two people have to decide."
	case recovery.ObstacleHold:
		return "The hold is not over."
	case recovery.ObstacleObjection:
		return "An objection stands."
	case recovery.ObstacleOnTheWay:
		return "No notice was accepted by an address that counts, and some are still tried."
	case recovery.ObstacleUnreached:
		return "The owner was not reached: every notice of the hold failed. See the runbook NoticesUndeliverable."
	case recovery.ObstacleDependent:
		return "The owner was not reached: only addresses took the notice that do not count, because they were used as evidence, are suspect, or were new."
	case recovery.ObstacleClaimant:
		return "Nothing: the claimant may take the grant."
	case recovery.ObstacleRedemption:
		return "Nothing: the identity system may redeem the grant."
	case recovery.ObstacleOver:
		return "It is over."
	default:
		return string(o)
	}
}

func pageOf(s postgres.Shown) recoveryPage {
	r := s.Recovery
	p := recoveryPage{
		ID: r.ID, Reference: r.Reference, Tenant: r.Tenant, Account: r.Account, State: r.State, Version: r.Version, Tier: r.Tier.String(),
		PolicyVersion: r.Plan.PolicyVersion, Reason: r.Reason, Client: r.Client,
		Obstacles: []obstacle{}, Evidence: []evidence{}, Notices: []notice{}, Objections: []objection{}, Events: []event{},
	}
	for _, t := range []stamp{
		{"started", r.CreatedAt},
		{"changed", r.ChangedAt},
		{"hold entered", r.HeldAt},
		{"not before", r.NotBefore},
		{"contested", r.ContestedAt},
		{"ready until", r.ReadyUntil},
		{"grant lapses", r.GrantExpires},
		{"expires", r.ExpiresAt},
		{"completed", r.CompletedAt},
		{"probation until", r.ProbationUntil},
		{"closed", r.ClosedAt},
		{"looked at next", r.WakeAt},
		{"now", s.Now},
	} {
		if !t.At.IsZero() {
			p.Times = append(p.Times, t)
		}
	}
	for _, o := range r.Obstacles(s.Account == nil, s.Now) {
		p.Obstacles = append(p.Obstacles, obstacle{o, obstacleText(o)})
	}
	for _, x := range r.Evidence {
		p.Evidence = append(p.Evidence, evidence{string(x.Class), string(x.Method), x.Source, x.Since, x.At, x.Suspect})
	}
	for _, n := range s.Notices {
		p.Notices = append(p.Notices, noticeOf(s, n))
	}
	for _, o := range r.Objections {
		p.Objections = append(p.Objections, objection{o.ID, o.At, o.Channel, o.Strength.String(), o.Open})
	}
	for _, x := range s.Events {
		change := ""
		if x.Version > 0 {
			change = x.From + " → " + x.To
		}
		p.Events = append(p.Events, event{x.At, string(x.Action), string(x.Outcome), strings.TrimSpace(string(x.Actor.Kind) + " " + x.Actor.ID), change, x.Reason})
	}
	return p
}

// noticeOf says in one word what became of a notice.
func noticeOf(s postgres.Shown, n postgres.NoticeRow) notice {
	out := notice{
		ID: n.ID, At: n.CreatedAt, Kind: n.Kind, Channel: n.Channel, ChannelKind: string(n.ChannelKind), Provider: n.Provider, Reason: n.Reason,
		Status: "tried", StatusAt: n.CreatedAt,
	}
	switch {
	case !n.FailedAt.IsZero() && !n.TakenAt.IsZero():
		out.Status, out.StatusAt = "accepted, then failed", n.FailedAt
	case !n.FailedAt.IsZero():
		out.Status, out.StatusAt = "failed", n.FailedAt
	case !n.DeliveredAt.IsZero():
		out.Status, out.StatusAt = "delivered", n.DeliveredAt
	case !n.AcceptedAt.IsZero():
		out.Status, out.StatusAt = "accepted", n.AcceptedAt
	}
	if n.Kind != string(recovery.NoticeHeld) || s.Account == nil {
		return out
	}
	for _, c := range s.Account.Channels {
		if c.ID == n.Channel {
			out.Counts = s.Recovery.SpeaksForOwner(c)
		}
	}
	return out
}

// printRecovery writes the page for people.
func (e *env) printRecovery(p recoveryPage) error {
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	t := &env{out: w}
	at := func(x time.Time) string { return x.Format(time.RFC3339) }
	t.printf("recovery\t%s (%s), tenant %s\n", p.ID, p.Reference, p.Tenant)
	t.printf("state\t%s, version %d, tier %s, policy %s\n", p.State, p.Version, p.Tier, p.PolicyVersion)
	t.printf("claim\t%s, through %s\n", p.Reason, p.Client)
	for _, m := range p.Times {
		t.printf("%s\t%s\n", m.What, at(m.At))
	}
	t.printf("\nWHAT STOPS IT\n")
	for _, o := range p.Obstacles {
		t.printf("%s\n", o.Text)
	}
	t.printf("\nEVIDENCE\tMETHOD\tSOURCE\tON FILE SINCE\tACCEPTED\n")
	for _, x := range p.Evidence {
		t.printf("%s\t%s\t%s\t%s\t%s\n", x.Class, x.Method, x.Source, at(x.Since), at(x.At))
	}
	t.printf("\nNOTICE\tBY\tCHANNEL\tSTATUS\tSINCE\tREASON\tCOUNTS\n")
	for _, n := range p.Notices {
		counts := ""
		if n.Kind == string(recovery.NoticeHeld) {
			counts = map[bool]string{true: "yes", false: "no"}[n.Counts]
		}
		t.printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.Kind, n.ChannelKind, n.Channel, n.Status, at(n.StatusAt), n.Reason, counts)
	}
	t.printf("\nOBJECTION\tBY\tSTRENGTH\tMADE\tSTANDS\n")
	for _, o := range p.Objections {
		t.printf("%s\t%s\t%s\t%s\t%t\n", o.ID, o.Channel, o.Strength, at(o.At), o.Stands)
	}
	t.printf("\nTIME\tACTION\tOUTCOME\tACTOR\tCHANGE\tREASON\n")
	for _, x := range p.Events {
		t.printf("%s\t%s\t%s\t%s\t%s\t%s\n", at(x.At), x.Action, x.Outcome, x.Actor, x.Change, x.Reason)
	}
	return w.Flush()
}
