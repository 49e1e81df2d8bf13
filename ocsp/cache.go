package ocsp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"net/http"
	"sync"
	"time"
)

// Key names a kept answer: the encoded CertID that it answers. It holds the
// issuer, the serial, the hash function and even how the client spelled its
// parameters, all of which the answer repeats.
type Key string

// Answer is a successful answer about one certificate, signed. It is not
// modified once made.
type Answer struct {
	// Response is the whole encoded OCSPResponse.
	Response []byte
	// Version is the position of the last journal entry about the certificate
	// that went into the answer, Position the journal's last position when it
	// was read.
	Version, Position uint64
	// ThisUpdate is when the answer was made, NextUpdate until when it is
	// valid.
	ThisUpdate, NextUpdate time.Time

	// etag, lastModified and expires are ready for the HTTP header.
	etag, lastModified, expires string
}

// NewAnswer returns the answer with what the HTTP header says of it.
func NewAnswer(response []byte, version, position uint64, thisUpdate, nextUpdate time.Time) *Answer {
	// RFC 9919, Section 7.2: the ETag is the hexadecimal SHA-256 hash of the
	// OCSPResponse.
	hash := sha256.Sum256(response)
	return &Answer{
		Response: response, Version: version, Position: position,
		ThisUpdate: thisUpdate, NextUpdate: nextUpdate,
		etag:         `"` + hex.EncodeToString(hash[:]) + `"`,
		lastModified: thisUpdate.UTC().Format(http.TimeFormat),
		expires:      nextUpdate.UTC().Format(http.TimeFormat),
	}
}

// newer reports whether a tells a newer truth than b, or the same later.
func (a *Answer) newer(b *Answer) bool {
	if a.Version != b.Version {
		return a.Version > b.Version
	}
	return a.ThisUpdate.After(b.ThisUpdate)
}

// Cache keeps answers. Whatever it returns is held against the certificate's
// floor before it is sent, so it may be slow to forget; what it may not do is
// replace an answer by one of a lower Version. A cache that cannot reach its
// store behaves as an empty one.
type Cache interface {
	// Get returns the answer kept under key.
	Get(ctx context.Context, key Key) (*Answer, bool)
	// Put keeps answer under key, unless one of a greater Version, or of the
	// same one and a later ThisUpdate, is there already.
	Put(ctx context.Context, key Key, answer *Answer)
}

// Memory is a [Cache] in memory, bounded by a number of answers.
type Memory struct {
	seed   maphash.Seed
	shards [64]memoryShard
}

var _ Cache = (*Memory)(nil)

type memoryShard struct {
	limit   int
	mu      sync.RWMutex
	answers map[Key]*Answer
}

// NewMemory returns a cache of about limit answers, at least one for each of
// its 64 shards. An answer takes about a kilobyte.
func NewMemory(limit int) *Memory {
	m := &Memory{seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].limit = max(1, limit/len(m.shards))
		m.shards[i].answers = make(map[Key]*Answer)
	}
	return m
}

func (m *Memory) shard(key Key) *memoryShard {
	return &m.shards[maphash.String(m.seed, string(key))%uint64(len(m.shards))]
}

// Get implements [Cache].
func (m *Memory) Get(_ context.Context, key Key) (*Answer, bool) {
	s := m.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.answers[key]
	return a, ok
}

// Put implements [Cache].
func (m *Memory) Put(_ context.Context, key Key, answer *Answer) {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.answers[key]
	if ok && !answer.newer(kept) {
		return
	}
	if !ok && len(s.answers) >= s.limit {
		s.evict()
	}
	s.answers[key] = answer
}

// evict drops the answer that ends first among a few that the map's random
// order brings up.
func (s *memoryShard) evict() {
	const sample = 8
	var victim Key
	var ends time.Time
	n := 0
	for key, a := range s.answers {
		if n == 0 || a.NextUpdate.Before(ends) {
			victim, ends = key, a.NextUpdate
		}
		if n++; n == sample {
			break
		}
	}
	delete(s.answers, victim)
}

// Len returns how many answers are kept.
func (m *Memory) Len() int {
	n := 0
	for i := range m.shards {
		m.shards[i].mu.RLock()
		n += len(m.shards[i].answers)
		m.shards[i].mu.RUnlock()
	}
	return n
}
