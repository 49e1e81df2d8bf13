package crl_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/crl"
)

// ask sends a request with headers in pairs to the handler.
func ask(h http.Handler, method, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// request is a GET with headers in pairs.
func request(t testing.TB, url string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func body(t testing.TB, r *http.Response) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHTTP(t *testing.T) {
	c := newCentre(t, p256(t))
	other := c.Issuers[0]
	other.ID, other.Path, other.CertificatePath = "other", "cdp/AZ Root Authority (RCA).crl", "cdp/AZ Root Authority (RCA).cer"
	c.Issuers = append(c.Issuers, other)
	p := c.publisher(t)

	t.Run("before the first list: 503 with Retry-After", func(t *testing.T) {
		r := ask(p, "GET", "/ehm.crl")
		if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", r.StatusCode, r.Header)
		}
	})
	list := c.publish(t, p)
	if err := p.Publish(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	etag := ask(p, "HEAD", "/ehm.crl").Header.Get("ETag")
	modified := list.ThisUpdate.Format(http.TimeFormat)

	t.Run("CRL-01 the URL serves one DER CRL", func(t *testing.T) {
		r := ask(p, "GET", "/ehm.crl")
		if r.StatusCode != 200 || !bytes.Equal(body(t, r), list.Raw) {
			t.Errorf("status %d, other octets than published", r.StatusCode)
		}
	})
	t.Run("CRL-02 media types of lists and certificates", func(t *testing.T) {
		if got := ask(p, "GET", "/ehm.crl").Header.Get("Content-Type"); got != "application/pkix-crl" {
			t.Errorf("list is %q", got)
		}
		r := ask(p, "GET", "/ehm.cer")
		if got := r.Header.Get("Content-Type"); got != "application/pkix-cert" || !bytes.Equal(body(t, r), c.ca.Raw) {
			t.Errorf("certificate is %q", got)
		}
	})
	t.Run("CRL-20 names with spaces and parentheses, escaped as people escape them", func(t *testing.T) {
		for _, target := range []string{"/cdp/AZ%20Root%20Authority%20(RCA).crl", "/cdp/AZ%20Root%20Authority%20%28RCA%29.crl"} {
			if r := ask(p, "GET", target); r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/pkix-crl" {
				t.Errorf("%s: %d", target, r.StatusCode)
			}
		}
		if r := ask(p, "GET", "/cdp/AZ%20Root%20Authority%20(RCA).cer"); r.StatusCode != 200 {
			t.Errorf("certificate: %d", r.StatusCode)
		}
	})
	t.Run("CRL-21 ETag and Last-Modified", func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD"} {
			r := ask(p, method, "/ehm.crl")
			if r.Header.Get("ETag") != etag || r.Header.Get("Last-Modified") != modified {
				t.Errorf("%s: %v", method, r.Header)
			}
		}
		if another := ask(p, "HEAD", "/cdp/AZ%20Root%20Authority%20(RCA).crl").Header.Get("ETag"); another == etag {
			t.Errorf("two lists have the ETag %s", etag)
		}
	})
	t.Run("CRL-22 304 when nothing is new", func(t *testing.T) {
		for _, test := range []struct {
			want    int
			headers []string
		}{
			{304, []string{"If-None-Match", etag}},
			{304, []string{"If-None-Match", `"other", W/` + etag}},
			{304, []string{"If-None-Match", "*"}},
			{200, []string{"If-None-Match", `"other"`}},
			{304, []string{"If-Modified-Since", modified}},
			{200, []string{"If-Modified-Since", list.ThisUpdate.Add(-time.Second).Format(http.TimeFormat)}},
			{200, []string{"If-None-Match", `"other"`, "If-Modified-Since", modified}},
		} {
			r := ask(p, "GET", "/ehm.crl", test.headers...)
			if r.StatusCode != test.want {
				t.Errorf("%v: %d, want %d", test.headers, r.StatusCode, test.want)
			}
			if r.StatusCode == 304 && (len(body(t, r)) != 0 || r.Header.Get("ETag") != etag || r.Header.Get("Cache-Control") == "") {
				t.Errorf("%v: a 304 with %v", test.headers, r.Header)
			}
		}
	})
	t.Run("ranges that make more than the list are ignored", func(t *testing.T) {
		ranges := "bytes=0-1" + strings.Repeat(",2-3", 15)
		if r := ask(p, "GET", "/ehm.crl", "Range", ranges); r.StatusCode != 206 {
			t.Errorf("16 ranges: status %d", r.StatusCode)
		}
		if r := ask(p, "GET", "/ehm.crl", "Range", ranges+",4-5"); r.StatusCode != 200 || r.ContentLength != int64(len(body(t, r))) {
			t.Errorf("17 ranges: status %d, %d octets", r.StatusCode, r.ContentLength)
		}
	})
	t.Run("CRL-24 no content-coding", func(t *testing.T) {
		r := ask(p, "GET", "/ehm.crl", "Accept-Encoding", "gzip, br, zstd")
		if r.Header.Get("Content-Encoding") != "" || !bytes.Equal(body(t, r), list.Raw) {
			t.Errorf("%v", r.Header)
		}
		if !strings.Contains(r.Header.Get("Cache-Control"), "no-transform") {
			t.Error("caches may transform it")
		}
	})
	t.Run("HEAD has the headers and no body", func(t *testing.T) {
		r := ask(p, "HEAD", "/ehm.crl")
		if r.StatusCode != 200 || len(body(t, r)) != 0 || r.Header.Get("Content-Length") != fmt.Sprint(len(list.Raw)) {
			t.Errorf("%d %v", r.StatusCode, r.Header)
		}
	})
	t.Run("other methods are 405 and other paths 404, none of them kept", func(t *testing.T) {
		for _, test := range []struct {
			method, target string
			want           int
		}{
			{"POST", "/ehm.crl", 405}, {"DELETE", "/ehm.cer", 405}, {"OPTIONS", "/ehm.crl", 405},
			{"GET", "/", 404}, {"POST", "/", 404}, {"GET", "/EHM.crl", 404}, {"GET", "/ehm.crl/", 404}, {"GET", "//ehm.crl", 404},
			{"GET", "/../ehm.crl", 404}, {"GET", "/%2e%2e/ehm.crl", 404}, {"GET", "/ehm%2ecrl%00", 404}, {"GET", "/cdp/AZ%2520Root%2520Authority%2520(RCA).crl", 404},
		} {
			r := ask(p, test.method, test.target)
			if r.StatusCode != test.want || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("ETag") != "" {
				t.Errorf("%s %s: %d %v, want %d", test.method, test.target, r.StatusCode, r.Header, test.want)
			}
			if got := r.Header.Get("Allow"); (r.StatusCode == 405) != (got == "GET, HEAD") {
				t.Errorf("%s %s: Allow %q", test.method, test.target, got)
			}
		}
	})
}

func TestFreshness(t *testing.T) {
	maxAge := func(r *http.Response) (n int) {
		fmt.Sscanf(r.Header.Get("Cache-Control"), "max-age=%d", &n)
		return n
	}
	t.Run("CRL-23 the freshness lifetime never passes nextUpdate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			p := c.publisher(t)
			list := c.publish(t, p)
			for _, before := range []time.Duration{time.Hour, 61 * time.Second, 60 * time.Second, 59 * time.Second, 1500 * time.Millisecond, 500 * time.Millisecond, 0, -time.Hour} {
				time.Sleep(time.Until(list.NextUpdate.Add(-before)))
				r := ask(p, "GET", "/ehm.crl")
				want := min(60, max(0, int(before/time.Second)))
				if got := maxAge(r); got != want {
					t.Errorf("%v before nextUpdate: max-age %d, want %d", before, got, want)
				}
				expires, err := http.ParseTime(r.Header.Get("Expires"))
				if err != nil || before >= 0 && expires.After(list.NextUpdate) {
					t.Errorf("%v before nextUpdate: Expires %v (%v)", before, expires, err)
				}
			}
		})
	})
	t.Run("CRL-22 two lists of one second are never taken for each other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			p := c.publisher(t)
			first := c.publish(t, p)
			c.put(entry(0x3001, 1))
			second := c.publish(t, p)
			if !first.ThisUpdate.Equal(second.ThisUpdate) {
				t.Fatal("the lists are not of one second")
			}
			r := ask(p, "GET", "/ehm.crl", "If-Modified-Since", first.ThisUpdate.Format(http.TimeFormat))
			if r.StatusCode != 200 || !bytes.Equal(body(t, r), second.Raw) || r.Header.Get("Last-Modified") != "" {
				t.Errorf("%d %v", r.StatusCode, r.Header)
			}
		})
	})
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		name, want string
		change     func(*centre)
	}{
		{"no issuer", "no issuer", func(c *centre) { c.Issuers = nil }},
		{"no source", "Source", func(c *centre) { c.Source = nil }},
		{"no lint", "Lint", func(c *centre) { c.Lint = nil }},
		{"no audit", "Audit", func(c *centre) { c.Audit = nil }},
		{"no folder", "folder", func(c *centre) { c.Dir += "/none" }},
		{"interval longer than half of the validity", "longer than half", func(c *centre) { c.Interval, c.Validity = 13*time.Hour, 25*time.Hour }},
		{"negative delay", "negative", func(c *centre) { c.Delay = -1 }},
		{"issuer twice", "twice", func(c *centre) { c.Issuers = append(c.Issuers, c.Issuers[0]) }},
		{"issuer without a name", "no name", func(c *centre) { c.Issuers[0].ID = "" }},
		{"another key", "does not belong", func(c *centre) { c.Issuers[0].Key = p256(t) }},
		{"no key", "missing", func(c *centre) { c.Issuers[0].Key = nil }},
		{"CRL-02 a name that does not end in .crl", ".crl", func(c *centre) { c.Issuers[0].Path = "ehm.pem" }},
		{"a certificate that does not end in .cer", ".cer", func(c *centre) { c.Issuers[0].CertificatePath = "ehm.crt" }},
		{"a path out of the folder", "relative", func(c *centre) { c.Issuers[0].Path = "../ehm.crl" }},
		{"an absolute path", "relative", func(c *centre) { c.Issuers[0].Path = "/ehm.crl" }},
		{"a hidden file", "dot", func(c *centre) { c.Issuers[0].Path = ".ehm.crl" }},
		{"an end entity", "not an authority", func(c *centre) {
			template := *c.ca
			template.IsCA, template.BasicConstraintsValid = false, false
			c.Issuers[0].Certificate = certificate(t, &template, &template, c.key.Public(), c.key)
		}},
		{"no subjectKeyIdentifier", "subjectKeyIdentifier", func(c *centre) {
			bare := *c.ca
			bare.SubjectKeyId = nil
			c.Issuers[0].Certificate = &bare
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCentre(t, p256(t))
			test.change(c)
			if _, err := crl.New(c.Config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %q", err, test.want)
			}
		})
	}
	t.Run("all problems are told at once", func(t *testing.T) {
		_, err := crl.New(crl.Config{Issuers: []crl.Issuer{{ID: "x", Certificate: &x509.Certificate{}}}})
		for _, want := range []string{"Source", "Lint", "Audit", "folder", "issuer x"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("no word about %s in %v", want, err)
			}
		}
	})
}
