package ocsp

import (
	"bytes"
	"context"
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"sync/atomic"
	"time"
)

// ListHead is what a revocation list says besides its entries.
type ListHead struct {
	// Number is the CRLNumber; nil when there is none.
	Number *big.Int
	// ThisUpdate and NextUpdate are the list's; NextUpdate is zero when there is
	// none.
	ThisUpdate, NextUpdate time.Time
	// Delta says that it tells the changes since another list alone, Part that it
	// has an issuingDistributionPoint and so covers some of the certificates or
	// of the reasons.
	Delta, Part bool
	// Unknown are the critical extensions that the reader does not know.
	Unknown []encoding_asn1.ObjectIdentifier
}

// ReadList reads a revocation list, DER, and calls each for its entries in
// their order, serial, time, reason and extensions. It returns an error unless
// the issuer signed the list and may sign lists; it may find that out after it
// has called each.
type ReadList func(in io.Reader, issuer *x509.Certificate, each func(x509.RevocationListEntry) error) (ListHead, error)

// List is a [Source] for one issuer that knows nothing but the issuer's
// revocation lists: an authority of another centre, or an old one without a
// journal.
//
// RFC 6960, Section 2.2: good says at least that no certificate of the serial
// number is revoked, and need not say that it was ever issued. That is all a
// list can tell: what is not on it is good here, an invented serial too. Answers
// have the list's thisUpdate, and no nextUpdate past the list's.
//
// Its positions are made of thisUpdate and the number, so that responders that
// share a cache agree on which of two lists is the newer one.
type List struct {
	issuer      string
	certificate *x509.Certificate
	read        ReadList
	current     atomic.Pointer[takenList]
}

// takenList is a list that was verified. It is not modified.
type takenList struct {
	ListHead
	entries []listed // by serial
}

// listed is an entry: 40 octets for each.
type listed struct {
	serial [20]byte // big-endian, with zeros in front
	at     int64    // seconds since 1970
	reason int32
}

// NewList returns a List without a list; it knows nothing until [List.Take].
func NewList(issuer string, certificate *x509.Certificate, read ReadList) (*List, error) {
	if issuer == "" || certificate == nil || read == nil {
		return nil, errors.New("ocsp: a list's source needs an issuer, its certificate and a reader")
	}
	return &List{issuer: issuer, certificate: certificate, read: read}, nil
}

// ErrListBack says that a list is older than the one before it.
var ErrListBack = errors.New("the list goes back in time")

// Take reads a list and answers from it from now on, unless it is not to be
// relied on, or older than the one before; then that one goes on. news says that
// it is another list than before; its position is then to be given to
// [Responder.InvalidateAll].
func (l *List) Take(in io.Reader) (position uint64, news bool, err error) {
	next := new(takenList)
	if next.ListHead, err = l.read(in, l.certificate, next.add); err != nil {
		return 0, false, fmt.Errorf("reading revocation list of %s: %w", l.issuer, err)
	}
	if err := next.check(time.Now()); err != nil {
		return 0, false, fmt.Errorf("checking revocation list of %s: %w", l.issuer, err)
	}
	before := l.current.Load()
	if before != nil {
		if news, err = next.follows(before); err != nil || !news {
			return before.position(), false, err
		}
	}
	next.sort()
	if !l.current.CompareAndSwap(before, next) {
		return 0, false, errors.New("ocsp: two revocation lists taken at once")
	}
	return next.position(), true, nil
}

// position is the second of thisUpdate and behind it the number's last 20 bits:
// lists may follow one another within a second.
func (t *takenList) position() uint64 {
	const bits = 20
	position := uint64(max(0, t.ThisUpdate.Unix())) << bits
	if t.Number != nil {
		position |= new(big.Int).And(t.Number, big.NewInt(1<<bits-1)).Uint64()
	}
	return position
}

// add takes an entry of the list.
func (t *takenList) add(e x509.RevocationListEntry) error {
	if e.SerialNumber == nil || e.SerialNumber.Sign() <= 0 || e.SerialNumber.BitLen() > 160 {
		return errors.New("an entry's serial number is none")
	}
	for _, x := range e.Extensions {
		// RFC 5280, Section 5.3: a list with a critical entry extension that is not
		// understood must not be used. certificateIssuer is one of an indirect list.
		if x.Critical {
			return fmt.Errorf("entry %x has the critical extension %s", e.SerialNumber, x.Id)
		}
	}
	// RFC 5280, Section 5.3.1: 8 is for delta lists and 7 not used.
	if e.ReasonCode < 0 || e.ReasonCode > 10 || e.ReasonCode == 7 || e.ReasonCode == 8 {
		return fmt.Errorf("entry %x has reason %d", e.SerialNumber, e.ReasonCode)
	}
	entry := listed{at: e.RevocationTime.Unix(), reason: int32(e.ReasonCode)}
	e.SerialNumber.FillBytes(entry.serial[:])
	t.entries = append(t.entries, entry)
	return nil
}

func (t *takenList) sort() {
	slices.SortStableFunc(t.entries, func(a, b listed) int { return bytes.Compare(a.serial[:], b.serial[:]) })
}

// check refuses a list that does not speak for all certificates of its issuer,
// now.
func (t *takenList) check(now time.Time) error {
	switch {
	// RFC 5280, Section 5.2.4: a delta tells the changes alone.
	case t.Delta:
		return errors.New("it is a delta list")
	// RFC 5280, Section 5.2.5: what is not on it need not be good.
	case t.Part:
		return errors.New("it is a list for one distribution point: what is not on it may be on another")
	// RFC 5280, Section 5.2: not understood, so not to be used.
	case len(t.Unknown) > 0:
		return fmt.Errorf("it has the critical extension %s", t.Unknown[0])
	}
	switch {
	case t.ThisUpdate.Unix() <= 0 || t.ThisUpdate.After(now.Add(time.Minute)):
		return fmt.Errorf("its thisUpdate %s is to come", t.ThisUpdate.UTC().Format(time.RFC3339))
	case t.NextUpdate.IsZero():
		// RFC 5280, Section 5.1.2.5: it must be there; without it nobody knows for
		// how long the list can be relied on.
		return errors.New("it has no nextUpdate")
	case !t.NextUpdate.After(now):
		return fmt.Errorf("its nextUpdate %s has passed", t.NextUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// follows reports whether the list is newer than the one before, or refuses it
// as an older one, or as another one in its place.
func (t *takenList) follows(before *takenList) (bool, error) {
	numbered, number := t.Number != nil && before.Number != nil, 0
	if numbered {
		number = t.Number.Cmp(before.Number)
	}
	later := t.ThisUpdate.Compare(before.ThisUpdate)
	same := number == 0 && later == 0 && len(t.entries) == len(before.entries)
	switch {
	case same:
		return false, nil
	// RFC 5280, Section 5.2.3: numbers grow, and two lists have not the same.
	case numbered && number == 0:
		return false, fmt.Errorf("%w: two lists have number %v", ErrListBack, t.Number)
	// The last of these: two without numbers of one second, or so many numbers
	// apart that their positions do not tell them. The next second's does.
	case number < 0, later < 0, t.Number == nil && before.Number != nil, t.position() <= before.position():
		return false, fmt.Errorf("%w: number %v of %s came after number %v of %s", ErrListBack,
			t.Number, t.ThisUpdate.UTC().Format(time.RFC3339), before.Number, before.ThisUpdate.UTC().Format(time.RFC3339))
	}
	return true, nil
}

// Status implements [Source].
func (l *List) Status(_ context.Context, issuer string, serial *big.Int) (Status, error) {
	if issuer != l.issuer {
		return Status{}, fmt.Errorf("ocsp: the lists are those of %s", l.issuer)
	}
	t := l.current.Load()
	if t == nil {
		return Status{}, errors.New("ocsp: there is no revocation list yet")
	}
	s := Status{State: Good, Version: t.position(), Position: t.position(), ThisUpdate: t.ThisUpdate, NextUpdate: t.NextUpdate}
	if serial.Sign() <= 0 || serial.BitLen() > 160 {
		// RFC 5280, Section 4.1.2.2: no authority issues such a number.
		return Status{Position: math.MaxUint64}, nil
	}
	var key [20]byte
	serial.FillBytes(key[:])
	i, found := slices.BinarySearchFunc(t.entries, key, func(e listed, key [20]byte) int { return bytes.Compare(e.serial[:], key[:]) })
	if found {
		s.State, s.Reason, s.RevokedAt = Revoked, int(t.entries[i].reason), time.Unix(t.entries[i].at, 0)
	}
	return s, nil
}

// Ready returns why the list is not one to answer from for much longer: there
// is none, or less than a quarter of its time is left.
func (l *List) Ready(context.Context) error {
	t := l.current.Load()
	if t == nil {
		return fmt.Errorf("issuer %s: there is no revocation list yet", l.issuer)
	}
	if left := time.Until(t.NextUpdate); left < t.NextUpdate.Sub(t.ThisUpdate)/4 {
		return fmt.Errorf("issuer %s: the revocation list of %s ends at %s and has no successor", l.issuer,
			t.ThisUpdate.UTC().Format(time.RFC3339), t.NextUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// Head returns what the current list says of itself; false when there is none.
func (l *List) Head() (ListHead, bool) {
	t := l.current.Load()
	if t == nil {
		return ListHead{}, false
	}
	return t.ListHead, true
}
