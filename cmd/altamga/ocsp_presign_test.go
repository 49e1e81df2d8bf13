package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/register"
)

// responding is a responder of a configuration, whose loops run, without a port.
type responding struct {
	t    *testing.T
	p    *process
	stop func()
}

func startResponding(t *testing.T, file string) *responding {
	t.Helper()
	p, err := newProcess(t.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.addOCSP(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	for _, loop := range p.loops {
		loops.Go(func() {
			if err := loop.Run(ctx); err != nil {
				t.Errorf("%s: %v", loop.Name, err)
			}
		})
	}
	stop := sync.OnceFunc(func() {
		cancel()
		loops.Wait()
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return &responding{t, p, stop}
}

// ask asks by SHA-256 and returns what another implementation makes of the answer.
func (r *responding) ask(c, issuer *x509.Certificate) *xocsp.Response {
	r.t.Helper()
	in, err := xocsp.CreateRequest(c, issuer, &xocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		r.t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(in))
	request.Header.Set("Content-Type", "application/ocsp-request")
	w := httptest.NewRecorder()
	r.p.servers[len(r.p.servers)-1].Handler.ServeHTTP(w, request)
	answer, err := xocsp.ParseResponse(w.Body.Bytes(), issuer)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

// of is how many requests, or answers ahead of them, had this end.
func (r *responding) of(reason string) int {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.p.admin.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	found := regexp.MustCompile(`(?m)^altamga_results_total\{component="ocsp",reason="` + reason + `"\} (\d+)$`).FindStringSubmatch(w.Body.String())
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// until waits for that many.
func (r *responding) until(reason string, n int) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); r.of(reason) < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: %d of %d", reason, r.of(reason), n)
		}
	}
}

// respondingConfig writes the configuration of a responder in a centre's folder.
func respondingConfig(t *testing.T, dir, name, store, more string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	text := fmt.Sprintf(`[register]
path = %q

[ocsp]
listen = "127.0.0.1:0"
max_age = "1h"
validity = "2h"
%s

[[ocsp.issuer]]
id = "ehm"
certificate = "certificates/ehm.pem"
signer = "certificates/ocsp-ehm.pem"
signer_key = "file:keys/ocsp-ehm.key"
renew = "off"
`, store, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestPresigning: what was hot before a restart is warm after it, and with "all"
// everything is, before anyone asks.
func TestPresigning(t *testing.T) {
	t.Parallel()
	dir, opened, certificates := smallCentre(t, 4)
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	issuer, err := readCertificate(config.Path(filepath.Join(dir, "certificates/ehm.pem")))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("hot", func(t *testing.T) {
		file := respondingConfig(t, dir, "hot.toml", "register.db", "presign = \"hot\"\nhot_set = \"hot.txt\"")
		before := startResponding(t, file)
		for _, c := range certificates[:3] {
			before.ask(c, issuer)
		}
		before.stop()
		// A line that is damaged costs no more than itself.
		remembered := string(read(t, filepath.Join(dir, "hot.txt")))
		if strings.Count(remembered, "\n") != 3 {
			t.Fatalf("remembered %q", remembered)
		}
		if err := os.WriteFile(filepath.Join(dir, "hot.txt"), []byte("?\nMAA=\n"+remembered), 0o600); err != nil {
			t.Fatal(err)
		}
		after := startResponding(t, file)
		after.until("refreshed", 3)
		for _, c := range certificates {
			after.ask(c, issuer)
		}
		if kept, signed := after.of("kept"), after.of("signed"); kept != 3 || signed != 1 {
			t.Errorf("of three hot ones and another, %d were warm and %d not", kept, signed)
		}
	})
	t.Run("all", func(t *testing.T) {
		r := startResponding(t, respondingConfig(t, dir, "all.toml", "register.db", `presign = "all"`))
		// Each by two hashes, and the centre's own signer.
		r.until("refreshed", 2*len(certificates)+2)
		for _, c := range certificates {
			r.ask(c, issuer)
		}
		if kept := r.of("kept"); kept != len(certificates) {
			t.Errorf("%d of %d were warm", kept, len(certificates))
		}
	})
	for name, wrong := range map[string]string{"none": `presign = "some"`, "no file": `presign = "hot"`} {
		var out, fault bytes.Buffer
		file := respondingConfig(t, dir, "wrong.toml", "register.db", wrong)
		if code := run(t.Context(), []string{"ocsp", "serve", "-c", file, "--check"}, streams{out: &out, err: &fault}); code == 0 {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestWarm signs ahead of time into a Redis: all, or what a budget holds, and
// responders find it there.
func TestWarm(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed (Debian: redis-server)")
	}
	address := startRedis(t)
	dir, opened, certificates := smallCentre(t, 3)
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	const many = 1200
	crowd, err := register.Open(t.Context(), filepath.Join(dir, "many.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := crowd.Populate(t.Context(), "ehm", many); err != nil {
		t.Fatal(err)
	}
	if err := crowd.Close(); err != nil {
		t.Fatal(err)
	}
	redis := fmt.Sprintf("[ocsp.redis]\naddresses = [%q]\nbudget = \"5s\"", address)
	small := respondingConfig(t, dir, "small.toml", "register.db", redis)
	large := respondingConfig(t, dir, "large.toml", "many.db", redis)
	warm := func(want int, args ...string) string {
		t.Helper()
		var out, fault bytes.Buffer
		if code := run(t.Context(), append([]string{"ocsp", "warm"}, args...), streams{out: &out, err: &fault}); code != want {
			t.Fatalf("%v: code %d: %s%s", args, code, &out, &fault)
		}
		// On a pipe no progress is shown.
		if want == 0 && fault.Len() > 0 {
			t.Errorf("%v: %s", args, &fault)
		}
		return out.String() + fault.String()
	}
	n := len(certificates) + 1 // and the centre's own signer
	if said := warm(0, "-c", small); !strings.HasPrefix(said, fmt.Sprintf("%d answers signed in ", n)) {
		t.Error(said)
	}
	if said := warm(0, "-c", small, "--hash", "sha1,sha256"); !strings.HasPrefix(said, fmt.Sprintf("%d answers signed in ", 2*n)) {
		t.Error(said)
	}
	issuer, err := readCertificate(config.Path(filepath.Join(dir, "certificates/ehm.pem")))
	if err != nil {
		t.Fatal(err)
	}
	r := startResponding(t, small)
	for _, c := range certificates {
		r.ask(c, issuer)
	}
	if shared := r.of("shared"); shared != len(certificates) {
		t.Errorf("%d of %d answers were found in Redis, %d signed", shared, len(certificates), r.of("signed"))
	}
	said := warm(0, "-c", large, "--budget", "1")
	var signed int
	if _, err := fmt.Sscanf(said, "%d answers signed", &signed); err != nil || signed < 500 || signed >= many || !strings.Contains(said, "the budget of 1 MiB is used up") {
		t.Error(said)
	}
	without := respondingConfig(t, dir, "without.toml", "register.db", "")
	if said := warm(1, "-c", without); !strings.Contains(said, "no section [ocsp.redis]") || !strings.Contains(said, "hint: ") {
		t.Error(said)
	}
	away := respondingConfig(t, dir, "away.toml", "register.db", fmt.Sprintf("[ocsp.redis]\naddresses = [%q]", freeAddress(t)))
	if said := warm(1, "-c", away); !strings.Contains(said, "writing to redis") {
		t.Error(said)
	}
}

// startRedis starts a Redis that ends with the test.
func startRedis(t *testing.T) string {
	t.Helper()
	address := string(freeAddress(t))
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatal("redis-server does not answer")
		}
	}
}
