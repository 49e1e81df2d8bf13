package crl_test

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
)

// A list made by hand is the publisher's list, may be resumed from its octets
// alone, and reaches the key only when lint and audit let it.
func TestSingle(t *testing.T) {
	key := &counting{Signer: p256(t)}
	c := newCentre(t, key)
	quiet := func(context.Context, string, ...slog.Attr) error { return nil }
	now := time.Now()
	order := crl.Order{
		Certificate: c.ca, Key: key, Validity: 30 * 24 * time.Hour, Lint: c.Lint,
		Snapshot: crl.Snapshot{Number: 7, At: now, Entries: []x509.RevocationListEntry{
			{SerialNumber: big.NewInt(0x1001), RevocationTime: now.Add(-time.Hour)},
			{SerialNumber: big.NewInt(0x1002), RevocationTime: now.Add(-time.Hour), ReasonCode: 5},
		}},
	}
	order.Snapshot.Entries[0].ExtraExtensions = append(order.Snapshot.Entries[0].ExtraExtensions, crl.InvalidityDate(now.Add(-2*time.Hour)))
	prepared, err := crl.Prepare(order)
	if err != nil {
		t.Fatal(err)
	}
	if key.n.Load() != 0 {
		t.Fatal("preparing used the authority's key")
	}
	broken := errors.New("it is broken")
	if _, err := prepared.Sign(t.Context(), func(context.Context, string, ...slog.Attr) error { return broken }); !errors.Is(err, broken) || key.n.Load() != 0 {
		t.Fatalf("without audit: %v, %d signatures", err, key.n.Load())
	}
	resumed, err := crl.Resume(crl.Order{Certificate: c.ca, Key: key, Lint: c.Lint}, prepared.ToBeSigned())
	if err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string]*crl.Single{"first": prepared, "resumed": resumed} {
		encoded, err := one.Sign(t.Context(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(c.ca); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if list.Number.Uint64() != 7 || len(list.RevokedCertificateEntries) != 2 || list.NextUpdate.Sub(list.ThisUpdate) != order.Validity {
			t.Errorf("%s: got number %v, %d entries, %v", name, list.Number, len(list.RevokedCertificateEntries), list.NextUpdate)
		}
	}
	for name, change := range map[string]func(*crl.Order){
		"lint":     func(o *crl.Order) { o.Lint = func(*x509.RevocationList) error { return broken } },
		"no lint":  func(o *crl.Order) { o.Lint = nil },
		"validity": func(o *crl.Order) { o.Validity = 0 },
		"key":      func(o *crl.Order) { o.Key = p256(t) },
		"entries":  func(o *crl.Order) { o.Snapshot.Entries = append(o.Snapshot.Entries, o.Snapshot.Entries[0]) },
	} {
		wrong := order
		change(&wrong)
		if _, err := crl.Prepare(wrong); err == nil {
			t.Errorf("%s: the list was prepared", name)
		}
	}
	for name, octets := range map[string][]byte{
		"nothing":       nil,
		"cut":           prepared.ToBeSigned()[:40],
		"other's name":  []byte(strings.Replace(string(prepared.ToBeSigned()), string(c.ca.RawSubject[len(c.ca.RawSubject)-4:]), "XXXX", 1)),
		"junk appended": append(prepared.ToBeSigned()[:len(prepared.ToBeSigned()):len(prepared.ToBeSigned())], 5, 0),
	} {
		if _, err := crl.Resume(order, octets); err == nil {
			t.Errorf("%s: was resumed", name)
		}
	}
}
