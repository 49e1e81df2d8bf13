package tsa_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/tsa"
)

const (
	mediaQuery = "application/timestamp-query"
	mediaReply = "application/timestamp-reply"
)

// observed collects what an authority reports.
type observed struct {
	mu      sync.Mutex
	reasons []string
}

func (o *observed) observe(reason string, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if took < 0 {
		reason = "negative"
	}
	o.reasons = append(o.reasons, reason)
}

func (o *observed) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.reasons) == 0 {
		return ""
	}
	return o.reasons[len(o.reasons)-1]
}

func served(t testing.TB, a *tsa.Authority) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return server
}

func do(t testing.TB, method, url, media string, body io.Reader) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, answer
}

// snake is a failure's name as a word of metrics.
func snake(name string) string {
	return strings.ToLower(regexp.MustCompile("[A-Z]").ReplaceAllString(name, "_$0"))
}

func TestHTTP(t *testing.T) {
	var o observed
	a, h, c := newAuthority(t, func(c *tsa.Config) { c.Observe = o.observe })
	url := served(t, a).URL
	good := marshal(t, query())

	t.Run("TSA-01 timestamp-query is answered by timestamp-reply", func(t *testing.T) {
		for _, media := range []string{mediaQuery, "Application/Timestamp-Query", mediaQuery + "; name=a.tsq"} {
			for _, path := range []string{"/", "/tsa", "//x"} {
				response, answer := do(t, "POST", url+path, media, bytes.NewReader(good))
				if response.StatusCode != 200 || response.Header.Get("Content-Type") != mediaReply {
					t.Errorf("%s %s: %d %s", path, media, response.StatusCode, response.Header.Get("Content-Type"))
				}
				token, err := tsa.ParseResponse(answer)
				if err != nil {
					t.Fatal(err)
				}
				if err := token.Verify(h.certificate); err != nil {
					t.Error(err)
				}
				if o.last() != "granted" {
					t.Errorf("observed %q", o.last())
				}
			}
		}
	})
	t.Run("TSA-02 a refusal is 200 without a token", func(t *testing.T) {
		c.set(noon, errors.New("lost"))
		defer c.set(noon, nil)
		r := query()
		r.Policy = foreignPolicy
		for reason, body := range map[string][]byte{
			"badDataFormat": []byte("garbage"), "badRequest": unhex(t, "3003020102"),
			"unacceptedPolicy": marshal(t, r), "timeNotAvailable": good,
		} {
			response, answer := do(t, "POST", url, mediaQuery, bytes.NewReader(body))
			if response.StatusCode != 200 || response.Header.Get("Content-Type") != mediaReply {
				t.Errorf("%s: %d %s", reason, response.StatusCode, response.Header.Get("Content-Type"))
			}
			_, err := tsa.ParseResponse(answer)
			if r, ok := errors.AsType[*tsa.Rejection](err); !ok || r.Failure.String() != reason || o.last() != snake(reason) {
				t.Errorf("%s: got %v, observed %q", reason, err, o.last())
			}
		}
	})
	t.Run("TSA-37 another method is 405 with Allow", func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
			response, _ := do(t, method, url, "", nil)
			if got := response.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q", got)
			}
			if response.StatusCode != 405 || response.Header.Get("Allow") != "POST" || o.last() != "method" {
				t.Errorf("%s: %d, Allow %q, observed %q", method, response.StatusCode, response.Header.Get("Allow"), o.last())
			}
		}
	})
	t.Run("TSA-38 no cache keeps a token", func(t *testing.T) {
		response, _ := do(t, "POST", url, mediaQuery, bytes.NewReader(good))
		if got := response.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control is %q", got)
		}
	})
	t.Run("TSA-39 no cache keeps a refusal", func(t *testing.T) {
		for _, body := range []string{"", "garbage", strings.Repeat("x", 9000)} {
			response, _ := do(t, "POST", url, mediaQuery, strings.NewReader(body))
			if got := response.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q", got)
			}
		}
	})
	t.Run("another media type is 415", func(t *testing.T) {
		for _, media := range []string{"", "application/json", "application/timestamp-reply", "text/plain", ";", "application/ocsp-request"} {
			response, _ := do(t, "POST", url, media, bytes.NewReader(good))
			if response.StatusCode != 415 || response.Header.Get("Accept") != mediaQuery || o.last() != "media_type" {
				t.Errorf("%q: %d, observed %q", media, response.StatusCode, o.last())
			}
		}
	})
	t.Run("a content coding is 415", func(t *testing.T) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(good))
		r.Header.Set("Content-Type", mediaQuery)
		r.Header.Set("Content-Encoding", "gzip")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != 415 {
			t.Errorf("got %d", w.Code)
		}
	})
	t.Run("an oversized body is 413", func(t *testing.T) {
		// With and without a length that says so.
		for _, body := range []io.Reader{bytes.NewReader(make([]byte, tsa.MaxRequest+1)), io.MultiReader(bytes.NewReader(make([]byte, 1<<20)))} {
			response, answer := do(t, "POST", url, mediaQuery, body)
			if response.StatusCode != 413 || o.last() != "too_large" {
				t.Errorf("got %d, observed %q", response.StatusCode, o.last())
			}
			_, err := tsa.ParseResponse(answer)
			if r, ok := errors.AsType[*tsa.Rejection](err); !ok || r.Failure != tsa.BadDataFormat {
				t.Errorf("the body is %v", err)
			}
		}
		response, _ := do(t, "POST", url, mediaQuery, bytes.NewReader(make([]byte, tsa.MaxRequest)))
		if response.StatusCode != 200 {
			t.Errorf("the largest body got %d", response.StatusCode)
		}
	})
	t.Run("an oversized body is not asked for", func(t *testing.T) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "POST / HTTP/1.1\r\nHost: tsa\r\nContent-Type: "+mediaQuery+"\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n")
		answer := make([]byte, len("HTTP/1.1 413 "))
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 413 " {
			t.Errorf("got %q, %v", answer, err)
		}
	})
	t.Run("a body that ends early is 400", func(t *testing.T) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "POST / HTTP/1.1\r\nHost: tsa\r\nContent-Type: "+mediaQuery+"\r\nContent-Length: 100\r\n\r\n0")
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) || o.last() != "unreadable" {
			t.Errorf("got %q, observed %q", answer, o.last())
		}
	})
}
