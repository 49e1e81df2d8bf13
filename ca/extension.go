package ca

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// extensionNames names extensions for people, with the clause that defines
// each.
var extensionNames = []struct {
	id           asn1.ObjectIdentifier
	name, clause string
}{
	{pki.OIDSubjectKeyIdentifier, "subjectKeyIdentifier", "RFC 5280, Section 4.2.1.2"},
	{pki.OIDKeyUsage, "keyUsage", "RFC 5280, Section 4.2.1.3"},
	{pki.OIDSubjectAltName, "subjectAltName", "RFC 5280, Section 4.2.1.6"},
	{pki.OIDIssuerAltName, "issuerAltName", "RFC 5280, Section 4.2.1.7"},
	{pki.OIDBasicConstraints, "basicConstraints", "RFC 5280, Section 4.2.1.9"},
	{pki.OIDNameConstraints, "nameConstraints", "RFC 5280, Section 4.2.1.10"},
	{pki.OIDCRLDistributionPoints, "cRLDistributionPoints", "RFC 5280, Section 4.2.1.13"},
	{pki.OIDFreshestCRL, "freshestCRL", "RFC 5280, Section 4.2.1.15"},
	{pki.OIDCertificatePolicies, "certificatePolicies", "RFC 5280, Section 4.2.1.4"},
	{pki.OIDPolicyMappings, "policyMappings", "RFC 5280, Section 4.2.1.5"},
	{pki.OIDPolicyConstraints, "policyConstraints", "RFC 5280, Section 4.2.1.11"},
	{pki.OIDInhibitAnyPolicy, "inhibitAnyPolicy", "RFC 5280, Section 4.2.1.14"},
	{pki.OIDAuthorityKeyIdentifier, "authorityKeyIdentifier", "RFC 5280, Section 4.2.1.1"},
	{pki.OIDExtKeyUsage, "extKeyUsage", "RFC 5280, Section 4.2.1.12"},
	{pki.OIDPrivateKeyUsagePeriod, "privateKeyUsagePeriod", "RFC 3280, Section 4.2.1.4"},
	{pki.OIDAuthorityInfoAccess, "authorityInfoAccess", "RFC 5280, Section 4.2.2.1"},
	{pki.OIDQCStatements, "qcStatements", "ETSI EN 319 412-5, Section 4.1"},
	{pki.OIDOCSPNoCheck, "ocsp-nocheck", "RFC 6960, Section 4.2.2.2.1"},
	{pki.OIDNoRevAvail, "noRevAvail", "RFC 9608, Section 2"},
	{pki.OIDTLSFeature, "tlsFeature", "RFC 7633, Section 4.2"},
	{pki.OIDValidityAssured, "validityAssured", "ETSI EN 319 412-1, Section 5.2"},
}

// extensionName names an extension for people, with the clause that defines it.
func extensionName(id asn1.ObjectIdentifier) (name, clause string) {
	for _, known := range extensionNames {
		if known.id.Equal(id) {
			return known.name, known.clause
		}
	}
	return id.String(), "RFC 5280, Section 4.2"
}

// extended is what the extensions of one certificate depend on besides its
// profile.
type extended struct {
	by                  *issuer
	keyID               []byte
	names               []generalName
	emptySubject        bool
	serial              *big.Int
	notBefore, notAfter time.Time
}

// constantExtensions are those that all certificates of a profile and an issuer
// share, encoded, in the order in which they stand in them; the others stand
// between.
type constantExtensions struct {
	authorityKey, usage, policies, purpose []byte
	// lists say where the revocation lists are, for each shard.
	lists [][]byte
	rest  []byte
}

// constant encodes what certificates of the profile share.
func (p *Profile) constant(by *issuer) (constantExtensions, error) {
	var failed error
	encode := func(add func(*cryptobyte.Builder)) []byte {
		b := cryptobyte.NewBuilder(nil)
		add(b)
		encoded, err := b.Bytes()
		failed = errors.Join(failed, err)
		return encoded
	}
	c := constantExtensions{
		// RFC 5280, Section 4.2.1.1: by key identifier, not critical.
		authorityKey: encode(func(b *cryptobyte.Builder) {
			der.AddExtension(b, pki.OIDAuthorityKeyIdentifier, false, func(b *cryptobyte.Builder) {
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cryptobyte_asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(by.keyID) })
				})
			})
		}),
		// RFC 5280, Section 4.2.1.3: should be critical.
		usage:   encode(func(b *cryptobyte.Builder) { der.AddExtension(b, pki.OIDKeyUsage, true, p.addKeyUsage) }),
		purpose: encode(p.addPurpose),
		rest:    encode(func(b *cryptobyte.Builder) { p.addRest(b, by) }),
	}
	for shard := range max(1, by.CRLShards) {
		c.lists = append(c.lists, encode(func(b *cryptobyte.Builder) { p.addLists(b, by, shard) }))
	}
	if len(p.policies) > 0 {
		c.policies = encode(func(b *cryptobyte.Builder) { der.AddExtension(b, pki.OIDCertificatePolicies, false, p.addPolicies) })
	}
	return c, failed
}

// appendExtensions appends the Extensions of a certificate of the profile.
func (p *Profile) appendExtensions(b []byte, of extended) []byte {
	constant := of.by.constant[p.Name]
	return der.Append(b, cryptobyte_asn1.SEQUENCE, func(b []byte) []byte {
		b = append(b, constant.authorityKey...)
		// RFC 5280, Section 4.2.1.2: not critical.
		b = der.AppendExtension(b, pki.OIDSubjectKeyIdentifier, false, func(b []byte) []byte {
			return append(der.AppendHeader(b, cryptobyte_asn1.OCTET_STRING, len(of.keyID)), of.keyID...)
		})
		b = append(b, constant.usage...)
		if p.PrivateKeyUsage != (Validity{}) {
			b = der.AppendExtension(b, pki.OIDPrivateKeyUsagePeriod, false, func(b []byte) []byte { return p.appendPrivateKeyUsage(b, of) })
		}
		b = append(b, constant.policies...)
		if len(of.names) > 0 {
			// RFC 5280, Section 4.2.1.6: critical when the subject is empty.
			b = der.AppendExtension(b, pki.OIDSubjectAltName, of.emptySubject, func(b []byte) []byte { return appendSAN(b, of.names) })
		}
		b = append(b, constant.purpose...)
		b = append(b, constant.lists[of.by.shard(of.serial)]...)
		return append(b, constant.rest...)
	})
}

// shard is which revocation list tells of a certificate.
func (i *issuer) shard(serial *big.Int) int {
	if i.CRLShards == 0 {
		return 0
	}
	return pki.ShardOf(serial, i.CRLShards)
}

// addPurpose writes what the subject may do with the key, beyond its usage.
func (p *Profile) addPurpose(b *cryptobyte.Builder) {
	if p.CA || p.BasicConstraints {
		// RFC 5280, Section 4.2.1.9: critical in certificates of
		// authorities; the others need no such extension.
		der.AddExtension(b, pki.OIDBasicConstraints, p.CA, p.addBasicConstraints)
	}
	p.Constraints.add(b)
	if len(p.ExtKeyUsage) > 0 {
		der.AddExtension(b, pki.OIDExtKeyUsage, p.ExtKeyUsageCritical, p.addExtKeyUsage)
	}
}

// addLists writes where the list, and the delta list, is that tells of the
// certificates of a shard.
func (p *Profile) addLists(b *cryptobyte.Builder, by *issuer, shard int) {
	add := func(oid asn1.ObjectIdentifier, address, carried string) {
		if address != "" && slices.Contains(p.Carries, carried) {
			der.AddExtension(b, oid, false, func(b *cryptobyte.Builder) { addDistributionPoint(b, pki.ShardAddress(address, shard), by.CRLSigner) })
		}
	}
	add(pki.OIDCRLDistributionPoints, by.CRL, "crl")
	// RFC 5280, Section 4.2.1.15: not critical, the same syntax.
	add(pki.OIDFreshestCRL, by.FreshestCRL, "freshest_crl")
}

// addRest writes the extensions behind them.
func (p *Profile) addRest(b *cryptobyte.Builder, by *issuer) {
	p.addAuthorityInfoAccess(b, by)
	if p.QC != nil {
		// ETSI EN 319 412-5, Section 4.1: not critical.
		der.AddExtension(b, pki.OIDQCStatements, false, p.QC.add)
	}
	if p.OCSPNoCheck {
		// RFC 6960, Section 4.2.2.2.1: NULL, should not be critical.
		der.AddExtension(b, pki.OIDOCSPNoCheck, false, der.AddNull)
	}
	if p.NoRevAvail {
		// RFC 9608, Section 2: NULL, not critical.
		der.AddExtension(b, pki.OIDNoRevAvail, false, der.AddNull)
	}
	if p.ValidityAssured {
		// ETSI EN 319 412-1, Section 5.2: NULL, not critical.
		der.AddExtension(b, pki.OIDValidityAssured, false, der.AddNull)
	}
}

// addPolicies writes the value of certificatePolicies.
//
// RFC 5280, Section 4.2.1.4; RFC 9618, Section 4.2 advises against qualifiers,
// so there are none.
func (p *Profile) addPolicies(b *cryptobyte.Builder) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, policy := range p.policies {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(policy) })
		}
	})
}

// appendPrivateKeyUsage appends the value of privateKeyUsagePeriod: both ends, the
// later one not after the certificate's (RFC 3280, Section 4.2.1.4).
func (p *Profile) appendPrivateKeyUsage(b []byte, of extended) []byte {
	end := p.PrivateKeyUsage.end(of.notBefore)
	if end.After(of.notAfter) {
		end = of.notAfter
	}
	const layout = "20060102150405Z"
	return der.Append(b, cryptobyte_asn1.SEQUENCE, func(b []byte) []byte {
		for tag, at := range []time.Time{of.notBefore, end} {
			b = der.AppendHeader(b, cryptobyte_asn1.Tag(tag).ContextSpecific(), len(layout))
			b = at.UTC().AppendFormat(b, layout)
		}
		return b
	})
}

// addDistributionPoint writes one point for all reasons with one address, and
// who signs the list there when that is not the issuer.
//
// RFC 5280, Section 4.2.1.13.
func addDistributionPoint(b *cryptobyte.Builder, uri string, signer *x509.Certificate) {
	point := cryptobyte_asn1.Tag(0).Constructed().ContextSpecific()
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(point, func(b *cryptobyte.Builder) {
				b.AddASN1(point, func(b *cryptobyte.Builder) { addURI(b, uri) })
			})
			if signer != nil {
				// cRLIssuer, encoded as the list encodes its issuer.
				b.AddASN1(cryptobyte_asn1.Tag(2).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
					b.AddASN1(cryptobyte_asn1.Tag(4).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(signer.RawSubject) })
				})
			}
		})
	})
}

// addAuthorityInfoAccess writes where the responder and the issuer's
// certificate are (RFC 5280, Section 4.2.2.1).
func (p *Profile) addAuthorityInfoAccess(b *cryptobyte.Builder, by *issuer) {
	type access struct {
		method asn1.ObjectIdentifier
		at     string
	}
	var list []access
	if by.OCSP != "" && slices.Contains(p.Carries, "ocsp") {
		list = append(list, access{pki.OIDAccessOCSP, by.OCSP})
	}
	if by.CAIssuers != "" && slices.Contains(p.Carries, "ca_issuers") {
		list = append(list, access{pki.OIDAccessCAIssuers, by.CAIssuers})
	}
	if len(list) == 0 {
		return
	}
	der.AddExtension(b, pki.OIDAuthorityInfoAccess, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, a := range list {
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(a.method)
					addURI(b, a.at)
				})
			}
		})
	})
}

// addURI writes a GeneralName that is a uniformResourceIdentifier.
func addURI(b *cryptobyte.Builder, uri string) {
	b.AddASN1(cryptobyte_asn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
}

// addKeyUsage writes the value of keyUsage.
func (p *Profile) addKeyUsage(b *cryptobyte.Builder) {
	var bits []int
	for _, name := range p.KeyUsage {
		bit, _, _ := keyUsage(name)
		bits = append(bits, bit)
	}
	der.AddNamedBits(b, bits...)
}

// addExtKeyUsage writes the value of extKeyUsage.
func (p *Profile) addExtKeyUsage(b *cryptobyte.Builder) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, name := range p.ExtKeyUsage {
			b.AddASN1ObjectIdentifier(extKeyUsages[name])
		}
	})
}

// addBasicConstraints writes the value of basicConstraints.
//
// RFC 5280, Section 4.2.1.9: cA is left out when FALSE, its default.
func (p *Profile) addBasicConstraints(b *cryptobyte.Builder) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if p.CA {
			b.AddASN1Boolean(true)
		}
		if p.PathLength != nil {
			b.AddASN1Int64(int64(*p.PathLength))
		}
	})
}
