package abuse

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/fault"
)

// MaxFunnelDays bounds how far back a funnel goes: a recovery lives thirty days.
const MaxFunnelDays = 31

// FunnelRow is what became of a tenant's recoveries of one day, tier and method. A row counts recoveries of accounts by the day
// of their start, by their tier now and by the method of their first proof; unknown names are no part of it.
type FunnelRow struct {
	Day       time.Time
	Tier      string
	Method    string // "none" where nothing was proven
	Started   int64
	Proven    int64
	Held      int64
	Objected  int64
	Completed int64
	Abandoned int64 // expired or cancelled before completion

	// Times from the start, half of the recoveries and nineteen in twenty; 0 where there is none.
	ProvenHalf, ProvenMost       time.Duration
	CompletedHalf, CompletedMost time.Duration
}

// FunnelStore sums recoveries. A database that takes longer than ctx is fault.CodeTimeout.
type FunnelStore interface {
	// Funnel gives the rows of the last days, newest first.
	Funnel(ctx context.Context, tenant string, days int) ([]FunnelRow, error)
}

// Funnel shows what recoveries became, so that the price of a control in abandoned ones is visible.
type Funnel struct{ Store FunnelStore }

// Rows gives a tenant's funnel of the last days, 7 when 0.
//
// Faults: CodeInvalidRequest, CodeTimeout.
func (f *Funnel) Rows(ctx context.Context, tenant string, days int) ([]FunnelRow, error) {
	if days == 0 {
		days = 7
	}
	if tenant == "" || days < 1 || days > MaxFunnelDays {
		return nil, fault.Of(fault.CodeInvalidRequest)
	}
	rows, err := f.Store.Funnel(ctx, tenant, days)
	return rows, fault.Wrap(err, "read funnel")
}
