package postgres

import "context"

// Finding is a live alert that decisions heed.
type Finding struct{ Tenant, Detector, Key string }

// LiveFindings lists the live alerts about guessing and probing, acknowledged ones too, the latest 1000 at most.
func (db *DB) LiveFindings(ctx context.Context) ([]Finding, error) {
	rows, err := db.q.LiveFindings(ctx, db.pool)
	if err != nil {
		return nil, translate(err, "live findings")
	}
	out := make([]Finding, 0, len(rows))
	for _, r := range rows {
		out = append(out, Finding{Tenant: r.TenantID, Detector: r.Detector, Key: r.Key})
	}
	return out, nil
}
