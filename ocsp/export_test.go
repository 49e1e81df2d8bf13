package ocsp

import (
	"context"
	"time"
)

// Floors opens the floors to tests.
type Floors struct{ f *floors }

func NewFloors(limit int) Floors { return Floors{newFloors(limit)} }

func (f Floors) Allow(serial string, version, position uint64) bool {
	return f.f.allow(certificate{"ehm", serial}, version, position)
}

func (f Floors) Admit(serial string, version, position uint64) bool {
	return f.f.admit(certificate{"ehm", serial}, version, position)
}

func (f Floors) Leave(serial string, position uint64) {
	f.f.leave(certificate{"ehm", serial}, position)
}

func (f Floors) LeaveAll(position uint64) { f.f.leaveAll(position) }

func (f Floors) Len() int { return len(f.f.of) }

// LimitFloors makes the responder forget floors beyond limit.
func (r *Responder) LimitFloors(limit int) { r.floors = newFloors(limit) }

// Memory opens the memory to tests.
type Memory struct{ m *memory }

func NewMemory(budget int64) Memory { return Memory{newMemory(budget)} }

func (m Memory) Get(key Key) (*Answer, bool) { return m.m.get(key) }

func (m Memory) Put(key Key, issuer, serial string, a *Answer) {
	m.m.put(key, certificate{issuer, serial}, a)
}

// Len returns how many answers are kept.
func (m Memory) Len() (n int) {
	for i := range m.m.shards {
		s := &m.m.shards[i]
		s.mu.RLock()
		n += len(s.index)
		s.mu.RUnlock()
	}
	return n
}

// Size returns how many octets the answers and the index take, about.
func (m Memory) Size() (n int64) {
	for i := range m.m.shards {
		s := &m.m.shards[i]
		s.mu.RLock()
		n += int64(len(s.slabs))*int64(s.slabSize) + int64(len(s.index))*perIndex
		s.mu.RUnlock()
	}
	return n
}

// Common says how many octets of the answer are those of its signer.
func (a *Answer) Common(n int) *Answer { a.common = n; return a }

func (f Floors) LeaveOf(issuer, serial string, position uint64) {
	f.f.leave(certificate{issuer, serial}, position)
}

func (f Floors) LeaveIssuer(issuer string, position uint64) { f.f.leaveIssuer(issuer, position) }

func (f Floors) AllowOf(issuer, serial string, version, position uint64) bool {
	return f.f.allow(certificate{issuer, serial}, version, position)
}

// NewLimited opens limited.
func NewLimited(of context.Context, until time.Time) (ctx context.Context, release func()) {
	l := &limited{Context: of, until: until}
	return l, l.release
}
