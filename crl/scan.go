package crl

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

const (
	// window is how much of a list is in memory at once. No element of a list but
	// the lists of entries and the whole may be longer than maxElement.
	window     = 256 << 10
	maxElement = 64 << 10
	// maxList bounds what a length may claim, so that sums of lengths stay
	// numbers.
	maxList = 1 << 40
)

// The tags that a list is made of.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
	tagExtensions      = 0xa0
)

// scanner reads DER of any length through a window.
type scanner struct {
	from io.Reader
	buf  []byte
	// buf[pos:end] is what was read and not consumed. at is where pos is in the
	// input.
	pos, end int
	at       int64
	// hashing: what was consumed since buf[mark:] belongs into the hash. Until
	// the hash is known, it stays in the window.
	hashing bool
	mark    int
	hash    hash.Hash
}

func newScanner(from io.Reader) *scanner { return &scanner{from: from, buf: make([]byte, window)} }

// have makes n octets available at pos.
func (s *scanner) have(n int) error {
	if s.end-s.pos >= n {
		return nil
	}
	keep := s.pos
	if s.hashing {
		if s.hash != nil {
			s.flush()
		} else {
			keep = s.mark
		}
	}
	copy(s.buf, s.buf[keep:s.end])
	s.pos, s.end, s.mark = s.pos-keep, s.end-keep, max(0, s.mark-keep)
	if s.pos+n > len(s.buf) {
		return errors.New("an element is too long")
	}
	for s.end-s.pos < n {
		read, err := s.from.Read(s.buf[s.end:])
		s.end += read
		if err == io.EOF && s.end-s.pos < n {
			return io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return err
		}
	}
	return nil
}

// flush puts what was consumed into the hash.
func (s *scanner) flush() {
	s.hash.Write(s.buf[s.mark:s.pos])
	s.mark = s.pos
}

func (s *scanner) skip(n int) {
	s.pos += n
	s.at += int64(n)
}

// header consumes a tag and a length.
//
// X.690, Section 10.1: the definite form in the least number of octets.
func (s *scanner) header() (tag byte, length int64, err error) {
	tag, length, size, err := s.peekHeader()
	if err == nil {
		s.skip(size)
	}
	return tag, length, err
}

func (s *scanner) peekHeader() (tag byte, length int64, size int, err error) {
	if err := s.have(2); err != nil {
		return 0, 0, 0, err
	}
	tag, first := s.buf[s.pos], s.buf[s.pos+1]
	if tag&0x1f == 0x1f {
		return 0, 0, 0, s.malformed("a tag of more than one octet")
	}
	if first < 0x80 {
		return tag, int64(first), 2, nil
	}
	n := int(first & 0x7f)
	if n == 0 || n > 6 {
		return 0, 0, 0, s.malformed("a length that is indefinite or huge")
	}
	if err := s.have(2 + n); err != nil {
		return 0, 0, 0, err
	}
	for _, b := range s.buf[s.pos+2 : s.pos+2+n] {
		length = length<<8 | int64(b)
	}
	if length < 0x80 || length>>(8*(n-1)) == 0 || length > maxList {
		return 0, 0, 0, s.malformed("a length that is not in its shortest form or huge")
	}
	return tag, length, 2 + n, nil
}

// tag returns the next tag without consuming it; 0 at the end of the part that
// ends at end.
func (s *scanner) tag(end int64) (byte, error) {
	if s.at >= end {
		return 0, nil
	}
	if err := s.have(1); err != nil {
		return 0, err
	}
	return s.buf[s.pos], nil
}

// sequence consumes the header of an element that holds others and returns
// where it ends, which is not after end.
func (s *scanner) into(want byte, end int64) (int64, error) {
	tag, length, err := s.header()
	switch {
	case err != nil:
		return 0, err
	case tag != want:
		return 0, s.malformed(fmt.Sprintf("tag %#x where %#x belongs", tag, want))
	case s.at+length > end:
		return 0, s.malformed("an element that reaches beyond the one it is in")
	}
	return s.at + length, nil
}

// element consumes a whole element and returns it, header included, and where
// its contents begin. Both are good until the next call.
func (s *scanner) element(want byte, end int64) (raw []byte, contents int, err error) {
	tag, length, size, err := s.peekHeader()
	switch {
	case err != nil:
		return nil, 0, err
	case tag != want:
		return nil, 0, s.malformed(fmt.Sprintf("tag %#x where %#x belongs", tag, want))
	case length > maxElement:
		return nil, 0, s.malformed("an element that is too long")
	case s.at+int64(size)+length > end:
		return nil, 0, s.malformed("an element that reaches beyond the one it is in")
	}
	if err := s.have(size + int(length)); err != nil {
		return nil, 0, err
	}
	raw = s.buf[s.pos : s.pos+size+int(length)]
	s.skip(len(raw))
	return raw, size, nil
}

// malformed says what is wrong and where.
func (s *scanner) malformed(what string) error { return fmt.Errorf("at octet %d: %s", s.at, what) }

// readTime reads the contents of a UTCTime or GeneralizedTime in the one form
// that RFC 5280, Section 4.1.2.5.1 and Section 4.1.2.5.2 allow: UTC, with
// seconds and without fractions.
func readTime(tag byte, contents []byte) (time.Time, bool) {
	year := 0
	switch {
	case tag == tagUTCTime && len(contents) == 13:
		year = pair(contents)
		// RFC 5280, Section 4.1.2.5.1: from 50 on it is the century before.
		if year < 50 {
			year += 100
		}
		year += 1900
		contents = contents[2:]
	case tag == tagGeneralizedTime && len(contents) == 15:
		year = 100*pair(contents) + pair(contents[2:])
		contents = contents[4:]
	default:
		return time.Time{}, false
	}
	month, day, hour, minute, second := pair(contents), pair(contents[2:]), pair(contents[4:]), pair(contents[6:]), pair(contents[8:])
	if contents[10] != 'Z' || year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	return time.Unix(daysSince1970(year, month, day)*86400+int64(hour*3600+minute*60+second), 0).UTC(), true
}

// pair reads two decimal digits; anything else gives a number far below zero.
func pair(s []byte) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return -1 << 20
	}
	return 10*int(a) + int(b)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts the days of the Gregorian calendar. Years begin in March
// here, so that the leap day is the last of one.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return int64(365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468)
}
