package xmlsec

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// properties are the signed properties that are used.
type properties struct {
	signingTime time.Time
	// certHash and certDigest name the signer's certificate.
	certHash   crypto.Hash
	certDigest []byte
	v2         bool
	weak       []string
}

// readProperties reads the signed properties from their canonical octets.
//
// XAdES-BASELINE-B (ETSI EN 319 132-1, Section 6.3) asks for the signing time,
// the signer's certificate and, for an enveloped signature, the data object's
// format.
func (s *signed) readProperties(canonical []byte, limits Limits) (*properties, error) {
	d, err := Parse(canonical, limits)
	if err != nil {
		return nil, fault(Form, "the canonical signed properties: %v", err)
	}
	of := d.Root.Child(SpaceXAdES, "SignedSignatureProperties")
	if of == nil {
		return nil, fault(Form, "the signed properties have no SignedSignatureProperties")
	}
	p := &properties{}
	at := of.Child(SpaceXAdES, "SigningTime")
	if at == nil {
		return nil, fault(Form, "the signed properties have no signing time")
	}
	if p.signingTime, err = time.Parse(time.RFC3339, strings.TrimSpace(at.Text())); err != nil {
		return nil, fault(Form, "the signing time %q is none", at.Text())
	}
	certificate := of.Child(SpaceXAdES, "SigningCertificate")
	if v2 := of.Child(SpaceXAdES, "SigningCertificateV2"); v2 != nil {
		if certificate != nil {
			return nil, fault(Form, "the signed properties name the signer twice")
		}
		certificate, p.v2 = v2, true
		// ETSI EN 319 132-1, Section 5.2: the new forms do not go with the old.
		for _, old := range []string{"SignatureProductionPlace", "SignerRole"} {
			if of.Child(SpaceXAdES, old) != nil {
				return nil, fault(Form, "%s stands beside SigningCertificateV2", old)
			}
		}
	}
	if certificate == nil {
		return nil, fault(Form, "the signed properties do not name the signer's certificate")
	}
	return p, p.readCert(certificate)
}

// readCert reads the first Cert, which is the signer's.
func (p *properties) readCert(e *Element) error {
	cert := e.Child(SpaceXAdES, "Cert")
	if cert == nil {
		return fault(Form, "%s has no Cert", e.Local)
	}
	digest := cert.Child(SpaceXAdES, "CertDigest")
	if digest == nil {
		return fault(Form, "%s has no CertDigest", e.Local)
	}
	method, value := digest.Child(SpaceDSig, "DigestMethod"), digest.Child(SpaceDSig, "DigestValue")
	if method == nil || value == nil {
		return fault(Form, "CertDigest has no digest")
	}
	algorithm, _ := method.Attribute("", "Algorithm")
	hash, ok := digests[algorithm]
	if algorithm == digestSHA1 {
		// It only repeats which of the pinned certificates signed; a second
		// certificate with the same digest would have to be pinned, too.
		hash, ok = crypto.SHA1, true
		p.weak = append(p.weak, "the signed properties name the signer's certificate by SHA-1")
	}
	if !ok {
		return fault(Algorithm, "the digest method %q of %s is not taken", algorithm, e.Local)
	}
	p.certHash = hash
	var err error
	p.certDigest, err = octets(value)
	return err
}

// chooseSigner finds the pinned certificate that the signature names, by its
// digest in the signed properties and whole in KeyInfo.
func (s *signed) chooseSigner(signers []Signer, p *properties) (int, error) {
	for i, signer := range signers {
		if !bytes.Equal(hashOf(p.certHash, signer.Certificate), p.certDigest) {
			continue
		}
		for _, given := range s.certificates {
			if bytes.Equal(given, signer.Certificate) {
				return i, nil
			}
		}
		return 0, fault(Form, "KeyInfo does not have the certificate that the signed properties name")
	}
	for _, given := range s.certificates {
		for _, signer := range signers {
			if bytes.Equal(given, signer.Certificate) {
				return 0, fault(Form, "the signed properties name another certificate than KeyInfo has")
			}
		}
	}
	return 0, fault(Untrusted, "it is signed with the certificate %s, which is none of the %d that are trusted for it", fingerprint(s.certificates[0]), len(signers))
}

func fingerprint(der []byte) string { return fmt.Sprintf("%x", sha256.Sum256(der)) }
