package smtp

import (
	"context"
	"net"
	"sync"

	gomail "github.com/wneessen/go-mail"
)

// wire is the one connection of one message. The library leaves a connection open when the greeting, TLS or the sign-in
// fails, and waits for a silent server with no regard to the context; closing the wire ends both.
type wire struct {
	dial gomail.DialContextFunc

	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

// open dials. A wire that was closed meanwhile stays closed.
func (w *wire) open(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := w.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	w.conn = conn
	return conn, nil
}

// opened reports whether the server was reached.
func (w *wire) opened() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn != nil
}

// close may be called at any time and more than once.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.conn != nil {
		_ = w.conn.Close() // every byte that matters was confirmed by the server, or the outcome is reported as unknown
	}
}
