package tsa

import (
	"errors"
	"io"
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
// body that ends early.
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
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != mediaQuery || r.Header.Get("Content-Encoding") != "" {
		h.Set("Accept", mediaQuery) // RFC 9110, Section 15.5.16
		http.Error(w, "the body must be "+mediaQuery+" without content coding", http.StatusUnsupportedMediaType)
		return "mediaType"
	}
	query, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest))
	if err != nil {
		status, reason := http.StatusBadRequest, "unreadable"
		refused := reject(BadDataFormat, "the query ended early")
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status, reason = http.StatusRequestEntityTooLarge, "tooLarge"
			refused = reject(BadDataFormat, "the query is longer than %d octets", MaxRequest)
		}
		writeReply(w, status, refused.Marshal())
		return reason
	}
	answer, reason := a.respond(r.Context(), query)
	writeReply(w, http.StatusOK, answer)
	return reason
}

func writeReply(w http.ResponseWriter, status int, answer []byte) {
	w.Header().Set("Content-Type", mediaReply)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(status)
	w.Write(answer) // a client that is gone needs no answer
}
