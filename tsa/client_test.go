package tsa_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/tsa"
)

// asking sends a query to the handler as a client.
func asking(t testing.TB, a http.Handler, as func(*http.Request)) (int, error) {
	t.Helper()
	r := httptest.NewRequest("POST", "/", bytes.NewReader(marshal(t, query())))
	r.Header.Set("Content-Type", mediaQuery)
	if as != nil {
		as(r)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	_, err := tsa.ParseResponse(w.Body.Bytes())
	if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" || w.Code == 429 && w.Header().Get("Retry-After") == "" {
		t.Errorf("%d without the header that belongs to it", w.Code)
	}
	return w.Code, err
}

func password(name, word string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(name, word) }
}

func certified(name string) func(*http.Request) {
	return func(r *http.Request) {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{c}}}
	}
}

func TestClients(t *testing.T) {
	portal := tsa.Client{Name: "portal", Secret: sha256.Sum256([]byte("long and random"))}
	bank := tsa.Client{Name: "bank", Certificate: "bank.example"}
	closed, _, _ := newAuthority(t, func(c *tsa.Config) { c.Clients = []tsa.Client{portal, bank} })
	open, _, _ := newAuthority(t, func(c *tsa.Config) { c.Clients = []tsa.Client{portal, bank, {Name: "others", Daily: 1}} })
	for _, row := range []struct {
		name         string
		as           func(*http.Request)
		closed, open int
	}{
		{"the right password", password("portal", "long and random"), 200, 200},
		{"a wrong password", password("portal", "guessed"), 401, 401},
		{"another's name", password("bank", "long and random"), 401, 401},
		{"an empty password of one who has none", password("bank", ""), 401, 401},
		{"a certificate", certified("bank.example"), 200, 200},
		{"a password beats a certificate", func(r *http.Request) { certified("bank.example")(r); password("portal", "no")(r) }, 401, 401},
		{"nothing", nil, 401, 200},
		{"nothing again", nil, 401, 429},
		{"another certificate", certified("thief.example"), 401, 429},
	} {
		for a, want := range map[*tsa.Authority]int{closed: row.closed, open: row.open} {
			got, err := asking(t, a, row.as)
			if got != want || (err == nil) != (want == 200) {
				t.Errorf("%s: %d, %v, want %d", row.name, got, err, want)
			}
			if refused, ok := errors.AsType[*tsa.Rejection](err); want != 200 && (!ok || refused.Failure != tsa.BadRequest) {
				t.Errorf("%s: the body is %v", row.name, err)
			}
		}
	}
	if got, want := open.Counts(), []tsa.Count{{Client: "portal", Granted: 1}, {Client: "bank", Granted: 1}, {Client: "others", Granted: 1, Refused: 2}}; !slices.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	for name, clients := range map[string][]tsa.Client{
		"no name": {{Secret: portal.Secret}}, "twice": {portal, portal}, "two who show nothing": {{Name: "a"}, {Name: "b"}},
		"a negative rate": {{Name: "a", Rate: -1}}, "no rate": {{Name: "a", Rate: math.NaN()}}, "an endless rate": {{Name: "a", Rate: math.Inf(1)}}, "one certificate": {bank, {Name: "b", Certificate: bank.Certificate}},
	} {
		config, _ := newHierarchy(t, newRSAOrEC(t)).config()
		config.Clients = clients
		refusesConfig(t, name, config, "client")
	}
}

func TestQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHierarchy(t, newRSAOrEC(t), validAround(time.Now()))
		config, _ := h.config()
		config.Clock = wallClock{}
		config.Clients = []tsa.Client{{Name: "public", Rate: 2, Burst: 3, Daily: 20}}
		a, err := tsa.New(config)
		if err != nil {
			t.Fatal(err)
		}
		granted := func(n int) (got int) {
			for range n {
				if code, _ := asking(t, a, nil); code == 200 {
					got++
				}
			}
			return got
		}
		if got := granted(10); got != 3 {
			t.Errorf("a burst of %d, want 3", got)
		}
		time.Sleep(time.Second)
		if got := granted(10); got != 2 {
			t.Errorf("%d after a second, want 2", got)
		}
		time.Sleep(time.Hour)
		if got := granted(10); got != 3 {
			t.Errorf("%d after an hour, want the burst", got)
		}
		total := 8
		for range 30 {
			time.Sleep(time.Second)
			total += granted(1)
		}
		if total != 20 {
			t.Errorf("%d in a day, want 20", total)
		}
		time.Sleep(24 * time.Hour)
		if got := granted(10); got != 3 {
			t.Errorf("%d on the next day, want 3", got)
		}
	})
}
