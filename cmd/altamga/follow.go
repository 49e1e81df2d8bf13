package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/serve"
)

// openAudit opens the audit log of a configuration; dir is where its key URI
// counts from.
func openAudit(c *auditConfig, dir string) (*audit.Log, error) {
	signer, err := auditSigner(c, dir)
	if err != nil {
		return nil, err
	}
	return audit.Open(audit.Config{
		Path: string(c.Path), Key: signer, Entries: c.CheckpointEntries, Interval: c.CheckpointInterval, Request: via,
	})
}

// auditSigner opens the key of an audit log.
func auditSigner(c *auditConfig, dir string) (*audit.Signer, error) {
	key, err := keys.Open(c.Key, dir)
	if err != nil {
		return nil, fmt.Errorf("opening key of audit log: %w", err)
	}
	signer, err := audit.NewSigner(c.Origin, key)
	if err != nil {
		return nil, fmt.Errorf("configuring audit log: %w", err)
	}
	return signer, nil
}

type addressKey struct{}

// fromWhere lets the audit log say where a request came from when it is one of
// staff or of another server, who prove who they are. The address of a citizen
// is personal data, and the log cannot forget; the server's log, which can,
// has it under the request's name.
func fromWhere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 || r.Header.Get("Authorization") != "" {
			if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
				r = r.WithContext(context.WithValue(r.Context(), addressKey{}, host))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// via is what the audit log says of the request that an action belongs to.
func via(ctx context.Context) []slog.Attr {
	var attrs []slog.Attr
	if id := serve.RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request", id))
	}
	if address, ok := ctx.Value(addressKey{}).(string); ok {
		attrs = append(attrs, slog.String("address", address))
	}
	return attrs
}

// follow has the journal's hashes written into the audit log as long as the
// process runs. The process that writes the journal does that, so that there is
// one such log.
func (p *process) follow() {
	p.follower = &audit.Follower{Log: p.audit, Journal: &readAhead{Register: p.register}, Logger: p.log}
	p.loops = append(p.loops, serve.Loop{Name: "audit of the journal", Run: p.follower.Run})
	p.admin.Add("ca", p.follower.Ready)
}

// followLast writes what the last requests left in the journal. What cannot be
// written now is at the next start.
func (p *process) followLast(ctx context.Context) {
	if p.follower == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := p.follower.CatchUp(ctx); err != nil {
		p.log.LogAttrs(ctx, slog.LevelWarn, "the audit log lacks the journal's end until the next start", slog.Any("error", err))
	}
}
