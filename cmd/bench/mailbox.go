package main

import (
	"context"
	"sync"

	"github.com/holdfast/holdfast/internal/notify"
)

// mailbox is a provider that accepts everything at once. Codes reach whoever waits at their address; the rest is forgotten.
type mailbox struct {
	mu      sync.Mutex
	waiting map[string]chan string
}

func newMailbox() *mailbox { return &mailbox{waiting: map[string]chan string{}} }

// Send implements notify.Sender.
func (b *mailbox) Send(_ context.Context, m notify.Message) (notify.Receipt, error) {
	if m.Kind == notify.RecoveryCode {
		b.mu.Lock()
		ch := b.waiting[m.To.Reveal()]
		b.mu.Unlock()
		select {
		case ch <- m.Code.Reveal():
		default:
		}
	}
	return notify.Receipt{ProviderRef: m.ID}, nil
}

// expect is called before a code is asked for. The code comes through the channel; done forgets the address.
func (b *mailbox) expect(address string) (code <-chan string, done func()) {
	ch := make(chan string, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[address] = ch
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiting, address)
	}
}
