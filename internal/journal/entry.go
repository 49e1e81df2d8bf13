package journal

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Kind says what happened.
type Kind string

const (
	// Issued: the certificate was signed and is in the register. Always the
	// first entry of a certificate.
	Issued Kind = "issued"
	// Held: Owner put a hold on the certificate.
	Held Kind = "held"
	// Released: Owner lifted its hold.
	Released Kind = "released"
	// Revoked: the certificate is revoked for good.
	Revoked Kind = "revoked"
	// Abandoned: the serial was reserved and no certificate of it is in the
	// register, nor ever will be. The key may have signed it before a crash, so
	// the serial counts as revoked from then on. Always the first entry of a
	// serial.
	Abandoned Kind = "abandoned"
	// Expired: notAfter has passed. The status stays what it was.
	Expired Kind = "expired"
	// Listed: Issuer's next CRL takes its number from this entry's position
	// and tells the state of the journal at it. The entry names no certificate
	// and is durable before the CRL is signed, so that no number is used twice.
	Listed Kind = "listed"
)

// Owner says in whose right a certificate is held.
type Owner string

const (
	Holder       Owner = "holder"       // the person whose certificate it is
	Organisation Owner = "organisation" // the employer or body that the person acts for
	Court        Owner = "court"        // a court or another authorised public body
	Centre       Owner = "centre"       // the certificate centre itself
)

// ParseOwner reads an owner's name.
func ParseOwner(s string) (Owner, error) {
	switch o := Owner(s); o {
	case Holder, Organisation, Court, Centre:
		return o, nil
	}
	return "", fmt.Errorf("owner %q is none of holder, organisation, court, centre", s)
}

// Serial is a certificate's serial number, in JSON and text as lower-case
// hexadecimal without leading zeros.
type Serial string

// SerialOf returns n's text form.
func SerialOf(n *big.Int) Serial { return Serial(n.Text(16)) }

// ParseSerial reads a serial number as people write it: hexadecimal in either
// case, optionally with colons between octets, a 0x before or zeros in front.
func ParseSerial(s string) (Serial, error) {
	s = strings.ReplaceAll(strings.TrimSpace(s), ":", "")
	s = strings.TrimPrefix(strings.ToLower(s), "0x")
	// RFC 5280, Section 4.1.2.2: at most 20 octets.
	if s == "" || len(s) > 40 || strings.Trim(s, "0123456789abcdef") != "" {
		return "", fmt.Errorf("a serial number has 1 to 40 hexadecimal digits")
	}
	s = strings.TrimLeft(s, "0")
	if s == "" {
		return "", fmt.Errorf("a serial number is not zero")
	}
	return Serial(s), nil
}

// Int returns the serial as a number. It panics when s was not made by
// [SerialOf] or [ParseSerial].
func (s Serial) Int() *big.Int {
	n, ok := new(big.Int).SetString(string(s), 16)
	if !ok {
		panic("journal: malformed serial " + string(s))
	}
	return n
}

// Entry is one line of the journal.
type Entry struct {
	// Position counts from 1 without gaps. 0 before the entry is written.
	Position uint64 `json:"position"`
	Kind     Kind   `json:"kind"`
	// Issuer is the register's short name of the issuing authority ("ehm").
	Issuer string `json:"issuer"`
	// Serial is empty for Listed.
	Serial Serial `json:"serial,omitempty"`
	// Profile is the one that the serial of an Issued or Abandoned entry was
	// reserved by: what kind of certificate it is, and nothing of its holder.
	Profile string `json:"profile,omitempty"`
	// Reason qualifies Revoked.
	Reason Reason `json:"reason,omitempty"`
	// Owner qualifies Held and Released.
	Owner Owner `json:"owner,omitempty"`
	// ReceivedAt is when the request for the change reached the centre, by the
	// word of whoever took it in.
	ReceivedAt time.Time `json:"received_at,omitzero"`
	// EffectiveAt is when the entry was written, which is when it took effect:
	// no change is back-dated.
	EffectiveAt time.Time `json:"effective_at"`
	// InvalidityDate is since when the key must be thought compromised (RFC
	// 5280, Section 5.3.2); zero when not known.
	InvalidityDate time.Time `json:"invalidity_date,omitzero"`
	// Actor is the authenticated client that asked for the change.
	Actor string `json:"actor,omitempty"`
}

// Tellable reports whether t is absent or a time that certificates, lists and
// JSON can all express. A time outside of it, once in the journal, would keep
// every later list from being made.
func Tellable(t time.Time) bool {
	year := t.UTC().Year()
	return t.IsZero() || year >= 1950 && year <= 9999
}

// Reason is a CRLReason (RFC 5280, Section 5.3.1), in JSON by its name there.
type Reason int

const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

var reasonNames = map[Reason]string{
	Unspecified: "unspecified", KeyCompromise: "keyCompromise", CACompromise: "cACompromise",
	AffiliationChanged: "affiliationChanged", Superseded: "superseded",
	CessationOfOperation: "cessationOfOperation", CertificateHold: "certificateHold",
	PrivilegeWithdrawn: "privilegeWithdrawn", AACompromise: "aACompromise",
}

// String returns the name that RFC 5280, Section 5.3.1 gives the reason.
func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return fmt.Sprintf("reason(%d)", int(r))
}

// ParseRevocationReason reads the name of a reason that a revocation may have;
// certificateHold is not one, since a hold is an entry of its own.
func ParseRevocationReason(name string) (Reason, error) {
	for reason, n := range reasonNames {
		if n == name && reason != CertificateHold {
			return reason, nil
		}
	}
	return 0, fmt.Errorf("reason %q is none of unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn, aACompromise", name)
}

// MarshalJSON writes the reason's name.
func (r Reason) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// UnmarshalJSON reads a reason's name.
func (r *Reason) UnmarshalJSON(data []byte) error {
	var name string
	if err := json.Unmarshal(data, &name); err != nil {
		return err
	}
	for reason, n := range reasonNames {
		if n == name {
			*r = reason
			return nil
		}
	}
	return fmt.Errorf("unknown reason %q", name)
}
