// Package inbox keeps messages instead of sending them, so that a developer can read them: the port notify.Sender on a
// table of PostgreSQL.
//
// It stores codes and links in clear and is for development only; nothing outside of `holdfast dev` may open it. Its table
// lives in a schema of its own, dev, which the migrations do not know, so that no production database ever has it.
package inbox

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast/holdfast/internal/notify"
)

const (
	// Keep is how many messages the inbox holds; older ones go.
	Keep = 5000

	defaultLimit = 100
	maxLimit     = 1000

	setUpLock = 0x696e626f785f6465 // the advisory lock "inbox_de"; "create if not exists" alone is not safe against itself
)

const schema = `
create schema if not exists dev;
create table if not exists dev.inbox_message (
	id          bigint generated always as identity primary key,
	message_id  text        not null,
	at          timestamptz not null,
	channel     text        not null,
	address     text        not null,
	kind        text        not null,
	tenant      text        not null,
	subject     text        not null,
	body        text        not null,
	html        text        not null,
	code        text        not null,
	links       text[]      not null
);
create index if not exists inbox_message_address on dev.inbox_message (lower(address), id);`

// Entry is one message as the inbox shows it: design.md, section 10.
type Entry struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"` // when it happened, in UTC
	Channel string    `json:"channel"`
	To      string    `json:"to"`
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"` // empty for text messages
	Text    string    `json:"text"`
	Code    string    `json:"code,omitempty"`
	Links   []string  `json:"links"` // never null
	HTML    string    `json:"-"`     // for the page
	Tenant  string    `json:"-"`     // for the page
}

// Inbox stores and lists messages. It is safe for concurrent use, by any number of processes.
type Inbox struct {
	pool *pgxpool.Pool
}

// Open creates what the inbox needs, if it is not there, and gives the inbox. The pool stays the caller's.
func Open(ctx context.Context, pool *pgxpool.Pool) (*Inbox, error) {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, int64(setUpLock)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the development inbox: %w", err)
	}
	return &Inbox{pool: pool}, nil
}

// Send stores m and drops the oldest messages over Keep. A message that is sent again is stored again: the inbox shows what an
// owner would have got. The receipt names the entry. It fails only when the database does, and then with *notify.Deferred.
func (b *Inbox) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	links := m.Links
	if links == nil {
		links = []string{}
	}
	const insert = `
		insert into dev.inbox_message (message_id, at, channel, address, kind, tenant, subject, body, html, code, links)
		values ($1, coalesce($2, now()), $3, $4, $5, $6, $7, $8, $9, $10, $11)
		returning id`
	var at *time.Time
	if !m.At.IsZero() {
		at = &m.At
	}
	batch := &pgx.Batch{}
	var id int64
	batch.Queue(insert, m.ID, at, string(m.Channel), m.To.Reveal(), string(m.Kind), m.Tenant, m.Subject, m.Text, m.HTML, m.Code.Reveal(), links).
		QueryRow(func(row pgx.Row) error { return row.Scan(&id) })
	batch.Queue(`delete from dev.inbox_message where id <= (select max(id) from dev.inbox_message) - $1::bigint`, Keep)
	if err := b.pool.SendBatch(ctx, batch).Close(); err != nil {
		return notify.Receipt{}, &notify.Deferred{Reason: notify.ReasonUnreachable} // the database's error could quote the row
	}
	return notify.Receipt{ProviderRef: entryID(id)}, nil
}

// List gives the newest messages to an address, newest first; an empty address means all. The case of letters does not
// count. A limit below 1 means 100, and more than 1,000 means 1,000.
func (b *Inbox) List(ctx context.Context, to string, limit int) ([]Entry, error) {
	if limit < 1 {
		limit = defaultLimit
	}
	const query = `
		select id, at, channel, address, kind, subject, body, code, links, html, tenant
		  from dev.inbox_message
		 where $1 = '' or lower(address) = lower($1)
		 order by id desc
		 limit $2`
	rows, err := b.pool.Query(ctx, query, to, min(limit, maxLimit))
	if err != nil {
		return nil, fmt.Errorf("list the development inbox: %w", err)
	}
	entries, err := pgx.AppendRows(make([]Entry, 0, defaultLimit), rows, scan)
	if err != nil {
		return nil, fmt.Errorf("list the development inbox: %w", err)
	}
	return entries, nil
}

func scan(row pgx.CollectableRow) (Entry, error) {
	var (
		e  Entry
		id int64
	)
	err := row.Scan(&id, &e.At, &e.Channel, &e.To, &e.Kind, &e.Subject, &e.Text, &e.Code, &e.Links, &e.HTML, &e.Tenant)
	e.ID, e.At = entryID(id), e.At.UTC()
	return e, err
}

func entryID(id int64) string { return "inb_" + strconv.FormatInt(id, 10) }
