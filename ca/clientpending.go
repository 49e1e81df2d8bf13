package ca

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// PendingError says that a request was recorded and waits for a second person.
type PendingError struct{ Pending journal.Pending }

func (e *PendingError) Error() string {
	return fmt.Sprintf("request %s waits for a second person until %s", e.Pending.ID, e.Pending.ExpiresAt.Format(time.RFC3339))
}

func waitsFor(answer []byte) error {
	var p journal.Pending
	if err := json.Unmarshal(answer, &p); err != nil || p.ID == "" {
		return fmt.Errorf("reading answer of authority: it is not a pending request (%v)", err)
	}
	return &PendingError{p}
}

// Undecided lists the requests that wait for a second person.
func (c *Client) Undecided(ctx context.Context) ([]journal.Pending, error) {
	all, err := call[[]journal.Pending](ctx, c, "/v1/pending", "", nil)
	if err != nil {
		return nil, err
	}
	return *all, nil
}

// Pending returns one of them, whatever became of it.
func (c *Client) Pending(ctx context.Context, id string) (*journal.Pending, error) {
	return call[journal.Pending](ctx, c, "/v1/pending/"+url.PathEscape(id), "", nil)
}

// Confirm agrees to a request of another person, which is carried out by it.
// It is safe to repeat.
func (c *Client) Confirm(ctx context.Context, id string) (*Carried, error) {
	return call[Carried](ctx, c, "/v1/pending/"+url.PathEscape(id)+"/confirm", "", struct{}{})
}

// Refuse says no to a request, or takes back one's own. It is safe to repeat.
func (c *Client) Refuse(ctx context.Context, id, reason string) (*journal.Pending, error) {
	return call[journal.Pending](ctx, c, "/v1/pending/"+url.PathEscape(id)+"/refuse", "", RefuseRequest{Reason: reason})
}

// Renew asks for the successor of the TLS certificate that the client shows,
// for the key of a certification request in PEM.
func (c *Client) Renew(ctx context.Context, csr, idempotencyKey string) (*IssueAnswer, error) {
	return call[IssueAnswer](ctx, c, "/v1/renew", idempotencyKey, RenewRequest{CSR: csr})
}

const (
	// patience is how often the client comes again when it is told that it asks
	// too often, and maxPatience how long it waits for each.
	patience    = 10
	maxPatience = 30 * time.Second
)

// patiently sends the request, and again when it was not looked at because of
// the client's rate: after the time that the answer names (RFC 6585, Section 4).
func (c *Client) patiently(request *http.Request, body []byte) (*http.Response, error) {
	for try := 0; ; try++ {
		response, err := c.http.Do(request)
		if err != nil || response.StatusCode != http.StatusTooManyRequests || try == patience {
			return response, err
		}
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		wait := time.Duration(seconds) * time.Second
		if err != nil || wait <= 0 || wait > maxPatience {
			return response, nil
		}
		io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
		response.Body.Close()
		select {
		case <-request.Context().Done():
			return nil, request.Context().Err()
		case <-time.After(wait):
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
}
