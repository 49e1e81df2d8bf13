package jose

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Signer is a certificate that a document may be signed with. It is trusted as
// it is: nothing is asked of its issuer.
type Signer struct {
	// Certificate is its encoding, by which it is known.
	Certificate []byte
	// Key is its public key, nil when this build has no arithmetic for it.
	Key crypto.PublicKey
	// NotBefore and NotAfter bound the signing time.
	NotBefore, NotAfter time.Time
}

// Verified is what a signed document says.
type Verified struct {
	// Payload is what the signature vouches for.
	Payload []byte
	// Signer is the index of the pinned certificate that signed.
	Signer int
	// SigningTime is when the signer says it signed, Algorithm how.
	SigningTime time.Time
	Algorithm   string
}

// Verify verifies a JWS (RFC 7515, Section 5.2), in compact serialization or in
// JSON, with a header of JAdES-BASELINE-B, signed by one of the pinned signers.
// The error is an [*Error].
func Verify(data []byte, signers []Signer) (*Verified, error) {
	read, err := deserialize(data)
	if err != nil {
		return nil, err
	}
	value, err := Parse(read.header)
	if err != nil {
		return nil, fault(Malformed, "the header: %v", err)
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, fault(Malformed, "the header is not a JSON object")
	}
	h := header(members)
	name, _ := h["alg"].(string)
	how, ok := algorithms[name]
	if !ok {
		return nil, fault(Algorithm, "the algorithm %q is not taken", name)
	}
	if err := h.critical(); err != nil {
		return nil, err
	}
	at, err := h.signingTime()
	if err != nil {
		return nil, err
	}
	signer, err := h.signer(signers)
	if err != nil {
		return nil, err
	}
	if s := signers[signer]; at.Before(s.NotBefore.Truncate(time.Second)) || at.After(s.NotAfter) {
		return nil, fault(Form, "the signing time %s is outside of the certificate's validity", at.Format(time.RFC3339))
	}
	if err := how.verify(signers[signer].Key, read.input, read.signature); err != nil {
		return nil, err
	}
	return &Verified{Payload: read.payload, Signer: signer, SigningTime: at, Algorithm: name}, nil
}

// header is a protected header.
type header map[string]any

// critical refuses what changes the meaning of the signature.
//
// RFC 7515, Section 4.1.11: who does not understand a critical parameter refuses
// the signature. RFC 7797, Section 3: an unencoded payload is another one. ETSI
// TS 119 182-1, Section 5.2.8: sigD signs what stands elsewhere.
func (h header) critical() error {
	if encoded, there := h["b64"]; there && encoded != true {
		return fault(Form, "the payload is not encoded; that is not taken")
	}
	if _, there := h["sigD"]; there {
		return fault(Form, "the signature is over something that stands elsewhere")
	}
	if h["crit"] == nil {
		if _, there := h["crit"]; !there {
			return nil
		}
	}
	names, ok := h["crit"].([]any)
	if !ok || len(names) == 0 {
		return fault(Form, "the header's crit names nothing")
	}
	for _, name := range names {
		text, _ := name.(string)
		if _, there := h[text]; !there || text != "sigT" && text != "b64" {
			return fault(Form, "the header's critical parameter %q is not there, or not understood", text)
		}
	}
	return nil
}

// signingTime is iat (ETSI TS 119 182-1 V1.2.1, Section 5.1.11) or, before
// there was that, sigT (Section 5.2.1). JAdES-BASELINE-B asks for one.
func (h header) signingTime() (at time.Time, err error) {
	if number, ok := h["iat"].(json.Number); ok {
		seconds, err := strconv.ParseUint(number.String(), 10, 36)
		if err != nil {
			return at, fault(Form, "the signing time %s is not in whole seconds", number)
		}
		at = time.Unix(int64(seconds), 0).UTC()
	} else if h["iat"] != nil {
		return at, fault(Form, "the signing time is not a number")
	}
	if text, ok := h["sigT"].(string); ok {
		told, err := time.Parse("2006-01-02T15:04:05Z", text)
		if err != nil {
			return at, fault(Form, "the signing time %q is none", text)
		}
		if !at.IsZero() && !at.Equal(told) {
			return at, fault(Form, "the header has two signing times, %s and %s", at.Format(time.RFC3339), text)
		}
		at = told
	}
	if at.IsZero() {
		return at, fault(Form, "the header has no signing time")
	}
	return at, nil
}

// signer finds the pinned certificate that the header names, by its hash or by
// itself (RFC 7515, Sections 4.1.6 and 4.1.8). What the header has of both has
// to agree.
func (h header) signer(signers []Signer) (int, error) {
	var told []byte
	if text, ok := h["x5t#S256"].(string); ok {
		if told, ok = decode([]byte(text)); !ok || len(told) != sha256.Size {
			return 0, fault(Form, "the header's x5t#S256 is not a SHA-256 hash")
		}
	}
	if chain, ok := h["x5c"].([]any); ok && len(chain) > 0 {
		text, _ := chain[0].(string)
		given, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return 0, fault(Form, "the header's x5c has something that is no certificate")
		}
		hash := sha256.Sum256(given)
		if told != nil && !bytes.Equal(told, hash[:]) {
			return 0, fault(Form, "the header's x5c and x5t#S256 name two certificates")
		}
		told = hash[:]
	}
	if told == nil {
		return 0, fault(Form, "the header does not name its signer's certificate, by x5c or x5t#S256")
	}
	for i, s := range signers {
		if hash := sha256.Sum256(s.Certificate); bytes.Equal(hash[:], told) {
			return i, nil
		}
	}
	return 0, fault(Untrusted, "it is signed with the certificate %x, which is none of the %d that are trusted for it", told, len(signers))
}
