package ocsp

import (
	"context"
	"math/big"
	"time"
)

// State is what is known of a certificate.
type State int

const (
	// NonIssued: the issuer never issued a certificate of this serial. The
	// zero Status has it.
	NonIssued State = iota
	// Good: issued and neither revoked nor on hold.
	Good
	// Revoked: revoked, or on hold when the reason is certificateHold.
	Revoked
)

// Status is a certificate's status as read from the register.
type Status struct {
	State State
	// Reason is the CRLReason (RFC 5280, Section 5.3.1) of Revoked; 6,
	// certificateHold, while it can still be released.
	Reason int
	// RevokedAt is since when a Revoked certificate is revoked or held.
	RevokedAt time.Time
	// Expired says that the certificate's notAfter has passed.
	Expired bool
	// Class is what the certificate is counted under in [Responder.Counts]: a
	// number for its kind of holder and use, nothing about the holder. 0 is
	// the class of those that belong to none.
	Class uint8
	// ThisUpdate is the moment as of which the status is certain, where that is
	// not the one at which it is read: a copy of the register that has lost the
	// original, or a revocation list. Zero is now.
	ThisUpdate time.Time
	// NextUpdate is until when it can be told. Zero is the responder's Validity
	// after ThisUpdate, or after now when that is zero, too.
	NextUpdate time.Time
	// Version is the position of the last journal entry about the certificate:
	// the greater one is the newer truth. 0 for NonIssued.
	Version uint64
	// Position is the journal's last position when the status was read, in the
	// same snapshot.
	Position uint64
}

// Source knows the status of certificates.
type Source interface {
	// Status returns the status of the certificate that issuer, by the short
	// name given in [Issuer], issued with the serial. A certificate that is not
	// known is no error but NonIssued. An error is answered with tryLater, or
	// with an earlier answer that is still valid.
	Status(ctx context.Context, issuer string, serial *big.Int) (Status, error)
}

// Change is one entry of the journal.
type Change struct {
	Position uint64
	// Issuer is the short name of the certificate's issuer.
	Issuer string
	// Serial is nil when the entry concerns no certificate.
	Serial *big.Int
}

// Journal is the list of everything that happened to certificates.
type Journal interface {
	// Entries returns at most limit entries behind position after, in order and
	// without gaps; none when there are none.
	Entries(ctx context.Context, after uint64, limit int) ([]Change, error)
	// Wait returns when there may be entries behind position after.
	Wait(ctx context.Context, after uint64) error
}
