package crl_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
)

// TestHostileSource pulls from a source that means harm: it has lists that the
// authority has signed, and no others.
func TestHostileSource(t *testing.T) {
	c := newCentre(t, p256(t)).withDelta()
	c.Issuers[0].Partitions = []crl.Partition{{Shards: 2, Place: crl.Place{Path: "p{shard}.crl", URL: "http://127.0.0.1:1/p{shard}.crl"}}}
	p := c.publisher(t)
	c.put(entry(0x10, 1))
	c.publish(t, p)
	path := "/ehm.crl"
	var sent atomic.Int64
	var instead http.HandlerFunc
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if instead != nil {
			instead(w, r)
			return
		}
		r.URL.Path = path
		p.ServeHTTP(w, r)
	}))
	defer source.Close()
	config := crl.PullerConfig{Dir: t.TempDir(), Lists: []crl.Pulled{{URL: source.URL + "/ehm.crl", Certificate: c.ca, Path: "ehm.crl"}}}
	m, err := crl.NewPuller(config)
	if err != nil {
		t.Fatal(err)
	}
	refuses := func(t *testing.T, want string) {
		t.Helper()
		if err := m.Pull(t.Context(), "ehm.crl"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one about %q", err, want)
		}
	}
	t.Run("CRL-25 a delta list in place of the complete one", func(t *testing.T) {
		path = "/ehm-delta.crl"
		refuses(t, "delta")
		if r := ask(m, "GET", "/ehm.crl"); r.StatusCode != 503 {
			t.Errorf("status %d", r.StatusCode)
		}
	})
	path = "/ehm.crl"
	must(t, m.Pull(t.Context(), "ehm.crl"))
	c.publish(t, p)
	t.Run("CRL-13 a part in place of the whole", func(t *testing.T) {
		path = "/p0.crl"
		refuses(t, "other certificates")
		path = "/ehm.crl"
		// Unless the operator has moved the one before it away.
		moved := config
		moved.Dir = t.TempDir()
		other, err := crl.NewPuller(moved)
		must(t, err)
		must(t, other.Pull(t.Context(), "ehm.crl"))
		must(t, os.Remove(filepath.Join(moved.Dir, "ehm.crl")))
		c.publish(t, p)
		path = "/p0.crl"
		must(t, other.Pull(t.Context(), "ehm.crl"))
		path = "/ehm.crl"
	})
	t.Run("a redirect to another host, or to another scheme", func(t *testing.T) {
		for _, to := range []string{"http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "https://localhost:1/ehm.crl"} {
			instead = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
			refuses(t, "redirects to")
		}
		instead = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }
		refuses(t, "again and again")
	})
	t.Run("G7 an endless answer is left at its first wrong octet", func(t *testing.T) {
		for _, start := range []string{"<html>", "\x30\x82\xff\xff\x30\x82\xff\xf0\x02\x01\x01", "\x30\x80"} {
			instead = func(w http.ResponseWriter, r *http.Request) {
				sent.Store(0)
				io.WriteString(w, start)
				for range 1 << 12 {
					n, err := w.Write(make([]byte, 64<<10))
					if sent.Add(int64(n)); err != nil {
						return
					}
				}
			}
			refuses(t, "damaged")
			source.CloseClientConnections()
			if n := sent.Load(); n > 64<<20 {
				t.Errorf("%d octets were taken", n)
			}
		}
	})
	instead = nil
	t.Run("G9 what is gone from the folder is fetched again", func(t *testing.T) {
		name := filepath.Join(config.Dir, "ehm.crl")
		must(t, m.Pull(t.Context(), "ehm.crl"))
		must(t, os.Remove(name))
		must(t, m.Pull(t.Context(), "ehm.crl"))
		if got := readFile(t, name); !bytes.Equal(got, body(t, ask(m, "GET", "/ehm.crl"))) {
			t.Error("the folder holds another list than is served")
		}
	})
	t.Run("another authority's list in the folder stops the start", func(t *testing.T) {
		other := newCentre(t, p256(t))
		other.publish(t, other.publisher(t))
		wrong := config
		wrong.Dir = other.Dir
		if _, err := crl.NewPuller(wrong); err == nil || !strings.Contains(err.Error(), "not of this authority") {
			t.Errorf("error %v", err)
		}
	})
	if left, _ := filepath.Glob(filepath.Join(config.Dir, ".*")); len(left) != 0 {
		t.Errorf("the folder holds %v", left)
	}
}

// slow is an answer over a connection with deadlines.
type slow struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (s *slow) SetWriteDeadline(t time.Time) error {
	s.deadlines = append(s.deadlines, t)
	return nil
}

// A client that takes nothing is soon rid of, however long the list is.
func TestSlowReader(t *testing.T) {
	c := newCentre(t, p256(t))
	c.Source = &many{n: 100_000}
	p := c.publisher(t)
	c.publish2(t, p)
	list := readFile(t, filepath.Join(c.Dir, "ehm.crl"))
	w := &slow{ResponseRecorder: httptest.NewRecorder()}
	p.ServeHTTP(w, httptest.NewRequest("GET", "/ehm.crl", nil))
	if !bytes.Equal(w.Body.Bytes(), list) {
		t.Errorf("%d octets, want %d", w.Body.Len(), len(list))
	}
	if want := (len(list) + 1<<20 - 1) >> 20; len(w.deadlines) != want || want < 3 {
		t.Errorf("%d deadlines, want %d", len(w.deadlines), want)
	}
	for _, deadline := range w.deadlines {
		if time.Until(deadline) > 30*time.Second {
			t.Errorf("a deadline in %v", time.Until(deadline))
		}
	}
}

// recorder is a mirror that remembers what it was given.
type recorder struct {
	puts   []crl.List
	before func(l *crl.List) error
}

func (r *recorder) String() string { return "recorder" }

func (r *recorder) Put(_ context.Context, l *crl.List) error {
	if err := r.before(l); err != nil {
		return err
	}
	r.puts = append(r.puts, *l)
	return nil
}

func TestMirrorOrder(t *testing.T) {
	t.Run("CRL-25 a delta list never comes before its base", func(t *testing.T) {
		c := newCentre(t, p256(t)).withDelta()
		c.publish(t, c.publisher(t))
		m := &recorder{}
		c.Mirrors = []crl.Mirror{m}
		p := c.publisher(t)
		// While the complete list is on its way, the next round makes a base.
		again := true
		m.before = func(l *crl.List) error {
			if again && l.Base == 0 {
				again = false
				c.publish2(t, p)
			}
			return nil
		}
		must(t, p.MirrorOnce(t.Context(), m))
		complete := uint64(0)
		for _, l := range m.puts {
			if l.Base == 0 {
				complete = l.Number
			} else if l.Base > complete {
				t.Errorf("delta list %d counts from %d, and the mirror has %d", l.Number, l.Base, complete)
			}
		}
	})
	t.Run("G9 one list that is refused keeps no other back, unless nobody answers", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.Issuers[0].Partitions = []crl.Partition{{Shards: 4, Place: crl.Place{Path: "p{shard}.crl", URL: "http://127.0.0.1:1/p{shard}.crl"}}}
		p := c.publisher(t)
		c.publish2(t, p)
		for refusal, want := range map[error]int{errors.New("refused"): 4, &url.Error{Op: "Put", Err: errors.New("nobody there")}: 1} {
			m := &recorder{before: func(l *crl.List) error {
				if l.Path == "p0.crl" {
					return refusal
				}
				return nil
			}}
			if err := p.MirrorOnce(t.Context(), m); !errors.Is(err, refusal) || len(m.puts) != want {
				t.Errorf("%v: %d lists were put, want %d; %v", refusal, len(m.puts), want, err)
			}
		}
	})
}

// TestHostileStorage answers as storage that is misled or misleads.
func TestHostileStorage(t *testing.T) {
	c := newCentre(t, p256(t))
	p := c.publisher(t)
	c.publish2(t, p)
	list, _ := p.Current("ehm")
	for name, row := range map[string]struct {
		put  http.HandlerFunc
		want string
	}{
		"success, and nothing is there": {func(w http.ResponseWriter, r *http.Request) {}, "does not hold"},
		"success with an error in it": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<Error><Code>SlowDown</Code></Error>")
		}, "does not hold"},
		"another region": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		}, "region"},
		"a redirect that keeps the method": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "region"},
		"an error with a code": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-1</Region></Error>")
		}, "(AuthorizationHeaderMalformed)"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r.URL.Path)
				switch {
				case r.URL.Path == "/elsewhere":
				case r.Method == "HEAD":
					http.NotFound(w, r)
				default:
					row.put(w, r)
				}
			}))
			defer server.Close()
			bucket, err := crl.NewBucket(crl.BucketConfig{Endpoint: server.URL, Bucket: "lists", Region: "az-1", AccessKey: "AKID", SecretKey: "s3cr3t"})
			if err != nil {
				t.Fatal(err)
			}
			err = bucket.Put(t.Context(), &list)
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("error %v, want one about %q", err, row.want)
			}
			if slices.Contains(seen, "/elsewhere") {
				t.Error("the redirect was followed")
			}
		})
	}
}

// What the reader takes, the standard library takes, too: it is the stricter of
// the two, since it reads extensions that the other leaves alone.
func TestReaderIsStricter(t *testing.T) {
	c := newCentre(t, p256(t))
	c.Issuers[0].URL = "http://127.0.0.1:1/ehm.crl"
	c.put(entry(0x10, 0))
	c.put(entry(0x11, 1, time.Now()))
	list := c.publish(t, c.publisher(t)).Raw
	random := rand.New(rand.NewPCG(5280, 5))
	taken := 0
	for range 2000 {
		mutated := bytes.Clone(list)
		for range 1 + random.IntN(2) {
			mutated[random.IntN(len(mutated))] ^= byte(1 + random.IntN(255))
		}
		r, err := crl.NewReader(bytes.NewReader(mutated))
		if err == nil {
			err = r.Skip()
		}
		if err != nil {
			continue
		}
		taken++
		if _, err := x509.ParseRevocationList(mutated); err != nil {
			t.Errorf("the reader takes %x, and x509 does not: %v", mutated, err)
		}
	}
	if taken < 100 {
		t.Errorf("only %d lists were taken, which shows little", taken)
	}
}
