package ocsp

import (
	"context"
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

// KeyOf returns the key of the answer to requests that name the certificate by
// hash in the spelling of OpenSSL and all who follow it: with parameters NULL,
// though RFC 5754, Section 2 asks senders to leave them out.
func (r *Responder) KeyOf(issuer string, serial *big.Int, hash crypto.Hash) (Key, error) {
	for key, taken := range r.byKey {
		if key.hash != hash || taken.issuer.Load().ID != issuer {
			continue
		}
		algorithm := pki.HashAlgorithm(hash)
		algorithm.Parameters = asn1.NullBytes
		b := cryptobyte.NewBuilder(nil)
		CertID{Hash: algorithm, IssuerNameHash: []byte(key.name), IssuerKeyHash: []byte(key.key), Serial: integer(serial)}.add(b)
		raw, err := b.Bytes()
		if err != nil {
			return "", fmt.Errorf("naming certificate: %w", err)
		}
		return Key(raw), nil
	}
	return "", fmt.Errorf("ocsp: no issuer %q, or no CertIDs by %v", issuer, hash)
}

// integer is the content of the INTEGER n, which is not negative.
func integer(n *big.Int) []byte {
	octets := n.Bytes()
	if len(octets) == 0 || octets[0]&0x80 != 0 {
		return append([]byte{0}, octets...)
	}
	return octets
}

// Keys returns the keys of the answers in memory that are still valid: those
// that were asked for, or made ahead of that, within Config.Validity, as far as
// the memory's budget goes. After a restart they are what [Responder.Presign]
// makes warm again.
func (r *Responder) Keys() []Key {
	var keys []Key
	now := time.Now().Unix()
	for i := range r.memory.shards {
		s := &r.memory.shards[i]
		s.mu.RLock()
		for _, place := range s.index {
			if r := r.memory.whole(s.at(place)); r.nextUpdate() > now {
				keys = append(keys, r.key())
			}
		}
		s.mu.RUnlock()
	}
	return keys
}

// Presigned is what came of a Presign.
type Presigned struct {
	// Made were signed, or fetched from Config.Cache; Kept were there already,
	// and fresh.
	Made, Kept int
	// Left were not made, for want of memory.
	Left int
}

// Presign makes the answers to keys ahead of the requests for them, as far as
// the memory's budget goes: those that are not there, and those whose time is
// about to end. It makes one at a time and gives way to every request that
// waits for its turn. It returns early with the first error of keys, of the
// Source or of a signer, and when ctx ends.
func (r *Responder) Presign(ctx context.Context, keys iter.Seq2[Key, error]) (done Presigned, err error) {
	for key, err := range keys {
		if err != nil {
			return done, err
		}
		if err := r.presign(ctx, key, &done); err != nil {
			return done, fmt.Errorf("making answers ahead of time: %w", err)
		}
	}
	return done, nil
}

// presignPause is how long Presign gives way.
const presignPause = 10 * time.Millisecond

func (r *Responder) presign(ctx context.Context, key Key, done *Presigned) error {
	id, issuer := r.named([]byte(key))
	if issuer == nil {
		// Remembered from another configuration.
		return nil
	}
	for {
		now := time.Now()
		a, ok := r.memory.get(key)
		switch {
		case ok && r.usable(certificateOf(issuer, id), a) && !r.ripe(a.ThisUpdate.Unix(), now, 0):
			done.Kept++
			return nil
		case !ok && r.memory.full():
			done.Left++
			return nil
		}
		_, err := r.makeOnce(ctx, key, issuer, id, refreshed)
		if err == nil {
			done.Made++
			r.observe(ReasonRefreshed, time.Since(now))
			return nil
		}
		if !errors.Is(err, errBusy) && !errors.Is(err, errBehind) {
			return err
		}
		select {
		case <-time.After(presignPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// full reports whether an answer more would push another one out, about.
func (m *memory) full() bool {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		room := len(s.slabs) < s.mostSlab
		s.mu.RUnlock()
		if room {
			return false
		}
	}
	return true
}

// Warm makes the answer to requests that name the certificate by hash, ahead of
// the first of them, and keeps it in memory and in Config.Cache. The octets of
// the answer are returned for those who keep within a budget; none when it was
// not kept, the certificate never having been issued.
func (r *Responder) Warm(ctx context.Context, issuer string, serial *big.Int, hash crypto.Hash) (int, error) {
	key, err := r.KeyOf(issuer, serial, hash)
	if err != nil {
		return 0, err
	}
	id, of := r.named([]byte(key))
	if of == nil {
		return 0, fmt.Errorf("ocsp: no answer is kept of serial %v", serial)
	}
	began := time.Now()
	m, err := r.makeOnce(ctx, key, of, id, missed)
	if err != nil {
		return 0, fmt.Errorf("making answer: %w", err)
	}
	r.observe(ReasonRefreshed, time.Since(began))
	if m.nonIssued {
		return 0, nil
	}
	return len(m.answer.Response), nil
}
