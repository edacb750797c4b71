package postgres

import "context"

// MakeAuditMonths makes the partitions of audit events of the months to come, and says how many it made. Any number of nodes may call it at
// once. Events of a month that has none lie in the default partition: nothing fails for want of one.
func (db *DB) MakeAuditMonths(ctx context.Context, ahead int32) (int32, error) {
	n, err := db.q.MakeAuditMonths(ctx, db.pool, ahead)
	return n, translate(err, "make months of the audit log")
}

// StrayAuditEvents reports whether audit events lie outside of all months: for a while nobody made any.
func (db *DB) StrayAuditEvents(ctx context.Context) (bool, error) {
	stray, err := db.q.StrayAuditEvents(ctx, db.pool)
	return stray, translate(err, "look for audit events outside of all months")
}
