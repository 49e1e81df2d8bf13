package tsa

import (
	"fmt"
	"time"
)

// The reasons of revocation that leave earlier tokens valid (RFC 5280, Section
// 5.3.1).
const (
	reasonUnspecified          = 0
	reasonAffiliationChanged   = 3
	reasonSuperseded           = 4
	reasonCessationOfOperation = 5
)

// NoReason stands for an entry of a revocation list without a reason.
const NoReason = -1

// StandsAfter reports whether a token of this time is still good although the
// certificate of its unit was revoked at that time for that reason; the error
// says why it is not. Journalled says that the token is proven to be in the
// authority's journal, under a root that was signed and kept before anybody
// could have had the key.
//
// RFC 3161, Section 4: after a revocation for reasons unspecified (0),
// affiliationChanged (3), superseded (4) or cessationOfOperation (5), tokens
// from before it remain valid. With no reason given, or keyCompromise, none
// does, unless "an audit trail of all tokens" tells the genuine ones apart:
// that is the journal.
func StandsAfter(genTime, revokedAt time.Time, reason int, journalled bool) error {
	if !genTime.Before(revokedAt) {
		return fmt.Errorf("tsa: the unit's certificate was revoked at %v, and the token is of %v", revokedAt.UTC(), genTime.UTC())
	}
	switch reason {
	case reasonUnspecified, reasonAffiliationChanged, reasonSuperseded, reasonCessationOfOperation:
		return nil
	}
	if journalled {
		return nil
	}
	if reason == NoReason {
		return fmt.Errorf("tsa: the unit's certificate was revoked at %v for no reason that is told, so no token of it stands by itself", revokedAt.UTC())
	}
	return fmt.Errorf("tsa: the unit's certificate was revoked at %v with reason %d, so no token of it stands by itself", revokedAt.UTC(), reason)
}
