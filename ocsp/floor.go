package ocsp

import (
	"container/heap"
	"sync"
)

// No answer goes back in time (guarantee G2). An answer is made from the
// register as it was at some journal position, and between reading and sending
// the journal may move on: a kept answer may be overtaken, and so may one that
// is being signed. Deleting kept answers when a change arrives does not help
// against the second, since an answer that is signed just then is put into the
// cache after the deletion.
//
// So a change deletes nothing. It leaves a floor: the position below which no
// answer about the certificate may be sent any more. Every answer is held
// against its certificate's floor at the moment it is decided upon, and one
// that lies below is made anew. An answer raises the floor to its own version,
// so that an answer that was read directly (with a nonce, say) is not followed
// by an older kept one, even before the journal's follower has seen the change.
//
// Floors are bounded. When there are too many, the lowest is forgotten and
// becomes the floor of every certificate that has none of its own: too high
// for most, which costs them a new signature, and too low for none. An answer
// is held against that common floor by the position of the journal at which it
// was read, since its certificate may not have changed for years. Every issuer
// has a common floor of its own: not all need come from the same journal, and
// positions of several cannot be compared.

// certificate names a certificate within the responder.
type certificate struct {
	issuer string
	serial string // big-endian, without leading zeros
}

type floors struct {
	limit int

	mu     sync.RWMutex
	of     map[certificate]*floor
	lowest floorHeap         // of the same floors, lowest first
	common uint64            // of all issuers
	below  map[string]uint64 // of each, where it is greater
}

type floor struct {
	certificate
	position uint64
	index    int // in the heap
}

func newFloors(limit int) *floors {
	return &floors{limit: limit, of: make(map[certificate]*floor), below: make(map[string]uint64)}
}

// allow reports whether an answer about c of the given version, read at the
// journal position, may be sent.
func (f *floors) allow(c certificate, version, position uint64) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.allowed(c, version, position)
}

func (f *floors) allowed(c certificate, version, position uint64) bool {
	common := f.commonOf(c.issuer)
	if own, ok := f.of[c]; ok && own.position > common {
		return version >= own.position
	}
	return position >= common
}

// has reports whether c has a floor of its own: it changed not long ago, or was
// read with a nonce.
func (f *floors) has(c certificate) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	_, ok := f.of[c]
	return ok
}

// commonOf returns the floor of the issuer's certificates that have none of
// their own.
func (f *floors) commonOf(issuer string) uint64 { return max(f.common, f.below[issuer]) }

// admit is allow, and when the answer may be sent raises the floor of c to its
// version, in one step.
func (f *floors) admit(c certificate, version, position uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.allowed(c, version, position) {
		return false
	}
	f.raise(c, version)
	return true
}

// leave raises the floor of c to position: the journal has an entry about c
// there.
func (f *floors) leave(c certificate, position uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.raise(c, position)
}

func (f *floors) raise(c certificate, position uint64) {
	if own, ok := f.of[c]; ok {
		if position > own.position {
			own.position = position
			heap.Fix(&f.lowest, own.index)
		}
		return
	}
	if position <= f.commonOf(c.issuer) {
		return
	}
	own := &floor{certificate: c, position: position}
	f.of[c] = own
	heap.Push(&f.lowest, own)
	if len(f.lowest) > f.limit {
		f.below[f.lowest[0].issuer] = f.lowest[0].position
		f.forget()
	}
}

// leaveAll raises the floor of every certificate to position.
func (f *floors) leaveAll(position uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.common = max(f.common, position)
	f.forget()
}

// leaveIssuer raises the floor of every certificate of an issuer to position.
func (f *floors) leaveIssuer(issuer string, position uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.below[issuer] = max(f.below[issuer], position)
	f.forget()
}

// forget drops the floors that a common one covers, as far as they are the
// lowest.
func (f *floors) forget() {
	for len(f.lowest) > 0 && f.lowest[0].position <= f.commonOf(f.lowest[0].issuer) {
		delete(f.of, heap.Pop(&f.lowest).(*floor).certificate)
	}
}

type floorHeap []*floor

func (h floorHeap) Len() int           { return len(h) }
func (h floorHeap) Less(i, j int) bool { return h[i].position < h[j].position }
func (h floorHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *floorHeap) Push(x any) {
	own := x.(*floor)
	own.index = len(*h)
	*h = append(*h, own)
}
func (h *floorHeap) Pop() any {
	last := len(*h) - 1
	own := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return own
}

// certificateOf names the certificate for the floors.
func certificateOf(issuer *Issuer, id CertID) certificate {
	serial := id.Serial
	for len(serial) > 0 && serial[0] == 0 {
		serial = serial[1:]
	}
	return certificate{issuer.ID, string(serial)}
}
