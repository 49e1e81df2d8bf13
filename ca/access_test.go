package ca_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

func TestRateOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre(t, p256)
		c.config.Access.Rate = func(client string) (float64, int) {
			if client == "unbounded" {
				return 0, 0
			}
			return 0.5, 3
		}
		c.config.Actor = func(r *http.Request) string { return r.Header.Get("Actor") }
		c.reopen(t)
		handler := c.Handler()
		ask := func(client string) *http.Response {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/issuers", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Actor", client)
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			return recorder.Result()
		}
		for i := range 3 {
			if got := ask("ra").StatusCode; got != http.StatusOK {
				t.Fatalf("request %d: %d", i, got)
			}
		}
		refused := ask("ra")
		if refused.StatusCode != http.StatusTooManyRequests || refused.Header.Get("Retry-After") != "2" {
			t.Errorf("beyond the burst: %d, Retry-After %q", refused.StatusCode, refused.Header.Get("Retry-After"))
		}
		if got := ask("other").StatusCode; got != http.StatusOK {
			t.Errorf("another client: %d", got)
		}
		for range 50 {
			if got := ask("unbounded").StatusCode; got != http.StatusOK {
				t.Errorf("client without a bound: %d", got)
			}
		}
		time.Sleep(2 * time.Second)
		if got := ask("ra").StatusCode; got != http.StatusOK {
			t.Errorf("after Retry-After: %d", got)
		}
		if got := ask("ra").StatusCode; got != http.StatusTooManyRequests {
			t.Errorf("right after that: %d", got)
		}
	})
}

// TestClientIsPatient: a client that is told to come later does, and its
// request is carried out once.
func TestClientIsPatient(t *testing.T) {
	s := newService(t)
	s.config.Access.Rate = func(string) (float64, int) { return 1, 1 }
	s.reopen(t)
	for range 2 {
		if _, err := s.client.Issuers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.client.Issuers(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with an end before the next token: %v", err)
	}
}

// TestClientOutOfStanding: what the register says of a client's own certificate
// counts, on open connections, too.
func TestClientOutOfStanding(t *testing.T) {
	s := newService(t)
	ctx := t.Context()
	if _, err := s.client.Issuers(ctx); err != nil {
		t.Fatal(err)
	}
	serial := s.shown(t)
	change := func(kind journal.Kind, owner journal.Owner) {
		t.Helper()
		if _, _, err := s.Change(ctx, journal.Entry{Kind: kind, Owner: owner, Serial: serial, Actor: "test"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	within := func(what string, good bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			_, err := s.client.Issuers(ctx)
			if (err == nil) == good {
				if !good {
					asProblem(t, err, http.StatusForbidden, "client_certificate_invalid")
				}
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: still %v", what, err)
			}
		}
	}
	change(journal.Held, journal.Organisation)
	within("held", false)
	change(journal.Released, journal.Organisation)
	within("released", true)
	change(journal.Revoked, journal.Organisation)
	within("revoked", false)
}

// shown is the serial of the certificate that the ra client shows.
func (s *service) shown(t *testing.T) journal.Serial {
	t.Helper()
	c, err := x509.ParseCertificate(s.http.Transport.(*http.Transport).TLSClientConfig.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return journal.SerialOf(c.SerialNumber)
}

func TestRenew(t *testing.T) {
	s := newService(t)
	// No role at all: to follow one's own certificate needs none.
	s.config.Allow = func(string, string, string, string) bool { return false }
	s.reopen(t)
	ctx := t.Context()
	key := p256()
	answer, err := s.client.Renew(ctx, csrPEM(t, key), "renewal-1")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(answer.Certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || c.Subject.CommonName != "ra" || answer.Profile != "suite-client" || answer.Issuer != "suite" || answer.Serial == s.shown(t) {
		t.Errorf("got %+v, %v", answer, err)
	}
	if !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(c.PublicKey) {
		t.Error("the certificate is for another key")
	}
	if again, err := s.client.Renew(ctx, csrPEM(t, p256()), "renewal-1"); err == nil {
		t.Errorf("another request under the same key: %+v", again)
	}
	_, err = s.client.Renew(ctx, "none", "")
	asProblem(t, err, http.StatusBadRequest, "bad_csr")

	t.Run("in the process, names and key stay", func(t *testing.T) {
		current := issue(t, s.Authority, samples(t, p256)["suite-server"]).Certificate
		renewed, err := s.Authority.Renew(ctx, current, nil, "tls")
		if err != nil {
			t.Fatal(err)
		}
		next := parsed(t, renewed).Certificate
		if string(next.RawSubject) != string(current.RawSubject) || string(next.RawSubjectPublicKeyInfo) != string(current.RawSubjectPublicKeyInfo) ||
			next.DNSNames[0] != "localhost" || len(next.IPAddresses) != 2 || next.SerialNumber.Cmp(current.SerialNumber) == 0 {
			t.Errorf("got %v with %v, %v", next.Subject, next.DNSNames, next.IPAddresses)
		}
	})
	for name, current := range map[string]*x509.Certificate{
		"person":         issue(t, s.Authority, samples(t, p256)["citizen-authentication"]).Certificate,
		"organisation":   issue(t, s.Authority, samples(t, p256)["tsa-signer"]).Certificate,
		"authority":      s.config.Issuers[2].Certificate,
		"other register": foreignCertificate(t),
	} {
		if got, err := s.Authority.Renew(ctx, current, p256().Public(), "tls"); err == nil {
			t.Errorf("certificate of a %s was renewed: %s", name, got.Serial)
		}
	}
	current := issue(t, s.Authority, samples(t, p256)["suite-client"])
	if _, _, err := s.Change(ctx, journal.Entry{Kind: journal.Revoked, Serial: current.Serial, Actor: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Authority.Renew(ctx, current.Certificate, nil, "tls"); err == nil {
		t.Errorf("a revoked certificate was renewed: %s", got.Serial)
	}
}

// foreignCertificate is a suite client's certificate out of another register.
func foreignCertificate(t *testing.T) *x509.Certificate {
	return issue(t, newCentre(t, p256).Authority, samples(t, p256)["suite-client"]).Certificate
}
