package serve_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/serve"
)

func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestAdmin(t *testing.T) {
	admin := serve.NewAdmin()
	h := admin.Handler()
	if w := ask(h, "GET", "/readyz"); w.Code != 503 || w.Body.String() != "nothing is set up yet\n" {
		t.Errorf("before anything was added: %d %q", w.Code, w.Body)
	}
	var late error = errors.New("list of ehm is past half of its life\n(since 12:00)")
	admin.Add("ca", nil)
	admin.Add("crl", func(context.Context) error { return late })
	admin.Add("ocsp", func(context.Context) error { return nil })
	admin.Add("crl", func(context.Context) error { return nil })
	admin.Observer("ocsp")("good", time.Millisecond)

	const red = "ca: ready\ncrl: not ready: list of ehm is past half of its life (since 12:00)\nocsp: ready\ncrl: ready\n"
	for _, row := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/healthz", 200, "ok\n"},
		{"GET", "/ca/healthz", 200, "ok\n"},
		{"GET", "/readyz", 503, red},
		{"GET", "/ca/readyz", 200, "ca: ready\n"},
		{"GET", "/crl/readyz", 503, "crl: not ready: list of ehm is past half of its life (since 12:00)\ncrl: ready\n"},
		{"GET", "/tsa/readyz", 404, "404 page not found\n"},
		{"GET", "/tsa/healthz", 404, "404 page not found\n"},
		{"GET", "/tsa/metrics", 404, "404 page not found\n"},
		{"GET", "/", 404, "404 page not found\n"},
		{"POST", "/readyz", 405, "Method Not Allowed\n"},
	} {
		w := ask(h, row.method, row.path)
		if w.Code != row.status || w.Body.String() != row.body {
			t.Errorf("%s %s: got %d %q, want %d %q", row.method, row.path, w.Code, w.Body, row.status, row.body)
		}
		if row.status == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("Allow: %q", w.Header().Get("Allow"))
		}
	}
	late = nil
	if w := ask(h, "GET", "/readyz"); w.Code != 200 {
		t.Errorf("when all is well: %d %q", w.Code, w.Body)
	}
	if report, err := admin.Ready(t.Context(), "tsa"); err == nil {
		t.Errorf("an unknown component is ready: %s", report)
	}
	for _, path := range []string{"/metrics", "/ocsp/metrics"} {
		if w := ask(h, "GET", path); w.Code != 200 || !strings.Contains(w.Body.String(), `altamga_results_total{component="ocsp",reason="good"} 1`) {
			t.Errorf("GET %s: got %d\n%s", path, w.Code, w.Body)
		}
	}
}

// A check that hangs or panics makes its own component unready, in bounded
// time, and is not started again while it hangs.
func TestBadChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		admin := serve.NewAdmin()
		release := make(chan struct{})
		var started atomic.Int32
		admin.Add("ca", func(context.Context) error { started.Add(1); <-release; return nil })
		admin.Add("crl", func(context.Context) error { panic("nil map") })
		admin.Add("ocsp", nil)
		for _, want := range []string{
			"ca: not ready: no answer within 3s\ncrl: not ready: the check panicked: nil map\nocsp: ready\n",
			"ca: not ready: an earlier check has not returned\ncrl: not ready: the check panicked: nil map\nocsp: ready\n",
		} {
			begun := time.Now()
			report, err := admin.Ready(t.Context(), "")
			if report != want || err == nil {
				t.Errorf("got\n%swant\n%s", report, want)
			}
			if took := time.Since(begun); took != 3*time.Second {
				t.Errorf("it took %v", took)
			}
		}
		if n := started.Load(); n != 1 {
			t.Errorf("the check was started %d times", n)
		}
		close(release)
		synctest.Wait()
		if report, err := admin.Ready(t.Context(), "ca"); err != nil {
			t.Errorf("after it returned: %s", report)
		}
	})
}

func TestMetrics(t *testing.T) {
	admin := serve.NewAdmin()
	admin.Add("ocsp", nil)
	observe := admin.Observer("ocsp")
	observe("good", 2*time.Millisecond)
	observe("good", 3*time.Millisecond)
	observe("malformed_request", time.Second)
	for _, reason := range []string{"", "FIN 7ABC123", strings.Repeat("a", 41)} {
		observe(reason, 0)
	}
	many := admin.Observer("tsa")
	for i := range 100 {
		many(fmt.Sprintf("r%d", i), 0)
	}
	lag := 7.0
	admin.Gauge("ocsp", "journal_lag", "Entries of the journal that are not followed yet.", func() float64 { return lag })
	admin.Gauge("crl", "journal_lag", "Entries of the journal that are not followed yet.", func() float64 { return 0 })
	admin.Gauge("crl", "list_seconds_left", "Time until nextUpdate.", func() float64 { return 60 }, "issuer", "ehm")
	admin.Gauge("crl", "list_seconds_left", "Time until nextUpdate.", func() float64 { return 90 }, "issuer", "hom")
	lag = 8
	body := ask(admin.Handler(), "GET", "/metrics").Body.String()
	for _, want := range []string{
		`altamga_results_total{component="ocsp",reason="good"} 2`,
		`altamga_results_total{component="ocsp",reason="malformed_request"} 1`,
		`altamga_results_total{component="ocsp",reason="other"} 3`,
		`altamga_results_total{component="tsa",reason="other"} 36`,
		`altamga_result_seconds_bucket{component="ocsp",reason="good",le="0.0025"} 1`,
		`altamga_result_seconds_count{component="ocsp",reason="good"} 2`,
		`altamga_journal_lag{component="ocsp"} 8`,
		`altamga_journal_lag{component="crl"} 0`,
		`altamga_list_seconds_left{component="crl",issuer="ehm"} 60`,
		`go_goroutines`, `process_open_fds`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, "7ABC123") {
		t.Error("what a client sent is in the metrics")
	}
	defer func() {
		if recover() == nil {
			t.Error("a label without a value was accepted")
		}
	}()
	labels := strings.Fields("issuer")
	admin.Gauge("crl", "odd", "Odd.", func() float64 { return 0 }, labels...)
}

func BenchmarkObserver(b *testing.B) {
	observe := serve.NewAdmin().Observer("ocsp")
	for b.Loop() {
		observe("good", time.Millisecond)
	}
}
