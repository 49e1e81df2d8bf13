package ocsp

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// memory keeps answers as octets that only have to be copied behind an HTTP
// header, within a budget.
//
// A country's certificates are some millions, and what is kept of each decides
// whether all fit. So of an answer only what is its own is kept, some two
// hundred octets: the signer's certificates, three times as much, are the same
// octets at the end of a million answers and are kept once, and so are those by
// which the CertID names the issuer; what is left of the CertID, the serial
// number, is not kept apart but found inside of the answer. The answers lie in slabs,
// and the index holds numbers alone, so that a million answers are a few
// hundred objects to the garbage collector and not millions.
//
// An answer that is made anew takes the place of its predecessor when it fits,
// as it nearly always does. When the budget is used up, the oldest slab is
// emptied for new answers. What is lost so is made again when it is asked for;
// an order by use would cost each hit a write.
type memory struct {
	seed   maphash.Seed
	shards [64]memoryShard

	mu sync.RWMutex
	// names are how CertIDs name issuers, ends the common ends of answers, as
	// records number them; number 0 of ends is empty.
	names  []name
	nameOf map[name]uint16
	ends   [][]byte
	// endOf finds an end by its last octets.
	endOf map[string]uint16
}

type memoryShard struct {
	mu       sync.RWMutex
	slabSize int
	mostSlab int
	index    map[uint64]uint32 // by hash of the key: where the record is
	slabs    [][]byte          // each filled up to its length
	filling  int               // the slab that is appended to
}

// A record is a header and the answer without its common end and without the
// CertID up to the serial number. Numbers are big-endian.
//
//	offset  0  capacity: units until the next record
//	        2  octets of the answer's own
//	        4  where in them the CertID was cut out; the serial number begins there
//	        6  octets of the serial number
//	        7  class
//	        8  number of the name
//	       10  number of the common end
//	       12  version
//	       20  position
//	       28  thisUpdate, seconds since 1970
//	       32  nextUpdate, seconds since 1970
//	       36  SHA-256 of the whole answer
//	       68  the answer's own octets
type record []byte

const (
	recordHeader = 68
	// recordUnit is what positions and capacities are multiples of, so that 15
	// bits name a place in a slab.
	recordUnit = 4
	// recordSlack leaves room for a signature that is longer by the octets
	// that DER puts before a number.
	recordSlack = 4
	maxSlab     = 128 << 10
	minSlab     = 16 << 10
	maxEnds     = 1 << 10
	maxNames    = 1 << 15
	endKey      = 32
	// perIndex is what a place in the index takes, on average.
	perIndex = 40
)

func (r record) number(at int) int { return int(binary.BigEndian.Uint16(r[at:])) }
func (r record) capacity() int     { return r.number(0) * recordUnit }
func (r record) cut() int          { return r.number(4) }
func (r record) serial() []byte    { return r.own()[r.cut():][:r[6]] }
func (r record) class() uint8      { return r[7] }
func (r record) version() uint64   { return binary.BigEndian.Uint64(r[12:]) }
func (r record) position() uint64  { return binary.BigEndian.Uint64(r[20:]) }
func (r record) thisUpdate() int64 { return int64(binary.BigEndian.Uint32(r[28:])) }
func (r record) nextUpdate() int64 { return int64(binary.BigEndian.Uint32(r[32:])) }
func (r record) tag() []byte       { return r[36:recordHeader] }
func (r record) own() []byte       { return r[recordHeader:][:r.number(2)] }

// kept is a record with what it shares with others.
type kept struct {
	record
	name
	end []byte
}

// name is how CertIDs name certificates of an issuer: their octets before the
// serial number.
type name struct{ issuer, octets string }

// is reports whether the answer is kept under key.
func (k kept) is(key []byte) bool {
	n := len(k.octets)
	return len(key) >= n && string(key[:n]) == k.octets && string(key[n:]) == string(k.serial())
}

func (k kept) key() Key { return Key(k.octets + string(k.serial())) }

// length is how many octets the whole answer has.
func (k kept) length() int { return len(k.own()) + len(k.octets) + len(k.end) }

// append appends the whole answer.
func (k kept) append(out []byte) []byte {
	own, cut := k.own(), k.cut()
	return append(append(append(append(out, own[:cut]...), k.octets...), own[cut:]...), k.end...)
}

// newMemory returns a memory of about budget octets, which keeps nothing when
// that is negative.
func newMemory(budget int64) *memory {
	m := &memory{seed: maphash.MakeSeed(), ends: [][]byte{nil}, endOf: make(map[string]uint16), nameOf: make(map[name]uint16)}
	// A tenth goes to the index: see perIndex.
	share := budget / int64(len(m.shards)) * 9 / 10
	size := min(max(share/4, minSlab), maxSlab)
	for i := range m.shards {
		m.shards[i] = memoryShard{index: make(map[uint64]uint32)}
		if budget >= 0 {
			m.shards[i].slabSize, m.shards[i].mostSlab = int(size), int(max(2, share/size))
		}
	}
	return m
}

func (m *memory) shard(hash uint64) *memoryShard { return &m.shards[hash%uint64(len(m.shards))] }

// find returns what is kept under key. The caller may read it until it calls
// release.
func (m *memory) find(key []byte) (kept, *memoryShard) {
	hash := maphash.Bytes(m.seed, key)
	s := m.shard(hash)
	s.mu.RLock()
	if place, ok := s.index[hash]; ok {
		// Two keys of one hash: the later one is kept.
		if k := m.whole(s.at(place)); k.is(key) {
			return k, s
		}
	}
	s.mu.RUnlock()
	return kept{}, nil
}

func (s *memoryShard) release() { s.mu.RUnlock() }

func (s *memoryShard) at(place uint32) record {
	return record(s.slabs[place>>15][int(place&0x7fff)*recordUnit:])
}

// whole adds what the record shares with others.
func (m *memory) whole(r record) kept {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return kept{r, m.names[r.number(8)], m.ends[r.number(10)]}
}

// get returns the answer kept under key, as one of its own.
func (m *memory) get(key Key) (*Answer, bool) {
	k, s := m.find([]byte(key))
	if s == nil {
		return nil, false
	}
	defer s.release()
	a := &Answer{
		Response: k.append(make([]byte, 0, k.length())), common: len(k.end), Version: k.version(), Position: k.position(),
		ThisUpdate: time.Unix(k.thisUpdate(), 0), NextUpdate: time.Unix(k.nextUpdate(), 0), Class: k.class(),
	}
	copy(a.tag[:], k.tag())
	return a, true
}

// put keeps the answer about the certificate under key, unless a newer one is
// there.
func (m *memory) put(key Key, of certificate, a *Answer) {
	hash := maphash.String(m.seed, string(key))
	s := m.shard(hash)
	if s.slabSize == 0 {
		return
	}
	before, ok := strings.CutSuffix(string(key), of.serial)
	if !ok {
		return
	}
	name, end, own := m.intern(name{of.issuer, before}, a)
	r := makeRecord(before, of.serial, name, end, own, a)
	if r == nil || r.capacity() > s.slabSize {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if place, ok := s.index[hash]; ok {
		k := m.whole(s.at(place))
		if k.is([]byte(key)) && !newer(r.version(), r.thisUpdate(), k.version(), k.thisUpdate()) {
			return
		}
		if capacity := k.capacity(); len(r) <= capacity {
			binary.BigEndian.PutUint16(r, uint16(capacity/recordUnit))
			copy(k.record[:capacity], r)
			return
		}
	}
	s.index[hash] = m.append(s, r)
}

// append puts the record behind the last one.
func (m *memory) append(s *memoryShard, r record) uint32 {
	capacity := r.capacity()
	if len(s.slabs) == 0 {
		s.slabs = append(s.slabs, make([]byte, 0, s.slabSize))
	}
	if len(s.slabs[s.filling])+capacity > s.slabSize {
		m.turn(s)
	}
	slab := s.slabs[s.filling]
	at := len(slab)
	slab = slab[:at+capacity]
	copy(slab[at:], r)
	s.slabs[s.filling] = slab
	return uint32(s.filling)<<15 | uint32(at/recordUnit)
}

// turn goes on to the next slab: a new one within the budget, else the oldest.
func (m *memory) turn(s *memoryShard) {
	if len(s.slabs) < s.mostSlab && s.filling == len(s.slabs)-1 {
		s.slabs = append(s.slabs, make([]byte, 0, s.slabSize))
		s.filling++
		return
	}
	s.filling = (s.filling + 1) % len(s.slabs)
	slab := s.slabs[s.filling]
	for at := 0; at < len(slab); {
		r := record(slab[at:])
		hash := maphash.String(m.seed, string(m.whole(r).key()))
		if place, ok := s.index[hash]; ok && place == uint32(s.filling)<<15|uint32(at/recordUnit) {
			delete(s.index, hash)
		}
		at += r.capacity()
	}
	s.slabs[s.filling] = slab[:0]
}

// intern numbers the name, with maxNames when there is no room for it, and the
// answer's common end, and returns the octets before that.
func (m *memory) intern(called name, a *Answer) (number, end uint16, own []byte) {
	own = a.Response
	m.mu.RLock()
	number, named := m.nameOf[called]
	end, ends := m.endFor(a)
	m.mu.RUnlock()
	if !named || ends == nil && a.common > endKey {
		m.mu.Lock()
		defer m.mu.Unlock()
		if number, named = m.nameOf[called]; !named {
			if number = uint16(len(m.names)); number < maxNames {
				m.names, m.nameOf[called] = append(m.names, called), number
			}
		}
		if end, ends = m.endFor(a); ends == nil && a.common > endKey && len(m.ends) < maxEnds {
			end, ends = uint16(len(m.ends)), slices.Clone(own[len(own)-a.common:])
			m.ends = append(m.ends, ends)
			m.endOf[string(ends[len(ends)-endKey:])] = end
		}
	}
	return number, end, own[:len(own)-len(ends)]
}

// endFor finds the known end that the answer has: answers from a shared cache
// do not say how long theirs is.
func (m *memory) endFor(a *Answer) (uint16, []byte) {
	if len(a.Response) < endKey {
		return 0, nil
	}
	number, ok := m.endOf[string(a.Response[len(a.Response)-endKey:])]
	if !ok {
		return 0, nil
	}
	end := m.ends[number]
	if len(end) > len(a.Response) || string(a.Response[len(a.Response)-len(end):]) != string(end) {
		return 0, nil
	}
	return number, end
}

// makeRecord returns the record of an answer with own octets, about the
// certificate that the CertID's octets before and its serial number name; nil when
// its parts are not where records have them.
func makeRecord(before, serial string, name, end uint16, own []byte, a *Answer) record {
	begin := bytes.Index(own, []byte(before+serial))
	this, next := a.ThisUpdate.Unix(), a.NextUpdate.Unix()
	if begin < 0 || len(own) > 1<<15 || len(serial) > math.MaxUint8 || name >= maxNames ||
		this < 0 || this > math.MaxUint32 || next < 0 || next > math.MaxUint32 {
		return nil
	}
	length := len(own) - len(before)
	r := make(record, recordHeader, recordHeader+length)
	capacity := (cap(r) + recordSlack + recordUnit - 1) / recordUnit
	put := func(at, n int) { binary.BigEndian.PutUint16(r[at:], uint16(n)) }
	put(0, capacity)
	put(2, length)
	put(4, begin)
	r[6], r[7] = byte(len(serial)), a.Class
	put(8, int(name))
	put(10, int(end))
	binary.BigEndian.PutUint64(r[12:], a.Version)
	binary.BigEndian.PutUint64(r[20:], a.Position)
	binary.BigEndian.PutUint32(r[28:], uint32(this))
	binary.BigEndian.PutUint32(r[32:], uint32(next))
	copy(r[36:], a.tag[:])
	return append(append(r, own[:begin]...), own[begin+len(before):]...)
}
