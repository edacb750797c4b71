package app

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/url"
	"time"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/anchor"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/job"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/support"
	"github.com/holdfast/holdfast/internal/webhook"
)

// The paces of the audit log's loops.
const (
	sealEvery   = 500 * time.Millisecond
	anchorEvery = 10 * time.Second
	lagEvery    = 5 * time.Second
	// keepEvery is by how many events an anchor file's history goes on.
	keepEvery = 1000
)

// AuditOrigin is the name of the installation's log: the setting, or the public host.
func AuditOrigin(cfg config.Config) string {
	if cfg.Audit.Origin != "" {
		return cfg.Audit.Origin
	}
	if u, err := url.Parse(cfg.HTTP.PublicURL); err == nil && u.Host != "" {
		return u.Host + "/audit"
	}
	return "holdfast/audit"
}

// NewSealer builds the sealer on a database.
func NewSealer(cfg config.Config, db *postgres.DB, keys *secret.Keyring, metrics auditlog.Metrics) (*auditlog.Sealer, error) {
	var signing []auditlog.Key
	for _, k := range keys.CheckpointKeys() {
		signing = append(signing, k)
	}
	outside, err := outsiders(cfg)
	if err != nil {
		return nil, fault.Wrap(err, "build anchors")
	}
	s, err := auditlog.NewSealer(auditlog.SealerConfig{
		Store: postgres.NewAuditLog(db), Origin: AuditOrigin(cfg), Keys: signing, Anchors: anchors(cfg), Outside: outside, Metrics: metrics,
	})
	return s, fault.Wrap(err, "build sealer")
}

// anchors are what the configuration names.
func anchors(cfg config.Config) []auditlog.Anchor {
	var out []auditlog.Anchor
	if cfg.Audit.AnchorFile != "" {
		out = append(out, anchor.NewFile(cfg.Audit.AnchorFile, func(last, next audit.Checkpoint) bool {
			return last.Origin != next.Origin || next.Size-last.Size >= keepEvery
		}))
	}
	return out
}

// outsiders are the anchors over a network that the configuration names.
func outsiders(cfg config.Config) (auditlog.Outsiders, error) {
	c := cfg.Audit
	out := auditlog.Outsiders{Quorum: c.WitnessQuorum}
	roots, err := authorities(c.AnchorCA)
	if err != nil {
		return out, err
	}
	client := webhook.Client(webhook.Config{Allowed: c.AnchorNetworks, Roots: roots})
	if !c.WebhookURL.IsZero() {
		keys, err := secret.ParseWebhookSecrets(c.WebhookSecret)
		if err != nil {
			return out, err
		}
		out.Receivers = append(out.Receivers, anchor.NewWebhook(c.WebhookURL, keys, client))
	}
	for _, w := range c.Witnesses {
		key, err := audit.ParseWitness(w.Key)
		if err != nil {
			return out, err
		}
		out.Witnesses = append(out.Witnesses, anchor.NewWitness(key, w.Prefix, client))
	}
	return out, nil
}

// NewAuditLog builds what can be asked of the log.
func NewAuditLog(cfg config.Config, db *postgres.DB, keys *secret.Keyring) (*auditlog.Log, error) {
	var public []string
	for _, k := range keys.CheckpointKeys() {
		text, err := audit.VerifierKey(AuditOrigin(cfg), k.Public())
		if err != nil {
			return nil, fault.Wrap(err, "build audit log")
		}
		public = append(public, text)
	}
	l, err := auditlog.NewLog(auditlog.LogConfig{
		Store: postgres.NewAuditLog(db), Desks: postgres.NewAuditLog(db), Origin: AuditOrigin(cfg), Keys: public, Rand: rand.Reader,
		Reasons: func(ctx context.Context, tenant, caseID string) (map[string]string, error) {
			sealed, err := postgres.NewCases(db).Reasons(ctx, tenant, caseID)
			if err != nil {
				return nil, err
			}
			return support.OpenReasons(keys, sealed)
		},
		RefHashes: func(tenant, ref string) [][]byte { return account.RefHashes(keys, tenant, ref) },
	})
	return l, fault.Wrap(err, "build audit log")
}

// auditing builds the log and its sealer.
func (a *App) auditing(ctx context.Context) error {
	var err error
	if a.Audit, err = NewAuditLog(a.Config, a.DB, a.Keys); err != nil {
		return err
	}
	if a.Sealer, err = NewSealer(a.Config, a.DB, a.Keys, a.Metrics); err != nil {
		return err
	}
	if a.Config.Works() && !a.Config.Dev() && len(a.Sealer.Anchors)+len(a.Sealer.Outside.Receivers)+len(a.Sealer.Outside.Witnesses) == 0 {
		a.Log.WarnContext(ctx, "no audit anchor is configured: an older backup that was restored would not be told", slog.String("setting", "HOLDFAST_AUDIT_ANCHOR_FILE"))
	}
	return nil
}

// auditLoops are the log's part of what a working node does again and again.
func (a *App) auditLoops() []job.Loop {
	return []job.Loop{
		{Name: "audit seal", Every: sealEvery, Log: a.Log, Work: a.Sealer.Round},
		{Name: "audit anchor", Every: anchorEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) { return false, a.Sealer.Anchor(ctx) }},
		{Name: "audit lag", Every: lagEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			_, err := a.Sealer.Lag(ctx)
			return false, err
		}},
	}
}
