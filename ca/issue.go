package ca

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
)

// ErrSpent is returned for a token that was redeemed before.
var ErrSpent = errors.New("ca: the prepared certificate was issued or given up before")

// AuditError says that the audit log could not be written, so nothing was
// done.
type AuditError struct{ Err error }

func (e *AuditError) Error() string { return "writing audit line: " + e.Err.Error() }
func (e *AuditError) Unwrap() error { return e.Err }

// SigningError says that the issuer's key did not sign, or not rightly.
type SigningError struct{ Err error }

func (e *SigningError) Error() string { return "signing certificate: " + e.Err.Error() }
func (e *SigningError) Unwrap() error { return e.Err }

// Issued is a certificate that is signed and in the register.
type Issued struct {
	Serial journal.Serial
	// Raw is the certificate in DER.
	Raw []byte
	// Chain holds the issuing authority's certificate and those above it,
	// without the self-signed root. It is shared and not to be changed.
	Chain []*x509.Certificate
	// Entry is the Issued entry of the journal.
	Entry                journal.Entry
	Issuer, Profile, Set string
}

// Certificate parses Raw. Issuing does not: it costs a third of a signature, and
// most callers pass the octets on.
func (i *Issued) Certificate() (*x509.Certificate, error) { return x509.ParseCertificate(i.Raw) }

// Issue redeems a token: it writes the audit line, signs the very bytes that
// were linted, verifies the signature, and records the certificate. A second
// call with the same token gives [ErrSpent], whatever the first one came to.
func (a *Authority) Issue(ctx context.Context, prepared *Prepared) (*Issued, error) {
	began := time.Now()
	issued, err := a.issue(ctx, prepared)
	if err != nil {
		a.config.Observe("failed", time.Since(began))
		return nil, err
	}
	a.config.Observe("issued", time.Since(began))
	return issued, nil
}

// issueNow prepares and issues in one go.
func (a *Authority) issueNow(ctx context.Context, request *Request) (*Issued, error) {
	prepared, err := a.Prepare(ctx, *request)
	if err != nil {
		return nil, err
	}
	return a.Issue(ctx, prepared)
}

func (a *Authority) issue(ctx context.Context, prepared *Prepared) (*Issued, error) {
	if prepared.authority != a {
		return nil, errors.New("ca: the prepared certificate is of another authority")
	}
	certificate, err := a.signPrepared(ctx, prepared)
	if err != nil {
		return nil, err
	}
	issued := prepared.issued(certificate)
	entries, err := a.record(ctx, prepared.ticket, journal.Signed{Serial: issued.Serial, Certificate: certificate})
	if err != nil {
		return nil, err
	}
	issued.Entry = entries[0]
	return issued, nil
}

// signPrepared spends the token, writes the audit line, and signs and verifies
// the certificate. It is not in the register yet.
//
// The line is written when the reservation is durable and not beside it, which
// would spare a lone client the wait for one flush: a crash between the two could
// leave a line that vouches for a serial which the register does not have, and
// whoever verifies the log would have to take that for one that was removed.
func (a *Authority) signPrepared(ctx context.Context, prepared *Prepared) ([]byte, error) {
	if !prepared.spent.CompareAndSwap(false, true) {
		return nil, ErrSpent
	}
	intent, by := prepared.intent, prepared.issuer
	hash := intent.Hash()
	if err := a.config.Audit(ctx, "ca.issue",
		slog.String("actor", intent.Actor), slog.String("issuer", intent.Issuer), slog.String("profile", intent.Profile),
		slog.String("serial", string(intent.Serial)), slog.String("key", hex.EncodeToString(intent.KeyHash[:])),
		slog.String("intent", hex.EncodeToString(hash[:]))); err != nil {
		return nil, &AuditError{err}
	}
	if !bytes.Equal(intent.ToBeSigned, prepared.read.ToBeSigned) {
		return nil, &SigningError{errors.New("the bytes to be signed are not those that were linted")}
	}
	signature, err := pki.Sign(rand.Reader, by.Key, intent.ToBeSigned, by.scheme)
	if err != nil {
		return nil, &SigningError{err}
	}
	return a.signedBy(prepared, signature)
}

// signedBy puts the issuer's signature to what was linted, and verifies it unless
// the issuer is said to need that not.
func (a *Authority) signedBy(p *Prepared, signature []byte) ([]byte, error) {
	raw, err := p.issuer.encode(p.intent.ToBeSigned, signature)
	if err != nil || p.issuer.Unverified && !p.profile.SelfSigned {
		return raw, err
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, &SigningError{fmt.Errorf("parsing own certificate: %w", err)}
	}
	parent := p.issuer.Certificate
	if p.profile.SelfSigned {
		parent = certificate
	}
	if err := parent.CheckSignature(certificate.SignatureAlgorithm, certificate.RawTBSCertificate, certificate.Signature); err != nil {
		return nil, &SigningError{fmt.Errorf("verifying own signature: %w", err)}
	}
	if p.profile.SelfSigned {
		// Only with its own signature does a lint see it as self-signed.
		if err := a.config.Lint(certificate); err != nil {
			return nil, &SigningError{fmt.Errorf("linting self-signed certificate: %w", err)}
		}
	}
	return raw, nil
}

// issued is what becomes of the token, but for the journal's entry.
func (p *Prepared) issued(certificate []byte) *Issued {
	return &Issued{
		Serial: p.intent.Serial, Raw: certificate, Chain: p.issuer.above,
		Issuer: p.intent.Issuer, Profile: p.intent.Profile, Set: p.intent.Set,
	}
}
