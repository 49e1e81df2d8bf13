package ocsp

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"
)

// memory keeps answers as octets that only have to be copied behind an HTTP
// header, within a budget.
//
// A country's certificates are some millions, and what is kept of each decides
// whether all fit. So of an answer only what is its own is kept, some three
// hundred octets: the signer's certificates, twice as much, are the same octets
// at the end of a million answers and are kept once; the CertID that it is
// found by is not kept apart but found inside of it. The answers lie in slabs,
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
	// names are the issuers' short names, ends the common ends of answers, as
	// records number them; number 0 of ends is empty.
	names []string
	ends  [][]byte
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

// A record is a header and the answer without its common end. Numbers are
// big-endian.
//
//	offset  0  hash of the key
//	        8  capacity: octets until the next record
//	       10  octets of the answer's own
//	       12  where in them the CertID begins, and its octets
//	       16  where in them the serial number begins, and its octets
//	       20  number of the issuer's name
//	       22  number of the common end
//	       24  version
//	       32  position
//	       40  thisUpdate, seconds since 1970
//	       48  nextUpdate, seconds since 1970
//	       56  class
//	       57  SHA-256 of the whole answer
//	       89  the answer's own octets
type record []byte

const (
	recordHeader = 89
	// recordUnit is what positions and capacities are multiples of, so that 15
	// bits name a place in a slab.
	recordUnit = 8
	// recordSlack leaves room for a signature that is longer by the octets
	// that DER puts before a number.
	recordSlack = 4
	maxSlab     = 256 << 10
	minSlab     = 16 << 10
	maxEnds     = 1 << 10
	endKey      = 32
	// perIndex is what a place in the index takes, on average.
	perIndex = 40
)

func (r record) hash() uint64      { return binary.BigEndian.Uint64(r) }
func (r record) capacity() int     { return int(binary.BigEndian.Uint16(r[8:])) * recordUnit }
func (r record) key() []byte       { return r.part(12) }
func (r record) serial() []byte    { return r.part(16) }
func (r record) name() uint16      { return binary.BigEndian.Uint16(r[20:]) }
func (r record) end() uint16       { return binary.BigEndian.Uint16(r[22:]) }
func (r record) version() uint64   { return binary.BigEndian.Uint64(r[24:]) }
func (r record) position() uint64  { return binary.BigEndian.Uint64(r[32:]) }
func (r record) thisUpdate() int64 { return int64(binary.BigEndian.Uint64(r[40:])) }
func (r record) nextUpdate() int64 { return int64(binary.BigEndian.Uint64(r[48:])) }
func (r record) class() uint8      { return r[56] }
func (r record) tag() []byte       { return r[57:recordHeader] }
func (r record) own() []byte       { return r[recordHeader:][:binary.BigEndian.Uint16(r[10:])] }
func (r record) part(at int) []byte {
	begin, length := binary.BigEndian.Uint16(r[at:]), binary.BigEndian.Uint16(r[at+2:])
	return r.own()[begin:][:length]
}

// newMemory returns a memory of about budget octets, which keeps nothing when
// that is negative.
func newMemory(budget int64) *memory {
	m := &memory{seed: maphash.MakeSeed(), ends: [][]byte{nil}, endOf: make(map[string]uint16)}
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

// find returns the record kept under key. The caller may read it until it calls
// release.
func (m *memory) find(key []byte) (record, *memoryShard) {
	hash := maphash.Bytes(m.seed, key)
	s := m.shard(hash)
	s.mu.RLock()
	if place, ok := s.index[hash]; ok {
		// Two keys of one hash: the later one is kept.
		if r := s.at(place); string(r.key()) == string(key) {
			return r, s
		}
	}
	s.mu.RUnlock()
	return nil, nil
}

func (s *memoryShard) release() { s.mu.RUnlock() }

func (s *memoryShard) at(place uint32) record {
	return record(s.slabs[place>>15][int(place&0x7fff)*recordUnit:])
}

// get returns the answer kept under key, as one of its own.
func (m *memory) get(key Key) (*Answer, bool) {
	r, s := m.find([]byte(key))
	if r == nil {
		return nil, false
	}
	defer s.release()
	end := m.common(r)
	a := &Answer{
		Response: slices.Concat(r.own(), end), common: len(end), Version: r.version(), Position: r.position(),
		ThisUpdate: time.Unix(r.thisUpdate(), 0), NextUpdate: time.Unix(r.nextUpdate(), 0), Class: r.class(),
	}
	copy(a.tag[:], r.tag())
	return a, true
}

// common returns the octets that follow the record's own.
func (m *memory) common(r record) []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.ends[r.end()]
}

// subject names the certificate that the record is about. It allocates nothing
// where it is used as the key of a map.
func (m *memory) issuer(r record) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.names[r.name()]
}

// put keeps the answer about the certificate under key, unless a newer one is
// there.
func (m *memory) put(key Key, of certificate, a *Answer) {
	hash := maphash.String(m.seed, string(key))
	s := m.shard(hash)
	if s.slabSize == 0 {
		return
	}
	name, end, own := m.intern(of.issuer, a)
	r := makeRecord(hash, key, of.serial, name, end, own, a)
	if r == nil || r.capacity() > s.slabSize {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if place, ok := s.index[hash]; ok {
		kept := s.at(place)
		if string(kept.key()) == string(key) && !newer(r.version(), r.thisUpdate(), kept.version(), kept.thisUpdate()) {
			return
		}
		if capacity := kept.capacity(); len(r) <= capacity {
			binary.BigEndian.PutUint16(r[8:], uint16(capacity/recordUnit))
			copy(kept[:capacity], r)
			return
		}
	}
	s.index[hash] = s.append(r)
}

// append puts the record behind the last one.
func (s *memoryShard) append(r record) uint32 {
	capacity := r.capacity()
	if len(s.slabs) == 0 {
		s.slabs = append(s.slabs, make([]byte, 0, s.slabSize))
	}
	if len(s.slabs[s.filling])+capacity > s.slabSize {
		s.turn()
	}
	slab := s.slabs[s.filling]
	at := len(slab)
	slab = slab[:at+capacity]
	copy(slab[at:], r)
	s.slabs[s.filling] = slab
	return uint32(s.filling)<<15 | uint32(at/recordUnit)
}

// turn goes on to the next slab: a new one within the budget, else the oldest.
func (s *memoryShard) turn() {
	if len(s.slabs) < s.mostSlab && s.filling == len(s.slabs)-1 {
		s.slabs = append(s.slabs, make([]byte, 0, s.slabSize))
		s.filling++
		return
	}
	s.filling = (s.filling + 1) % len(s.slabs)
	slab := s.slabs[s.filling]
	for at := 0; at < len(slab); {
		r := record(slab[at:])
		if place := uint32(s.filling)<<15 | uint32(at/recordUnit); s.index[r.hash()] == place {
			delete(s.index, r.hash())
		}
		at += r.capacity()
	}
	s.slabs[s.filling] = slab[:0]
}

// intern numbers the issuer's name and the answer's common end, and returns the
// octets before that.
func (m *memory) intern(issuer string, a *Answer) (name, end uint16, own []byte) {
	own = a.Response
	m.mu.RLock()
	at := slices.Index(m.names, issuer)
	end, ends := m.endFor(a)
	m.mu.RUnlock()
	if at < 0 || ends == nil && a.common > endKey {
		m.mu.Lock()
		defer m.mu.Unlock()
		if at = slices.Index(m.names, issuer); at < 0 {
			at = len(m.names)
			m.names = append(m.names, issuer)
		}
		if end, ends = m.endFor(a); ends == nil && a.common > endKey && len(m.ends) < maxEnds {
			end, ends = uint16(len(m.ends)), slices.Clone(own[len(own)-a.common:])
			m.ends = append(m.ends, ends)
			m.endOf[string(ends[len(ends)-endKey:])] = end
		}
	}
	return uint16(at), end, own[:len(own)-len(ends)]
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

// makeRecord returns the record, or nil when its parts are not where records
// have them.
func makeRecord(hash uint64, key Key, serial string, name, end uint16, own []byte, a *Answer) record {
	begin := bytes.Index(own, []byte(key))
	serialAt := begin + strings.LastIndex(string(key), serial)
	if begin < 0 || serialAt < begin || len(own) > 1<<15 {
		return nil
	}
	r := make(record, recordHeader+len(own))
	capacity := (len(r) + recordSlack + recordUnit - 1) / recordUnit
	put := func(at, n int) { binary.BigEndian.PutUint16(r[at:], uint16(n)) }
	binary.BigEndian.PutUint64(r, hash)
	put(8, capacity)
	put(10, len(own))
	put(12, begin)
	put(14, len(key))
	put(16, serialAt)
	put(18, len(serial))
	put(20, int(name))
	put(22, int(end))
	binary.BigEndian.PutUint64(r[24:], a.Version)
	binary.BigEndian.PutUint64(r[32:], a.Position)
	binary.BigEndian.PutUint64(r[40:], uint64(a.ThisUpdate.Unix()))
	binary.BigEndian.PutUint64(r[48:], uint64(a.NextUpdate.Unix()))
	r[56] = a.Class
	copy(r[57:], a.tag[:])
	copy(r[recordHeader:], own)
	return r
}

// count returns how many answers are kept.
func (m *memory) count() int {
	n := 0
	for i := range m.shards {
		m.shards[i].mu.RLock()
		n += len(m.shards[i].index)
		m.shards[i].mu.RUnlock()
	}
	return n
}

// size returns how many octets the answers and the index take, about.
func (m *memory) size() int64 {
	var n int64
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		n += int64(len(s.slabs))*int64(s.slabSize) + int64(len(s.index))*perIndex
		s.mu.RUnlock()
	}
	return n
}
