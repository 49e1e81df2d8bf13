package crl_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
)

func TestPull(t *testing.T) {
	c := newCentre(t, p256(t)).withDelta()
	p := c.publisher(t)
	c.publish(t, p)
	var hand atomic.Pointer[http.Handler]
	give := func(h http.Handler) { hand.Store(&h) }
	give(p)
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*hand.Load()).ServeHTTP(w, r) }))
	defer source.Close()
	reason := ""
	config := crl.PullerConfig{Dir: t.TempDir(), Observe: func(r string, _ time.Duration) { reason = r }, Lists: []crl.Pulled{
		{URL: source.URL + "/ehm.crl", Certificate: c.ca, Path: "cdp/ehm.crl"}, {URL: source.URL + "/ehm-delta.crl", Certificate: c.ca, Path: "cdp/ehm-delta.crl", Delta: true}}}
	puller := func() *crl.Puller {
		t.Helper()
		m, err := crl.NewPuller(config)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := puller()
	pull := func(want, wantError string) {
		t.Helper()
		err := m.Pull(t.Context(), "cdp/ehm.crl")
		if reason != want || (err == nil) != (wantError == "") || err != nil && !strings.Contains(err.Error(), wantError) {
			t.Errorf("%s, error %v, want %s, %q", reason, err, want, wantError)
		}
	}
	served := func() []byte { return body(t, ask(m, "GET", "/cdp/ehm.crl")) }
	if r := ask(m, "GET", "/cdp/ehm.crl"); r.StatusCode != 503 {
		t.Errorf("before the first list: %d", r.StatusCode)
	}
	if err := m.Ready(t.Context()); err == nil {
		t.Error("ready without lists")
	}
	pull("pulled", "")
	pull("unchanged", "")
	if err := m.Pull(t.Context(), "cdp/ehm-delta.crl"); err != nil {
		t.Error(err)
	}
	if err := m.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	c.put(entry(0x10, 1))
	c.publish(t, p)
	good := readFile(t, filepath.Join(c.Dir, "ehm.crl"))
	t.Run("CRL-01 a newer list is published, in the folder and over HTTP", func(t *testing.T) {
		pull("pulled", "")
		if !bytes.Equal(served(), good) || !bytes.Equal(readFile(t, filepath.Join(config.Dir, "cdp/ehm.crl")), good) {
			t.Error("other octets than the source's")
		}
	})
	t.Run("what is not a newer list of the authority is not published", func(t *testing.T) {
		other := newCentre(t, p256(t))
		for range 9 {
			other.publish(t, other.publisher(t))
		}
		rival := newCentre(t, c.key)
		rival.ca, rival.Issuers[0].Certificate = c.ca, c.ca
		rival.publish(t, rival.publisher(t))
		fixed := func(data []byte) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(data) })
		}
		for name, row := range map[string]struct {
			source http.Handler
			want   string
		}{
			"half of one":          {fixed(good[:len(good)/2]), "damaged"},
			"another authority's":  {other.publisher(t), "not of this authority"},
			"a lower number":       {rival.publisher(t), "after"},
			"an error":             {http.NotFoundHandler(), "404"},
			"a wrong signature":    {fixed(append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1)), "damaged"},
			"a page of a provider": {fixed([]byte("<html>")), "damaged"},
		} {
			give(row.source)
			pull("pull", row.want)
			if err := m.Ready(t.Context()); err == nil {
				t.Errorf("%s: ready", name)
			}
			if !bytes.Equal(served(), good) {
				t.Errorf("%s: the last good list is not served", name)
			}
		}
		source.CloseClientConnections()
	})
	t.Run("a restarted mirror serves what it has", func(t *testing.T) {
		give(http.NotFoundHandler())
		m = puller()
		if !bytes.Equal(served(), good) {
			t.Error("it does not")
		}
		give(p)
		pull("unchanged", "")
	})
	t.Run("Run follows the source", func(t *testing.T) {
		config.Interval, config.Observe = 5*time.Millisecond, nil
		m = puller()
		done := make(chan error, 1)
		go func() { done <- m.Run(t.Context()) }()
		c.put(entry(0x11, 1))
		c.publish(t, p)
		for range 400 {
			if bytes.Equal(served(), readFile(t, filepath.Join(c.Dir, "ehm.crl"))) {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Error("it does not")
	})
	for name, change := range map[string]func(*crl.PullerConfig){
		"no folder": func(c *crl.PullerConfig) { c.Dir += "/none" }, "no list": func(c *crl.PullerConfig) { c.Lists = nil },
		"no URL": func(c *crl.PullerConfig) {
			c.Lists = []crl.Pulled{{Certificate: c.Lists[0].Certificate, Path: "a.crl"}}
		},
		"path twice":  func(c *crl.PullerConfig) { c.Lists = append(c.Lists, c.Lists[0]) },
		"certificate": func(c *crl.PullerConfig) { c.Lists = []crl.Pulled{{URL: source.URL, Path: "a.crl"}} },
	} {
		wrong := config
		change(&wrong)
		if _, err := crl.NewPuller(wrong); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Whoever asks whether the mirror is ready is not kept waiting by a source that
// gives no answer.
func TestReadyWhileTheSourceHangs(t *testing.T) {
	c := newCentre(t, p256(t))
	begun, release := make(chan struct{}), make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer source.Close()
	m, err := crl.NewPuller(crl.PullerConfig{Dir: t.TempDir(), Lists: []crl.Pulled{{URL: source.URL + "/ehm.crl", Certificate: c.ca, Path: "ehm.crl"}}})
	if err != nil {
		t.Fatal(err)
	}
	pulled, answer := make(chan error, 1), make(chan error, 1)
	go func() { pulled <- m.Pull(t.Context(), "ehm.crl") }()
	<-begun
	go func() { answer <- m.Ready(t.Context()) }()
	select {
	case err := <-answer:
		if err == nil || !strings.Contains(err.Error(), "not pulled yet") {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("no answer for a minute")
	}
	close(release)
	if err := <-pulled; err == nil {
		t.Error("a list was pulled from a source that has none")
	}
	if err := m.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("after the pull: %v", err)
	}
}
