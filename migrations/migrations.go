// Package migrations embeds the numbered, forward-only SQL that builds Holdfast's schema. A merged file is frozen:
// `make migrate-check` compares checksums.
package migrations

import "embed"

// FS holds the migrations in goose's format.
//
//go:embed *.sql
var FS embed.FS
