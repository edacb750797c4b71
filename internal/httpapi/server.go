package httpapi

import (
	"log/slog"
	"net/http"
	"time"
)

// What no installation needs to change.
const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// NewHTTPServer makes the server that listens on addr, with every time limit set: read bounds the whole request, write the
// answer. An import moves both on while it flows.
func NewHTTPServer(addr string, handler http.Handler, logger *slog.Logger, read, write time.Duration) *http.Server {
	return &http.Server{
		Addr: addr, Handler: handler, ReadHeaderTimeout: min(headerTimeout, read), ReadTimeout: read, WriteTimeout: write,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // broken connections are the callers' affair
	}
}
