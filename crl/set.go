package crl

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"sort"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// Set is a verified list in memory, packed: about thirty octets to an entry. It
// never changes.
type Set struct {
	Head
	Tail
	// octets holds the serials one behind the other; that of the entry that is i-th
	// in order ends at ends[i].
	octets  []byte
	ends    []uint32
	since   []int64
	reasons []uint8
	invalid map[int]int64
	// issuers are those of indirect lists, and issuer which one an entry has; nil
	// where there is only the list's own.
	issuers [][]byte
	issuer  []uint16
}

// maxSet bounds the octets of all serials in a set.
const maxSet = 1 << 31

// maxIssuers bounds the issuers that an indirect list may be about.
const maxIssuers = 1 << 10

// Load reads a list, verifies that signer has signed it, and keeps it. It does
// not ask whether the list is current: see NextUpdate.
func Load(from io.Reader, signer *x509.Certificate) (*Set, error) {
	r, err := NewReader(from)
	if err != nil {
		return nil, err
	}
	s := &Set{}
	ordered, last := true, []byte(nil)
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = s.add(&e)
		}
		if err != nil {
			return nil, err
		}
		ordered = ordered && compare(last, e.Serial) < 0
		last = append(last[:0], e.Serial...)
	}
	if err := r.Verify(signer); err != nil {
		return nil, err
	}
	s.Head, s.Tail = r.Head, r.Tail
	if !ordered {
		s = s.ordered()
	}
	return s, nil
}

func (s *Set) add(e *Entry) error {
	if len(s.octets)+len(e.Serial) > maxSet {
		return errors.New("keeping list: it is too long")
	}
	if e.Issuer != nil && s.issuer == nil {
		// Those before it, if any, are of the list's own issuer.
		s.issuers, s.issuer = [][]byte{nil}, make([]uint16, len(s.ends), len(s.ends)+1)
	}
	if s.issuer != nil {
		n := slices.IndexFunc(s.issuers, func(name []byte) bool { return bytes.Equal(name, e.Issuer) })
		if n < 0 {
			n = len(s.issuers)
			s.issuers = append(s.issuers, e.Issuer)
		}
		if n > maxIssuers {
			return errors.New("keeping list: it has too many issuers")
		}
		s.issuer = append(s.issuer, uint16(n))
	}
	s.octets = append(s.octets, e.Serial...)
	if !e.InvalidityDate.IsZero() {
		if s.invalid == nil {
			s.invalid = make(map[int]int64)
		}
		s.invalid[len(s.ends)] = e.InvalidityDate.Unix()
	}
	s.ends = append(s.ends, uint32(len(s.octets)))
	s.since = append(s.since, e.Since.Unix())
	s.reasons = append(s.reasons, uint8(e.Reason))
	return nil
}

// Len returns the number of entries.
func (s *Set) Len() int { return len(s.ends) }

// At returns the entry that is i-th in the order of the serials' octets, a zero
// in front not counted.
func (s *Set) At(i int) Entry {
	e := Entry{Serial: s.serial(i), Since: time.Unix(s.since[i], 0).UTC(), Reason: int(s.reasons[i])}
	if at, ok := s.invalid[i]; ok {
		e.InvalidityDate = time.Unix(at, 0).UTC()
	}
	if s.issuer != nil {
		e.Issuer = s.issuers[s.issuer[i]]
	}
	return e
}

func (s *Set) serial(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.octets[start:s.ends[i]:s.ends[i]]
}

// ordered returns the set with its entries in order. Of two entries for one
// certificate, which no list should have, [Set.Lookup] finds the first.
func (s *Set) ordered() *Set {
	order := make([]int, s.Len())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if by := compare(s.serial(a), s.serial(b)); by != 0 {
			return by
		}
		x, y := s.At(a), s.At(b)
		return apart(&x, &y)
	})
	next := &Set{Head: s.Head, Tail: s.Tail}
	for _, i := range order {
		e := s.At(i)
		_ = next.add(&e) // it was added before
	}
	return next
}

// Of returns what the list says of one issuer's certificates, by its encoded
// name.
func (s *Set) Of(issuer []byte) *Set {
	own := &Set{Head: s.Head, Tail: s.Tail}
	for i := range s.Len() {
		e := s.At(i)
		of := e.Issuer
		if of == nil {
			of = s.RawIssuer
		}
		if bytes.Equal(of, issuer) {
			_ = own.add(&e) // it was added before
		}
	}
	return own
}

// apart orders entries in a set: by serial first, as they are looked up.
func apart(a, b *Entry) int {
	return cmp.Or(compare(a.Serial, b.Serial), len(a.Serial)-len(b.Serial), bytes.Compare(a.Issuer, b.Issuer))
}

// Lookup returns the entry of a certificate, by the encoded name of its issuer
// and its serial number. For a delta list Reason may be [Removed].
func (s *Set) Lookup(issuer []byte, serial *big.Int) (Entry, bool) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1BigInt(serial)
	encoded, err := b.Bytes()
	if err != nil || len(encoded) > 0x7f {
		return Entry{}, false
	}
	want := encoded[2:]
	at := sort.Search(s.Len(), func(i int) bool { return compare(s.serial(i), want) >= 0 })
	for ; at < s.Len() && compare(s.serial(at), want) == 0; at++ {
		e := s.At(at)
		// A negative number may have the octets of a positive one.
		if !bytes.Equal(e.Serial, want) {
			continue
		}
		of := e.Issuer
		if of == nil {
			of = s.RawIssuer
		}
		if bytes.Equal(of, issuer) {
			return e, true
		}
	}
	return Entry{}, false
}

// Apply returns the complete list that a delta list makes of s.
//
// RFC 5280, Section 5.2.4: same issuer, same scope, same key; the complete list
// is the base or a later one, and before the delta.
func (s *Set) Apply(delta *Set) (*Set, error) {
	switch {
	case s.Base != nil || delta.Base == nil:
		return nil, errors.New("combining lists: not a complete and a delta list")
	case s.CRLNumber == nil || delta.CRLNumber == nil:
		return nil, errors.New("combining lists: one has no number")
	case !bytes.Equal(s.RawIssuer, delta.RawIssuer) || !bytes.Equal(s.AuthorityKeyID, delta.AuthorityKeyID):
		return nil, errors.New("combining lists: they are of different issuers or keys")
	case !bytes.Equal(s.Scope.raw, delta.Scope.raw):
		return nil, errors.New("combining lists: they have different scopes")
	case s.CRLNumber.Cmp(delta.Base) < 0:
		return nil, fmt.Errorf("combining lists: the delta list is for lists from number %v on, and this is %v", delta.Base, s.CRLNumber)
	case s.CRLNumber.Cmp(delta.CRLNumber) >= 0:
		return nil, fmt.Errorf("combining lists: the complete list, %v, is not before the delta list, %v", s.CRLNumber, delta.CRLNumber)
	}
	next := &Set{Head: delta.Head, Tail: delta.Tail}
	next.Base, next.Freshest = nil, s.Freshest
	for i, j := 0, 0; i < s.Len() || j < delta.Len(); {
		order := 1
		switch {
		case j >= delta.Len():
			order = -1
		case i < s.Len():
			a, b := s.At(i), delta.At(j)
			order = apart(&a, &b)
		}
		e := Entry{}
		if order < 0 {
			e = s.At(i)
		} else if e = delta.At(j); e.Reason == Removed {
			e.Serial = nil
		}
		if order <= 0 {
			i++
		}
		if order >= 0 {
			j++
		}
		if e.Serial == nil {
			continue
		}
		if err := next.add(&e); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// Covers returns why the list says nothing about a certificate, or nil.
//
// RFC 5280, Section 6.3.3 (b): issuer, kind of certificate and distribution
// point must fit. It does not ask for onlySomeReasons, which makes what is not on
// the list merely not revoked for those reasons.
func (s *Set) Covers(certificate *x509.Certificate) error {
	isCA := certificate.BasicConstraintsValid && certificate.IsCA
	points, err := pointsOf(certificate)
	if err != nil {
		return err
	}
	switch {
	case len(s.Unknown) > 0:
		return fmt.Errorf("the list has critical extensions that are not known: %v", s.Unknown)
	case !s.Scope.Indirect && !bytes.Equal(s.RawIssuer, certificate.RawIssuer):
		return errors.New("the list is another issuer's")
	case s.Scope.Indirect && !bytes.Equal(s.RawIssuer, certificate.RawIssuer) && !slices.ContainsFunc(points, func(p point) bool { return bytes.Equal(p.crlIssuer, s.RawIssuer) }):
		return errors.New("the certificate does not name the issuer of the list")
	case s.Scope.OnlyAttributes, s.Scope.OnlyUsers && isCA, s.Scope.OnlyAuthorities && !isCA:
		return errors.New("the list is about other kinds of certificates")
	}
	if s.Scope.Point == nil {
		return nil
	}
	for _, p := range points {
		for _, url := range p.urls {
			if slices.Contains(s.Scope.URLs, url) {
				return nil
			}
		}
	}
	return errors.New("the list is of another distribution point")
}

// point is what a certificate says of one distribution point.
type point struct {
	urls      []string
	crlIssuer []byte // encoded Name
}

func pointsOf(certificate *x509.Certificate) ([]point, error) {
	malformed := errors.New("the certificate's cRLDistributionPoints are malformed")
	var points []point
	for _, x := range certificate.Extensions {
		if !x.Id.Equal(pki.OIDCRLDistributionPoints) {
			continue
		}
		value := cryptobyte.String(x.Value)
		var list cryptobyte.String
		if !value.ReadASN1(&list, asn1.SEQUENCE) {
			return nil, malformed
		}
		for !list.Empty() {
			var one, name, reasons, issuer cryptobyte.String
			var hasName, hasReasons, hasIssuer bool
			if !list.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadOptionalASN1(&name, &hasName, tagPoint) ||
				!one.ReadOptionalASN1(&reasons, &hasReasons, asn1.Tag(1).ContextSpecific()) ||
				!one.ReadOptionalASN1(&issuer, &hasIssuer, asn1.Tag(2).ContextSpecific().Constructed()) {
				return nil, malformed
			}
			var p point
			ok := true
			if hasName {
				p.urls, ok = readPointName(name)
			}
			if hasIssuer {
				var directory cryptobyte.String
				if issuer.ReadASN1(&directory, asn1.Tag(4).ContextSpecific().Constructed()) {
					p.crlIssuer = directory
				}
			}
			if !ok {
				return nil, malformed
			}
			points = append(points, p)
		}
	}
	return points, nil
}
