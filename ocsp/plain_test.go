package ocsp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/http1"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/ocsp"
)

// listening serves the responder, with what answers plain requests in front of
// net/http or not, and returns its address.
func listening(t testing.TB, r *ocsp.Responder, fast bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := serve.Server{Name: "ocsp", Listener: listener, Handler: r}
	if fast {
		server.Plain = r.Plain()
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

// over sends octets and reads one answer to a request of the method.
func over(t testing.TB, address, wire, method string) (*http.Response, []byte) {
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
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.60q: %v", wire, err)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, content
}

// TestPlain asks the server with the fast path and the one without it the same,
// twice each, so that the second answer comes from memory, and compares what
// comes.
func TestPlain(t *testing.T) {
	t.Run("OCSP-44 spellings, and whatever else comes, by both paths", bothPaths)
}

func bothPaths(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, func(c *ocsp.Config) { c.MaxAge = 20 * time.Minute })
	plainAddress, address := listening(t, r, true), listening(t, r, false)
	in := awkward(t, a, g)
	held := nextSerial()
	g.set(a.id, held, ocsp.Status{State: ocsp.Revoked, Reason: 6})
	about := func(hash crypto.Hash) []byte { return request(t, nil, a.certID(t, hash, held)) }
	text := base64.StdEncoding.EncodeToString(in)
	escaped := url.QueryEscape(text)
	const host = " HTTP/1.1\r\nHost: localhost\r\n"
	posted := func(in []byte, more string) string {
		return fmt.Sprintf("POST /%s%sContent-Length: %d\r\n\r\n%s", host, more, len(in), in)
	}
	get := func(path string, more ...string) string {
		return "GET /" + path + host + strings.Join(more, "") + "\r\n"
	}
	first, _ := over(t, address, get(escaped), "GET")
	tag := first.Header.Get("ETag")
	for _, wire := range []string{
		posted(in, ""), posted(in, "Content-Type: application/ocsp-request\r\n"), posted(in, "content-type:application/ocsp-request  \r\nUser-Agent: x\r\n"),
		posted(about(crypto.SHA1), ""), posted(about(crypto.SHA256), ""), posted(about(crypto.SHA512), ""),
		posted(request(t, make([]byte, 32), a.certID(t, crypto.SHA256, held)), ""),
		posted(request(t, nil, a.certID(t, crypto.SHA256, held), a.certID(t, crypto.SHA1, held)), ""),
		posted(request(t, nil, a.certID(t, crypto.SHA256, nextSerial())), ""),
		posted(request(t, nil, newAuthority(t, "foreign").certID(t, crypto.SHA256, held)), ""),
		posted(in[:50], ""), posted(append(bytes.Clone(in), 0), ""), posted(nil, ""), posted(make([]byte, 64<<10), ""),
		posted(in, "Content-Type: text/plain\r\n"), posted(in, "Content-Encoding: gzip\r\n"), posted(in, "Connection: close\r\n"),
		posted(in, "Expect: 100-nonsense\r\n"), posted(in, "Content-Length: 5\r\n"),
		fmt.Sprintf("POST /elsewhere%sContent-Length: %d\r\n\r\n%s", host, len(in), in),
		fmt.Sprintf("POST /%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", host, len(in), in),
		get(escaped), get(text), get(strings.ToLower("%2F") + escaped), get("/" + text), get(strings.TrimRight(text, "=")), get(text + "==="),
		get(escaped + "?x=1"), get(escaped[:40] + "%0A" + escaped[40:]), get(strings.ReplaceAll(text, "/", "_")), get("%zz"), get("%"), get(""),
		get(text, "If-None-Match: "+tag+"\r\n"), get(text, "If-None-Match: \"other\", W/"+tag+"\r\n"), get(text, "If-None-Match: *\r\n"),
		get(text, "If-None-Match: \"other\"\r\n"), get(text, "If-None-Match: \"other\"\r\nIf-None-Match: "+tag+"\r\n"),
		get(text, "Connection: close\r\n"), get(text, "X-Request-Id: mine\r\n"), get(text, "Bad Name: x\r\n"), get(text, "Folded: x\r\n y\r\n"),
		"HEAD /" + text + host + "\r\n", "PUT /" + text + host + "\r\n", "GET /" + text + " HTTP/1.0\r\n\r\n", "GET /" + text + " HTTP/1.1\r\n\r\n",
		"GET http://localhost/" + text + host + "\r\n", "GET /" + text + host + "Host: again\r\n\r\n", "\r\nGET /" + text + host + "\r\n",
		"nonsense\r\n\r\n", "GET /" + strings.Repeat("A", 20_000) + host + "\r\n", get(text, "Long: "+strings.Repeat("a", 30_000)+"\r\n"),
	} {
		method, _, _ := strings.Cut(strings.TrimLeft(wire, "\r\n"), " ")
		for range 2 {
			want, wantContent := over(t, address, wire, method)
			got, content := over(t, plainAddress, wire, method)
			if got.StatusCode != want.StatusCode || !bytes.Equal(content, wantContent) && !strings.Contains(string(wire), "\x06\x09+\x06\x01\x05\x05\x07\x30\x01\x02") || got.Close != want.Close {
				t.Errorf("%.70q: got %s %.70q, want %s %.70q", wire, got.Status, content, want.Status, wantContent)
			}
			for _, header := range []http.Header{got.Header, want.Header} {
				header.Del("X-Request-Id")
				if header.Get("Date") == "" && want.StatusCode != 400 && want.StatusCode != 431 {
					t.Errorf("%.70q: no Date", wire)
				}
				header.Del("Date")
			}
			// The age may pass a second between the two.
			if strings.HasPrefix(got.Header.Get("Cache-Control"), "max-age=1") {
				got.Header.Set("Cache-Control", want.Header.Get("Cache-Control"))
			}
			if fmt.Sprint(got.Header) != fmt.Sprint(want.Header) {
				t.Errorf("%.70q:\ngot  %v\nwant %v", wire, got.Header, want.Header)
			}
		}
	}
	if n := g.count(); n > 60 {
		t.Errorf("the source was read %d times: nothing came from memory", n)
	}
}

// Requests that come together are answered in order, the odd ones among them by
// net/http.
func TestPipelined(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	var ids []ocsp.CertID
	for range 30 {
		serial := nextSerial()
		g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
		ids = append(ids, a.certID(t, crypto.SHA256, serial))
	}
	conn, err := net.Dial("tcp", listening(t, r, true))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	var wire bytes.Buffer
	var want []ocsp.CertID
	for i := range 120 {
		id := ids[i%len(ids)]
		want = append(want, id)
		version, more := "1.1", ""
		if i == 100 {
			more = "X-Request-Id: odd\r\n"
		}
		fmt.Fprintf(&wire, "GET /%s HTTP/%s\r\nHost: a\r\n%s\r\n", url.PathEscape(base64.StdEncoding.EncodeToString(request(t, nil, id))), version, more)
	}
	go io.Copy(conn, &wire)
	in := bufio.NewReader(conn)
	for i, id := range want {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		got := body(t, response, a)
		response.Body.Close()
		if got.status != ocsp.Successful || !bytes.Contains(got.basic.Data.Responses[0].CertID.FullBytes, id.Serial) {
			t.Fatalf("answer %d is %v, to another request", i, got.status)
		}
	}
}

// plainly asks by the path of plain requests, which must have a ready answer.
func plainly(t *testing.T, r *ocsp.Responder, in []byte) []byte {
	t.Helper()
	out, ok := r.Plain().Ready(nil, &http1.Request{Method: http1.Post, Path: []byte("/"), Body: in}, time.Now())
	_, content, cut := bytes.Cut(out, []byte("\r\n\r\n"))
	if !ok || !cut {
		t.Errorf("there is no ready answer")
	}
	return content
}
