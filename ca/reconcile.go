package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Every serial is reserved before anything is signed under it, and the audit
// log says so before the key is asked. So after a crash at any point a serial
// that has no certificate in the register is one of these:
//
//   - never signed: the audit log does not say that the key was asked;
//   - perhaps signed: it does, and the certificate did not reach the register.
//     When somebody can show that certificate, the register takes it in: it is
//     checked against the intent and the issuer's key like any other.
//
// What is left is closed: an Abandoned entry makes the serial revoked for good.
// That goes for those that were never signed, too. It costs a line in the
// list, and no certificate's validity then hangs on the audit log being whole.
// Rejected was signing the intent anew to have a certificate to revoke: it
// would use the key for what nobody asked for.

// Ledger is the part of the register that is reconciled.
type Ledger interface {
	// Unfinished returns what is reserved and has no certificate, oldest first.
	Unfinished(ctx context.Context) ([]journal.Intent, error)
	// Complete is as in [Writer].
	Complete(ctx context.Context, serial journal.Serial, certificate []byte, ticket *journal.Ticket) (journal.Entry, error)
	// Abandon closes a serial as revoked; fs.ErrExist when it is finished.
	Abandon(ctx context.Context, serial journal.Serial, actor string) (journal.Entry, error)
	// Tally counts all serials that were ever reserved.
	Tally(ctx context.Context) (journal.Tally, error)
}

// Reconciliation says how serials are accounted for.
type Reconciliation struct {
	Ledger Ledger
	// Issuers are the certificates of the issuers by their short names; a
	// certificate that is shown must verify with one of them.
	Issuers map[string]*x509.Certificate
	// Asked reports whether the audit log says that the key was asked to sign
	// the serial. nil: there is no log to ask.
	Asked func(journal.Serial) bool
	// Shown are certificates that were found elsewhere, in DER.
	Shown [][]byte
	// Grace leaves younger intents alone, which a running authority may be
	// signing at this moment.
	Grace time.Duration
	// DryRun changes nothing.
	DryRun bool
	// Actor is who reconciles.
	Actor string
	// Audit is as in [Config]; it may be nil in a dry run.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	// Tell is told of each serial as it is accounted for; nil tells nobody.
	Tell func(Finding)
}

// Outcome is what a serial without a certificate came to.
type Outcome string

const (
	// Recovered: its certificate was shown and is in the register now.
	Recovered Outcome = "recovered"
	// NeverSigned: the key was not asked; closed.
	NeverSigned Outcome = "never signed, closed"
	// PerhapsSigned: the key was asked, or nobody knows; closed.
	PerhapsSigned Outcome = "perhaps signed, closed as revoked"
	// InWork: younger than the grace period. Not accounted for yet.
	InWork Outcome = "in work"
)

// Finding is one serial without a certificate and what it came to.
type Finding struct {
	journal.Intent
	Outcome Outcome
}

// Account is what a reconciliation came to.
type Account struct {
	// Before and After count all serials. After a dry run they are the same.
	Before, After journal.Tally
	// Outcomes counts the serials that had no certificate.
	Outcomes map[Outcome]int
}

// Unexplained is how many serials nobody can account for: those in work.
func (a *Account) Unexplained() int { return a.Outcomes[InWork] }

// Reconcile accounts for every serial that was ever reserved.
func Reconcile(ctx context.Context, r Reconciliation) (*Account, error) {
	if r.Ledger == nil || r.Audit == nil && !r.DryRun {
		return nil, errors.New("reconciling: there is no register or no audit log")
	}
	shown, err := r.shown()
	if err != nil {
		return nil, fmt.Errorf("reconciling: %w", err)
	}
	account := &Account{Outcomes: map[Outcome]int{}}
	if account.Before, err = r.Ledger.Tally(ctx); err != nil {
		return nil, fmt.Errorf("reconciling: %w", err)
	}
	unfinished, err := r.Ledger.Unfinished(ctx)
	if err != nil {
		return nil, fmt.Errorf("reconciling: %w", err)
	}
	for _, intent := range unfinished {
		outcome, err := r.settle(ctx, intent, shown[intent.Serial])
		if err != nil {
			return account, fmt.Errorf("reconciling serial %s: %w", intent.Serial, err)
		}
		if outcome == "" {
			continue // finished by somebody else meanwhile
		}
		account.Outcomes[outcome]++
		if r.Tell != nil {
			r.Tell(Finding{intent, outcome})
		}
	}
	if account.After, err = r.Ledger.Tally(ctx); err != nil {
		return account, fmt.Errorf("reconciling: %w", err)
	}
	return account, nil
}

// shown reads the certificates that were found elsewhere, by serial.
func (r *Reconciliation) shown() (map[journal.Serial]*x509.Certificate, error) {
	shown := map[journal.Serial]*x509.Certificate{}
	for i, raw := range r.Shown {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("reading certificate %d that was shown: %w", i+1, err)
		}
		shown[journal.SerialOf(c.SerialNumber)] = c
	}
	return shown, nil
}

// settle accounts for one intent.
func (r *Reconciliation) settle(ctx context.Context, intent journal.Intent, shown *x509.Certificate) (Outcome, error) {
	outcome := PerhapsSigned
	switch {
	case shown != nil && r.genuine(intent, shown):
		outcome = Recovered
	case time.Since(intent.At) < r.Grace:
		return InWork, nil
	case r.Asked != nil && !r.Asked(intent.Serial):
		outcome = NeverSigned
	}
	if r.DryRun {
		return outcome, nil
	}
	action := "ca.abandon"
	if outcome == Recovered {
		action = "ca.recover"
	}
	hash := intent.Hash()
	if err := r.Audit(ctx, action, slog.String("actor", r.Actor), slog.String("issuer", intent.Issuer), slog.String("profile", intent.Profile),
		slog.String("serial", string(intent.Serial)), slog.String("outcome", string(outcome)),
		slog.String("intent", hex.EncodeToString(hash[:]))); err != nil {
		return "", &AuditError{err}
	}
	var err error
	if outcome == Recovered {
		_, err = r.Ledger.Complete(ctx, intent.Serial, shown.Raw, nil)
	} else {
		_, err = r.Ledger.Abandon(ctx, intent.Serial, r.Actor)
	}
	if errors.Is(err, fs.ErrExist) {
		return "", nil
	}
	return outcome, err
}

// genuine reports whether a certificate is the one that was reserved, signed by
// its issuer.
func (r *Reconciliation) genuine(intent journal.Intent, c *x509.Certificate) bool {
	issuer := r.Issuers[intent.Issuer]
	if issuer == nil && bytes.Equal(c.RawSubject, c.RawIssuer) {
		issuer = c // self-signed, and interrupted before it was stored anywhere
	}
	return issuer != nil && bytes.Equal(c.RawTBSCertificate, intent.ToBeSigned) &&
		issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}
