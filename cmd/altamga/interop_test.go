package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// TestInteropFollows: one centre follows the list of another, answers for its
// certificates, packs them, and is not ready while it has not seen it. Without
// leave, it does not ask an address that is not public.
func TestInteropFollows(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	for _, name := range []string{"ours", "theirs"} {
		p, err := loadPlan("")
		if err != nil {
			t.Fatal(err)
		}
		if err := found(ctx, p, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	partner := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "theirs", "trustlist", "current"))))
	defer partner.Close()
	file := filepath.Join(dir, "ours", configFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	packers, err := interop.ReadCertificates(filepath.Join(dir, "ours", "certificates", "packages.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		allow string
		ready bool
	}{{"", false}, {"allow = [\"127.0.0.0/8\"]\n", true}} {
		follow := fmt.Sprintf("[interop.follow]\nurl = %q\nsigners = %q\ndir = %q\n%s\n", partner.URL+"/"+trustListFile,
			filepath.Join(dir, "theirs", "certificates", "trust-list.pem"), "lists"+fmt.Sprint(row.ready), row.allow)
		text := strings.Replace(string(whole), "# Registration authority:", follow+"# Registration authority:", 1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := newProcess(ctx, file, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.addInterop(ctx); err != nil {
			t.Fatal(err)
		}
		looking, stop := context.WithCancel(ctx)
		for _, loop := range p.loops {
			go loop.Run(looking)
		}
		handler := p.servers[0].Handler
		ask := func(path, body string) string {
			r := httptest.NewRequest("GET", path, nil)
			if body != "" {
				r = httptest.NewRequest("POST", path, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w.Body.String()
		}
		looked := func() bool {
			lists := ask("/v1/lists", "")
			return strings.Contains(lists, partner.URL)
		}
		for !looked() {
			if ctx.Err() != nil {
				t.Fatal("the list is not looked at")
			}
			time.Sleep(10 * time.Millisecond)
		}
		_, notReady := p.admin.Ready(ctx, "interop")
		if (notReady == nil) != row.ready {
			t.Errorf("allowed %q: ready: %v, lists %s", row.allow, notReady, ask("/v1/lists", ""))
		}
		if !row.ready && !strings.Contains(ask("/v1/lists", ""), "not a public address") {
			t.Errorf("the list says %s", ask("/v1/lists", ""))
		}
		certificate, err := os.ReadFile(filepath.Join(dir, "theirs", "certificates", "ehm.pem"))
		if err != nil {
			t.Fatal(err)
		}
		question, err := json.Marshal(map[string]string{"certificate": string(certificate)})
		if err != nil {
			t.Fatal(err)
		}
		if answer := ask("/v1/trust", string(question)); strings.Contains(answer, `"trusted":true`) != row.ready {
			t.Errorf("allowed %q: %s", row.allow, answer)
		}
		if pem := ask("/packages/anchors.pem", ""); strings.Count(pem, "BEGIN CERTIFICATE") != map[bool]int{false: 3, true: 6}[row.ready] {
			t.Errorf("the package has %d certificates", strings.Count(pem, "BEGIN CERTIFICATE"))
		}
		if signed := ask("/packages/anchors.lote.jws", ""); !strings.HasPrefix(signed, "eyJ") || !strings.Contains(ask("/packages/anchors.zip", ""), "manifest.sig") {
			t.Errorf("the packages are not signed: %.80s", signed)
		} else if _, err := interop.Verify([]byte(signed), packers, interop.Terms{}); err != nil {
			t.Errorf("the packages, by the certificate that `init` made: %v", err)
		}
		stop()
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
	}
}
