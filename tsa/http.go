package tsa

import (
	"context"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// The media types of RFC 3161, Section 3.4. Its last sentence says
// "timestamp-response" for the second one, which nobody has ever sent: the
// definition before it and every client say reply.
const (
	mediaQuery = "application/timestamp-query"
	mediaReply = "application/timestamp-reply"
)

// ServeHTTP answers a time-stamp query over HTTP (RFC 3161, Section 3.4). It
// looks at no path, so that it can be mounted anywhere.
//
// A refusal is a TimeStampResp like a token and goes out as 200. Other status
// codes are for what is no query at all: 405 for another method than POST, 415
// for another media type, 413 for more than [MaxRequest] octets, and 400 for a
// body that ends early; 401 for one who is no client, and 429 for a client that
// has had its share.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	reason := a.serve(w, r)
	if a.config.Observe != nil {
		a.config.Observe(reason, time.Since(start))
	}
}

// serve answers and says the outcome in a word.
func (a *Authority) serve(w http.ResponseWriter, r *http.Request) string {
	h := w.Header()
	// A token is for the one who asked: no cache may give it to another.
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodPost {
		h.Set("Allow", http.MethodPost)
		http.Error(w, "time-stamp queries are sent by POST", http.StatusMethodNotAllowed)
		return "method"
	}
	if !isQuery(r.Header.Get("Content-Type")) || r.Header.Get("Content-Encoding") != "" {
		h.Set("Accept", mediaQuery) // RFC 9110, Section 15.5.16
		http.Error(w, "the body must be "+mediaQuery+" without content coding", http.StatusUnsupportedMediaType)
		return "media_type"
	}
	client, refused := a.admit(w, r)
	if refused != "" {
		return refused
	}
	query, err := readBody(w, r)
	if err != nil {
		status, reason := http.StatusBadRequest, "unreadable"
		refused := reject(BadDataFormat, "the query ended early")
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status, reason = http.StatusRequestEntityTooLarge, "too_large"
			refused = reject(BadDataFormat, "the query is longer than %d octets", MaxRequest)
		}
		client.refused.Add(1)
		writeReply(w, status, refused.Marshal())
		return reason
	}
	answer, reason := a.answer(r.Context(), client, query)
	writeReply(w, http.StatusOK, answer)
	return reason
}

// answer is respond that counts for whom it was.
func (a *Authority) answer(ctx context.Context, c *client, query []byte) (answer []byte, reason string) {
	answer, reason = a.respond(ctx, query)
	if reason == "granted" {
		c.granted.Add(1)
	} else {
		c.refused.Add(1)
	}
	return answer, reason
}

// admit finds out who asks and counts it. When it answers the request itself, it
// says how in a word.
//
// RFC 3161, Section 2.4.2: badRequest is "transaction not permitted or
// supported".
func (a *Authority) admit(w http.ResponseWriter, r *http.Request) (c *client, refused string) {
	if c = a.identify(r); c == nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="time stamps", charset="UTF-8"`)
		writeReply(w, http.StatusUnauthorized, reject(BadRequest, "the client is not known").Marshal())
		return nil, "unauthorized"
	}
	if wait, ok := c.take(time.Now()); !ok {
		c.refused.Add(1)
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		writeReply(w, http.StatusTooManyRequests, reject(BadRequest, "the client's quota is used up").Marshal())
		return nil, "quota"
	}
	return c, ""
}

// readBody reads the query. One whose length is told is read into as much, or not
// at all: a client that asks whether to send it must not be told to go on.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxRequest {
		return nil, &http.MaxBytesError{Limit: MaxRequest}
	}
	body := http.MaxBytesReader(w, r.Body, MaxRequest)
	if r.ContentLength < 0 {
		return io.ReadAll(body)
	}
	query := make([]byte, r.ContentLength)
	_, err := io.ReadFull(body, query)
	return query, err
}

// isQuery reports whether a media type is that of queries.
func isQuery(value string) bool {
	if value == mediaQuery {
		return true
	}
	media, _, err := mime.ParseMediaType(value)
	return err == nil && media == mediaQuery
}

func writeReply(w http.ResponseWriter, status int, answer []byte) {
	w.Header().Set("Content-Type", mediaReply)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(status)
	w.Write(answer) // a client that is gone needs no answer
}
