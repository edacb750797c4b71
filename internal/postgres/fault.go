package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/holdfast/holdfast/internal/fault"
)

// errReplay says that a request with the same Idempotency-Key committed first: look again and replay it.
var errReplay = errors.New("idempotency key was written meanwhile")

// translate makes a fault of a database error. What PostgreSQL says of rows (its detail) is dropped: it holds data.
func translate(err error, op string) error {
	if err == nil {
		return nil
	}
	var f *fault.Fault
	if errors.As(err, &f) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		switch {
		case errors.Is(err, errReplay):
			return err
		case errors.Is(err, pgx.ErrNoRows):
			return fault.Of(fault.CodeNotFound).Because(fmt.Errorf("%s: no rows", op))
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			return fault.Of(fault.CodeTimeout).Because(fmt.Errorf("%s: %w", op, err))
		case isConnection(err):
			return unavailable(err, op)
		default:
			return fault.Of(fault.CodeInternal).Because(fmt.Errorf("%s: %w", op, err))
		}
	}
	cause := fmt.Errorf("%s: SQLSTATE %s, constraint %q: %s", op, pg.Code, pg.ConstraintName, pg.Message)
	switch {
	case pg.Code == "23505" && pg.ConstraintName == "idempotency_pkey":
		return errReplay
	case pg.Code == "23505" && pg.ConstraintName == "audit_event_version",
		pg.Code == "23514" && (pg.ConstraintName == "audit_event_has_recovery" || pg.ConstraintName == "used_once"),
		pg.Code == "40001", pg.Code == "40P01", pg.Code == "55P03":
		return fault.Of(fault.CodeConflict).Because(cause)
	case pg.Code == "23514" && pg.ConstraintName == "audit_reading":
		return fault.Of(fault.CodeNotFound).Because(cause)
	case pg.Code == "23505" && pg.ConstraintName == "identifier_pkey":
		return fault.Of(fault.CodeIdentifierTaken).Because(cause)
	case pg.Code == "23505" && (pg.ConstraintName == "support_artefact_reference" || pg.ConstraintName == "support_artefact_hash"):
		return fault.Of(fault.CodeArtefactUsed).Because(cause)
	case pg.Code == "23505" && pg.ConstraintName == "support_case_open":
		return fault.Of(fault.CodeConflict).Because(cause)
	case strings.HasPrefix(pg.Code, "08"), strings.HasPrefix(pg.Code, "57P"), pg.Code == "53300":
		return fault.Of(fault.CodeUnavailable).Because(cause)
	case pg.Code == "57014":
		return fault.Of(fault.CodeTimeout).Because(cause)
	default:
		return fault.Of(fault.CodeInternal).Because(cause)
	}
}

func unavailable(err error, op string) error {
	if errors.Is(err, context.Canceled) {
		return fault.Of(fault.CodeTimeout).Because(fmt.Errorf("%s: %w", op, err))
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		// Its text holds the host and the user; the cause below it is enough.
		return fault.Of(fault.CodeUnavailable).Because(fmt.Errorf("%s: cannot connect: %w", op, ce.Unwrap()))
	}
	return fault.Of(fault.CodeUnavailable).Because(fmt.Errorf("%s: %w", op, err))
}

// isConnection reports whether the connection, not the statement, failed.
func isConnection(err error) bool {
	var ce *pgconn.ConnectError
	return errors.As(err, &ce) || pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed") ||
		strings.Contains(err.Error(), "unexpected EOF") || strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "broken pipe")
}
