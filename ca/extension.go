package ca

import (
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// extensionName names an extension for people.
func extensionName(id asn1.ObjectIdentifier) string {
	for _, known := range []struct {
		id   asn1.ObjectIdentifier
		name string
	}{
		{pki.OIDSubjectKeyIdentifier, "subjectKeyIdentifier"},
		{pki.OIDKeyUsage, "keyUsage"},
		{pki.OIDSubjectAltName, "subjectAltName"},
		{pki.OIDBasicConstraints, "basicConstraints"},
		{pki.OIDCRLDistributionPoints, "cRLDistributionPoints"},
		{pki.OIDCertificatePolicies, "certificatePolicies"},
		{pki.OIDAuthorityKeyIdentifier, "authorityKeyIdentifier"},
		{pki.OIDExtKeyUsage, "extKeyUsage"},
		{pki.OIDAuthorityInfoAccess, "authorityInfoAccess"},
		{pki.OIDQCStatements, "qcStatements"},
		{pki.OIDOCSPNoCheck, "ocsp-nocheck"},
	} {
		if known.id.Equal(id) {
			return known.name
		}
	}
	return id.String()
}

// addExtensions writes the extensions of a certificate of the profile.
func (p *Profile) addExtensions(b *cryptobyte.Builder, by *issuer, keyID []byte, names []generalName, emptySubject bool) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		// RFC 5280, Section 4.2.1.1: by key identifier, not critical.
		der.AddExtension(b, pki.OIDAuthorityKeyIdentifier, false, func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cryptobyte_asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(by.keyID) })
			})
		})
		// RFC 5280, Section 4.2.1.2: not critical.
		der.AddExtension(b, pki.OIDSubjectKeyIdentifier, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyID) })
		// RFC 5280, Section 4.2.1.3: should be critical.
		der.AddExtension(b, pki.OIDKeyUsage, true, p.addKeyUsage)
		if len(p.policies) > 0 {
			// RFC 5280, Section 4.2.1.4; RFC 9618, Section 4.2 advises against
			// qualifiers, so there are none.
			der.AddExtension(b, pki.OIDCertificatePolicies, false, func(b *cryptobyte.Builder) {
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, policy := range p.policies {
						b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(policy) })
					}
				})
			})
		}
		if len(names) > 0 {
			// RFC 5280, Section 4.2.1.6: critical when the subject is empty.
			der.AddExtension(b, pki.OIDSubjectAltName, emptySubject, func(b *cryptobyte.Builder) { addSAN(b, names) })
		}
		if p.CA {
			// RFC 5280, Section 4.2.1.9: critical in certificates of
			// authorities; the others have no such extension.
			der.AddExtension(b, pki.OIDBasicConstraints, true, p.addBasicConstraints)
		}
		if len(p.ExtKeyUsage) > 0 {
			der.AddExtension(b, pki.OIDExtKeyUsage, p.ExtKeyUsageCritical, p.addExtKeyUsage)
		}
		if by.CRL != "" && slices.Contains(p.Carries, "crl") {
			// RFC 5280, Section 4.2.1.13: one point for all reasons, not
			// critical.
			der.AddExtension(b, pki.OIDCRLDistributionPoints, false, func(b *cryptobyte.Builder) {
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						point := cryptobyte_asn1.Tag(0).Constructed().ContextSpecific()
						b.AddASN1(point, func(b *cryptobyte.Builder) {
							b.AddASN1(point, func(b *cryptobyte.Builder) { addURI(b, by.CRL) })
						})
					})
				})
			})
		}
		p.addAuthorityInfoAccess(b, by)
		if p.QC != nil {
			// ETSI EN 319 412-5, Section 4.1: not critical.
			der.AddExtension(b, pki.OIDQCStatements, false, p.QC.add)
		}
		if p.OCSPNoCheck {
			// RFC 6960, Section 4.2.2.2.1: NULL, should not be critical.
			der.AddExtension(b, pki.OIDOCSPNoCheck, false, der.AddNull)
		}
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
