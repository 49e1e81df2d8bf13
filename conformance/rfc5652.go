package conformance

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"slices"

	"github.com/digitorus/timestamp"
	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// The signature around the token.
var rfc5652 = []check[*authority]{
	{"TSA-03", "RFC 5652, Section 5.1", Must, "the token is a SignedData of version 3 around a TSTInfo", "read it", anywhere, func(t *trial, a *authority) {
		r := a.firstReply(t)
		if r.tokenErr != nil {
			t.fail("%v", r.tokenErr)
			return
		}
		for _, r := range a.replies(t) {
			switch {
			case r.tst.version != 3:
				t.fail("SignedData has version %d", r.tst.version)
			case !r.tst.contentType.Equal(oidTSTInfo):
				t.fail("the content is of type %v", r.tst.contentType)
			}
			if fault := der.Fault(r.tst.content); fault != "" {
				t.fail("TSTInfo: %s", fault)
			}
		}
	}},
	{"TSA-04", "RFC 3161, Section 2.4.2", Must, "exactly one SignerInfo", "count them", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		if n := len(r.tst.signers); n != 1 {
			t.fail("there are %d SignerInfos", n)
		}
	})},
	{"TSA-07", "RFC 5652, Section 5.4", Must, "content-type and message-digest are signed, each once, and fit", "compare", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		if len(r.tst.signers) == 0 {
			t.couldNot("there is no SignerInfo")
		}
		s := &r.tst.signers[0]
		kind, times := s.get(oidContentType)
		var id asn1.ObjectIdentifier
		if times != 1 || !kind.ReadASN1ObjectIdentifier(&id) || !id.Equal(oidTSTInfo) {
			t.fail("content-type is missing, repeated or not id-ct-TSTInfo")
		}
		digest, times := s.get(oidMessageDigest)
		var value cryptobyte.String
		hash, known := s.digest.Hash()
		switch {
		case times != 1 || !digest.ReadASN1(&value, cryptobyte_asn1.OCTET_STRING):
			t.fail("message-digest is missing, repeated or malformed")
		case !known:
			t.couldNot("the digest algorithm is foreign: %s", algorithmName(s.digest.ID))
		default:
			h := hash.New()
			h.Write(r.tst.content)
			if !bytes.Equal(h.Sum(nil), value) {
				t.fail("message-digest is not the digest of the TSTInfo")
			}
		}
	})},
	{"TSA-08", "RFC 5652, Section 5.6", Must, "the signature over the DER of the signed attributes verifies", "verify it; compare algorithms", anywhere, eachToken(tokenSignature)},
	{"TSA-44", "RFC 6211, Section 2", Should, "CMSAlgorithmProtection, when there, names the algorithms in use", "compare", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		if len(r.tst.signers) == 0 {
			t.couldNot("there is no SignerInfo")
		}
		s := &r.tst.signers[0]
		value, times := s.get(oidAlgorithmProtection)
		if times == 0 {
			return
		}
		body, ok := whole(value)
		var digest, signature pki.Algorithm
		if !ok || times > 1 || !pki.ReadAlgorithm(&body, &digest) || !digest.ID.Equal(s.digest.ID) {
			t.fail("CMSAlgorithmProtection does not name the digest algorithm")
			return
		}
		// The signature's identifier is implicitly tagged.
		var implicitly cryptobyte.String
		if body.PeekASN1Tag(explicit(1)) && body.ReadASN1(&implicitly, explicit(1)) && implicitly.ReadASN1ObjectIdentifier(&signature.ID) && !signature.ID.Equal(s.algorithm.ID) {
			t.fail("CMSAlgorithmProtection names another signature algorithm")
		}
	})},
	{"TSA-45", "RFC 3161, Section 2.2", Must, "an independent client accepts the token", "read it with another implementation", anywhere, func(t *trial, a *authority) {
		for _, r := range a.replies(t) {
			if c := a.unit(t, r); c.foreign() != "" {
				t.couldNot("foreign algorithm: %s", c.foreign())
			}
			if _, err := timestamp.Parse(r.token); err != nil {
				t.fail("it says: %v", err)
			}
		}
	}},
}

// firstReply is the reply to the first query, granted or not.
func (a *authority) firstReply(t *trial) *stampReply {
	if a.file != nil {
		t.saw(a.file.x)
		return a.file
	}
	a.alive(t)
	r, err := a.baseline(t)
	if err != nil {
		t.couldNot("%v", err)
	}
	return r
}

func tokenSignature(t *trial, a *authority, r *stampReply) {
	if len(r.tst.signers) == 0 {
		t.couldNot("there is no SignerInfo")
	}
	s := &r.tst.signers[0]
	if s.rawAttrs == nil {
		t.fail("there are no signed attributes")
		return
	}
	if fault := der.Fault(s.rawAttrs); fault != "" {
		t.fail("the signed attributes are not DER: %s", fault)
	}
	if !slices.ContainsFunc(r.tst.digests, func(d pki.Algorithm) bool { return d.ID.Equal(s.digest.ID) }) {
		t.fail("digestAlgorithms does not have the signer's %s", algorithmName(s.digest.ID))
	}
	c := a.unit(t, r)
	algorithm := s.algorithm
	// RFC 3370, Section 3.2: the signature may be named by the key's algorithm
	// alone, and the hash by digestAlgorithm.
	if algorithm.ID.Equal(pki.OIDRSAEncryption) || algorithm.ID.Equal(pki.OIDECPublicKey) {
		algorithm = combined(algorithm.ID, s.digest)
	}
	err := c.signed(algorithm, s.rawAttrs, s.signature)
	if err != nil && !errors.Is(err, errForeign) {
		t.fail("the token: %v", err)
	} else {
		t.judge("the token", err)
	}
	if weakAlgorithm(algorithm) {
		t.fail("the token is signed with %s", algorithmName(algorithm.ID))
	}
}

// combined is the signature algorithm of a key and a hash.
func combined(key asn1.ObjectIdentifier, digest pki.Algorithm) pki.Algorithm {
	rsa := key.Equal(pki.OIDRSAEncryption)
	for _, row := range []struct{ hash, rsa, ecdsa asn1.ObjectIdentifier }{
		{pki.OIDSHA1, oidSHA1WithRSA, oidECDSAWithSHA1},
		{pki.OIDSHA256, pki.OIDSHA256WithRSA, pki.OIDECDSAWithSHA256},
		{pki.OIDSHA384, pki.OIDSHA384WithRSA, pki.OIDECDSAWithSHA384},
		{pki.OIDSHA512, pki.OIDSHA512WithRSA, pki.OIDECDSAWithSHA512},
	} {
		if row.hash.Equal(digest.ID) {
			if rsa {
				return pki.Algorithm{ID: row.rsa}
			}
			return pki.Algorithm{ID: row.ecdsa}
		}
	}
	return pki.Algorithm{ID: key}
}
