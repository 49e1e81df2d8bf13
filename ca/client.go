package ca

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// Client speaks to the HTTP interface of an authority. What the authority
// refuses comes back as a [*problem.Details]; any other error means that
// nobody knows whether the request was carried out, and that it is safe to
// repeat with the same idempotency key.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient returns a client for the authority at base, such as
// "https://ca.example:8441". The http client holds the TLS client certificate;
// its Timeout, if any, must be longer than the waits given to [Client.Journal].
func NewClient(base string, client *http.Client) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return nil, fmt.Errorf("opening client: %q is not the http or https URL of an authority", base)
	}
	if client == nil {
		return nil, errors.New("opening client: there is no HTTP client")
	}
	return &Client{base: u, http: client}, nil
}

// Issue asks for a certificate. The idempotency key, "" for none, makes
// repeating safe.
func (c *Client) Issue(ctx context.Context, request IssueRequest, idempotencyKey string) (*IssueAnswer, error) {
	return call[IssueAnswer](ctx, c, "/v1/certificates", idempotencyKey, request)
}

// Hold puts a hold of an owner on a certificate.
func (c *Client) Hold(ctx context.Context, serial journal.Serial, request ChangeRequest, idempotencyKey string) (*ChangeAnswer, error) {
	return c.change(ctx, serial, ActionHold, request, idempotencyKey)
}

// Release lifts the hold of an owner.
func (c *Client) Release(ctx context.Context, serial journal.Serial, request ChangeRequest, idempotencyKey string) (*ChangeAnswer, error) {
	return c.change(ctx, serial, ActionRelease, request, idempotencyKey)
}

// Revoke revokes a certificate for good.
func (c *Client) Revoke(ctx context.Context, serial journal.Serial, request ChangeRequest, idempotencyKey string) (*ChangeAnswer, error) {
	return c.change(ctx, serial, ActionRevoke, request, idempotencyKey)
}

func (c *Client) change(ctx context.Context, serial journal.Serial, action string, request ChangeRequest, key string) (*ChangeAnswer, error) {
	return call[ChangeAnswer](ctx, c, "/v1/certificates/"+url.PathEscape(string(serial))+"/"+action, key, request)
}

// Certificate returns a certificate with its status and history.
func (c *Client) Certificate(ctx context.Context, serial journal.Serial) (*CertificateAnswer, error) {
	return call[CertificateAnswer](ctx, c, "/v1/certificates/"+url.PathEscape(string(serial)), "", nil)
}

// Issuers lists the issuers of the authority.
func (c *Client) Issuers(ctx context.Context) ([]IssuerAnswer, error) {
	issuers, err := call[[]IssuerAnswer](ctx, c, "/v1/issuers", "", nil)
	if err != nil {
		return nil, err
	}
	return *issuers, nil
}

// ErrDisorder says that an answer of the journal leaves entries out, or has
// them in another order.
var ErrDisorder = errors.New("its entries do not follow one another")

// Journal returns at most limit entries after a position (0 takes the
// authority's limit). When there is none it waits for one, at most for wait;
// the answer may be empty.
func (c *Client) Journal(ctx context.Context, after uint64, limit int, wait time.Duration) ([]journal.Entry, error) {
	query := url.Values{"after": {strconv.FormatUint(after, 10)}, "wait": {wait.String()}}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	body, err := c.do(ctx, http.MethodGet, "/v1/journal?"+query.Encode(), "", nil)
	if err != nil {
		return nil, err
	}
	// Positions are gapless, so a torn or reordered answer shows.
	var entries []journal.Entry
	decoder := json.NewDecoder(bytes.NewReader(body))
	for {
		var entry journal.Entry
		if err := decoder.Decode(&entry); err == io.EOF {
			if len(entries) == 0 && ctx.Err() != nil {
				// The server saw this client go, and its empty answer came all
				// the same: it says nothing of the journal.
				return nil, fmt.Errorf("asking authority: %w", ctx.Err())
			}
			return entries, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading journal: %w", err)
		}
		after++
		if entry.Position != after {
			return nil, fmt.Errorf("reading journal: %w: position %d came where %d belongs", ErrDisorder, entry.Position, after)
		}
		entries = append(entries, entry)
	}
}

// maxAnswer bounds what the client reads, in octets: a thousand entries fit
// many times over.
const maxAnswer = 8 << 20

// call sends body as JSON, or asks with GET when it is nil.
func call[T any](ctx context.Context, c *Client, path, key string, body any) (*T, error) {
	method := http.MethodGet
	var raw []byte
	if body != nil {
		method = http.MethodPost
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encoding request: %w", err)
		}
	}
	answer, err := c.do(ctx, method, path, key, raw)
	if err != nil {
		return nil, err
	}
	out := new(T)
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, fmt.Errorf("reading answer of authority: %w", err)
	}
	return out, nil
}

func (c *Client) do(ctx context.Context, method, path, key string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking authority: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.patiently(request, body)
	if err != nil {
		return nil, fmt.Errorf("asking authority: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("reading answer of authority: %w", err)
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("reading answer of authority: it is larger than %d octets", maxAnswer)
	}
	if response.StatusCode == http.StatusAccepted {
		return nil, waitsFor(answer)
	}
	if response.StatusCode/100 == 2 {
		return answer, nil
	}
	return nil, refusalOf(response, answer)
}

// refusalOf makes an error of an answer that is not a success.
func refusalOf(response *http.Response, answer []byte) error {
	var details problem.Details
	if media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); media == "application/problem+json" &&
		json.Unmarshal(answer, &details) == nil && details.Code != "" {
		details.Status = response.StatusCode
		return &details
	}
	return fmt.Errorf("asking authority: it answered %s", response.Status)
}
