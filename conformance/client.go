package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of what is read of a server.
const (
	maxHeader   = 64 << 10
	maxAnswer   = 1 << 20  // octets of an OCSP or time-stamp answer
	maxDownload = 64 << 20 // octets of a list or certificate
)

// client asks servers. It keeps no connection, follows no redirect, uses no
// proxy, decodes no content-coding, and reads neither longer nor more than its
// limits say: whatever a server does, an exchange ends.
type client struct {
	agent   string
	timeout time.Duration // of one whole exchange
	pace    time.Duration // the least time between two requests
	follow  Follow
	given   []string // host:port pairs that the user named
	onAsk   func(name string)

	mu   sync.Mutex
	last time.Time
	all  []*Exchange
}

// question is one request to be sent.
type question struct {
	name   string
	method string
	url    string
	// path replaces the URL's path and query. It is sent octet for octet.
	path   string
	header map[string]string
	body   []byte
	limit  int64
	// tls says how a server is connected to by HTTPS; nil as is usual.
	tls *tls.Config
	// found says that the URL stood in what is tested.
	found bool
}

// ask sends a question. The exchange always comes back; its Err says what went
// wrong.
func (c *client) ask(ctx context.Context, q question) *Exchange {
	c.mu.Lock()
	wait := time.Until(c.last.Add(c.pace))
	c.mu.Unlock()
	if c.onAsk != nil {
		c.onAsk(q.name)
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	c.last = time.Now()
	c.mu.Unlock()
	x := c.once(ctx, q)
	c.keep(x)
	return x
}

// once sends a question at once, whatever the pace, and leaves it to the caller
// to keep the exchange.
func (c *client) once(ctx context.Context, q question) *Exchange {
	x := &Exchange{Name: q.name, Method: q.method, URL: q.url, Request: q.body, At: time.Now()}
	x.Err = c.exchange(ctx, q, x)
	x.Took = time.Since(x.At)
	return x
}

// keep puts exchanges into the report.
func (c *client) keep(exchanges ...*Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, exchanges...)
}

// forget leaves an exchange out of the report, with the octets that it holds.
func (c *client) forget(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.all, x); i >= 0 {
		c.all = slices.Delete(c.all, i, i+1)
	}
}

func (c *client) exchange(ctx context.Context, q question, x *Exchange) error {
	if q.found {
		if err := c.permit(q.url); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.request(ctx, q)
	if err != nil {
		return err
	}
	x.RequestHeader = request.Header.Clone()
	if x.RequestHeader.Get("Authorization") != "" {
		x.RequestHeader.Set("Authorization", "(left out of the report)")
	}
	x.URL = request.URL.String()
	var tapped *tap
	transport := c.transport(q.found && c.follow == FollowPublic, &tapped)
	transport.TLSClientConfig = q.tls
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", plain(ctx, err))
	}
	defer response.Body.Close()
	x.Status, x.Header = response.StatusCode, response.Header
	limit := q.limit
	if limit == 0 {
		limit = maxAnswer
	}
	x.Response, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return fmt.Errorf("the answer ends early: %w", plain(ctx, err))
	case int64(len(x.Response)) > limit:
		x.Response = x.Response[:limit]
		return fmt.Errorf("the answer is longer than %d octets", limit)
	case response.StatusCode >= 300 && response.StatusCode < 400 && response.StatusCode != http.StatusNotModified:
		return fmt.Errorf("the server redirects (%d) to %q, which is not followed", response.StatusCode, response.Header.Get("Location"))
	}
	if tapped != nil && request.URL.Scheme == "http" {
		return tapped.lies(response)
	}
	return nil
}

func (c *client) request(ctx context.Context, q question) (*http.Request, error) {
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	request, err := http.NewRequestWithContext(ctx, q.method, q.url, body)
	if err != nil {
		return nil, fmt.Errorf("making request: %w", err)
	}
	if request.URL.Scheme != "http" && request.URL.Scheme != "https" {
		return nil, fmt.Errorf("%q is not an http or https URL", q.url)
	}
	if q.path != "" {
		if request.URL.Path, err = url.PathUnescape(q.path); err != nil {
			return nil, fmt.Errorf("making path: %w", err)
		}
		request.URL.RawPath, request.URL.RawQuery = q.path, ""
	}
	request.Header.Set("User-Agent", c.agent)
	for name, value := range q.header {
		request.Header.Set(name, value)
	}
	return request, nil
}

func (c *client) transport(public bool, tapped **tap) *http.Transport {
	dialer := &net.Dialer{Timeout: c.timeout}
	if public {
		dialer.Control = onlyPublic
	}
	return &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
		TLSHandshakeTimeout: c.timeout, ResponseHeaderTimeout: c.timeout,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			connection, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			*tapped = &tap{Conn: connection}
			return *tapped, nil
		},
	}
}

// plain leaves out of an error what the user knows, and words a timeout.
func plain(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the time for it is over")
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// tap remembers the beginning of what a connection gave.
type tap struct {
	net.Conn
	mu    sync.Mutex
	begun []byte
	total int64
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	if room := maxHeader - len(t.begun); room > 0 {
		t.begun = append(t.begun, p[:min(n, room)]...)
	}
	t.total += int64(n)
	t.mu.Unlock()
	return n, err
}

// lies finds octets behind a body of a stated length: the length was wrong, or
// the octets belong to no answer. Readers of HTTP do not see them.
func (t *tap) lies(response *http.Response) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	stated, err := strconv.ParseInt(response.Header.Get("Content-Length"), 10, 64)
	if err != nil || len(response.TransferEncoding) > 0 || response.Request.Method == http.MethodHead {
		return nil
	}
	begun := t.begun
	read := 0
	for {
		end := bytes.Index(begun, []byte("\r\n\r\n"))
		if end < 0 {
			return nil
		}
		interim := strings.HasPrefix(string(begun), "HTTP/1.1 1") && !strings.HasPrefix(string(begun), "HTTP/1.1 101")
		read += end + 4
		begun = begun[end+4:]
		if !interim {
			break
		}
	}
	if more := t.total - int64(read) - stated; more > 0 {
		return fmt.Errorf("the server sent %d octets more than its Content-Length of %d", more, stated)
	}
	return nil
}
