package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/signal"
)

// emitSignals writes what an event means to each of the tenant's endpoints that listens, and the jobs that send it. It is
// one statement of the event's own transaction, queued like all others: no round trip, and for a tenant without endpoints
// no row. A decoy has no account, and an event about none tells nobody anything. What a paused endpoint waits for is not
// looked at until it is resumed.
const emitSignals = `
with told as (
    insert into signal_delivery (tenant_id, id, endpoint_id, event_id, nth, type, event_uri, claims, agreed, follows, txn, account_id, recovery_id, at, next_at, wake_at)
    select e.tenant_id, $2::text || lpad((row_number() over (order by s.nth, e.id))::text, 3, '0'), e.id, $3::text, s.nth, s.type, s.uri, s.claims::jsonb, s.agreed,
           s.follows, $4::text, a.id, nullif($6::text, ''), $7::timestamptz, $7, case when e.state = 'paused' then 'infinity' else $7 + interval '60 seconds' end
      from (select coalesce(nullif($5::text, ''), (select r.account_id from recovery r where r.tenant_id = $1::text and r.id = $6)) as id) a
     cross join unnest($8::text[], $9::smallint[], $10::text[], $11::text[], $12::text[], $13::boolean[], $14::boolean[]) as s (kind, nth, type, uri, claims, agreed, follows)
      join webhook_endpoint e on e.tenant_id = $1 and e.kind = s.kind and e.state in ('active', 'paused')
     where a.id is not null and (cardinality(e.events) = 0 or s.type = any (e.events)) and (not s.agreed or e.saved_code_type <> '')
    returning tenant_id, id, endpoint_id, follows
)
insert into river.river_job (kind, args, queue, priority, max_attempts, state)
select '` + string(outbox.DeliverSignal) + `', jsonb_build_object('tenant', t.tenant_id, 'id', t.id), '` + outbox.SignalQueue + `', 2, ` + signalAttempts + `, 'available'
  from told t join webhook_endpoint e on e.tenant_id = t.tenant_id and e.id = t.endpoint_id
 where e.state = 'active' and not t.follows`

// signalAttempts is how often River works one such job when the database fails it; attempts to send are the row's own.
const signalAttempts = "3"

// tellings is the rows of emitSignals, column by column.
type tellings struct {
	kinds, types, uris, claims []string
	nth                        []int16
	agreed, follows            []bool
}

func (t *tellings) add(kind signal.Kind, s signal.Signal, uri signal.EventURI, claims map[string]any, agreed bool) error {
	text, err := json.Marshal(claims)
	if err != nil {
		return fmt.Errorf("encode signal: %w", err)
	}
	t.kinds, t.types, t.uris, t.claims = append(t.kinds, string(kind)), append(t.types, string(s.Type)), append(t.uris, string(uri)), append(t.claims, string(text))
	t.nth, t.agreed, t.follows = append(t.nth, int16(len(t.nth))), append(t.agreed, agreed), append(t.follows, s.After) //nolint:gosec // a handful.
	return nil
}

// emit queues what the event means to others: nothing at all for most events, a start among them.
func (p *pipeline) emit(ctx context.Context, e audit.Event) error {
	var rows tellings
	for _, s := range signal.Of(e) {
		if s.Data != nil {
			if err := rows.add(signal.Webhook, s, "", s.Data, false); err != nil {
				return err
			}
		}
		for _, set := range s.Sets {
			if err := rows.add(signal.SET, s, set.Event, set.Claims, set.Agreed); err != nil {
				return err
			}
		}
	}
	if len(rows.kinds) == 0 {
		return nil
	}
	if p.cause == "" {
		p.cause = e.ID
	}
	account := ""
	if strings.HasPrefix(e.Subject, "acc_") {
		account = e.Subject
	}
	_, err := p.Exec(ctx, emitSignals, e.Tenant, deliveryID(e.ID), e.ID, p.cause, account, e.Recovery, e.At,
		rows.kinds, rows.nth, rows.types, rows.uris, rows.claims, rows.agreed, rows.follows)
	return err
}

// deliveryID is what the ids of an event's deliveries begin with; a number of three digits follows. So they sort by the
// event, need no chance of their own, and the same event has the same ones.
func deliveryID(event string) string { return "dlv_" + strings.TrimPrefix(event, "evt_") }
