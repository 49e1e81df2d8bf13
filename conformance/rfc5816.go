package conformance

import (
	"bytes"
	"crypto"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// How a token names its signer's certificate.
var rfc5816 = []check[*authority]{
	{"TSA-05", "RFC 5816, Section 2.2.1", Must, "the signer's certificate is named by ESSCertID for SHA-1 or ESSCertIDv2 for other hashes", "read the attributes", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		if len(r.tst.signers) == 0 {
			t.couldNot("there is no SignerInfo")
		}
		s := &r.tst.signers[0]
		_, one := s.get(oidSigningCertificate)
		_, two := s.get(oidSigningCertificateV2)
		switch hash, _, ok := s.essHash(); {
		case one+two == 0:
			t.fail("neither ESSCertID nor ESSCertIDv2 is signed")
		case one > 1 || two > 1:
			t.fail("the attribute is repeated")
		case !ok:
			t.fail("the attribute is malformed")
		case one == 0 && hash == crypto.SHA1:
			t.should("ESSCertIDv2 is used with SHA-1")
		}
	})},
	{"TSA-06", "RFC 5816, Section 2.2.1", Must, "the hash in it is that of the signer's certificate", "hash the certificate", anywhere, eachToken(func(t *trial, a *authority, r *stampReply) {
		if len(r.tst.signers) == 0 {
			t.couldNot("there is no SignerInfo")
		}
		c := a.unit(t, r)
		hash, value, ok := r.tst.signers[0].essHash()
		if !ok {
			t.fail("there is no hash that can be read")
			return
		}
		h := hash.New()
		h.Write(c.raw)
		if !bytes.Equal(h.Sum(nil), value) {
			t.fail("it is the hash of another certificate")
		}
	})},
}

// essHash returns the hash of the first certificate that the signer's attribute
// names; the newer attribute goes first.
//
// RFC 5035, Section 4: ESSCertIDv2 ::= SEQUENCE { hashAlgorithm DEFAULT SHA-256,
// certHash, issuerSerial OPTIONAL }.
func (s *signerInfo) essHash() (hash crypto.Hash, value []byte, ok bool) {
	hash = crypto.SHA256
	attribute, times := s.get(oidSigningCertificateV2)
	if times == 0 {
		hash = crypto.SHA1
		attribute, times = s.get(oidSigningCertificate)
	}
	if times != 1 {
		return 0, nil, false
	}
	body, good := whole(attribute)
	var list, first, digest cryptobyte.String
	if !good || !body.ReadASN1(&list, sequence) || !list.ReadASN1(&first, sequence) {
		return 0, nil, false
	}
	if first.PeekASN1Tag(sequence) {
		var algorithm pki.Algorithm
		if !pki.ReadAlgorithm(&first, &algorithm) {
			return 0, nil, false
		}
		if hash, good = algorithm.Hash(); !good {
			return 0, nil, false
		}
	}
	if !first.ReadASN1(&digest, cryptobyte_asn1.OCTET_STRING) {
		return 0, nil, false
	}
	return hash, digest, true
}
