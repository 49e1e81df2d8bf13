package http1_test

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/http1"
)

// odd are requests that must be left to net/http, each for one reason.
var odd = []string{
	"PUT /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"get /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
	"GET /a HTTP/1.1\nHost: a\n\n",
	"GET /a HTTP/1.1\r\nHost: a\n\r\n",
	"GET /a\r\n\r\n",
	"GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a\xff HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://a/a HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
	"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a HTTP/1.1\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost:\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost : a\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
	"GET /a HTTP/1.1\r\n: a\r\nHost: a\r\n\r\n",
	"GET /a HTTP/1.1\r\nno colon\r\nHost: a\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
	"POST /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000000000\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nabcde",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\nabcde",
	"GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: a\r\nIf-None-Match: b\r\n\r\n",
	"GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n",
	"nonsense\n",
}

func TestOddRequests(t *testing.T) {
	for _, wire := range odd {
		var r http1.Request
		if _, whole, isOdd := r.Read([]byte(wire)); whole || !isOdd {
			t.Errorf("%.60q is plain", wire)
		}
	}
}

func TestPlainRequests(t *testing.T) {
	for _, row := range []struct {
		wire string
		want http1.Request
	}{
		{"GET / HTTP/1.1\r\nHost: localhost:8442\r\n\r\n", http1.Request{Path: []byte("/")}},
		{"GET //a%2F+=?b=/c HTTP/1.1\r\nhost: [::1]:1\r\nAccept: */*\r\n\r\n", http1.Request{Path: []byte("//a%2F+=")}},
		{"HEAD /a HTTP/1.1\r\nHOST:a\r\nContent-Length: 0\r\nIf-None-Match:  \"x\", W/\"y\" \r\n\r\n", http1.Request{Method: http1.Head, Path: []byte("/a"), IfNoneMatch: []byte(`"x", W/"y"`)}},
		{"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Type: x/y\r\nConnection: Close\r\n\r\nab\ncd", http1.Request{Method: http1.Post, Path: []byte("/a"), ContentType: []byte("x/y"), Body: []byte("ab\ncd"), Close: true}},
		{"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", http1.Request{Method: http1.Post, Path: []byte("/a")}},
	} {
		var r http1.Request
		n, whole, _ := r.Read([]byte(row.wire + "GET /next"))
		if !whole || n != len(row.wire) || r.Method != row.want.Method || !bytes.Equal(r.Path, row.want.Path) || !bytes.Equal(r.ContentType, row.want.ContentType) ||
			!bytes.Equal(r.IfNoneMatch, row.want.IfNoneMatch) || !bytes.Equal(r.Body, row.want.Body) || r.Close != row.want.Close {
			t.Errorf("%q: got %d octets, %+v", row.wire, n, r)
		}
		for i := range len(row.wire) {
			if _, whole, isOdd := r.Read([]byte(row.wire[:i])); whole || isOdd {
				t.Errorf("%q is taken for a whole or odd one", row.wire[:i])
			}
		}
	}
}

// FuzzRequest: what is taken for a plain request is the same request, of the
// same length, to net/http.
func FuzzRequest(f *testing.F) {
	for _, wire := range odd {
		f.Add([]byte(wire))
	}
	f.Add([]byte("GET //a%2F+=?b=/c HTTP/1.1\r\nhost: [::1]:1\r\nAccept: */*\r\n\r\n"))
	f.Add([]byte("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Type: x/y\r\nConnection: Close\r\n\r\nab\ncdGET"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var r http1.Request
		n, whole, _ := r.Read(in)
		if !whole {
			return
		}
		all := bytes.NewReader(in)
		buffered := bufio.NewReaderSize(all, 1<<16)
		want, err := http.ReadRequest(buffered)
		if err != nil {
			// A host that is none, or a path with a bad escape: net/http does
			// not accept them, and they do not change where the request ends.
			if strings.Contains(err.Error(), "invalid") {
				return
			}
			t.Fatalf("%q is none to net/http: %v", in, err)
		}
		body, err := io.ReadAll(want.Body)
		if err != nil {
			t.Fatal(err)
		}
		rest := all.Len() + buffered.Buffered()
		method := []string{"GET", "HEAD", "POST"}[r.Method]
		path, _, _ := strings.Cut(want.RequestURI, "?")
		if len(in)-rest != n || want.Method != method || path != string(r.Path) || !bytes.Equal(body, r.Body) || want.Close != r.Close ||
			want.Header.Get("Content-Type") != string(r.ContentType) || want.Header.Get("If-None-Match") != string(r.IfNoneMatch) {
			t.Errorf("%q:\ngot %d octets %+v\nwant %d octets %+v body %q", in, n, r, len(in)-rest, want, body)
		}
	})
}

func TestAppendDate(t *testing.T) {
	check := func(at int64) {
		if got, want := string(http1.AppendDate(nil, at)), time.Unix(at, 0).UTC().Format(http.TimeFormat); got != want {
			t.Errorf("%d: got %s, want %s", at, got, want)
		}
	}
	for day := range int64(366 * 140) {
		check(day*86400 + rand.Int64N(86400))
	}
	for range 10_000 {
		check(rand.Int64N(253402300800))
	}
}
