package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/serve"
)

// TestOCSPClasses: every profile is counted under a category of holders and a
// kind, each under its own number, and nobody is counted twice.
func TestOCSPClasses(t *testing.T) {
	profiles, err := ca.BuiltinProfiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range profiles.Names() {
		class := ocspClass(name)
		if profile, _ := profiles.Lookup(name); class == 0 != profile.SelfSigned {
			t.Errorf("%s has class %d", name, class)
		}
		if known := ocspClasses[class]; strings.HasSuffix(name, "-signature") && known.kind != "signature" || strings.HasSuffix(name, "-authentication") && known.kind != "authentication" {
			t.Errorf("%s is counted as %s", name, known.kind)
		}
	}
	seen := map[string]bool{}
	for _, known := range ocspClasses {
		if seen[known.profile] {
			t.Errorf("%s stands twice", known.profile)
		}
		seen[known.profile] = true
	}
	if ocspClass("a-profile-of-their-own") != 0 {
		t.Error("an unknown profile has a class")
	}
}

// TestOCSPCountsApart: a responder without the register counts by what the
// journal tells, whether the answer is signed or kept, and /metrics shows it.
func TestOCSPCountsApart(t *testing.T) {
	dir, opened, _ := smallCentre(t, 0)
	opened.Close()
	pair := citizenPair(t, dir)
	opened, err := register.Open(t.Context(), filepath.Join(dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	r := newRemote(t, dir, &registerFeed{register: opened, delay: func() {}})
	defer r.stop()
	head, err := opened.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.replica.Wait(t.Context(), head-1); err != nil {
		t.Fatal(err)
	}
	p := &process{admin: serve.NewAdmin()}
	p.ocspCounts(r.responder)
	asked := map[string]int{"signature": 3, "authentication": 2}
	for kind, n := range asked {
		for range n {
			if r.ask(pair[kind]) == nil {
				t.Fatal("no answer")
			}
		}
	}
	w := httptest.NewRecorder()
	p.admin.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for kind, n := range asked {
		want := fmt.Sprintf("altamga_ocsp_answers{component=\"ocsp\",holder=\"citizen\",kind=%q,profile=\"citizen-%s\"} %d\n", kind, kind, n)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if counts := r.responder.Counts(); len(counts) != 2 {
		t.Errorf("something else was counted: %v", counts)
	}
}

// citizenPair has the two certificates of a citizen issued.
func citizenPair(t *testing.T, dir string) map[string]*x509.Certificate {
	t.Helper()
	p := withSigners(t, t.Context(), dir)
	defer p.close()
	admitted, err := p.authority.Admit((&http.Request{}).WithContext(t.Context()), "ra")
	if err != nil {
		t.Fatal(err)
	}
	ctx := admitted.Context()
	pair := map[string]*x509.Certificate{}
	for _, kind := range []string{"signature", "authentication"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		prepared, err := p.authority.Prepare(ctx, ca.Request{
			Issuer: "ehm", Profile: "citizen-" + kind, PublicKey: key.Public(), Set: "pair", Actor: "ra",
			Subject: map[string]string{"surname": "Nümayiş", "givenName": "Vətəndaş", "fin": "DEM0AB1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		issued, err := p.authority.Issue(ctx, prepared)
		if err != nil {
			t.Fatal(err)
		}
		if pair[kind], err = issued.Certificate(); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}
