package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// ErrUnavailable says that the database of a register does not answer, or not
// in time, or cannot write at the moment. Asking again later may help.
var ErrUnavailable = errors.New("the register's database is not available")

// Intent is what the authority is about to sign. It is durable in the register
// before the real key is used, so that after a crash at any point every serial
// can be accounted for.
type Intent struct {
	Serial Serial
	// Issuer is the register's short name of the issuing authority.
	Issuer  string
	Profile string
	// Set names certificates that were issued together, such as a citizen's
	// signature and authentication pair; empty for a single one.
	Set string
	// KeyHash is the SHA-256 hash of the certificate's SubjectPublicKeyInfo.
	KeyHash  [32]byte
	NotAfter time.Time
	// ToBeSigned is the exact TBSCertificate that the key will sign.
	ToBeSigned []byte
	// Actor is the authenticated client that asked.
	Actor string
	// At is when the serial was reserved.
	At time.Time
}

// Hash is a SHA-256 hash over all of the intent as a register keeps it: by it
// the audit log vouches for what was to be signed, before it is. It is made
// over the fields in this order, each with its length before it.
func (i Intent) Hash() [sha256.Size]byte {
	var space [2048]byte // enough for most, without the heap
	b := space[:0]
	for _, field := range []string{string(i.Serial), i.Issuer, i.Profile, i.Set, i.Actor} {
		b = append(binary.AppendUvarint(b, uint64(len(field))), field...)
	}
	b = append(binary.AppendUvarint(b, uint64(len(i.ToBeSigned))), i.ToBeSigned...)
	b = append(b, i.KeyHash[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(i.NotAfter.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(i.At.UnixMicro()))
	return sha256.Sum256(b)
}

// Record is one certificate in the register.
type Record struct {
	Intent
	// Certificate is the signed certificate; nil while only the serial is
	// reserved.
	Certificate []byte
	Status      Status
}

// Signed is a certificate whose serial was reserved, ready for the register.
type Signed struct {
	Serial Serial
	// Certificate is DER.
	Certificate []byte
}

// Ticket makes a request repeatable: the register keeps it, in the same commit
// as the entry that the request led to, and a second request with the same
// actor and key is answered from that entry instead of being carried out.
type Ticket struct {
	Actor string
	// Key is the client's Idempotency-Key.
	Key string
	// Request is the SHA-256 hash of the request, so that one key cannot stand
	// for two different requests.
	Request [32]byte
}
