package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/jose"
	"github.com/altamga/altamga/internal/xmlsec"
)

// Refusal is why a list is not used. Its Reason is one of a few words, for
// metrics and alerts; the text is for people.
type Refusal struct {
	Reason string
	Err    error
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// Reasons of a refusal besides those of xmlsec.Reason.
const (
	ReasonStructure = "structure" // signed well, and not a whole list of its version
	ReasonExpired   = "expired"   // its NextUpdate is over
	ReasonEarly     = "early"     // issued in the future
	ReasonReplayed  = "replayed"  // an older sequence number than the one in force
	ReasonFetch     = "fetch"     // not to be had
	ReasonDigest    = "companion" // not what its .sha2 file says
	ReasonPlace     = "territory" // the list of somebody else
)

// ReasonOf returns the reason of a refusal, "" for other errors and none.
func ReasonOf(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Reason
	}
	return ""
}

func refuse(reason, format string, args ...any) error {
	return &Refusal{reason, fmt.Errorf(format, args...)}
}

// Terms are what a list has to meet beside being signed. The zero value asks
// for nothing more: [Verify] then tells whether a list was ever good.
type Terms struct {
	// At is the moment that the list has to be in force at. Zero: any.
	At time.Time
	// MinSequence is the sequence number of the list that it follows.
	MinSequence uint64
	// Skew is by how much clocks may differ. Default 5 minutes.
	Skew time.Duration
}

// Verified is a list that was verified. List was read from the octets that the
// signature vouches for.
type Verified struct {
	*List
	// Digest is the SHA-256 hash of the file, as its .sha2 companion has it.
	Digest [sha256.Size]byte
	// Signer is the pinned certificate that signed.
	Signer *Certificate
	// SignedAt is when it says it did, Method the signature's algorithm.
	SignedAt time.Time
	Method   string
	// Weak says what is weaker than it should be and yet harmless.
	Weak []string
}

// Verify verifies a list that one of the signers has to have signed: the
// signers are known beforehand, and nothing that a list says makes another one.
// The list is in XML (ETSI TS 119 612) or in JSON (ETSI TS 119 602). The error is
// a [*Refusal].
func Verify(data []byte, signers []*Certificate, terms Terms) (*Verified, error) {
	verify := verifyXML
	if jose.IsCompact(data) || isJSON(data) {
		verify = verifyLoTE
	}
	v, err := verify(data, signers)
	if err != nil {
		return nil, err
	}
	if err := terms.check(v.List); err != nil {
		return nil, err
	}
	v.Digest = sha256.Sum256(data)
	return v, nil
}

func verifyXML(data []byte, signers []*Certificate) (*Verified, error) {
	pinned := make([]xmlsec.Signer, len(signers))
	for i, c := range signers {
		pinned[i] = xmlsec.Signer{Certificate: c.Raw}
		// What cannot be read is no signer of anything that could be verified.
		if f, err := c.Facts(); err == nil {
			pinned[i].Key, pinned[i].NotBefore, pinned[i].NotAfter = f.Key(), f.NotBefore, f.NotAfter
		}
	}
	v, err := xmlsec.Verify(data, Root, pinned, xmlsec.Limits{})
	if err != nil {
		return nil, &Refusal{string(xmlsec.ReasonOf(err)), err}
	}
	list, err := readDocument(v.Content)
	if err != nil {
		return nil, &Refusal{ReasonStructure, err}
	}
	// ETSI TS 119 612, Section 5.7.1: version 6 goes with the properties of ETSI
	// EN 319 132-1, version 5 with the older ones.
	if list.Scheme.Version >= 6 && !v.V2 {
		return nil, refuse(ReasonStructure, "a list of version %d is signed with the properties of version 5", list.Scheme.Version)
	}
	return &Verified{List: list, Signer: signers[v.Signer], SignedAt: v.SigningTime, Method: v.Method, Weak: v.Weak}, nil
}

// verifyLoTE verifies a list of trusted entities (ETSI TS 119 602, Section 6.8).
func verifyLoTE(data []byte, signers []*Certificate) (*Verified, error) {
	pinned := make([]jose.Signer, len(signers))
	for i, c := range signers {
		pinned[i] = jose.Signer{Certificate: c.Raw}
		if f, err := c.Facts(); err == nil {
			pinned[i].Key, pinned[i].NotBefore, pinned[i].NotAfter = f.Key(), f.NotBefore, f.NotAfter
		}
	}
	v, err := jose.Verify(data, pinned)
	if err != nil {
		return nil, &Refusal{string(jose.ReasonOf(err)), err}
	}
	list, err := readLoTE(v.Payload)
	if err != nil {
		return nil, &Refusal{ReasonStructure, err}
	}
	return &Verified{List: list, Signer: signers[v.Signer], SignedAt: v.SigningTime, Method: v.Algorithm}, nil
}

// check holds a list to the terms.
func (t Terms) check(l *List) error {
	s := &l.Scheme
	if s.SequenceNumber < t.MinSequence {
		// ETSI TS 119 612, Section 5.3.2.
		return refuse(ReasonReplayed, "it has the sequence number %d; %d is in force", s.SequenceNumber, t.MinSequence)
	}
	if t.At.IsZero() {
		return nil
	}
	skew := t.Skew
	if skew == 0 {
		skew = 5 * time.Minute
	}
	switch {
	case s.Version < 5 && !l.JSON:
		// ETSI TS 119 612, Section 5.3.1: older versions are for the archive.
		return refuse(ReasonStructure, "it is of version %d, which is not in force any more", s.Version)
	case s.IssuedAt.After(t.At.Add(skew)):
		return refuse(ReasonEarly, "it was issued at %s, which is not yet", s.IssuedAt.Format(time.RFC3339))
	case s.Closed():
		// ETSI TS 119 612, Section 5.3.15: the last list of a scheme.
		return refuse(ReasonExpired, "it is closed: its operator publishes no more")
	case t.At.After(s.NextUpdate.Add(skew)):
		return refuse(ReasonExpired, "its next update was due on %s", s.NextUpdate.Format(time.RFC3339))
	}
	return nil
}

// Companion reads a .sha2 file: the SHA-256 hash of the list beside it, in
// hexadecimal or as it is.
func Companion(data []byte) (digest [sha256.Size]byte, err error) {
	if len(data) == len(digest) {
		return [sha256.Size]byte(data), nil
	}
	text := slices.DeleteFunc(slices.Clone(data), func(c byte) bool { return c == '\r' || c == '\n' || c == ' ' || c == '\t' })
	if n, err := hex.Decode(digest[:], text[:min(len(text), 2*len(digest))]); err != nil || n != len(digest) || len(text) != 2*n {
		return digest, errors.New("the .sha2 file is no SHA-256 hash")
	}
	return digest, nil
}
