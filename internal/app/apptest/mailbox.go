package apptest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/notify"
)

// Mailbox is everybody's mailbox and telephone: a notify.Sender that keeps what it accepts. It is safe for concurrent use.
type Mailbox struct {
	mu       sync.Mutex
	messages []notify.Message
	changed  chan struct{} // closed and replaced with every message
	before   func(context.Context, notify.Message) error
}

// NewMailbox makes a Mailbox that accepts everything.
func NewMailbox() *Mailbox { return &Mailbox{changed: make(chan struct{})} }

// Before has f asked before a message is accepted; its error is the provider's. It may block. Nil ends that.
func (b *Mailbox) Before(f func(context.Context, notify.Message) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

// Send implements notify.Sender.
func (b *Mailbox) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	b.mu.Lock()
	before := b.before
	b.mu.Unlock()
	if before != nil {
		if err := before(ctx, m); err != nil {
			return notify.Receipt{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, m)
	close(b.changed)
	b.changed = make(chan struct{})
	return notify.Receipt{ProviderRef: m.ID}, nil
}

// All lists what was accepted, oldest first.
func (b *Mailbox) All() []notify.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.messages)
}

// To lists the messages of one kind to an address, oldest first; every kind for the empty one.
func (b *Mailbox) To(address string, kind notify.Kind) []notify.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []notify.Message
	for _, m := range b.messages {
		if m.To.Reveal() == address && (kind == "" || m.Kind == kind) {
			out = append(out, m)
		}
	}
	return out
}

// Await waits for the nth message (from 1) of a kind to an address.
func (b *Mailbox) Await(t testing.TB, address string, kind notify.Kind, nth int) notify.Message {
	t.Helper()
	return b.await(t, nth, func(m notify.Message) bool { return m.To.Reveal() == address && m.Kind == kind })
}

// Code waits for the code of a challenge's nth send (from 1).
func (b *Mailbox) Code(t testing.TB, challenge string, nth int) string {
	t.Helper()
	begin := fmt.Sprintf("%s.%d.", challenge, nth)
	return b.await(t, 1, func(m notify.Message) bool { return strings.HasPrefix(m.ID, begin) }).Code.Reveal()
}

func (b *Mailbox) await(t testing.TB, nth int, match func(notify.Message) bool) notify.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	for {
		b.mu.Lock()
		messages, changed := b.messages, b.changed
		b.mu.Unlock()
		found := 0
		for _, m := range messages {
			if match(m) {
				found++
			}
			if found == nth {
				return m
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			require.FailNow(t, "a message does not come", "number %d of those asked for, of %d messages", nth, len(messages))
		}
	}
}

// Link waits for the nth notice of a kind to an address, and gives the token in the fragment of its link.
func (b *Mailbox) Link(t testing.TB, address string, kind notify.Kind, nth int) string {
	t.Helper()
	m := b.Await(t, address, kind, nth)
	require.Len(t, m.Links, 1)
	token, ok := strings.CutPrefix(m.Links[0], Public+"/objection#")
	require.True(t, ok, "the link begins with the configured address")
	return token
}
