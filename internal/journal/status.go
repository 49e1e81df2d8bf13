package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is what a certificate's status comes down to.
type State string

const (
	// NonIssued: the register knows no certificate of this serial. The zero
	// Status has it.
	NonIssued State = ""
	// Valid: issued, neither held nor revoked.
	Valid State = "valid"
	// OnHold: at least one hold stands.
	OnHold State = "held"
	// Gone: revoked, for good; or abandoned before it was ever issued.
	Gone State = "revoked"
)

// Hold is one owner's standing suspension.
type Hold struct {
	Owner Owner     `json:"owner"`
	Since time.Time `json:"since"`
}

// Status is the fold of a certificate's entries.
type Status struct {
	State State `json:"state"`
	// Holds are the standing holds, oldest first. Empty unless held.
	Holds []Hold `json:"holds,omitempty"`
	// Reason of the revocation; CertificateHold while held.
	Reason Reason `json:"reason,omitempty"`
	// Since is when the certificate was revoked or, while held, when its
	// oldest standing hold began. Zero while valid.
	Since time.Time `json:"since,omitzero"`
	// InvalidityDate of a revocation; zero when not known.
	InvalidityDate time.Time `json:"invalidity_date,omitzero"`
	// Expired is set once notAfter has passed.
	Expired bool `json:"expired,omitempty"`
	// Version is the position of the last entry folded in: two statuses of a
	// certificate with one version are the same, and the greater is newer.
	Version uint64 `json:"version"`
}

// Standing is the status of a certificate, by name.
type Standing struct {
	// Issuer is the register's short name of the issuing authority.
	Issuer string `json:"issuer"`
	Serial Serial `json:"serial"`
	// Profile is the one that the serial was reserved by.
	Profile string `json:"profile,omitempty"`
	Status
}

// Apply returns the status after e. A change that the state does not allow is
// refused with a [*TransitionError], and the status stays as it was.
func (s Status) Apply(e Entry) (Status, error) {
	if !slices.Contains(s.Legal(e.Owner), e.Kind) {
		return s, &TransitionError{From: s, Kind: e.Kind, Owner: e.Owner}
	}
	next := s
	next.Holds = slices.Clone(s.Holds)
	next.Version = e.Position
	switch e.Kind {
	case Issued:
		next.State = Valid
	case Held:
		next.Holds = append(next.Holds, Hold{Owner: e.Owner, Since: e.EffectiveAt})
	case Released:
		next.Holds = slices.DeleteFunc(next.Holds, func(h Hold) bool { return h.Owner == e.Owner })
	case Revoked:
		next.State, next.Holds = Gone, nil
		next.Reason, next.Since, next.InvalidityDate = e.Reason, e.EffectiveAt, e.InvalidityDate
		return next, nil
	case Abandoned:
		next.State, next.Since = Gone, e.EffectiveAt
		return next, nil
	case Expired:
		next.Expired = true
		return next, nil
	}
	if len(next.Holds) == 0 {
		next.State, next.Holds, next.Reason, next.Since = Valid, nil, Unspecified, time.Time{}
	} else {
		next.State, next.Reason, next.Since = OnHold, CertificateHold, next.Holds[0].Since
	}
	return next, nil
}

// Legal returns the kinds of entry that owner may add to the status, in the
// order of their declaration.
func (s Status) Legal(owner Owner) []Kind {
	var kinds []Kind
	owns := slices.ContainsFunc(s.Holds, func(h Hold) bool { return h.Owner == owner })
	switch s.State {
	case NonIssued:
		return []Kind{Issued, Abandoned}
	case Valid, OnHold:
		if s.Expired {
			// The last word on an expired certificate was said.
			return nil
		}
		if !owns {
			kinds = append(kinds, Held)
		} else {
			kinds = append(kinds, Released)
		}
		kinds = append(kinds, Revoked)
	}
	if !s.Expired {
		kinds = append(kinds, Expired)
	}
	return kinds
}

// TransitionError says that an entry does not fit a certificate's status.
type TransitionError struct {
	From  Status
	Kind  Kind
	Owner Owner
}

// Legal names the changes that the same owner may ask for.
func (e *TransitionError) Legal() []Kind {
	return slices.DeleteFunc(e.From.Legal(e.Owner), func(k Kind) bool { return k == Expired || k == Issued || k == Abandoned })
}

func (e *TransitionError) Error() string {
	state := string(e.From.State)
	if e.From.State == NonIssued {
		state = "not issued"
	}
	if e.From.Expired {
		state += " and expired"
	}
	if len(e.From.Holds) > 0 {
		var owners []string
		for _, h := range e.From.Holds {
			owners = append(owners, string(h.Owner))
		}
		state += " by " + strings.Join(owners, ", ")
	}
	if e.Owner != "" {
		return fmt.Sprintf("a certificate that is %s cannot be %s by %s", state, e.Kind, e.Owner)
	}
	return fmt.Sprintf("a certificate that is %s cannot be %s", state, e.Kind)
}
