package inbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/notify/inbox"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/secret"
)

// empty is a database without a schema: the inbox brings its own.
func empty(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return pgtest.NewWith(t, func(context.Context, string) error { return nil }, "empty")
}

func open(t *testing.T) (*inbox.Inbox, *pgxpool.Pool) {
	t.Helper()
	pool := empty(t)
	b, err := inbox.Open(t.Context(), pool)
	require.NoError(t, err)
	return b, pool
}

func message(n int, to string) notify.Message {
	return notify.Message{
		ID: fmt.Sprintf("msg_%d", n), Channel: factor.Email, To: secret.NewString(to), Kind: notify.RecoveryCode, Tenant: "shop",
		Subject: "Code", Text: fmt.Sprintf("text %d", n), HTML: "<p>text</p>", Code: secret.NewString("40718253"),
		At: time.Date(2026, time.March, 3, 3, 4, 5, 6000, time.FixedZone("", 3600)),
	}
}

func TestInbox_ShowsWhatAnOwnerWouldHaveGot(t *testing.T) {
	t.Parallel()
	b, _ := open(t)
	m := message(1, "Owner@example.test")
	notice := message(2, "+15550100123")
	notice.Channel, notice.Kind, notice.Subject, notice.HTML = factor.SMS, notify.HoldEntered, "", ""
	notice.Code, notice.Links = secret.String{}, []string{"https://example.com/objection#t"}

	receipt, err := b.Send(t.Context(), m)
	require.NoError(t, err)
	_, err = b.Send(t.Context(), notice)
	require.NoError(t, err)

	got, err := b.List(t.Context(), "owner@EXAMPLE.test", 10)
	require.NoError(t, err)
	require.Equal(t, []inbox.Entry{{
		ID: receipt.ProviderRef, At: m.At.UTC(), Channel: "email", To: "Owner@example.test", Kind: "recovery_code", Subject: "Code",
		Text: "text 1", Code: "40718253", Links: []string{}, HTML: "<p>text</p>", Tenant: "shop",
	}}, got)

	all, err := b.List(t.Context(), "", 0)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "+15550100123", all[0].To, "newest first")

	none, err := b.List(t.Context(), "nobody@example.test", 10)
	require.NoError(t, err)
	require.NotNil(t, none)
	require.Empty(t, none)
}

// The shape is a promise to scripts: design.md, section 10.
func TestEntry_HasThePromisedShape(t *testing.T) {
	t.Parallel()
	b, _ := open(t)
	_, err := b.Send(t.Context(), message(1, "owner@example.test"))
	require.NoError(t, err)
	notice := message(2, "owner@example.test")
	notice.Code, notice.Links = secret.String{}, []string{"https://example.com/objection#t"}
	_, err = b.Send(t.Context(), notice)
	require.NoError(t, err)

	entries, err := b.List(t.Context(), "owner@example.test", 10)
	require.NoError(t, err)
	encoded, err := json.Marshal(entries)

	require.NoError(t, err)
	require.JSONEq(t, `[
		{"id":"inb_2","at":"2026-03-03T02:04:05.000006Z","channel":"email","to":"owner@example.test","kind":"recovery_code","subject":"Code",
		 "text":"text 2","links":["https://example.com/objection#t"]},
		{"id":"inb_1","at":"2026-03-03T02:04:05.000006Z","channel":"email","to":"owner@example.test","kind":"recovery_code","subject":"Code",
		 "text":"text 1","code":"40718253","links":[]}]`, string(encoded))
}

// A message that is sent again is shown again, since an owner would have got it again.
func TestInbox_KeepsRepeats(t *testing.T) {
	t.Parallel()
	b, _ := open(t)
	for range 2 {
		_, err := b.Send(t.Context(), message(1, "owner@example.test"))
		require.NoError(t, err)
	}

	got, err := b.List(t.Context(), "owner@example.test", 10)

	require.NoError(t, err)
	require.Len(t, got, 2)
	require.NotEqual(t, got[0].ID, got[1].ID)
}

func TestInbox_HoldsABoundedNumber(t *testing.T) {
	t.Parallel()
	b, pool := open(t)
	_, err := pool.Exec(t.Context(), `
		insert into dev.inbox_message (message_id, at, channel, address, kind, tenant, subject, body, html, code, links)
		select 'm', now(), 'sms', 'x', 'k', 't', '', n::text, '', '', '{}' from generate_series(1, $1) n`, inbox.Keep+50)
	require.NoError(t, err)

	_, err = b.Send(t.Context(), message(1, "owner@example.test"))

	require.NoError(t, err)
	var n, oldest int
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*), min(id) from dev.inbox_message`).Scan(&n, &oldest))
	require.Equal(t, inbox.Keep, n)
	require.Equal(t, 52, oldest)
	got, err := b.List(t.Context(), "", 1)
	require.NoError(t, err)
	require.Equal(t, "text 1", got[0].Text)
	many, err := b.List(t.Context(), "", 1<<30)
	require.NoError(t, err)
	require.Len(t, many, 1000)
}

// Several processes of a development set-up may start and send at once.
func TestInbox_OpensAndStoresConcurrently(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	errs := make([]error, 16)
	var running sync.WaitGroup
	for i := range errs {
		running.Go(func() {
			b, err := inbox.Open(t.Context(), pool)
			if err == nil {
				_, err = b.Send(t.Context(), message(i, "owner@example.test"))
			}
			errs[i] = err
		})
	}
	running.Wait()

	for _, err := range errs {
		require.NoError(t, err)
	}
	b, err := inbox.Open(t.Context(), pool)
	require.NoError(t, err)
	got, err := b.List(t.Context(), "owner@example.test", 100)
	require.NoError(t, err)
	require.Len(t, got, len(errs))
}

// not even the development inbox repeats a message in an error.
func TestInbox_DefersWhenTheDatabaseIsGone(t *testing.T) {
	t.Parallel()
	b, pool := open(t)
	pool.Close()

	_, err := b.Send(t.Context(), message(1, "owner@example.test"))
	require.Equal(t, &notify.Deferred{Reason: notify.ReasonUnreachable}, err)

	_, err = b.List(t.Context(), "owner@example.test", 1)
	require.Error(t, err)
	_, err = inbox.Open(t.Context(), pool)
	require.Error(t, err)
}
