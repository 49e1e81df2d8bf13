package tsa_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/http1"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/tsa"
)

// listening serves the authority, with its plain door or without, and returns
// the address.
func listening(t testing.TB, a *tsa.Authority, plain bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := serve.Server{Name: "tsa", Listener: listener, Handler: a}
	if plain {
		server.Plain = a.Plain()
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve.Run(ctx, nil, []serve.Server{server}, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// over sends octets and returns the head of the one answer, as it came, and its
// content.
func over(t testing.TB, address, method, wire string) (head string, content []byte) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, wire); err != nil {
		t.Fatal(err)
	}
	var read bytes.Buffer
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &read)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.60q: %v", wire, err)
	}
	if content, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	head, _, _ = strings.Cut(read.String(), "\r\n\r\n")
	return head, content
}

var (
	requestID = regexp.MustCompile(`\r\nX-Request-Id: [^\r]*`)
	varying   = regexp.MustCompile(`\r\n(Date|Content-Length): [^\r]*`)
)

// posted is a request with a body, further header lines and its length.
func posted(path string, body []byte, lines ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: tsa\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), strings.Join(append(lines, ""), "\r\n"), body)
}

// TestPlain asks the server with the plain door and the one without it the same,
// and compares what comes. Only net/http's handler names requests, which tells
// who answered.
func TestPlain(t *testing.T) {
	var o observed
	a, h, c := newAuthority(t, func(c *tsa.Config) { c.Observe = o.observe })
	fast, slow := listening(t, a, true), listening(t, a, false)
	const media = "Content-Type: " + mediaQuery
	r := query()
	r.Nonce, r.CertReq = []byte{7, 7}, true
	full := marshal(t, r)
	r.Policy = foreignPolicy
	foreign := marshal(t, r)
	for _, row := range []struct {
		name, wire string
		status     int
		reason     string
		plain      bool
	}{
		{"a query", posted("/", full, media), 200, "granted", true},
		{"another path", posted("/tsa?x=1", full, media), 200, "granted", true},
		{"a media type in capitals", posted("/", full, "content-type: Application/Timestamp-Query"), 200, "granted", true},
		{"a media type with a parameter", posted("/", full, media+"; name=a.tsq"), 200, "granted", true},
		{"the last of a connection", posted("/", full, media, "Connection: close"), 200, "granted", true},
		{"garbage", posted("/", []byte("garbage"), media), 200, "bad_data_format", true},
		{"nothing", posted("/", nil, media), 200, "bad_data_format", true},
		{"a policy of nobody", posted("/", foreign, media), 200, "unaccepted_policy", true},
		{"a request with a name", posted("/", full, media, "X-Request-Id: mine"), 200, "granted", false},
		{"a body in chunks", fmt.Sprintf("POST / HTTP/1.1\r\nHost: tsa\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", media, len(full), full), 200, "granted", false},
		{"GET", "GET / HTTP/1.1\r\nHost: tsa\r\n\r\n", 405, "method", false},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: tsa\r\n\r\n", 405, "method", false},
		{"PUT", strings.Replace(posted("/", full, media), "POST", "PUT", 1), 405, "method", false},
		{"another media type", posted("/", full, "Content-Type: application/ocsp-request"), 415, "media_type", false},
		{"no media type", posted("/", full), 415, "media_type", false},
		{"a content coding", posted("/", full, media, "Content-Encoding: gzip"), 415, "media_type", false},
		{"too long", posted("/", make([]byte, tsa.MaxRequest+1), media), 413, "too_large", false},
		{"the longest", posted("/", make([]byte, tsa.MaxRequest), media), 200, "bad_data_format", false},
		{"credentials of nobody", posted("/", full, media, "Authorization: Basic YTpi"), 401, "unauthorized", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			method, _, _ := strings.Cut(row.wire, " ")
			want, wantContent := over(t, slow, method, row.wire)
			if !strings.HasPrefix(want, fmt.Sprintf("HTTP/1.1 %d ", row.status)) || o.last() != row.reason || !requestID.MatchString(want) {
				t.Errorf("net/http: %q, observed %q", want, o.last())
			}
			got, content := over(t, fast, method, row.wire)
			if requestID.MatchString(got) == row.plain || o.last() != row.reason {
				t.Errorf("answered by the plain door is not %v, or observed %q: %q", row.plain, o.last(), got)
			}
			clean := func(head string) string {
				return varying.ReplaceAllString(requestID.ReplaceAllString(head, ""), "\r\n$1: x")
			}
			if clean(got) != clean(want) {
				t.Errorf("got\n%q, want\n%q", clean(got), clean(want))
			}
			if row.reason != "granted" {
				if !bytes.Equal(content, wantContent) {
					t.Errorf("got %x, want %x", content, wantContent)
				}
				return
			}
			token, err := tsa.ParseResponse(content)
			if err != nil {
				t.Fatal(err)
			}
			if err := token.Verify(h.certificate); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("TSA-38 no cache keeps a token", func(t *testing.T) {
		if head, _ := over(t, fast, "POST", posted("/", full, media)); !strings.Contains(head, "\r\nCache-Control: no-store\r\n") {
			t.Errorf("got %q", head)
		}
	})
	t.Run("a lost clock refuses", func(t *testing.T) {
		c.set(noon, errors.New("lost"))
		defer c.set(noon, nil)
		if head, _ := over(t, fast, "POST", posted("/", full, media)); requestID.MatchString(head) || o.last() != "time_not_available" {
			t.Errorf("observed %q: %q", o.last(), head)
		}
	})
	t.Run("both doors count", func(t *testing.T) {
		before := a.Counts()[0]
		for _, address := range []string{fast, slow} {
			over(t, address, "POST", posted("/", full, media))
			over(t, address, "POST", posted("/", foreign, media))
		}
		if after := a.Counts()[0]; after.Granted != before.Granted+2 || after.Refused != before.Refused+2 {
			t.Errorf("got %v after %v", after, before)
		}
	})
	t.Run("queries that come together are answered in turn", func(t *testing.T) { pipeline(t, fast) })
}

// pipeline sends queries at once, and behind them a request that is none.
func pipeline(t *testing.T, address string) {
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	const queries = 5
	var wire strings.Builder
	for i := range queries {
		r := query()
		r.Nonce = []byte{byte(i + 1)}
		wire.WriteString(posted("/", marshal(t, r), "Content-Type: "+mediaQuery))
	}
	wire.WriteString("GET / HTTP/1.1\r\nHost: tsa\r\n\r\n")
	if _, err := io.WriteString(conn, wire.String()); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for i := range queries + 1 {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if i == queries {
			if response.StatusCode != 405 {
				t.Errorf("the last answer is %d", response.StatusCode)
			}
			break
		}
		token, err := tsa.ParseResponse(content)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(token.Info.Nonce, []byte{byte(i + 1)}) {
			t.Errorf("answer %d is to query %x", i, token.Info.Nonce)
		}
	}
}

// Whoever has a name or a quota is net/http's, whichever door he comes to.
func TestPlainClients(t *testing.T) {
	const media = "Content-Type: " + mediaQuery
	good := posted("/", marshal(t, query()), media)
	secret := sha256.Sum256([]byte("b"))
	for _, row := range []struct {
		name     string
		clients  []tsa.Client
		wire     string
		statuses []int
	}{
		{"nobody without a name", []tsa.Client{{Name: "a", Secret: secret}}, good, []int{401, 401}},
		{"a name and a password", []tsa.Client{{Name: "a", Secret: secret}, {Name: "rest"}}, posted("/", marshal(t, query()), media, "Authorization: Basic YTpi"), []int{200, 200}},
		{"a daily quota of everybody", []tsa.Client{{Name: "rest", Daily: 1}}, good, []int{200, 429}},
		{"a rate of everybody", []tsa.Client{{Name: "rest", Rate: 0.001}}, good, []int{200, 429}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, _, _ := newAuthority(t, func(c *tsa.Config) { c.Clients = row.clients })
			address := listening(t, a, true)
			for _, want := range row.statuses {
				if head, _ := over(t, address, "POST", row.wire); !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", want)) || !requestID.MatchString(head) {
					t.Errorf("want %d: %q", want, head)
				}
			}
			if granted := a.Counts()[0].Granted; row.statuses[0] == 200 && granted == 0 {
				t.Error("the client's tokens are not counted")
			}
		})
	}
}

// TestPlainEnds asks while the journal's disk does not come back.
func TestPlainEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := newAuthority(t, func(c *tsa.Config) {
			c.Journal = func(ctx context.Context, _ tsa.Record) error {
				<-ctx.Done()
				return ctx.Err()
			}
		})
		began := time.Now()
		answer, ok := a.Plain().Make(t.Context(), nil, &http1.Request{Method: http1.Post, ContentType: []byte(mediaQuery), Body: marshal(t, query())})
		if took := time.Since(began); !ok || took != 15*time.Second {
			t.Errorf("the plain door answers: %v, after %v, want 15s", ok, took)
		}
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tsa.ParseResponse(content)
		if r, ok := errors.AsType[*tsa.Rejection](err); !ok || r.Failure != tsa.SystemFailure {
			t.Errorf("the answer is %v, want systemFailure", err)
		}
	})
}
