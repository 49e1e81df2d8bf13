package audit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/note"
)

// Signature types of c2sp.org/signed-note.
const (
	typeEd25519     = 0x01
	typeECDSA       = 0x02
	typeCosignature = 0x04 // c2sp.org/tlog-cosignature
)

// Verifier is the public key of a log or a witness.
type Verifier = note.Verifier

// Signer signs a log's checkpoints, or a witness's cosignatures under them.
type Signer struct {
	verifier
	key crypto.Signer
	now func() time.Time
}

// NewSigner returns what signs the checkpoints of the log that has this origin.
// The key is an Ed25519 or an ECDSA key, in a file or in hardware.
func NewSigner(origin string, key crypto.Signer) (*Signer, error) {
	v, err := newVerifier(origin, 0, key.Public())
	if err != nil {
		return nil, err
	}
	return &Signer{verifier: *v, key: key, now: time.Now}, nil
}

// NewCosigner returns what signs for the witness of this name. The key is an
// Ed25519 key: c2sp.org/tlog-cosignature knows no ECDSA. It must not be the
// key of anything else.
func NewCosigner(name string, key crypto.Signer) (*Signer, error) {
	v, err := newVerifier(name, typeCosignature, key.Public())
	if err != nil {
		return nil, err
	}
	return &Signer{verifier: *v, key: key, now: time.Now}, nil
}

// Sign signs the text of a checkpoint, and verifies what the key made of it.
func (s *Signer) Sign(text []byte) ([]byte, error) {
	signature, err := s.sign(text)
	if err != nil {
		return nil, err
	}
	if !s.Verify(text, signature) {
		return nil, errors.New("the key's signature does not verify")
	}
	return signature, nil
}

func (s *Signer) sign(text []byte) ([]byte, error) {
	switch s.kind {
	case typeECDSA:
		digest := sha256.Sum256(text)
		return s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	case typeCosignature:
		at := uint64(s.now().Unix())
		signature, err := s.key.Sign(rand.Reader, cosigned(at, text), crypto.Hash(0))
		return append(binary.BigEndian.AppendUint64(nil, at), signature...), err
	}
	return s.key.Sign(rand.Reader, text, crypto.Hash(0))
}

// cosigned is what a witness signs.
func cosigned(at uint64, text []byte) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text)
}

// Public returns the line that lets anybody verify: origin, key identifier and
// public key. [ParseKey] reads it.
func (s *Signer) Public() string { return s.verifier.String() }

// verifier is the public half of a [Signer]: a [Verifier].
type verifier struct {
	name   string
	id     uint32
	kind   byte
	public crypto.PublicKey
	raw    []byte
}

// ParseKey reads the public key of a log or a witness, as [Signer.Public]
// writes it.
func ParseKey(line string) (Verifier, error) {
	malformed := errors.New("reading log key: it is not a line NAME+ID+KEY")
	name, rest, _ := strings.Cut(strings.TrimSpace(line), "+")
	id, encoded, ok := strings.Cut(rest, "+")
	if !ok {
		return nil, malformed
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, malformed
	}
	var public crypto.PublicKey
	switch key[0] {
	case typeEd25519, typeCosignature:
		if len(key) != 1+ed25519.PublicKeySize {
			return nil, malformed
		}
		public = ed25519.PublicKey(key[1:])
	case typeECDSA:
		if public, err = x509.ParsePKIXPublicKey(key[1:]); err != nil {
			return nil, fmt.Errorf("reading log key: %w", err)
		}
	default:
		return nil, fmt.Errorf("reading log key: signature type %#02x is none of Ed25519, ECDSA, cosignature", key[0])
	}
	v, err := newVerifier(name, key[0], public)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseUint(id, 16, 32); err != nil || len(id) != 8 || uint32(n) != v.id {
		return nil, errors.New("reading log key: its identifier is not that of the name and the key")
	}
	return v, nil
}

// newVerifier makes a verifier. Kind 0 means that of the key's own signatures.
func newVerifier(name string, kind byte, public crypto.PublicKey) (*verifier, error) {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r < ' ' || r == '+' || r == unicode.ReplacementChar }) {
		return nil, fmt.Errorf("log name %q: a name has no spaces and no plus, such as pki.example/audit", name)
	}
	v := &verifier{name: name, kind: kind, public: public}
	switch key := public.(type) {
	case ed25519.PublicKey:
		if kind == 0 {
			v.kind = typeEd25519
		}
		v.raw = key
		hash := sha256.Sum256(append([]byte(name+"\n"+string(rune(v.kind))), key...))
		v.id = binary.BigEndian.Uint32(hash[:])
	case *ecdsa.PublicKey:
		spki, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, err
		}
		if kind == 0 {
			v.kind = typeECDSA
		}
		v.raw = spki
		hash := sha256.Sum256(spki)
		v.id = binary.BigEndian.Uint32(hash[:])
	}
	_, isECDSA := public.(*ecdsa.PublicKey)
	switch {
	case v.raw != nil && isECDSA == (v.kind == typeECDSA):
		return v, nil
	case kind == typeCosignature:
		return nil, fmt.Errorf("key of %s: a witness's key is an Ed25519 key, not %T", name, public)
	}
	return nil, fmt.Errorf("key of %s: a log's key is an Ed25519 or ECDSA key, not %T", name, public)
}

// Name returns the origin of the log, or the name of the witness.
func (v *verifier) Name() string { return v.name }

// KeyHash returns the key identifier of c2sp.org/signed-note.
func (v *verifier) KeyHash() uint32 { return v.id }

// Verify reports whether the signature is the key's over a checkpoint's text.
func (v *verifier) Verify(text, signature []byte) bool {
	switch v.kind {
	case typeECDSA:
		digest := sha256.Sum256(text)
		return ecdsa.VerifyASN1(v.public.(*ecdsa.PublicKey), digest[:], signature)
	case typeCosignature:
		if len(signature) != 8+ed25519.SignatureSize {
			return false
		}
		text, signature = cosigned(binary.BigEndian.Uint64(signature), text), signature[8:]
	}
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(v.public.(ed25519.PublicKey), text, signature)
}

// String returns the line that [ParseKey] reads.
func (v *verifier) String() string {
	return fmt.Sprintf("%s+%08x+%s", v.name, v.id, base64.StdEncoding.EncodeToString(append([]byte{v.kind}, v.raw...)))
}
