package ocsp

import (
	"context"
	"crypto/sha256"
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
	// Class is the [Status.Class] that the answer is counted under.
	Class uint8

	// tag is the SHA-256 hash of Response: the ETag.
	tag [sha256.Size]byte
	// common is how many octets at Response's end are those of the signer's
	// certificates, which other answers end with too; 0 when not known.
	common int
}

// NewAnswer returns the answer with what the HTTP header says of it.
func NewAnswer(response []byte, version, position uint64, thisUpdate, nextUpdate time.Time) *Answer {
	return &Answer{
		Response: response, Version: version, Position: position,
		ThisUpdate: thisUpdate, NextUpdate: nextUpdate, tag: sha256.Sum256(response),
	}
}

// newer reports whether an answer tells a newer truth than another, or the same
// later.
func newer(version uint64, thisUpdate int64, than uint64, thanUpdate int64) bool {
	if version != than {
		return version > than
	}
	return thisUpdate > thanUpdate
}

// Cache keeps answers behind the responder's own memory, for several responders
// to share. Whatever it returns is held against the certificate's floor before
// it is sent, so it may be slow to forget; what it may not do is replace an
// answer by one of a lower Version. A cache that cannot reach its store behaves
// as an empty one.
type Cache interface {
	// Get returns the answer kept under key.
	Get(ctx context.Context, key Key) (*Answer, bool)
	// Put keeps answer under key, unless one of a greater Version, or of the
	// same one and a later ThisUpdate, is there already. It returns soon.
	Put(ctx context.Context, key Key, answer *Answer)
}
