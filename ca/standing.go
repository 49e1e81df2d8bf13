package ca

import (
	"sync"
	"time"
)

// standingFor is how long the standing of a certificate is taken for what it
// was: what another process of the centre has held or revoked is out after this
// time at the latest, what this one has, at once.
const standingFor = time.Second

// maxStandings bounds the memory for standings; beyond it they are asked for
// anew.
const maxStandings = 4096

// standings remembers for a moment what the register said of certificates, by
// their SHA-256 hash, so that it is not asked with each request.
type standings struct {
	mu sync.Mutex
	of map[[32]byte]standing
}

type standing struct {
	// fault is what is wrong with the certificate, "" for nothing.
	fault string
	at    time.Time
}

// ask returns what is remembered, or else what the register says. What the
// register was asked before forget is not remembered after it.
func (s *standings) ask(certificate [32]byte, register func() (fault string, err error)) (string, error) {
	began := time.Now()
	s.mu.Lock()
	known, ok := s.of[certificate]
	if s.of == nil || len(s.of) >= maxStandings {
		s.of = map[[32]byte]standing{}
	}
	into := s.of
	s.mu.Unlock()
	if ok && began.Sub(known.at) < standingFor {
		return known.fault, nil
	}
	fault, err := register()
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	into[certificate] = standing{fault, began}
	s.mu.Unlock()
	return fault, nil
}

// forget is called when a certificate has changed.
func (s *standings) forget() {
	s.mu.Lock()
	s.of = nil
	s.mu.Unlock()
}
