package serve

import (
	"log/slog"
	"net"
	"net/http"
)

// Handler returns s's handler with all that is wrapped around it.
func Handler(s *Server) http.Handler {
	s.setDefaults()
	return s.handler(slog.New(slog.DiscardHandler), nil)
}

// NewLimitListener opens newLimitListener.
func NewLimitListener(l net.Listener, n int) net.Listener { return newLimitListener(l, n) }
