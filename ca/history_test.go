package ca_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

func refusedWith(t *testing.T, err error, code string) {
	t.Helper()
	refused, ok := errors.AsType[*ca.RefusedError](err)
	if !ok || refused.Code != code {
		t.Fatalf("got %v, want code %s", err, code)
	}
}

// TestKeyHistory: a key is certified once, for one purpose and one person, and
// never after it was revoked, however many ask at the same time.
func TestKeyHistory(t *testing.T) {
	request := func(profile string, csr []byte, subject map[string]string) ca.Request {
		return ca.Request{Issuer: "ehm", Profile: profile, CSR: csr, Subject: subject}
	}
	t.Run("for somebody else", func(t *testing.T) {
		centre := newCentre(t, p256)
		csr := newCSR(t, p256())
		issue(t, centre.Authority, request("citizen-authentication", csr, citizen()))
		other := citizen()
		other["fin"] = "7654321"
		_, err := centre.Prepare(t.Context(), request("citizen-authentication", csr, other))
		refusedWith(t, err, ca.CodeKeyInUse)
	})
	t.Run("for two purposes at once", func(t *testing.T) {
		centre := newCentre(t, p256)
		for range 20 {
			csr := newCSR(t, p256())
			issued := atOnce(centre, request("citizen-signature", csr, citizen()), request("citizen-authentication", csr, citizen()))
			if issued > 1 {
				t.Fatalf("%d certificates of one key for two purposes", issued)
			}
		}
	})
	t.Run("revoked between reservation and signature is seen", func(t *testing.T) {
		centre := newCentre(t, p256)
		csr := newCSR(t, p256())
		first := issue(t, centre.Authority, request("citizen-authentication", csr, citizen()))
		if _, _, err := centre.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Serial: first.Serial, Reason: journal.KeyCompromise}, nil); err != nil {
			t.Fatal(err)
		}
		_, err := centre.Prepare(t.Context(), request("citizen-authentication", csr, citizen()))
		refusedWith(t, err, ca.CodeRevokedKey)
	})
}

// atOnce issues all requests at the same time and counts the certificates.
func atOnce(centre *centre, requests ...ca.Request) int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	issued := 0
	for _, request := range requests {
		wg.Go(func() {
			prepared, err := centre.Prepare(context.Background(), request)
			if err != nil {
				return
			}
			if _, err := centre.Issue(context.Background(), prepared); err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			issued++
		})
	}
	wg.Wait()
	return issued
}

// TestStanding: nothing is issued under an authority that is held or revoked,
// nor to a client that is.
func TestStanding(t *testing.T) {
	t.Run("of an authority above", func(t *testing.T) {
		centre := newCentre(t, p256)
		policy := centre.config.Issuers[1].Certificate
		if _, _, err := centre.Change(t.Context(), journal.Entry{Kind: journal.Held, Owner: journal.Centre, Serial: journal.SerialOf(policy.SerialNumber)}, nil); err != nil {
			t.Fatal(err)
		}
		_, err := centre.Prepare(t.Context(), ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen()})
		refusedWith(t, err, ca.CodeIssuerExpired)
		if _, _, err := centre.Change(t.Context(), journal.Entry{Kind: journal.Released, Owner: journal.Centre, Serial: journal.SerialOf(policy.SerialNumber)}, nil); err != nil {
			t.Fatal(err)
		}
		issue(t, centre.Authority, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen()})
	})
	t.Run("of the client", func(t *testing.T) {
		s := newService(t)
		s.http = s.as(t, "revoked")
		if response, body := s.send(t, "GET", "/v1/issuers", "", "", ""); response.StatusCode != http.StatusOK {
			t.Fatalf("got %s %s", response.Status, body)
		}
		certificate := s.http.Transport.(*http.Transport).TLSClientConfig.Certificates[0].Certificate[0]
		if _, _, err := s.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Reason: journal.KeyCompromise, Serial: serialOfDER(t, certificate)}, nil); err != nil {
			t.Fatal(err)
		}
		// What was learnt of a client counts for a second.
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			response, body := s.send(t, "GET", "/v1/issuers", "", "", "")
			if response.StatusCode == http.StatusForbidden && strings.Contains(body, "client_certificate_invalid") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("got %s %s", response.Status, body)
			}
		}
	})
}

// TestChangeLimits: who may have certificates issued does not thereby change
// others, nobody changes an authority's over HTTP, and no time enters the
// journal that lists could not tell.
func TestChangeLimits(t *testing.T) {
	s := newService(t)
	s.config.Allow = func(_, _, _, profile string) bool { return profile == "" || profile == "citizen-authentication" }
	s.reopen(t)
	own, err := s.client.Issue(t.Context(), authenticationRequest(t), "")
	if err != nil {
		t.Fatal(err)
	}
	hold := func(serial journal.Serial, body string) (*http.Response, string) {
		return s.send(t, "POST", "/v1/certificates/"+string(serial)+"/hold", "application/json", body, "")
	}
	t.Run("an authority's certificate", func(t *testing.T) {
		serial := journal.SerialOf(s.config.Issuers[2].Certificate.SerialNumber)
		if response, body := hold(serial, `{"owner":"centre"}`); response.StatusCode != http.StatusForbidden || !strings.Contains(body, "authority_certificate") {
			t.Errorf("got %s %s", response.Status, body)
		}
	})
	t.Run("a certificate of another profile", func(t *testing.T) {
		serial := serialOfDER(t, s.http.Transport.(*http.Transport).TLSClientConfig.Certificates[0].Certificate[0])
		if response, body := hold(serial, `{"owner":"centre"}`); response.StatusCode != http.StatusForbidden || !strings.Contains(body, `"forbidden"`) {
			t.Errorf("got %s %s", response.Status, body)
		}
	})
	t.Run("one's own", func(t *testing.T) {
		if response, body := hold(own.Serial, `{"owner":"holder"}`); response.StatusCode != http.StatusOK {
			t.Errorf("got %s %s", response.Status, body)
		}
	})
	for _, when := range []string{"0000-01-01T00:00:00+01:00", "0001-01-01T00:00:01Z", "1949-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"} {
		t.Run("a time that cannot be told: "+when, func(t *testing.T) {
			response, body := s.send(t, "POST", "/v1/certificates/"+string(own.Serial)+"/revoke", "application/json", `{"reason":"keyCompromise","invalidity_date":"`+when+`"}`, "")
			if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, "invalidity_date") {
				t.Errorf("got %s %s", response.Status, body)
			}
			if response, body := hold(own.Serial, `{"owner":"court","received_at":"`+when+`"}`); response.StatusCode != http.StatusBadRequest || !strings.Contains(body, "received_at") {
				t.Errorf("got %s %s", response.Status, body)
			}
		})
	}
	if _, err := s.client.Journal(t.Context(), 0, 0, time.Second); err != nil {
		t.Errorf("the journal cannot be read: %v", err)
	}
}

func serialOfDER(t *testing.T, der []byte) journal.Serial {
	t.Helper()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return journal.SerialOf(certificate.SerialNumber)
}
