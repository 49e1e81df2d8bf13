package ca_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

func TestRunRecordsExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		centre := newCentre(t, p256)
		issued := issue(t, centre.Authority, ca.Request{Issuer: "ehm", Profile: "ocsp-signer", PublicKey: p256().Public(), Subject: map[string]string{"O": "o", "CN": "c"}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- centre.Run(ctx) }()
		expired := func() bool {
			synctest.Wait()
			record, err := centre.register.Record(t.Context(), issued.Serial)
			if err != nil {
				t.Fatal(err)
			}
			return record.Status.Expired
		}
		time.Sleep(time.Until(issued.Certificate.NotAfter) - time.Minute)
		if expired() {
			t.Error("it expired early")
		}
		centre.register.breakMethod("Expire", errors.New("no connection"))
		time.Sleep(2 * time.Minute)
		if expired() {
			t.Error("it expired without a register")
		}
		centre.register.breakMethod("Expire", nil)
		time.Sleep(time.Minute)
		if !expired() {
			t.Error("it did not expire")
		}
		// Nothing follows on an expired certificate.
		_, _, err := centre.Change(ctx, journal.Entry{Kind: journal.Held, Owner: journal.Holder, Serial: issued.Serial}, nil)
		if _, ok := errors.AsType[*journal.TransitionError](err); !ok {
			t.Errorf("got %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		centre.register.check(t)
	})
}

// slow is a register whose ReserveSet waits until it is let go.
type slow struct {
	*memory
	letGo chan struct{}
}

func (s slow) ReserveSet(ctx context.Context, set []journal.Intent, admit func(int, []journal.Record) error) error {
	<-s.letGo
	return s.memory.ReserveSet(ctx, set, admit)
}

func TestRepeatOfARequestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		centre := newCentre(t, p256)
		register := slow{centre.register, make(chan struct{})}
		centre.config.Register = register
		centre.config.Actor = func(*http.Request) string { return "ra" }
		centre.reopen(t)
		body, err := json.Marshal(authenticationRequest(t))
		if err != nil {
			t.Fatal(err)
		}
		ask := func() *httptest.ResponseRecorder {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/certificates", bytes.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Idempotency-Key", "k")
			answer := httptest.NewRecorder()
			centre.Handler().ServeHTTP(answer, request)
			return answer
		}
		first := make(chan *httptest.ResponseRecorder, 1)
		go func() { first <- ask() }()
		synctest.Wait()
		if got := ask(); got.Code != http.StatusConflict || !strings.Contains(got.Body.String(), "idempotency_in_flight") {
			t.Errorf("got %d %s", got.Code, got.Body)
		}
		close(register.letGo)
		done := <-first
		if again := ask(); done.Code != http.StatusCreated || again.Body.String() != done.Body.String() {
			t.Errorf("got %d %s, then %s", done.Code, done.Body, again.Body)
		}
	})
}

func TestExpiredIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		centre := newCentre(t, p256)
		time.Sleep(11 * 365 * 24 * time.Hour)
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "ocsp-signer", PublicKey: p256().Public(),
			Subject: map[string]string{"O": "o", "CN": "c"}}, ca.CodeIssuerExpired, "issuer")
	})
}

func BenchmarkIssue(b *testing.B) {
	centre := newCentre(b, p256)
	request := ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(b, p256()), Subject: citizen()}
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			// The register of the test searches keys one by one.
			b.StopTimer()
			request.CSR = newCSR(b, p256())
			clear(centre.register.records)
			b.StartTimer()
		}
		issue(b, centre.Authority, request)
	}
}
