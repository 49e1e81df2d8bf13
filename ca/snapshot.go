package ca

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

const (
	// maxSnapshots bounds how many are sent at a time: each holds on to one
	// moment of the register until its client has read it.
	maxSnapshots = 4
	// snapshotPause is how long the client may stop reading.
	snapshotPause = 30 * time.Second
)

// getSnapshot answers with what a follower begins with. It is sent as it is
// read, so that its length costs no memory.
func (a *Authority) getSnapshot(w http.ResponseWriter, r *http.Request, actor string) error {
	if err := a.permit(actor, ActionJournal, "", ""); err != nil {
		return err
	}
	if r.URL.RawQuery != "" {
		return problem.Invalid(problem.Field{Field: "query", Detail: "this path takes no parameters"})
	}
	if a.config.Snapshot == nil {
		return problem.New(http.StatusNotFound, "not_found", "this authority offers no snapshot")
	}
	select {
	case a.snapshots <- struct{}{}:
		defer func() { <-a.snapshots }()
	default:
		w.Header().Set("Retry-After", "60")
		return problem.New(http.StatusServiceUnavailable, "busy", "others are reading snapshots")
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		return nil
	}
	out := &patient{to: w, control: http.NewResponseController(w)}
	err := a.config.Snapshot(r.Context(), out)
	if err != nil && out.begun {
		// The status line is out: the reader finds no signature.
		panic(http.ErrAbortHandler)
	}
	return err
}

// patient writes an answer whose length nobody knows: each part of it may take
// as long as a pause may.
type patient struct {
	to      io.Writer
	control *http.ResponseController
	begun   bool
}

func (p *patient) Write(part []byte) (int, error) {
	// Not every ResponseWriter can move the server's timeouts; then they stand.
	// The one for reading ends the request's context.
	deadline := time.Now().Add(snapshotPause)
	_ = p.control.SetReadDeadline(deadline)
	_ = p.control.SetWriteDeadline(deadline)
	p.begun = true
	return p.to.Write(part)
}

// Snapshot returns what a follower of the journal may begin with, as it arrives.
// The caller verifies its signature, and closes it.
func (c *Client) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/v1/journal/snapshot", nil)
	if err != nil {
		return nil, fmt.Errorf("asking authority: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking authority: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading answer of authority: %w", err)
	}
	return nil, refusalOf(response, answer)
}
