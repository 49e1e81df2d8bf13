package conformance_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
)

// hostileServer accepts connections, reads a request, and lets the test do what
// it likes.
func hostileServer(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				connection.SetDeadline(time.Now().Add(20 * time.Second))
				if request, err := http.ReadRequest(bufio.NewReader(connection)); err == nil {
					request.Body.Close()
					do(connection)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String() + "/"
}

// What does not answer as a server should could not be tested: in bounded time
// and memory, and without one requirement passing.
func TestHostileServers(t *testing.T) {
	c := newCentre(t)
	closed := hostileServer(t, nil)
	for name, do := range map[string]func(net.Conn){
		"unreachable": nil,
		"silent":      func(c net.Conn) { bufio.NewReader(c).ReadByte() },
		"drops":       func(net.Conn) {},
		"redirects": func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", closed)
		},
		"says less than it promised": func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 5000\r\n\r\n0\x03\x0a\x01\x06")
		},
		"says more than it promised": func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 5\r\n\r\n0\x03\x0a\x01\x06 and so on")
		},
		"never ends": func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/pkix-crl\r\n\r\n")
			noise := make([]byte, 1<<20)
			rand.Read(noise)
			for {
				if _, err := c.Write(noise); err != nil {
					return
				}
			}
		},
		"trickles": func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
			for {
				if _, err := c.Write([]byte{0x30}); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		},
		"has a header without end": func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := fmt.Fprintf(c, "X-More: %s\r\n", strings.Repeat("x", 1000)); err != nil {
					return
				}
			}
		},
		"speaks no HTTP":      func(c net.Conn) { c.Write([]byte("SSH-2.0-OpenSSH\r\n")) },
		"answers 500":         func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n") },
		"answers with a page": func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := "http://127.0.0.1:1/"
			if do != nil {
				url = hostileServer(t, do)
			}
			judgeHostile(t, c, url, name == "answers 500" || name == "answers with a page")
		})
	}
}

func judgeHostile(t *testing.T, c *centre, url string, answers bool) {
	tester, err := conformance.New(conformance.Config{Timeout: 250 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	f, p := &fakeOCSP{c: c, delegate: c.delegate}, newPoint(c)
	for _, err := range []error{
		tester.OCSP(t.Context(), f.target(url)),
		tester.List(t.Context(), p.target(strings.TrimSuffix(url, "/"))),
		tester.Stamps(t.Context(), conformance.StampTarget{URL: url}),
		tester.Consistency(t.Context(), f.target(url), p.target(strings.TrimSuffix(url, "/"))),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := tester.Report()
	want := conformance.Inconclusive
	if answers {
		want = conformance.Findings // it speaks HTTP, and not what it should
	}
	if got := r.Conclusion(false); got != want {
		t.Errorf("it %s%s", got, explain(r))
	}
	unbroken(t, r)
	for _, s := range r.Sections {
		for _, one := range s.Results {
			// The authority's certificate was read out of a file.
			if one.Verdict == conformance.Pass && one.ID != "CRL-07" && !answers {
				t.Errorf("%s passes", one.ID)
			}
		}
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

// An endless answer costs no more memory than its limit.
func TestBoundedMemory(t *testing.T) {
	url := hostileServer(t, func(c net.Conn) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
		noise := make([]byte, 64<<10)
		for {
			if _, err := c.Write(noise); err != nil {
				return
			}
		}
	})
	tester, err := conformance.New(conformance.Config{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := tester.Stamps(t.Context(), conformance.StampTarget{URL: url}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
		t.Errorf("an endless answer made it allocate %d octets", took)
	}
	if r := tester.Report(); r.Conclusion(false) != conformance.Inconclusive || len(r.Exchanges) != 1 {
		t.Errorf("it %s after %d requests", r.Conclusion(false), len(r.Exchanges))
	}
}

// When the time for the whole run is over, the rest could not be tested.
func TestDeadline(t *testing.T) {
	f := &fakeOCSP{c: newCentre(t)}
	f.delegate = f.c.delegate
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tester, err := conformance.New(conformance.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.OCSP(ctx, f.target("http://127.0.0.1:1/")); err != nil {
		t.Fatal(err)
	}
	if r := tester.Report(); r.Conclusion(false) != conformance.Inconclusive || len(r.Exchanges) != 0 {
		t.Errorf("it %s after %d requests", r.Conclusion(false), len(r.Exchanges))
	}
}

func TestBadTargets(t *testing.T) {
	c := newCentre(t)
	tester, err := conformance.New(conformance.Config{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeOCSP{c: c}
	for _, url := range []string{"", "ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1:80", "http://"} {
		if tester.OCSP(t.Context(), f.target(url)) == nil {
			t.Errorf("%q was taken for a URL", url)
		}
	}
	target := f.target("http://127.0.0.1:1/")
	target.Good = []byte("no certificate")
	if tester.OCSP(t.Context(), target) == nil {
		t.Error("octets that are none were taken for a certificate")
	}
	target = f.target("http://127.0.0.1:1/")
	target.Issuer = c.other.cert.Raw
	if tester.OCSP(t.Context(), target) == nil {
		t.Error("an authority was taken that issued none of the certificates")
	}
	if _, err := conformance.New(conformance.Config{Follow: "everything"}); err == nil {
		t.Error("an unknown address policy was taken")
	}
}
