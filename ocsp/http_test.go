package ocsp_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// do sends a request without a body.
func do(h http.Handler, method, path string, header ...string) *http.Response {
	req := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Result()
}

// awkward returns a request about a good certificate whose base64 holds '+',
// '/', '//' and '='.
func awkward(t *testing.T, a *authority, g *register) []byte {
	t.Helper()
	for i := range int64(1 << 20) {
		serial := new(big.Int).Add(big.NewInt(0xfbfff0000000+i), new(big.Int).Lsh(big.NewInt(0x3fffff0000+i*i), 64))
		in := request(t, nil, a.certID(t, crypto.SHA256, serial))
		text := base64.StdEncoding.EncodeToString(in)
		if strings.Contains(text, "+") && strings.Contains(text, "//") && strings.HasSuffix(text, "=") {
			g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
			return in
		}
	}
	t.Fatal("found no awkward request")
	return nil
}

func TestGet(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	in := awkward(t, a, g)
	text := base64.StdEncoding.EncodeToString(in)
	escaped := url.QueryEscape(text)
	server := httptest.NewServer(r)
	defer server.Close()
	// raw sends the path as it stands, which http.Client would not.
	raw := func(t *testing.T, path string) answer {
		t.Helper()
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		wire, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		head, content, ok := bytes.Cut(wire, []byte("\r\n\r\n"))
		if !ok || !bytes.HasPrefix(head, []byte("HTTP/1.0 200 ")) {
			t.Fatalf("got %q", head)
		}
		return parse(t, content, a)
	}
	for _, test := range []struct{ name, path string }{
		{"OCSP-43 escaped", "/" + escaped},
		{"OCSP-44 escaped in lower case", "/" + strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(escaped)},
		{"OCSP-44 bare", "/" + text},
		{"OCSP-44 bare slashes only", "/" + strings.NewReplacer("+", "%2B", "=", "%3D").Replace(text)},
		{"OCSP-44 bare plus only", "/" + strings.NewReplacer("/", "%2F", "=", "%3D").Replace(text)},
		{"OCSP-44 doubled slash after the base", "//" + escaped},
		{"OCSP-44 doubled slash after the base, bare", "//" + text},
		{"OCSP-44 padding left out", "/" + strings.TrimRight(text, "=")},
		{"OCSP-44 padding left out, escaped", "/" + strings.ReplaceAll(escaped, "%3D", "")},
		{"OCSP-44 every octet escaped", "/%" + strings.ToUpper(strings.Join(strings.Fields(fmt.Sprintf("% x", text)), "%"))},
		{"OCSP-44 line breaks", "/" + escaped[:64] + "%0A" + escaped[64:]},
		{"absolute form", server.URL + "/" + text},
		{"with a query", "/" + escaped + "?x=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := raw(t, test.path); got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != good {
				t.Errorf("got %v", got.status)
			}
		})
	}
	t.Run("OCSP-45 nonsense path is malformed", func(t *testing.T) {
		for _, path := range []string{"/", "/favicon.ico", "/%00", "/MA", "/MA==", "/" + text + "AAAA", "/" + strings.ReplaceAll(text, "/", "_"), "/" + strings.Repeat("A", 8000)} {
			if got := raw(t, path); got.status != ocsp.MalformedRequest {
				t.Errorf("%.40q got %v, want malformedRequest", path, got.status)
			}
		}
	})
	t.Run("OCSP-45 endless path is 414", func(t *testing.T) {
		if got := do(r, http.MethodGet, "/"+strings.Repeat("A", 20_000)).StatusCode; got != http.StatusRequestURITooLong {
			t.Errorf("got %d", got)
		}
	})
	t.Run("another base path", func(t *testing.T) {
		r, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{a.issuer()}, Source: g, Path: "/status/ocsp/"})
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]int{"/status/ocsp/" + text: 200, "/status/ocsp//" + escaped: 200, "/" + text: 404, "/status/ocspx/" + text: 404} {
			response := do(r, http.MethodGet, path)
			if response.StatusCode != want {
				t.Errorf("%.20s got %d, want %d", path, response.StatusCode, want)
			} else if want == 200 && body(t, response, a).status != ocsp.Successful {
				t.Errorf("%.20s is not successful", path)
			}
		}
	})
}

func TestTransport(t *testing.T) {
	a := newAuthority(t, "ehm")
	var reasons []string
	r, g := newResponder(t, a, func(c *ocsp.Config) {
		c.Observe = func(reason string, took time.Duration) { reasons = append(reasons, reason) }
	})
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	in := request(t, nil, a.certID(t, crypto.SHA256, serial))
	path := "/" + url.PathEscape(base64.StdEncoding.EncodeToString(in))
	t.Run("OCSP-01 POST, OCSP-02 media type, OCSP-03 Content-Length", func(t *testing.T) {
		response := post(t, r, in)
		if got := response.Header.Get("Content-Type"); got != "application/ocsp-response" {
			t.Errorf("got Content-Type %q", got)
		}
		got := body(t, response, a)
		if got.status != ocsp.Successful || response.Header.Get("Content-Length") != strconv.Itoa(len(got.raw)) {
			t.Errorf("got %v of %d octets, Content-Length %s", got.status, len(got.raw), response.Header.Get("Content-Length"))
		}
	})
	send := func(method, path, media string, size int) *http.Response {
		req := httptest.NewRequest(method, path, strings.NewReader(strings.Repeat("0", size)))
		if media != "" {
			req.Header.Set("Content-Type", media)
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		return w.Result()
	}
	t.Run("OCSP-40 body over 4 KiB is 413", func(t *testing.T) {
		if got := send(http.MethodPost, "/", "application/ocsp-request", 4096).StatusCode; got != 200 {
			t.Errorf("4096 octets got %d", got)
		}
		if got := send(http.MethodPost, "/", "application/ocsp-request", 4097).StatusCode; got != http.StatusRequestEntityTooLarge {
			t.Errorf("4097 octets got %d", got)
		}
		req := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(strings.Repeat("0", 65536))))
		req.Header.Set("Content-Type", "application/ocsp-request")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("64 KiB of unknown length got %d", w.Code)
		}
	})
	t.Run("OCSP-41 other methods are 405 with Allow", func(t *testing.T) {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			response := send(method, "/", "application/ocsp-request", 0)
			if response.StatusCode != 405 || response.Header.Get("Allow") != "GET, HEAD, POST" || response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s got %d, %v", method, response.StatusCode, response.Header)
			}
		}
	})
	t.Run("OCSP-42 wrong request type is 415", func(t *testing.T) {
		for media, want := range map[string]int{"text/plain": 415, "application/x-www-form-urlencoded": 415, "nonsense;;": 415,
			"Application/OCSP-Request": 200, "application/ocsp-request; charset=binary": 200, "": 200} {
			if got := send(http.MethodPost, "/", media, 1).StatusCode; got != want {
				t.Errorf("%q got %d, want %d", media, got, want)
			}
		}
		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(in))
		req.Header.Set("Content-Type", "application/ocsp-request")
		req.Header.Set("Content-Encoding", "gzip")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != 415 {
			t.Errorf("content coding got %d, want 415", w.Code)
		}
	})
	t.Run("POST elsewhere is 404", func(t *testing.T) {
		if got := send(http.MethodPost, "/elsewhere", "application/ocsp-request", 1).StatusCode; got != 404 {
			t.Errorf("got %d", got)
		}
	})
	get := do(r, http.MethodGet, path)
	got := body(t, get, a)
	hash := sha256.Sum256(got.raw)
	tag := `"` + hex.EncodeToString(hash[:]) + `"`
	single := got.basic.Data.Responses[0]
	t.Run("OCSP-46 Date", func(t *testing.T) {
		server := httptest.NewServer(r)
		defer server.Close()
		response, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		at, err := http.ParseTime(response.Header.Get("Date"))
		if age := time.Since(at); err != nil || age < -time.Second || age > time.Minute {
			t.Errorf("got Date %q, %v", response.Header.Get("Date"), err)
		}
	})
	t.Run("OCSP-47 Last-Modified, OCSP-48 Expires, OCSP-49 ETag, OCSP-50 max-age, OCSP-51 public, no-transform, must-revalidate", func(t *testing.T) {
		h := get.Header
		if h.Get("Last-Modified") != single.ThisUpdate.Format(http.TimeFormat) || h.Get("Expires") != single.NextUpdate.Format(http.TimeFormat) || h.Get("ETag") != tag {
			t.Errorf("got %v", h)
		}
		age, rest, _ := strings.Cut(h.Get("Cache-Control"), ", ")
		n, err := strconv.Atoi(strings.TrimPrefix(age, "max-age="))
		if err != nil || n < 55 || n > 60 || rest != "public, no-transform, must-revalidate" {
			t.Errorf("got Cache-Control %q", h.Get("Cache-Control"))
		}
	})
	t.Run("OCSP-52 authoritative answers may be stored, errors not", func(t *testing.T) {
		for name, values := range get.Header {
			if strings.Contains(strings.Join(values, " "), "no-store") || strings.Contains(strings.Join(values, " "), "no-cache") {
				t.Errorf("got %s: %s", name, values)
			}
		}
		foreign := newAuthority(t, "foreign")
		for _, in := range [][]byte{nil, request(t, nil, foreign.certID(t, crypto.SHA256, serial))} {
			response := post(t, r, in)
			if h := response.Header; h.Get("Cache-Control") != "no-store" || h.Get("ETag") != "" || h.Get("Expires") != "" {
				t.Errorf("an error got %v", h)
			}
		}
	})
	t.Run("OCSP-53 304 on If-None-Match", func(t *testing.T) {
		for _, value := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			response := do(r, http.MethodGet, path, "If-None-Match", value)
			if response.StatusCode != 304 || response.Header.Get("ETag") != tag || response.Header.Get("Expires") == "" || response.ContentLength > 0 {
				t.Errorf("%s got %d, %v", value, response.StatusCode, response.Header)
			}
		}
		if got := do(r, http.MethodGet, path, "If-None-Match", `"x"`).StatusCode; got != 200 {
			t.Errorf("another tag got %d", got)
		}
	})
	t.Run("OCSP-54 HEAD has the same headers", func(t *testing.T) {
		head := do(r, http.MethodHead, path)
		rest, err := io.ReadAll(head.Body)
		if err != nil || len(rest) > 0 || head.StatusCode != 200 {
			t.Errorf("got %d with %d octets, %v", head.StatusCode, len(rest), err)
		}
		for name := range get.Header {
			// The age may have ticked.
			if name != "Cache-Control" && head.Header.Get(name) != get.Header.Get(name) {
				t.Errorf("%s is %q, for GET %q", name, head.Header.Get(name), get.Header.Get(name))
			}
		}
	})
	t.Run("OCSP-55 nonced answer is not offered to shared caches", func(t *testing.T) {
		response := post(t, r, request(t, make([]byte, 32), a.certID(t, crypto.SHA256, serial)))
		if h := response.Header; h.Get("Cache-Control") != "private, max-age=0, no-transform, must-revalidate" || h.Get("ETag") != "" || h.Get("Expires") != "" {
			t.Errorf("got %v", h)
		}
	})
	t.Run("observed", func(t *testing.T) {
		seen := make(map[string]bool)
		for _, reason := range reasons {
			seen[reason] = true
		}
		for _, want := range []string{ocsp.ReasonKept, ocsp.ReasonSigned, ocsp.ReasonNonce, ocsp.ReasonMalformed, ocsp.ReasonUnauthorized, ocsp.ReasonNotModified, ocsp.ReasonHTTP} {
			if !seen[want] {
				t.Errorf("reason %q was not observed", want)
			}
		}
	})
}

func TestFreshness(t *testing.T) {
	t.Run("OCSP-56 refreshed before max-age runs out", func(t *testing.T) { synctest.Test(t, freshness) })
}

func freshness(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	path := "/" + url.PathEscape(base64.StdEncoding.EncodeToString(request(t, nil, a.certID(t, crypto.SHA256, serial))))
	ends := make(map[string]time.Time)
	for range 500 {
		response := do(r, http.MethodGet, path)
		tag := response.Header.Get("ETag")
		age, _, _ := strings.Cut(strings.TrimPrefix(response.Header.Get("Cache-Control"), "max-age="), ",")
		n, err := strconv.Atoi(age)
		if err != nil {
			t.Fatal(err)
		}
		end, ok := ends[tag]
		if ok && time.Now().After(end) {
			t.Fatalf("at %v an answer came again that was to be refreshed until %v", time.Now(), end)
		}
		if !ok {
			ends[tag] = time.Now().Add(time.Duration(n) * time.Second)
		}
		time.Sleep(777 * time.Millisecond)
	}
	if len(ends) < 6 || len(ends) > 8 {
		t.Errorf("got %d different answers in 388 seconds, want one a minute", len(ends))
	}
	if got := g.count(); got != len(ends) {
		t.Errorf("the source was read %d times for %d answers", got, len(ends))
	}
}

func FuzzServe(f *testing.F) {
	a := newAuthority(f, "ehm")
	r, g := newResponder(f, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	in := request(f, make([]byte, 16), a.certID(f, crypto.SHA1, serial))
	f.Add("GET", "/"+base64.StdEncoding.EncodeToString(in), []byte(nil))
	f.Add("GET", "//"+url.QueryEscape(base64.StdEncoding.EncodeToString(in)), []byte(nil))
	f.Add("POST", "/", in)
	f.Add("HEAD", "/%zz", in)
	f.Fuzz(func(t *testing.T, method, path string, in []byte) {
		// Over a connection the path reaches the handler as net/http read it.
		at, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		req := &http.Request{Method: method, URL: at, Header: http.Header{"Content-Type": {"application/ocsp-request"}}, Body: io.NopCloser(bytes.NewReader(in)), ContentLength: int64(len(in))}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("%s %q with % x got %d", method, path, in, w.Code)
		}
		if w.Code == 200 && w.Header().Get("Content-Type") != "application/ocsp-response" {
			t.Errorf("%s %q got %v", method, path, w.Header())
		}
	})
}
