package ca_test

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

// halted is a centre on a real register whose key or register stops working
// between two steps of issuing.
func halted(t *testing.T) (*centre, ca.Reconciliation) {
	t.Helper()
	c := newCentre(t, p256)
	store := openRegister(t)
	c.config.Register = store
	c.reopen(t)
	r := ca.Reconciliation{Ledger: store, Audit: c.audit.write, Actor: "reconcile", Issuers: issuerCertificates(c),
		Asked: func(s journal.Serial) bool {
			return strings.Contains(c.audit.text(), "ca.issue") && strings.Contains(c.audit.text(), string(s))
		}}
	return c, r
}

func TestReconcile(t *testing.T) {
	c, r := halted(t)
	ctx := t.Context()
	request := func() ca.Request { return samples(t, p256)["citizen-signature"] }
	finished := issue(t, c.Authority, request())

	// Prepared, and then the process died.
	never, err := c.Prepare(ctx, request())
	if err != nil {
		t.Fatal(err)
	}
	// The key was asked and the register died.
	lost := c.signedNotStored(t, request())
	// The same, but the certificate turns up.
	found := c.signedNotStored(t, request())
	forged := c.signedNotStored(t, request())
	forgery := slices.Clone(forged.certificate)
	forgery[len(forgery)-1] ^= 1
	r.Shown = [][]byte{found.certificate, forgery, finished.Certificate.Raw}

	findings := map[journal.Serial]ca.Outcome{}
	r.Tell = func(f ca.Finding) { findings[f.Serial] = f.Outcome }
	t.Run("dry run changes nothing", func(t *testing.T) {
		dry := r
		dry.DryRun, dry.Audit = true, nil
		account, err := ca.Reconcile(ctx, dry)
		if err != nil || account.Before != account.After || account.After.Unfinished != 4 || len(findings) != 4 {
			t.Errorf("got %+v, %v, findings %v", account, err, findings)
		}
	})
	t.Run("what may be in work is left alone", func(t *testing.T) {
		patient := r
		patient.Grace, patient.Shown = time.Hour, nil
		account, err := ca.Reconcile(ctx, patient)
		if err != nil || account.Unexplained() != 4 || account.After.Unfinished != 4 {
			t.Errorf("got %+v, %v", account, err)
		}
	})
	t.Run("without an audit line nothing is closed", func(t *testing.T) {
		broken := r
		broken.Audit = func(context.Context, string, ...slog.Attr) error { return errors.New("disk full") }
		if _, err := ca.Reconcile(ctx, broken); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("got %v", err)
		}
		if tally, err := r.Ledger.Tally(ctx); err != nil || tally.Unfinished != 4 {
			t.Errorf("got %+v, %v", tally, err)
		}
	})
	account, err := ca.Reconcile(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if want := (journal.Tally{Issued: 2, Abandoned: 3}); account.After != want || account.Unexplained() != 0 {
		t.Errorf("got %+v, want %+v", account, want)
	}
	for serial, want := range map[journal.Serial]struct {
		outcome ca.Outcome
		state   journal.State
	}{
		never.Serial():  {ca.NeverSigned, journal.Gone},
		lost.serial:     {ca.PerhapsSigned, journal.Gone},
		forged.serial:   {ca.PerhapsSigned, journal.Gone},
		found.serial:    {ca.Recovered, journal.Valid},
		finished.Serial: {"", journal.Valid},
	} {
		record, err := c.config.Register.Record(ctx, serial)
		if err != nil || findings[serial] != want.outcome || record.Status.State != want.state {
			t.Errorf("serial %s: %q and %s, %v, want %q and %s", serial, findings[serial], record.Status.State, err, want.outcome, want.state)
		}
	}
	t.Run("a token of before the crash is of no use any more", func(t *testing.T) {
		if issued, err := c.Issue(ctx, never); err == nil {
			t.Errorf("got %s", issued.Serial)
		}
	})
	t.Run("the client that got no answer asks again with the same key", func(t *testing.T) {
		if _, err := c.Prepare(ctx, lost.request); err != nil {
			t.Error(err)
		}
	})
	again, err := ca.Reconcile(ctx, ca.Reconciliation{Ledger: r.Ledger, DryRun: true})
	if err != nil || again.After.Abandoned != 3 || len(again.Outcomes) > 1 {
		t.Errorf("the second run: %+v, %v", again, err)
	}
	r.Shown = [][]byte{[]byte("no certificate")}
	if _, err := ca.Reconcile(ctx, r); err == nil {
		t.Error("bytes that are no certificate were accepted")
	}
}

// unstored is a certificate that left the key and did not reach the register.
type unstored struct {
	serial      journal.Serial
	certificate []byte
	request     ca.Request
}

// signedNotStored issues with a register that dies when it shall store.
func (c *centre) signedNotStored(t *testing.T, request ca.Request) unstored {
	t.Helper()
	dying := &dyingRegister{Register: c.config.Register}
	config := c.config
	config.Register = dying
	authority, err := ca.New(config)
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := authority.Prepare(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Issue(t.Context(), prepared); err == nil || dying.received == nil {
		t.Fatalf("issuing on a dying register: %v", err)
	}
	return unstored{prepared.Serial(), dying.received, request}
}

// dyingRegister stores no certificate.
type dyingRegister struct {
	ca.Register
	received []byte
}

func (r *dyingRegister) Complete(_ context.Context, _ journal.Serial, certificate []byte, _ *journal.Ticket) (journal.Entry, error) {
	r.received = slices.Clone(certificate)
	return journal.Entry{}, errors.New("the register has died")
}

// issuerCertificates are the certificates of a centre's issuers by their names.
func issuerCertificates(c *centre) map[string]*x509.Certificate {
	certificates := map[string]*x509.Certificate{}
	for _, issuer := range c.config.Issuers {
		certificates[issuer.ID] = issuer.Certificate
	}
	return certificates
}
