package crl_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
)

// storage is a small S3: it keeps objects and lets in who signs his requests
// with the right key, by its own reading of AWS Signature Version 4.
type storage struct {
	secret string
	mu     sync.Mutex
	// objects by path, with their headers.
	objects map[string]object
	down    bool
	puts    int
}

type object struct {
	data   []byte
	header http.Header
}

func (s *storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	sum := sha256.Sum256(body)
	switch {
	case s.down:
		http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
	case r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]):
		http.Error(w, "<Error><Code>XAmzContentSHA256Mismatch</Code></Error>", http.StatusBadRequest)
	case s.check(r) != nil:
		http.Error(w, "<Error><Code>SignatureDoesNotMatch</Code></Error>", http.StatusForbidden)
	case r.Method == "PUT":
		s.puts++
		s.objects[r.URL.Path] = object{body, r.Header.Clone()}
	default:
		o, ok := s.objects[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		for _, name := range []string{"Content-Type", "Cache-Control", "X-Amz-Meta-Crl-Number"} {
			w.Header().Set(name, o.header.Get(name))
		}
		w.Write(o.data)
	}
}

// check computes the signature from the raw request line and the headers that
// the client says it signed.
func (s *storage) check(r *http.Request) error {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
	fields := strings.Split(rest, ", ")
	if !ok || len(fields) != 3 {
		return errors.New("malformed")
	}
	scope, names, signature := fields[0], strings.TrimPrefix(fields[1], "SignedHeaders="), strings.TrimPrefix(fields[2], "Signature=")
	date := r.Header.Get("X-Amz-Date")
	if at, err := time.Parse("20060102T150405Z", date); err != nil || time.Since(at).Abs() > 15*time.Minute {
		return errors.New("time")
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	lines := []string{r.Method, path, r.URL.RawQuery}
	for name := range strings.SplitSeq(names, ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		lines = append(lines, name+":"+value)
	}
	if !slices.Contains(strings.Split(names, ";"), "x-amz-content-sha256") {
		return errors.New("the payload is not signed")
	}
	lines = append(lines, "", names, r.Header.Get("X-Amz-Content-Sha256"))
	hashed := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	key := []byte("AWS4" + s.secret)
	for _, part := range append(strings.Split(scope, "/"), fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", date, scope, hashed)) {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	if hex.EncodeToString(key) != signature {
		return errors.New("signature")
	}
	return nil
}

// TestSignature holds the signatures against the examples that AWS publishes
// for Signature Version 4: its test suite, and those for S3.
func TestSignature(t *testing.T) {
	const suiteSecret, s3Secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	suite, s3 := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC), time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name, method, url, access, secret, service, payload string
		at                                                  time.Time
		headers                                             []string
		want                                                string
	}{
		{"get-vanilla", "GET", "https://example.amazonaws.com/", "AKIDEXAMPLE", suiteSecret, "service", nothing, suite, nil,
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", "AKIDEXAMPLE", suiteSecret, "service", nothing, suite, nil,
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"S3 GET Object", "GET", "https://examplebucket.s3.amazonaws.com/test.txt", "AKIAIOSFODNN7EXAMPLE", s3Secret, "s3", nothing, s3,
			[]string{"Range", "bytes=0-9", "X-Amz-Content-Sha256", nothing}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"S3 PUT Object", "PUT", "https://examplebucket.s3.amazonaws.com/test%24file.text", "AKIAIOSFODNN7EXAMPLE", s3Secret, "s3",
			"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", s3,
			[]string{"Date", "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Storage-Class", "REDUCED_REDUNDANCY", "X-Amz-Content-Sha256",
				"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"S3 GET Bucket Lifecycle", "GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", "AKIAIOSFODNN7EXAMPLE", s3Secret, "s3", nothing, s3,
			[]string{"X-Amz-Content-Sha256", nothing}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := http.NewRequest(row.method, row.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(row.headers); i += 2 {
				r.Header.Set(row.headers[i], row.headers[i+1])
			}
			crl.Authorize(r, row.access, row.secret, "us-east-1", row.service, row.payload, row.at)
			if got := r.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+row.want) {
				t.Errorf("got %s, want %s\n%s", got, row.want, crl.CanonicalRequest(r, row.payload))
			}
		})
	}
}

func TestBucket(t *testing.T) {
	kept := &storage{secret: "secret/+", objects: make(map[string]object)}
	server := httptest.NewServer(kept)
	defer server.Close()
	bucket, err := crl.NewBucket(crl.BucketConfig{Endpoint: server.URL, Bucket: "lists", Prefix: "cdp/", Region: "az-1", AccessKey: "AKIDEXAMPLE", SecretKey: "secret/+"})
	if err != nil {
		t.Fatal(err)
	}
	c := newCentre(t, p256(t))
	c.Issuers[0].Path, c.Issuers[0].CertificatePath = "AZ Root (RCA).crl", ""
	c.Mirrors, c.Delay = []crl.Mirror{bucket}, time.Millisecond
	p := c.publisher(t)
	stop := run(t, p)
	defer stop()
	const key = "/lists/cdp/AZ Root (RCA).crl"
	at := func() object {
		kept.mu.Lock()
		defer kept.mu.Unlock()
		return kept.objects[key]
	}
	// same waits until the bucket holds what is served.
	same := func(what string) {
		t.Helper()
		for range 500 {
			r := ask(p, "GET", "/"+url.PathEscape("AZ Root (RCA).crl"))
			if r.StatusCode == 200 && bytes.Equal(body(t, r), at().data) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s: the bucket holds something else", what)
	}
	same("the first list")
	c.put(entry(0x10, 1))
	time.Sleep(50 * time.Millisecond)
	same("the next one")
	t.Run("CRL-02 the object has its media type and CRL-23 a short life", func(t *testing.T) {
		if h := at().header; h.Get("Content-Type") != "application/pkix-crl" || !strings.HasPrefix(h.Get("Cache-Control"), "max-age=60,") || h.Get("Content-Encoding") != "" {
			t.Errorf("%v", h)
		}
	})
	t.Run("G9 storage that is down keeps nothing from being served, is told, and gets the list later", func(t *testing.T) {
		kept.mu.Lock()
		kept.down = true
		kept.mu.Unlock()
		c.put(entry(0x11, 1))
		for range 6000 {
			list, _ := p.Current("ehm")
			if err := p.Ready(t.Context()); list.Entries == 2 && err != nil && strings.Contains(err.Error(), "mirroring") {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if list, _ := p.Current("ehm"); list.Entries != 2 {
			t.Errorf("%d entries are served, want 2", list.Entries)
		}
		if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("ready says %v", err)
		}
		kept.mu.Lock()
		kept.down = false
		kept.mu.Unlock()
		same("after the storage came back")
	})
	t.Run("a wrong secret is refused by the storage", func(t *testing.T) {
		wrong, err := crl.NewBucket(crl.BucketConfig{Endpoint: server.URL, Bucket: "lists", Region: "az-1", AccessKey: "AKIDEXAMPLE", SecretKey: "other"})
		if err != nil {
			t.Fatal(err)
		}
		list, _ := p.Current("ehm")
		if err := wrong.Put(t.Context(), &list); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("error %v", err)
		}
		if text := wrong.String(); strings.Contains(text, "other") {
			t.Errorf("the secret is told: %s", text)
		}
	})
	stop() // so that nobody else puts anything
	t.Run("CRL-12 a higher number in the bucket stays", func(t *testing.T) {
		list, _ := p.Current("ehm")
		list.Number--
		before := kept.puts
		if err := bucket.Put(context.Background(), &list); err == nil || !strings.Contains(err.Error(), "another publisher") {
			t.Errorf("error %v", err)
		}
		list.Number++
		if err := bucket.Put(context.Background(), &list); err != nil || kept.puts != before {
			t.Errorf("error %v, %d puts", err, kept.puts-before)
		}
	})
	for name, config := range map[string]crl.BucketConfig{
		"no address": {Endpoint: "s3", Bucket: "b", Region: "r", AccessKey: "a", SecretKey: "s"}, "no bucket": {Endpoint: server.URL, Region: "r", AccessKey: "a", SecretKey: "s"},
		"no key": {Endpoint: server.URL, Bucket: "b", Region: "r"}, "prefix": {Endpoint: server.URL, Bucket: "b", Prefix: "x", Region: "r", AccessKey: "a", SecretKey: "s"},
	} {
		if _, err := crl.NewBucket(config); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
