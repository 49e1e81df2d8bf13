package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/config"
)

// overHTTP starts the authority in a process of its own and asks it.
func (b *tokenBench) overHTTP(ctx context.Context, verify int, name string, clients []int, cpu int) error {
	file, err := b.configure(verify)
	if err != nil {
		return err
	}
	var c suiteConfig
	if err := config.Load(file, &c); err != nil {
		return err
	}
	server, err := startBenchServer(ctx, "tsa", file, &c, cpu)
	if err != nil {
		return err
	}
	defer server.stop()
	b.report.heading("over HTTP, journal on, "+name, "of raw")
	// Other work on the machine comes and goes, so the limit is taken anew.
	if err := b.raw(ctx); err != nil {
		return err
	}
	for _, n := range clients {
		l := &epollLoad{
			address: string(c.TSA.Listen), conns: n, cpu: func() time.Duration { return cpuOf(server.process.Process.Pid) },
			request: b.posted, check: b.answered, awake: time.Millisecond,
		}
		// The first token begins the day's file.
		if _, err := l.runTo(4*n, time.Minute); err != nil {
			return err
		}
		m, err := least(func() (measured, error) { return l.run(b.length / rounds) })
		if err != nil {
			return err
		}
		b.report.line(fmt.Sprintf("%d clients", n), m)
	}
	return nil
}

// posted is the query of this number as it goes over the wire.
func (b *tokenBench) posted(n int) []byte {
	return fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/timestamp-query\r\nContent-Length: %d\r\n\r\n%s", len(b.query), b.ask(n))
}

// answered checks the answer to the query of this number.
func (b *tokenBench) answered(n int, head, content []byte) error {
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %.60q", head)
	}
	return b.check(content, n, 64)
}
