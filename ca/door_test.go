package ca_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

// doors is a centre that clients come in to, each with a burst of two.
func doors(t *testing.T) *centre {
	c := newCentre(t, p256)
	c.config.Access.Rate = func(string) (float64, int) { return 1, 2 }
	c.reopen(t)
	return c
}

// knock is a request from an address, or with a TLS client certificate.
func knock(t *testing.T, address string, certificate *x509.Certificate) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if r.RemoteAddr = address; certificate != nil {
		chain := []*x509.Certificate{certificate}
		r.TLS = &tls.ConnectionState{PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}
	}
	return r
}

func TestDoorThatForgets(t *testing.T) {
	c := doors(t)
	request := ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen(), Actor: "device"}
	admitted, err := c.Admit(knock(t, "192.0.2.1:1", nil), "")
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.AdmitAs(admitted.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	for name, ctx := range map[string]context.Context{"nobody asked": t.Context(), "a stranger": admitted.Context(), "another client": other} {
		if _, err := c.Prepare(ctx, request); !errors.Is(err, ca.ErrNotAdmitted) {
			t.Errorf("%s: Prepare: %v", name, err)
		}
		if _, err := c.PrepareSet(ctx, ca.Set{Actor: "device", Requests: []ca.Request{request}}); !errors.Is(err, ca.ErrNotAdmitted) {
			t.Errorf("%s: PrepareSet: %v", name, err)
		}
		if _, _, err := c.Change(ctx, journal.Entry{Kind: journal.Revoked, Owner: journal.Holder, Serial: "1", Actor: "device"}, nil); !errors.Is(err, ca.ErrNotAdmitted) {
			t.Errorf("%s: Change: %v", name, err)
		}
	}
	if _, err := c.AdmitAs(t.Context(), "device"); !errors.Is(err, ca.ErrNotAdmitted) {
		t.Errorf("nobody's request became a client's: %v", err)
	}
	ctx, err := c.AdmitAs(admitted.Context(), "device")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Prepare(ctx, request); err != nil {
		t.Error(err)
	}
}

func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := doors(t)
		ask := func(address string, certificate *x509.Certificate) error {
			_, err := c.Admit(knock(t, address, certificate), "")
			return err
		}
		often := func(what string, err error, want bool) {
			t.Helper()
			if _, got := errors.AsType[*ca.RateError](err); got != want || err != nil && !got {
				t.Errorf("%s: %v", what, err)
			}
		}
		for i := range 3 {
			often("one address", ask(fmt.Sprint("192.0.2.1:", i+1), nil), i == 2)
			// Whoever has one address of IPv6 has all of its network.
			often("one network", ask(fmt.Sprintf("[2001:db8::%x]:1", i+1), nil), i == 2)
		}
		often("its IPv4 address in IPv6", ask("[::ffff:192.0.2.1]:1", nil), true)
		often("another address", ask("192.0.2.2:1", nil), false)
		often("another network", ask("[2001:db8:0:1::1]:1", nil), false)
		// A certificate is counted by itself, wherever it comes from and whatever
		// name is in it.
		device := c.config.Issuers[0].Certificate
		for i := range 3 {
			often("one certificate", ask(fmt.Sprintf("198.51.100.%d:1", i), device), i == 2)
		}
		// So many strangers leave no mark that lasts.
		for i := range 5000 {
			ask(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250), nil)
		}
		often("after many others, at once", ask("203.0.113.1:1", nil), true)
		time.Sleep(5 * time.Second)
		often("after many others, and a while", ask("203.0.113.2:1", nil), false)
	})
}

// TestForgedClient shows a certificate that a key of ours signed and that is
// not in the register.
func TestForgedClient(t *testing.T) {
	c := doors(t)
	suite := c.config.Issuers[3]
	template := &x509.Certificate{SerialNumber: big.NewInt(77), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, suite.Certificate, p256().Public(), suite.Key)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Admit(knock(t, "192.0.2.1:1", forged), "operator")
	if _, ok := errors.AsType[*ca.StandingError](err); !ok {
		t.Errorf("got %v", err)
	}
	if _, err := c.Admit(knock(t, "192.0.2.1:1", foreignCertificate(t)), "partner"); err != nil {
		t.Errorf("a certificate of another authority: %v", err)
	}
}
