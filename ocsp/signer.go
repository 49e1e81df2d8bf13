package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	encoding_asn1 "encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

// Issuer is a certification authority that the responder answers for.
type Issuer struct {
	// ID is the short name by which the [Source] and the [Journal] know it.
	ID string
	// Certificate gives the name and the key that CertIDs hash.
	Certificate *x509.Certificate
	// Signer signs the answers about its certificates.
	Signer *Signer
	// Others sign for clients that prefer their algorithm (RFC 6960, Section
	// 4.4.7): an RSA key beside an ECDSA one, say. Their answers are not kept.
	Others []*Signer
}

// Signer is a delegated OCSP signer.
type Signer struct {
	Certificate *x509.Certificate
	// Key is the private key of Certificate. It is asked to sign with a nil
	// random reader; keys in hardware use their own random numbers then.
	Key crypto.Signer
	// Chain goes into every answer behind Certificate: what a client that has
	// the issuer and the root may lack between them. It makes answers longer
	// and is empty where clients have the whole path.
	Chain []*x509.Certificate

	// These are derived by check; identifier is algorithm as it is encoded, and
	// certificates are what every answer ends with.
	keyHash      []byte
	algorithm    pki.Algorithm
	identifier   []byte
	certificates []byte
}

// seat is an issuer's place in the responder. Issuers are not modified: one with
// another signer takes the place of the one before, and an answer that is being
// made is finished with the signer that it was begun with.
type seat struct {
	issuer atomic.Pointer[Issuer]
	// changing is held from the look at the issuer before to the next one's
	// taking its place.
	changing sync.Mutex
}

// accept checks a signer of an issuer and returns a copy of it, ready to sign.
func (r *Responder) accept(given *Signer, issuer *Issuer) (*Signer, error) {
	if given == nil {
		return nil, errors.New("there is no signer")
	}
	signer := *given
	if err := signer.check(issuer.Certificate, time.Now()); err != nil {
		return nil, err
	}
	for _, advice := range signer.advice() {
		r.log.Warn("OCSP signer's certificate is not as RFC 9919, Section 3.2.2 recommends", "issuer", issuer.ID, "advice", advice)
	}
	return &signer, nil
}

// ReplaceSigner lets another signer sign the answers about an issuer's
// certificates from now on. Answers that the one before has signed are good
// until their nextUpdate, which is never past its certificate's end, so there is
// no gap as long as it is replaced before that. A signer that relying parties
// could not accept is refused, and the one before goes on.
func (r *Responder) ReplaceSigner(issuer string, signer *Signer) error {
	return r.replace(issuer, signer, func(i *Issuer, s *Signer) error {
		i.Signer = s
		return nil
	})
}

// ReplaceOther is ReplaceSigner for the signer at that place in [Issuer.Others].
func (r *Responder) ReplaceOther(issuer string, at int, signer *Signer) error {
	return r.replace(issuer, signer, func(i *Issuer, s *Signer) error {
		if at < 0 || at >= len(i.Others) {
			return fmt.Errorf("it has %d others", len(i.Others))
		}
		i.Others = slices.Clone(i.Others)
		i.Others[at] = s
		return nil
	})
}

func (r *Responder) replace(issuer string, signer *Signer, put func(*Issuer, *Signer) error) error {
	at := slices.IndexFunc(r.issuers, func(s *seat) bool { return s.issuer.Load().ID == issuer })
	if at < 0 {
		return fmt.Errorf("ocsp: replacing signer: there is no issuer %q", issuer)
	}
	taken := r.issuers[at]
	taken.changing.Lock()
	defer taken.changing.Unlock()
	next := *taken.issuer.Load()
	accepted, err := r.accept(signer, &next)
	if err == nil {
		err = put(&next, accepted)
	}
	if err != nil {
		return fmt.Errorf("ocsp: replacing signer of issuer %q: %w", issuer, err)
	}
	taken.issuer.Store(&next)
	return nil
}

// check refuses a signer that relying parties could not accept for the issuer.
func (s *Signer) check(issuer *x509.Certificate, now time.Time) error {
	c := s.Certificate
	if c == nil || s.Key == nil {
		return errors.New("a signer has a certificate and a key")
	}
	// RFC 6960, Section 4.2.2.2: the delegation is the key purpose, given in a
	// certificate that was issued directly by the same key as the certificates
	// that are asked about.
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("the signer's certificate was issued by %q", c.Issuer)
	}
	if err := issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		return fmt.Errorf("verifying the signer's certificate with the issuer's key: %w", err)
	}
	if !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
		return errors.New("the signer's certificate lacks the key purpose OCSPSigning")
	}
	// RFC 5280, Section 4.2.1.12: key usages that go with OCSPSigning.
	if c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("the signer's certificate lacks the key usage digitalSignature")
	}
	if now.Before(c.NotBefore) || !now.Before(c.NotAfter) {
		return fmt.Errorf("the signer's certificate is valid from %s to %s only", c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339))
	}
	for _, e := range c.Extensions {
		// RFC 6960, Section 4.2.2.2.1: the value of nocheck is NULL, and it
		// should not be critical.
		if e.Id.Equal(pki.OIDOCSPNoCheck) && (e.Critical || !bytes.Equal(e.Value, encoding_asn1.NullBytes)) {
			return errors.New("the signer's certificate has a malformed nocheck extension")
		}
	}
	if err := pki.CheckKeyPair(c, s.Key); err != nil {
		return err
	}
	var err error
	// RFC 6960, Section 4.4.7: a client's preference never makes this weaker,
	// since the key alone decides.
	if s.algorithm, _, err = pki.SignatureAlgorithm(s.Key.Public()); err != nil {
		return err
	}
	encoded := cryptobyte.NewBuilder(nil)
	pki.AddAlgorithm(encoded, s.algorithm)
	if s.identifier, err = encoded.Bytes(); err != nil {
		return fmt.Errorf("encoding the signature algorithm: %w", err)
	}
	s.certificates = s.encodeCertificates()
	// RFC 6960, Section 4.2.2.3: the responder's name corresponds to the key
	// that signs.
	if s.keyHash, err = pki.KeyIdentifier(c.RawSubjectPublicKeyInfo); err != nil {
		return err
	}
	return nil
}

// encodeCertificates returns the certs field of answers.
//
// RFC 9919, Section 3.2.2: the delegate's certificate must come along.
func (s *Signer) encodeCertificates() []byte {
	e := newEncoder(0, 0)
	e.append(s.Certificate.Raw...)
	for _, c := range s.Chain {
		e.append(c.Raw...)
	}
	e.header(tagSequence, 0)
	e.header(tagExplicit, 0)
	return e.octets()
}

// advice names what RFC 9919, Section 3.2.2 recommends of a signer's
// certificate and this one lacks; empty when nothing.
func (s *Signer) advice() []string {
	var out []string
	if !slices.ContainsFunc(s.Certificate.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(pki.OIDOCSPNoCheck) }) {
		out = append(out, "no nocheck extension")
	}
	if len(s.Certificate.OCSPServer) > 0 || len(s.Certificate.CRLDistributionPoints) > 0 {
		out = append(out, "names an OCSP responder or CRL for itself")
	}
	// "Short-lived" has no number there; this is what a root that is kept
	// offline needs.
	if life := s.Certificate.NotAfter.Sub(s.Certificate.NotBefore); life > 366*24*time.Hour {
		out = append(out, "valid for more than a year, in which nobody can revoke it")
	}
	return out
}

// issuerKey is a CertID's way to name an issuer.
type issuerKey struct {
	hash      crypto.Hash
	name, key string
}

// certIDHashes are the hash functions that CertIDs may use. RFC 9919, Section
// 3.1.1: SHA-256 for clients of today, SHA-1 for those of yesterday.
var certIDHashes = [...]crypto.Hash{crypto.SHA256, crypto.SHA1, crypto.SHA384, crypto.SHA512}

// issuerKeys returns the ways in which CertIDs name the issuer: hashes of its
// encoded name and of its subjectPublicKey (RFC 6960, Section 4.1.1).
func issuerKeys(c *x509.Certificate) ([]issuerKey, error) {
	public, err := pki.SubjectPublicKey(c.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, err
	}
	var out []issuerKey
	for _, hash := range certIDHashes {
		out = append(out, issuerKey{hash, sum(hash, c.RawSubject), sum(hash, public)})
	}
	return out, nil
}

func sum(hash crypto.Hash, data []byte) string {
	h := hash.New()
	h.Write(data)
	return string(h.Sum(nil))
}
