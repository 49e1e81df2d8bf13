package crl

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// Entry is what a list says of one certificate.
type Entry struct {
	// Serial is the certificate's serial number, big-endian. One that a [Reader]
	// returned holds the octets of the INTEGER and is good until its next call;
	// one that is to be encoded is positive whatever its first bit is.
	Serial []byte
	// Since is the revocation date.
	Since time.Time
	// Reason is the CRLReason, 0 when there is none. [Removed] says that the
	// certificate has left the list; it stands in delta lists only.
	Reason int
	// InvalidityDate is zero when it is not known.
	InvalidityDate time.Time
	// Issuer is the encoded Name of the certificate's issuer where that is not
	// the list's own, which only indirect lists have. It is good for ever.
	Issuer []byte

	raw []byte // the whole entry, as Serial
}

// Removed is the reason removeFromCRL (RFC 5280, Section 5.3.1).
const Removed = 8

// Number returns the serial number of an entry that a [Reader] returned.
func (e *Entry) Number() *big.Int {
	n := new(big.Int).SetBytes(e.Serial)
	if len(e.Serial) > 0 && e.Serial[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(e.Serial))))
	}
	return n
}

// Reader reads a revocation list of any kind as it comes in: it holds a window
// of it and no more, and hashes it on the way. It refuses what is not DER in
// the form of RFC 5280, Section 5.1, and does not look for what is merely
// against the profile.
type Reader struct {
	// Head is known from the start, Tail after the last entry.
	Head
	Tail

	scan *scanner
	// The ends of TBSCertList, its revokedCertificates, and the whole.
	tbs, revoked, end int64
	// message is the TBSCertList itself where the algorithm has no hash of it;
	// whole has it, when it is not nil.
	message *bytes.Buffer
	whole   *whole
	begin   int64  // of TBSCertList
	issuer  []byte // of the last entry
	entries int
	err     error
}

// Head is what stands before the entries.
type Head struct {
	// Version is 1 or 2.
	Version int
	// Algorithm is how the list is signed; unknown ones can be read and not
	// verified.
	Algorithm x509.SignatureAlgorithm
	// RawIssuer is the encoded Name of who signed the list.
	RawIssuer  []byte
	ThisUpdate time.Time
	// NextUpdate is zero when the list has none.
	NextUpdate time.Time

	rawAlgorithm []byte
}

// maxMessage bounds a list whose signature is over itself and not over a hash,
// as Ed25519 makes them: but for one of our own files it is read into memory.
const maxMessage = 64 << 20

// NewReader reads what stands before the entries.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{scan: newScanner(from)}
	if w, ok := from.(*whole); ok && w.file != nil {
		r.whole = w
	}
	if err := r.readHead(); err != nil {
		return nil, fmt.Errorf("reading list: %w", err)
	}
	return r, nil
}

func (r *Reader) readHead() (err error) {
	s := r.scan
	// RFC 5280, Section 5.1: CertificateList, and TBSCertList in it.
	if r.end, err = s.into(tagSequence, maxList); err != nil {
		return err
	}
	s.hashing, s.mark, r.begin = true, s.pos, s.at
	if r.tbs, err = s.into(tagSequence, r.end); err != nil {
		return err
	}
	if err := r.readVersion(); err != nil {
		return err
	}
	raw, _, err := s.element(tagSequence, r.tbs)
	if err != nil {
		return err
	}
	r.rawAlgorithm = bytes.Clone(raw)
	if raw, _, err = s.element(tagSequence, r.tbs); err != nil {
		return err
	}
	r.RawIssuer = bytes.Clone(raw)
	if r.Algorithm, err = algorithmOf(r.rawAlgorithm, r.RawIssuer); err != nil {
		return s.malformed(err.Error())
	}
	if r.ThisUpdate, err = r.readDate(); err != nil {
		return err
	}
	tag, err := s.tag(r.tbs)
	if err == nil && (tag == tagUTCTime || tag == tagGeneralizedTime) {
		if r.NextUpdate, err = r.readDate(); err == nil {
			tag, err = s.tag(r.tbs)
		}
	}
	if err != nil {
		return err
	}
	if tag == tagSequence {
		r.revoked, err = s.into(tagSequence, r.tbs)
	}
	r.startHash()
	return err
}

// startHash begins to hash, from the start of TBSCertList on.
func (r *Reader) startHash() {
	if h := hashOf(r.Algorithm); h != 0 {
		r.scan.hash = h.New()
		return
	}
	if r.Algorithm == x509.PureEd25519 && r.whole == nil && r.tbs <= maxMessage {
		r.message = new(bytes.Buffer)
		r.scan.hash = keeper{r.message}
		return
	}
	r.scan.hash = keeper{new(nothing)}
}

func (r *Reader) readVersion() error {
	r.Version = 1
	tag, err := r.scan.tag(r.tbs)
	if err != nil || tag != tagInteger {
		return err
	}
	raw, at, err := r.scan.element(tagInteger, r.tbs)
	if err != nil {
		return err
	}
	// RFC 5280, Section 5.1.2.1: when it is there, it is 1 and means v2.
	if !bytes.Equal(raw[at:], []byte{1}) {
		return r.scan.malformed("a version that is not v2")
	}
	r.Version = 2
	return nil
}

func (r *Reader) readDate() (time.Time, error) {
	tag, err := r.scan.tag(r.tbs)
	if err != nil {
		return time.Time{}, err
	}
	raw, at, err := r.scan.element(tag, r.tbs)
	if err != nil {
		return time.Time{}, err
	}
	t, ok := readTime(tag, raw[at:])
	if !ok {
		return t, r.scan.malformed("a time that is malformed")
	}
	return t, nil
}

// Next returns the next entry. At the end it returns [io.EOF]; then the whole
// list was read, and the Tail and the signature are known.
func (r *Reader) Next() (Entry, error) {
	if r.err != nil {
		return Entry{}, r.err
	}
	if r.scan.at < r.revoked {
		var e Entry
		err := r.readEntry(&e)
		if err == nil {
			r.entries++
			return e, nil
		}
		r.err = fmt.Errorf("reading list: entry %d: %w", r.entries, err)
		return Entry{}, r.err
	}
	r.err = io.EOF
	if err := r.readTail(); err != nil {
		r.err = fmt.Errorf("reading list: %w", err)
	}
	return Entry{}, r.err
}

// usualExtensions is how nearly all entries with a reason end: crlEntryExtensions
// of the reason code alone, up to its value.
var usualExtensions = []byte{tagSequence, 12, tagSequence, 10, 6, 3, 0x55, 0x1d, 0x15, tagOctetString, 3, 0x0a, 1}

// datedExtensions and invalidityDate are how nearly all others end: the reason
// code up to its value, which is followed by the invalidity date up to its own.
var (
	datedExtensions = append([]byte{tagSequence, 38}, usualExtensions[2:]...)
	invalidityDate  = []byte{tagSequence, 24, 6, 3, 0x55, 0x1d, 0x18, tagOctetString, 17, tagGeneralizedTime, 15}
)

func (r *Reader) readEntry(e *Entry) error {
	raw, at, err := r.scan.element(tagSequence, r.revoked)
	if err != nil {
		return err
	}
	rest := raw[at:]
	if len(rest) < 2 || rest[0] != tagInteger || rest[1] == 0 || rest[1] > 127 || len(rest) < 2+int(rest[1]) {
		return r.scan.malformed("a serial number that is missing or too long")
	}
	serial := rest[2 : 2+rest[1]]
	if len(serial) > 1 && (serial[0] == 0 && serial[1]&0x80 == 0 || serial[0] == 0xff && serial[1]&0x80 != 0) {
		return r.scan.malformed("a serial number that is not in its shortest form")
	}
	e.Serial, e.raw, e.Issuer = serial, raw, r.issuer
	rest = rest[2+len(serial):]
	if len(rest) < 2 || rest[1] > 127 || len(rest) < 2+int(rest[1]) {
		return r.scan.malformed("a revocation date that is malformed")
	}
	var ok bool
	if e.Since, ok = readTime(rest[0], rest[2:2+rest[1]]); !ok {
		return r.scan.malformed("a revocation date that is malformed")
	}
	if rest = rest[2+rest[1]:]; len(rest) > 0 && !e.usual(rest) {
		if err := r.readEntryExtensions(rest, e); err != nil {
			return r.scan.malformed(err.Error())
		}
	}
	return nil
}

// usual reads extensions in one of the forms that nearly all entries have;
// false when they have another or are malformed.
func (e *Entry) usual(encoded []byte) bool {
	const at = 13 // where the reason stands in both
	switch {
	case len(encoded) == at+1 && bytes.HasPrefix(encoded, usualExtensions):
	case len(encoded) == at+27 && bytes.HasPrefix(encoded, datedExtensions) && bytes.HasPrefix(encoded[at+1:], invalidityDate):
		date, ok := readTime(tagGeneralizedTime, encoded[at+1+len(invalidityDate):])
		if !ok {
			return false
		}
		e.InvalidityDate = date
	default:
		return false
	}
	e.Reason = int(encoded[at])
	return knownReason(e.Reason)
}

// knownReason: RFC 5280, Section 5.3.1: 7 is not used.
func knownReason(reason int) bool { return reason >= 0 && reason <= 10 && reason != 7 }

func (r *Reader) readEntryExtensions(encoded []byte, e *Entry) error {
	if r.Version != 2 {
		return errors.New("extensions in a list of version 1")
	}
	s := cryptobyte.String(encoded)
	extensions, ok := der.ReadExtensions(&s)
	if !ok || !s.Empty() {
		return errors.New("entry extensions that are malformed")
	}
	for _, x := range extensions {
		value := cryptobyte.String(x.Value)
		switch {
		case x.ID.Equal(pki.OIDReasonCode):
			if !value.ReadASN1Enum(&e.Reason) || !value.Empty() || !knownReason(e.Reason) {
				return errors.New("a reason that is malformed")
			}
		case x.ID.Equal(pki.OIDInvalidityDate):
			if !der.ReadTime(&value, &e.InvalidityDate) || !value.Empty() {
				return errors.New("an invalidityDate that is malformed")
			}
		case x.ID.Equal(oidCertificateIssuer):
			// RFC 5280, Section 5.3.3: it holds for the entries behind it, too.
			if r.issuer, ok = directoryName(value); !ok {
				return errors.New("a certificateIssuer without a directoryName")
			}
			e.Issuer = r.issuer
		case x.Critical:
			// RFC 5280, Section 5.3: such a list must not be used.
			return fmt.Errorf("a critical entry extension %v that is not known", x.ID)
		}
	}
	return nil
}

// directoryName returns a copy of the encoded Name in GeneralNames.
func directoryName(names cryptobyte.String) ([]byte, bool) {
	var list cryptobyte.String
	if !names.ReadASN1(&list, asn1.SEQUENCE) || !names.Empty() {
		return nil, false
	}
	for !list.Empty() {
		var name cryptobyte.String
		var tag asn1.Tag
		if !list.ReadAnyASN1(&name, &tag) {
			return nil, false
		}
		if tag == asn1.Tag(4).ContextSpecific().Constructed() {
			return bytes.Clone(name), true
		}
	}
	return nil, false
}

// readTail reads what stands behind the entries.
func (r *Reader) readTail() error {
	s := r.scan
	tag, err := s.tag(r.tbs)
	if err != nil {
		return err
	}
	if tag == tagExtensions {
		raw, at, err := s.element(tagExtensions, r.tbs)
		if err != nil {
			return err
		}
		if r.Version != 2 {
			return s.malformed("extensions in a list of version 1")
		}
		if err := r.Tail.read(bytes.Clone(raw[at:])); err != nil {
			return s.malformed(err.Error())
		}
	}
	if s.at != r.tbs {
		return s.malformed("something behind the extensions")
	}
	s.flush()
	s.hashing = false
	raw, _, err := s.element(tagSequence, r.end)
	if err != nil {
		return err
	}
	// RFC 5280, Section 5.1.1.2.
	if !bytes.Equal(raw, r.rawAlgorithm) {
		return s.malformed("two different signature algorithms")
	}
	raw, at, err := s.element(tagBitString, r.end)
	if err != nil {
		return err
	}
	if len(raw) <= at || raw[at] != 0 {
		return s.malformed("a signature that is malformed")
	}
	r.Signature = bytes.Clone(raw[at+1:])
	if s.at != r.end {
		return s.malformed("something behind the signature")
	}
	if s.have(1) == nil {
		return s.malformed("something behind the list")
	}
	return nil
}

// Entries returns how many entries were read so far.
func (r *Reader) Entries() int { return r.entries }

// Skip reads the rest of the list.
func (r *Reader) Skip() error {
	for {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
