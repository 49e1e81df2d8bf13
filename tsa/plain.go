package tsa

import (
	"context"
	"strconv"
	"time"

	"github.com/altamga/altamga/internal/http1"
)

// Plain answers the plain queries of a server as ServeHTTP would, at less cost:
// those by POST, without credentials, of everybody where everybody may ask as
// often as he likes. What else there is, ServeHTTP answers.
func (a *Authority) Plain() http1.Handler {
	for _, c := range a.clients {
		if c.open() && c.Rate == 0 && c.Daily == 0 {
			return plain{a, c}
		}
	}
	return plain{a, nil}
}

type plain struct {
	*Authority
	// client is whom plain queries come from; nil when there is no such client,
	// or its quota is to be looked at.
	client *client
}

// longestAnswer is how long an answer may take: it ends when the disk or the key
// does not come back.
const longestAnswer = 15 * time.Second

// Ready has no answer: none lies ready before it was asked for.
func (plain) Ready(out []byte, _ *http1.Request, _ time.Time) ([]byte, bool) { return out, false }

// Make answers a query. The requests that never come to be one are net/http's.
func (p plain) Make(ctx context.Context, out []byte, r *http1.Request) ([]byte, bool) {
	// The first comparison makes no string.
	query := string(r.ContentType) == mediaQuery || isQuery(string(r.ContentType))
	if p.client == nil || r.Method != http1.Post || !query || len(r.Body) > MaxRequest {
		return out, false
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, longestAnswer)
	defer cancel()
	answer, reason := p.answer(ctx, p.client, r.Body)
	now := time.Now()
	out = appendReply(out, answer, now, r.Close)
	if p.config.Observe != nil {
		p.config.Observe(reason, now.Sub(began))
	}
	return out, true
}

// appendReply appends what [writeReply] makes net/http send.
func appendReply(out, answer []byte, now time.Time, last bool) []byte {
	out = append(out, "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(answer)), 10)
	out = append(out, "\r\nContent-Type: "+mediaReply+"\r\nX-Content-Type-Options: nosniff\r\nDate: "...)
	out = http1.AppendDate(out, now.Unix())
	if last {
		out = append(out, "\r\nConnection: close"...)
	}
	out = append(out, "\r\n\r\n"...)
	return append(out, answer...)
}
