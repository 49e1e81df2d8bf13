// Package serve runs what the protocol packages build: it gives their handlers
// listeners, limits and a graceful end, and gives operators an admin listener
// with health, readiness and metrics.
//
// It refuses requests that are sent too slowly, headers and bodies that are
// too large, more connections than a server was given, and clients without a
// certificate where one is asked for. It knows no protocol.
//
// The life of a request:
//
//	accepted when one of the server's connections is free     limit.go
//	handshake and header within ReadHeaderTimeout             server.go, tls.go
//	named by X-Request-Id, in its context and its answer      handler.go
//	body cut at MaxBody, panics answered with 500             handler.go
//	handled by the protocol package
//	counted and timed by the reason that the package gives    metrics.go
//	logged at debug level without query, body or peer         handler.go
//	finished before the process ends, within Grace            run.go
package serve
