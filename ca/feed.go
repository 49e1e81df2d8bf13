package ca

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

const (
	// maxWait bounds a long poll.
	maxWait = 60 * time.Second
	// maxEntries bounds one answer of the journal, and is the default.
	maxEntries = 1000
)

// getJournal answers with the entries after a position, one JSON object to a
// line. When there is none it waits for one, at most as long as the client
// asks; the answer may be empty. A longer wait than 60 s and a larger limit
// than 1000 are cut to these.
func (a *Authority) getJournal(w http.ResponseWriter, r *http.Request, actor string) error {
	if err := a.permit(actor, ActionJournal, "", ""); err != nil {
		return err
	}
	after, wait, limit, err := feedQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	entries, err := a.config.Register.Entries(r.Context(), after, limit)
	if err != nil {
		return err
	}
	if len(entries) == 0 && wait > 0 {
		// The server's write timeout is made for short answers. Not every
		// ResponseWriter can move it; then the timeout stands.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + 30*time.Second))
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		err := a.config.Register.Wait(ctx, after)
		over := ctx.Err() != nil
		cancel()
		if err != nil && !over {
			return err
		}
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
		if entries, err = a.config.Register.Entries(r.Context(), after, limit); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	encoder := json.NewEncoder(w)
	for _, entry := range entries {
		if err := encoder.Encode(entry); err != nil {
			// The status line is out: the reader sees a torn line.
			panic(http.ErrAbortHandler)
		}
	}
	return nil
}

func feedQuery(raw string) (after uint64, wait time.Duration, limit int, err error) {
	limit = maxEntries
	query, err := url.ParseQuery(raw)
	if err != nil {
		return 0, 0, 0, problem.Invalid(problem.Field{Field: "query", Detail: "is malformed"})
	}
	var wrong []problem.Field
	for key, values := range query {
		good := len(values) == 1
		var err error
		switch key {
		case "after":
			after, err = strconv.ParseUint(values[0], 10, 63)
		case "wait":
			wait, err = time.ParseDuration(values[0])
			good = good && wait >= 0
			wait = min(wait, maxWait)
		case "limit":
			limit, err = strconv.Atoi(values[0])
			good = good && limit > 0
			limit = min(limit, maxEntries)
		default:
			good = false
		}
		if err != nil || !good {
			detail := map[string]string{"after": "is not a position", "wait": "is not a duration such as 30s", "limit": "is not a positive number"}[key]
			if detail == "" {
				detail = "is not a parameter of this path"
			}
			wrong = append(wrong, problem.Field{Field: key, Detail: detail})
		}
	}
	if len(wrong) > 0 {
		return 0, 0, 0, problem.Invalid(wrong...)
	}
	return after, wait, limit, nil
}
