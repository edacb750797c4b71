package account

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/outbox"
)

// The kinds of notices, as the templates know them (a test compares).
const (
	noticeCodesIssued    = "codes_issued"
	noticeFactorAdded    = "factor_added"
	noticeFactorRemoved  = "factor_removed"
	noticeChannelAdded   = "channel_added"
	noticeChannelRemoved = "channel_removed" // the removed address is told as well
	noticeErasureQueued  = "erasure_queued"
)

const (
	// removedHearFor is how long a removed address is told what happens to the account.
	removedHearFor = 7 * 24 * time.Hour
	// maxRemovedTold bounds the removed addresses that are told. The longest on file go first: swapping addresses to and fro
	// cannot push the owner's out.
	maxRemovedTold = 20
)

// notices makes one notice for every address that is on file or was within the last week.
func (s *Service) notices(tenant string, a Stored, kind string, now time.Time) []outbox.Notice {
	told := a.active()
	var removed []StoredChannel
	for _, c := range a.Channels {
		if !c.RemovedAt.IsZero() && now.Sub(c.RemovedAt) < removedHearFor {
			removed = append(removed, c)
		}
	}
	slices.SortStableFunc(removed, func(x, y StoredChannel) int { return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.ID, y.ID)) })
	told = append(told, removed[:min(len(removed), maxRemovedTold)]...)
	out := make([]outbox.Notice, 0, len(told))
	for _, c := range told {
		out = append(out, outbox.Notice{ID: s.newID("ntc", now), Tenant: tenant, Account: a.ID, Kind: kind, Channel: c.ID, CreatedAt: now})
	}
	return out
}
