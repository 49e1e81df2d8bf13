package linttest

import (
	"bytes"
	"encoding/asn1"
	"math/big"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/pki/lint"
)

var envelopeFaults = []fault{
	{"CERT-01", "another algorithm outside", citizen, func(c *template) { c.outer = seq(oid(pki.OIDECDSAWithSHA384)) }, ""},
	{"CERT-02", "extensions in version 2", citizen, func(c *template) { c.version = []byte{0xa0, 3, 2, 1, 1} }, ""},
	{"CERT-02", "version 4", citizen, func(c *template) { c.version = []byte{0xa0, 3, 2, 1, 3} }, ""},
	{"CERT-03", "negative serial", citizen, func(c *template) { c.serial = []byte{2, 1, 0x80} }, ""},
	{"CERT-03", "serial zero", citizen, func(c *template) { c.serial = []byte{2, 1, 0} }, ""},
	{"CERT-03", "serial of 21 octets", citizen, func(c *template) { c.serial = tlv(2, bytes.Repeat([]byte{1}, 21)) }, ""},
	{"CERT-03", "serial of 4 octets", citizen, func(c *template) { c.serial = tlv(2, []byte{1, 2, 3, 4}) }, lint.Should},
	{"CERT-04", "BMPString", citizen, func(c *template) {
		c.subject = seq(rdn(pki.OIDCountryName, printableString, "AZ"), rdn(pki.OIDCommonName, bmp, "\x00a"))
	}, ""},
	{"CERT-04", "country in UTF8String", citizen, func(c *template) { c.subject = seq(rdn(pki.OIDCountryName, utf8String, "AZ")) }, ""},
	{"CERT-04", "Azerbaijani letters in a PrintableString", citizen, func(c *template) { c.subject = seq(rdn(pki.OIDCommonName, printableString, "Gülşən")) }, ""},
	{"CERT-04", "text that is not UTF-8", citizen, func(c *template) { c.subject = seq(rdn(pki.OIDCommonName, utf8String, "a\xff")) }, ""},
	{"CERT-04", "empty value", citizen, func(c *template) { c.subject = seq(rdn(pki.OIDCommonName, utf8String, "")) }, ""},
	{"CERT-04", "mail address in UTF8String", citizen, func(c *template) { c.subject = seq(rdn(pki.OIDEmailAddress, utf8String, "a@b.example")) }, ""},
	{"CERT-04", "empty issuer", citizen, func(c *template) { c.issuer = seq() }, ""},
	{"CERT-05", "another issuer", citizen, func(c *template) { c.issuer = dn("C", "AZ", "O", "x", "CN", "y") }, ""},
	{"CERT-06", "GeneralizedTime before 2050", citizen, func(c *template) { c.notAfter = text(0x18, "20291122095959Z") }, ""},
	{"CERT-07", "no seconds", citizen, func(c *template) { c.notAfter = text(0x17, "2911220959Z") }, ""},
	{"CERT-07", "offset", citizen, func(c *template) { c.notAfter = text(0x17, "291122095959+0400") }, ""},
	{"CERT-07", "fraction", citizen, func(c *template) { c.notAfter = text(0x18, "20511122095959.5Z") }, ""},
	{"CERT-07", "end before the beginning", citizen, func(c *template) { c.notAfter = text(0x17, "251122095959Z") }, ""},
	{"CERT-08", "empty subject and uncritical alternative name", server, func(c *template) { c.get(pki.OIDSubjectAltName).critical = nil }, ""},
	{"CERT-08", "neither subject nor alternative name", server, func(c *template) { c.without(pki.OIDSubjectAltName) }, ""},
	{"CERT-08", "authority without a name", authority, func(c *template) { c.subject = seq() }, ""},
	{"CERT-09", "unique identifier", citizen, func(c *template) { c.unique = tlv(0x82, []byte{0, 1}) }, ""},
	{"CERT-28", "FALSE written out", citizen, func(c *template) { c.get(pki.OIDKeyUsage).critical = []byte{1, 1, 0} }, ""},
	{"CERT-28", "TRUE as 01", citizen, func(c *template) { c.get(pki.OIDKeyUsage).critical = []byte{1, 1, 1} }, ""},
	{"CERT-28", "long form of a short length", citizen, func(c *template) { c.serial = append([]byte{2, 0x81, 16}, bytes.Repeat([]byte{1}, 16)...) }, ""},
	{"CERT-28", "padded integer", citizen, func(c *template) { c.serial = tlv(2, []byte{0, 0x10, 1, 1, 1, 1, 1, 1, 1}) }, ""},
	{"CERT-28", "unsorted set", citizen, func(c *template) {
		c.subject = seq(tlv(0x31, seq(oid(pki.OIDOrganizationName), text(utf8String, "b")), seq(oid(pki.OIDCommonName), text(utf8String, "a"))))
	}, ""},
	{"CERT-28", "version 1 written out", citizen, func(c *template) { c.version = []byte{0xa0, 3, 2, 1, 0} }, ""},
	{"CERT-28", "padded integer in an extension", authority, func(c *template) { c.get(pki.OIDBasicConstraints).value = seq(isTrue, []byte{2, 2, 0, 0}) }, ""},
}

var extensionFaults = []fault{
	{"CERT-10", "an extension twice", citizen, func(c *template) { c.extensions = append(c.extensions, c.extensions[0]) }, ""},
	{"CERT-11", "no authority key identifier", citizen, func(c *template) { c.without(pki.OIDAuthorityKeyIdentifier) }, ""},
	{"CERT-11", "critical", citizen, func(c *template) { c.get(pki.OIDAuthorityKeyIdentifier).critical = isTrue }, ""},
	{"CERT-11", "another key's", citizen, func(c *template) { c.with(pki.OIDAuthorityKeyIdentifier, false, seq(tlv(0x80, []byte{9}))) }, ""},
	{"CERT-11", "by issuer and serial alone", citizen, func(c *template) {
		c.with(pki.OIDAuthorityKeyIdentifier, false, seq(tlv(0xa1, tlv(0xa4, centreName)), tlv(0x82, []byte{1})))
	}, ""},
	{"CERT-12", "authority without", authority, func(c *template) { c.without(pki.OIDSubjectKeyIdentifier) }, ""},
	{"CERT-12", "person without", citizen, func(c *template) { c.without(pki.OIDSubjectKeyIdentifier) }, lint.Should},
	{"CERT-12", "critical", citizen, func(c *template) { c.get(pki.OIDSubjectKeyIdentifier).critical = isTrue }, ""},
	{"CERT-12", "empty", citizen, func(c *template) { c.with(pki.OIDSubjectKeyIdentifier, false, []byte{4, 0}) }, ""},
	{"CERT-13", "authority without", authority, func(c *template) { c.without(pki.OIDKeyUsage) }, ""},
	{"CERT-13", "no bit", citizen, func(c *template) { c.with(pki.OIDKeyUsage, true, []byte{3, 1, 0}) }, ""},
	{"CERT-13", "zero bits at the end", citizen, func(c *template) { c.with(pki.OIDKeyUsage, true, []byte{3, 2, 0, 0x40}) }, ""},
	{"CERT-13", "authority that signs no certificates", authority, func(c *template) { c.with(pki.OIDKeyUsage, true, bitsOf(6)) }, ""},
	{"CERT-13", "not critical", citizen, func(c *template) { c.get(pki.OIDKeyUsage).critical = nil }, lint.Should},
	{"CERT-15", "a policy twice", citizen, func(c *template) { c.with(pki.OIDCertificatePolicies, false, policiesOf(policy, policy)) }, ""},
	{"CERT-15", "text as VisibleString", citizen, func(c *template) {
		c.with(pki.OIDCertificatePolicies, false, seq(seq(oid(policy), seq(seq(oid(pki.OIDPolicyUserNotice), seq(text(0x1a, "a")))))))
	}, ""},
	{"CERT-15", "qualifier", citizen, func(c *template) {
		c.with(pki.OIDCertificatePolicies, false, seq(seq(oid(policy), seq(seq(oid(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}), text(ia5String, "https://cps.example/"))))))
	}, lint.Should},
	{"CERT-15", "empty list", citizen, func(c *template) { c.with(pki.OIDCertificatePolicies, false, seq()) }, ""},
	{"CERT-16", "mapping to anyPolicy", cross, func(c *template) {
		c.with(pki.OIDPolicyMappings, true, seq(seq(oid(policy), oid(pki.OIDAnyPolicy))))
	}, ""},
	{"CERT-16", "mapping from anyPolicy", cross, func(c *template) {
		c.with(pki.OIDPolicyMappings, true, seq(seq(oid(pki.OIDAnyPolicy), oid(policy))))
	}, ""},
	{"CERT-16", "not critical", cross, func(c *template) { c.get(pki.OIDPolicyMappings).critical = nil }, lint.Should},
	{"CERT-16", "mapping of a policy that is not stated", cross, func(c *template) {
		c.with(pki.OIDCertificatePolicies, false, policiesOf(asn1.ObjectIdentifier{2, 999, 5}))
	}, lint.Should},
	{"CERT-19", "authority not critical", authority, func(c *template) { c.get(pki.OIDBasicConstraints).critical = nil }, ""},
	{"CERT-19", "cA FALSE written out", citizen, func(c *template) { c.with(pki.OIDBasicConstraints, false, seq([]byte{1, 1, 0})) }, ""},
	{"CERT-19", "path length of an end entity", citizen, func(c *template) { c.with(pki.OIDBasicConstraints, false, seq(integer(0))) }, ""},
	{"CERT-19", "path length without keyCertSign", authority, func(c *template) { c.with(pki.OIDKeyUsage, true, bitsOf(6)) }, ""},
	{"CERT-19", "keyCertSign of an end entity", citizen, func(c *template) { c.with(pki.OIDKeyUsage, true, bitsOf(1, 5)) }, ""},
	{"CERT-19", "negative path length", authority, func(c *template) { c.with(pki.OIDBasicConstraints, true, seq(isTrue, integer(-1))) }, ""},
	{"CERT-20", "in an end entity", citizen, func(c *template) {
		c.with(pki.OIDNameConstraints, true, seq(tlv(0xa0, seq(text(0x82, "a.example")))))
	}, ""},
	{"CERT-20", "not critical", cross, func(c *template) { c.get(pki.OIDNameConstraints).critical = nil }, ""},
	{"CERT-20", "empty", cross, func(c *template) { c.with(pki.OIDNameConstraints, true, seq()) }, ""},
	{"CERT-20", "empty list", cross, func(c *template) { c.with(pki.OIDNameConstraints, true, seq(tlv(0xa0))) }, ""},
	{"CERT-20", "maximum", cross, func(c *template) {
		c.with(pki.OIDNameConstraints, true, seq(tlv(0xa0, seq(text(0x82, "a.example"), tlv(0x81, []byte{1})))))
	}, ""},
	{"CERT-20", "single mailbox", cross, func(c *template) {
		c.with(pki.OIDNameConstraints, true, seq(tlv(0xa0, seq(text(0x81, "a@b.example")))))
	}, ""},
	{"CERT-21", "policy constraints not critical", cross, func(c *template) { c.get(pki.OIDPolicyConstraints).critical = nil }, ""},
	{"CERT-21", "policy constraints empty", cross, func(c *template) { c.with(pki.OIDPolicyConstraints, true, seq()) }, ""},
	{"CERT-21", "inhibitAnyPolicy not critical", cross, func(c *template) { c.get(pki.OIDInhibitAnyPolicy).critical = nil }, ""},
	{"CERT-21", "inhibitAnyPolicy negative", cross, func(c *template) { c.with(pki.OIDInhibitAnyPolicy, true, integer(-1)) }, ""},
	{"CERT-22", "purpose against the key usage", server, func(c *template) { c.with(pki.OIDKeyUsage, true, bitsOf(1)) }, ""},
	{"CERT-22", "empty", server, func(c *template) { c.with(pki.OIDExtKeyUsage, false, seq()) }, ""},
	{"CERT-22", "any purpose and critical", server, func(c *template) { c.with(pki.OIDExtKeyUsage, true, seq(oid(pki.OIDAnyExtKeyUsage))) }, lint.Should},
	{"CERT-30", "not a list of features", server, func(c *template) { c.with(pki.OIDTLSFeature, false, integer(5)) }, ""},
	{"CERT-30", "in a citizen's certificate", citizen, func(c *template) { c.with(pki.OIDTLSFeature, false, seq(integer(5))) }, ""},
	{"CERT-30", "nothing to staple", server, func(c *template) { c.without(pki.OIDAuthorityInfoAccess) }, ""},
}

// san plants an alternative name.
func san(name []byte) func(*template) {
	return func(c *template) { c.with(pki.OIDSubjectAltName, true, seq(name)) }
}

var nameFaults = []fault{
	{"CERT-17", "none", server, func(c *template) { c.with(pki.OIDSubjectAltName, true, seq()) }, ""},
	{"CERT-17", "empty host", server, san(text(0x82, "")), ""},
	{"CERT-17", "host of a space", server, san(text(0x82, " ")), ""},
	{"CERT-17", "host with an underscore", server, san(text(0x82, "a_b.example")), ""},
	{"CERT-17", "address as host", server, san(text(0x82, "1.2.3.4")), ""},
	{"CERT-17", "address of 5 octets", server, san(tlv(0x87, []byte{1, 2, 3, 4, 5})), ""},
	{"CERT-17", "mailbox without a host", server, san(text(0x81, "a")), ""},
	{"CERT-17", "empty URI", server, san(text(uri, "")), ""},
	{"CERT-17", "relative URI", server, san(text(uri, "/a/b")), ""},
	{"CERT-17", "URI without a host", server, san(text(uri, "https:///a")), ""},
	{"CERT-18", "U-label", server, san(text(0x82, "gülşən.example")), ""},
	{"CERT-18", "U-label in a URI", server, san(text(uri, "https://gülşən.example/")), ""},
	{"CERT-18", "mailbox outside ASCII as rfc822Name", server, san(text(0x81, "gülşən@b.example")), ""},
	{"CERT-18", "SmtpUTF8Mailbox in ASCII", server, san(smtpUTF8("a@b.example")), ""},
	{"CERT-18", "SmtpUTF8Mailbox with a byte order mark", server, san(smtpUTF8("\ufeffgülşən@b.example")), ""},
	{"CERT-18", "SmtpUTF8Mailbox at a U-label", server, san(smtpUTF8("gülşən@gülşən.example")), ""},
}

var statusFaults = []fault{
	{"CERT-23", "point without a place", citizen, func(c *template) { c.with(pki.OIDCRLDistributionPoints, false, seq(seq())) }, ""},
	{"CERT-23", "empty", citizen, func(c *template) { c.with(pki.OIDCRLDistributionPoints, false, seq()) }, ""},
	{"CERT-23", "for some reasons only", citizen, func(c *template) {
		c.with(pki.OIDCRLDistributionPoints, false, seq(seq(tlv(0xa0, tlv(0xa0, text(uri, "http://a.example/b.crl"))), tlv(0x81, []byte{6, 0x40}))))
	}, ""},
	{"CERT-23", "relative URI", citizen, func(c *template) { c.with(pki.OIDCRLDistributionPoints, false, pointAt("cdp/a.crl")) }, ""},
	{"CERT-23", "unescaped space", citizen, func(c *template) {
		c.with(pki.OIDCRLDistributionPoints, false, pointAt("http://a.example/AZ Root.crl"))
	}, ""},
	{"CERT-24", "critical", citizen, func(c *template) { c.get(pki.OIDFreshestCRL).critical = isTrue }, ""},
	{"CERT-24", "without a base", citizen, func(c *template) { c.without(pki.OIDCRLDistributionPoints) }, lint.Should},
	{"CERT-25", "critical", citizen, func(c *template) { c.get(pki.OIDAuthorityInfoAccess).critical = isTrue }, ""},
	{"CERT-25", "relative place of the issuer", authority, func(c *template) {
		c.with(pki.OIDAuthorityInfoAccess, false, accessOf(pki.OIDAccessCAIssuers, "ehm.cer"))
	}, ""},
	{"CERT-25", "empty", authority, func(c *template) { c.with(pki.OIDAuthorityInfoAccess, false, seq()) }, ""},
	{"CERT-26", "responder by another scheme", citizen, func(c *template) {
		c.with(pki.OIDAuthorityInfoAccess, false, accessOf(pki.OIDAccessOCSP, "ldap://a.example/", pki.OIDAccessCAIssuers, "http://a.example/a.cer"))
	}, ""},
	{"CERT-27", "beside distribution points", shortLived, func(c *template) { c.with(pki.OIDCRLDistributionPoints, false, pointAt("http://a.example/b.crl")) }, ""},
	{"CERT-27", "beside a responder", shortLived, func(c *template) {
		c.with(pki.OIDAuthorityInfoAccess, false, accessOf(pki.OIDAccessOCSP, "http://a.example/", pki.OIDAccessCAIssuers, "http://a.example/a.cer"))
	}, ""},
	{"CERT-27", "critical", shortLived, func(c *template) { c.get(pki.OIDNoRevAvail).critical = isTrue }, ""},
	{"CERT-27", "not NULL", shortLived, func(c *template) { c.with(pki.OIDNoRevAvail, false, seq()) }, ""},
	{"CERT-27", "in an authority", authority, func(c *template) { c.with(pki.OIDNoRevAvail, false, null) }, ""},
	{"CERT-39", "neither distribution point nor responder", citizen, func(c *template) {
		c.without(pki.OIDCRLDistributionPoints)
		c.with(pki.OIDAuthorityInfoAccess, false, accessOf(pki.OIDAccessCAIssuers, "http://a.example/a.cer"))
	}, ""},
	{"CERT-39", "point by another scheme", citizen, func(c *template) { c.with(pki.OIDCRLDistributionPoints, false, pointAt("ftp://a.example/b.crl")) }, ""},
	{"CERT-40", "issuer's place missing", citizen, func(c *template) {
		c.with(pki.OIDAuthorityInfoAccess, false, accessOf(pki.OIDAccessOCSP, "http://a.example/"))
	}, ""},
	{"CERT-40", "no CRL and no responder", citizen, func(c *template) {
		c.without(pki.OIDCRLDistributionPoints)
		c.with(pki.OIDAuthorityInfoAccess, false, accessOf(pki.OIDAccessCAIssuers, "http://a.example/a.cer"))
	}, ""},
	{"CERT-46", "for a day and a second", shortLived, func(c *template) { c.notAfter = text(0x17, "261123100000Z") }, ""},
	{"CERT-46", "critical", shortLived, func(c *template) { c.get(pki.OIDValidityAssured).critical = isTrue }, ""},
	{"CERT-46", "not NULL", shortLived, func(c *template) { c.with(pki.OIDValidityAssured, false, seq()) }, ""},
}

// named plants another subject.
func named(pairs ...string) func(*template) {
	return func(c *template) { c.subject = dn(pairs...) }
}

// person is a citizen's subject with another serialNumber.
func person(serialNumber string) func(*template) {
	return named("C", "AZ", "surname", "a", "givenName", "b", "serialNumber", serialNumber, "CN", "b a")
}

// organisation is a seal's subject with another organizationIdentifier.
func organisation(identifier string) func(*template) {
	return named("C", "AZ", "O", "a", "organizationIdentifier", identifier, "CN", "a")
}

var holderFaults = []fault{
	{"CERT-32", "no country", citizen, named("surname", "a", "givenName", "b", "serialNumber", "PNOAZ-1ABC2D3", "CN", "b a"), ""},
	{"CERT-32", "no common name", citizen, named("C", "AZ", "surname", "a", "givenName", "b", "serialNumber", "PNOAZ-1ABC2D3"), ""},
	{"CERT-32", "no serialNumber", citizen, named("C", "AZ", "surname", "a", "givenName", "b", "CN", "b a"), ""},
	{"CERT-32", "no given name", citizen, named("C", "AZ", "surname", "a", "serialNumber", "PNOAZ-1ABC2D3", "CN", "a"), ""},
	{"CERT-33", "pseudonym beside a name", citizen, named("C", "AZ", "surname", "a", "givenName", "b", "pseudonym", "p", "serialNumber", "PNOAZ-1ABC2D3", "CN", "b a"), ""},
	{"CERT-33", "two common names", citizen, named("C", "AZ", "surname", "a", "givenName", "b", "serialNumber", "PNOAZ-1ABC2D3", "CN", "b a", "CN", "c"), ""},
	{"CERT-34", "FİN with the letter O", citizen, person("PNOAZ-1ABCO23"), ""},
	{"CERT-34", "FİN in small letters", citizen, person("PNOAZ-1abc2d3"), ""},
	{"CERT-34", "no type", citizen, person("1ABC2D3"), ""},
	{"CERT-34", "type of a legal person", citizen, person("NTRAZ-1400057421"), ""},
	{"CERT-34", "country that is none", citizen, person("PASXX-U123456"), ""},
	{"CERT-34", "national type that nobody explains", citizen, person("VP:AZ-A1B2C3"), ""},
	{"CERT-34", "VÖEN of a legal person for a natural one", citizen, person("TINAZ-1400057421"), ""},
	{"CERT-34", "VÖEN with a wrong check digit", seal, organisation("NTRAZ-1400057431"), ""},
	{"CERT-34", "VÖEN of a natural person in the register of legal ones", seal, organisation("NTRAZ-1400057422"), ""},
	{"CERT-34", "organisation without a type", seal, organisation("1400057421"), ""},
	{"CERT-34", "natural type for an organisation", seal, organisation("PASTR-U123456"), ""},
	{"CERT-35", "no organisation", seal, named("C", "AZ", "organizationIdentifier", "VATAZ-1400057421", "CN", "a"), ""},
	{"CERT-35", "no identifier", seal, named("C", "AZ", "O", "a", "CN", "a"), ""},
	{"CERT-35", "identifier as the name", seal, named("C", "AZ", "O", "VATAZ-1400057421", "organizationIdentifier", "VATAZ-1400057421", "CN", "a"), ""},
	{"CERT-35", "two organisations", seal, named("C", "AZ", "O", "a", "O", "b", "organizationIdentifier", "VATAZ-1400057421", "CN", "a"), ""},
	{"CERT-36", "none of the types", citizen, func(c *template) { c.with(pki.OIDKeyUsage, true, bitsOf(1, 4)) }, ""},
	{"CERT-36", "no key usage", citizen, func(c *template) { c.without(pki.OIDKeyUsage) }, ""},
	{"CERT-36", "signature with type B", citizen, func(c *template) { c.with(pki.OIDKeyUsage, true, bitsOf(0, 1)) }, lint.Should},
	{"CERT-37", "issuer without an organisation", citizen, func(c *template) { c.issuer = dn("C", "AZ", "CN", "y") }, ""},
	{"CERT-37", "issuer of two countries", citizen, func(c *template) { c.issuer = dn("C", "AZ", "C", "TR", "O", "x", "CN", "y") }, ""},
	{"CERT-38", "critical distribution points", citizen, func(c *template) { c.get(pki.OIDCRLDistributionPoints).critical = isTrue }, ""},
	{"CERT-38", "critical purpose", citizen, func(c *template) { c.with(pki.OIDExtKeyUsage, true, seq(oid(pki.OIDClientAuth))) }, ""},
	{"CERT-38", "critical policies", citizen, func(c *template) { c.get(pki.OIDCertificatePolicies).critical = isTrue }, lint.Should},
	{"CERT-38", "policy constraints of an end entity", citizen, func(c *template) { c.with(pki.OIDPolicyConstraints, true, seq(tlv(0x80, []byte{0}))) }, ""},
}

// states plants a statement in place of the one of that kind; nil drops it.
func states(id asn1.ObjectIdentifier, fresh []byte) func(*template) {
	return func(c *template) { c.restate(id, fresh) }
}

// pds is a statement of one disclosure.
func pds(place, language string) []byte {
	return statementOf(pki.OIDQCPDS, seq(seq(text(ia5String, place), text(printableString, language))))
}

// limit is a statement of a limit.
func limit(tag byte, currency string, amount, exponent int64) []byte {
	return statementOf(pki.OIDQCLimitValue, seq(text(tag, currency), integer(amount), integer(exponent)))
}

// law is a statement of countries.
func law(countries ...string) []byte {
	var list [][]byte
	for _, c := range countries {
		list = append(list, text(printableString, c))
	}
	return statementOf(pki.OIDQCCLegislation, seq(list...))
}

var qcpNQSCD = asn1.ObjectIdentifier{0, 4, 0, 194112, 1, 2}

var qualifiedFaults = []fault{
	{"CERT-41", "critical", citizen, func(c *template) { c.get(pki.OIDQCStatements).critical = isTrue }, ""},
	{"CERT-41", "a statement twice", citizen, states(nil, statementOf(pki.OIDQCCompliance)), ""},
	{"CERT-41", "malformed", citizen, func(c *template) { c.with(pki.OIDQCStatements, false, seq(null)) }, ""},
	{"CERT-41", "empty semantics", citizen, states(pki.OIDQCSyntaxV2, statementOf(pki.OIDQCSyntaxV2, seq())), ""},
	{"CERT-42", "no type", citizen, states(pki.OIDQCType, nil), ""},
	{"CERT-42", "two types", citizen, states(pki.OIDQCType, statementOf(pki.OIDQCType, seq(oid(pki.OIDQCTypeESign), oid(pki.OIDQCTypeESeal)))), ""},
	{"CERT-42", "unknown type", citizen, states(pki.OIDQCType, statementOf(pki.OIDQCType, seq(oid(policy)))), ""},
	{"CERT-42", "no disclosure statement", citizen, states(pki.OIDQCPDS, nil), ""},
	{"CERT-42", "compliance with a value", citizen, states(pki.OIDQCCompliance, statementOf(pki.OIDQCCompliance, null)), ""},
	{"CERT-42", "a person's seal", citizen, states(pki.OIDQCType, statementOf(pki.OIDQCType, seq(oid(pki.OIDQCTypeESeal)))), ""},
	{"CERT-42", "an organisation's signature", seal, states(pki.OIDQCType, statementOf(pki.OIDQCType, seq(oid(pki.OIDQCTypeESign)))), ""},
	{"CERT-43", "QcCompliance without QcCClegislation outside the European Union", citizen, states(pki.OIDQCCLegislation, nil), ""},
	{"CERT-43", "law of another country alone", citizen, states(pki.OIDQCCLegislation, law("TR")), ""},
	{"CERT-43", "empty list", citizen, states(pki.OIDQCCLegislation, law()), ""},
	{"CERT-43", "small letters", citizen, states(pki.OIDQCCLegislation, law("AZ", "tr")), ""},
	{"CERT-43", "member of the European Union", citizen, states(pki.OIDQCCLegislation, law("AZ", "DE")), ""},
	{"CERT-44", "numeric currency", seal, states(pki.OIDQCLimitValue, limit(printableString, "944", 5, 3)), ""},
	{"CERT-44", "currency as an integer", seal, states(pki.OIDQCLimitValue, statementOf(pki.OIDQCLimitValue, seq(integer(944), integer(5), integer(3)))), ""},
	{"CERT-44", "currency that is none", seal, states(pki.OIDQCLimitValue, limit(printableString, "AZM", 5, 3)), ""},
	{"CERT-44", "negative exponent", seal, states(pki.OIDQCLimitValue, limit(printableString, "AZN", 5, -1)), ""},
	{"CERT-44", "retention of no years", seal, states(pki.OIDQCRetention, statementOf(pki.OIDQCRetention, integer(0))), ""},
	{"CERT-44", "disclosure over http", citizen, states(pki.OIDQCPDS, pds("http://pds.example/", "en")), ""},
	{"CERT-44", "language in capitals", citizen, states(pki.OIDQCPDS, pds("https://pds.example/", "EN")), ""},
	{"CERT-44", "no English", citizen, states(pki.OIDQCPDS, pds("https://pds.example/", "az")), ""},
	{"CERT-45", "policy of a device without QcSSCD", citizen, func(c *template) {
		c.with(pki.OIDCertificatePolicies, false, policiesOf(qcpNQSCD))
		c.restate(pki.OIDQCSSCD, nil)
	}, ""},
	{"CERT-45", "policy of a signature in a seal", seal, func(c *template) { c.with(pki.OIDCertificatePolicies, false, policiesOf(qcpNQSCD)) }, ""},
	{"CERT-45", "no policy", citizen, func(c *template) { c.without(pki.OIDCertificatePolicies) }, lint.Should},
}

func both(algorithm []byte) func(*template) {
	return func(c *template) { c.inner, c.outer = algorithm, algorithm }
}

// pss is RSASSA-PSS with the hash, mask hash and salt given.
func pss(hash, mask asn1.ObjectIdentifier, salt int64) []byte {
	return seq(oid(pki.OIDRSASSAPSS), seq(tlv(0xa0, seq(oid(hash), null)), tlv(0xa1, seq(oid(pki.OIDMGF1), seq(oid(mask), null))), tlv(0xa2, integer(salt))))
}

var (
	sha1WithRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	p224        = asn1.ObjectIdentifier{1, 3, 132, 0, 33}
	f4          = big.NewInt(65537)
)

// rsaCitizen has an RSA key and is signed with RSASSA-PSS.
func rsaCitizen() *template {
	c := citizen()
	c.spki = rsaKey(3072, f4)
	both(pss(pki.OIDSHA256, pki.OIDSHA256, 32))(c)
	return c
}

func keyed(spki []byte) func(*template) { return func(c *template) { c.spki = spki } }

var keyFaults = []fault{
	{"CERT-14", "elliptic curve that enciphers", citizen, func(c *template) { c.with(pki.OIDKeyUsage, true, bitsOf(2)) }, ""},
	{"CERT-14", "Ed25519 that agrees on keys", citizen, func(c *template) {
		c.spki = seq(seq(oid(pki.OIDEd25519)), tlv(3, make([]byte, 33)))
		c.with(pki.OIDKeyUsage, true, bitsOf(4))
	}, ""},
	{"CERT-29", "ECDSA with NULL", citizen, both(seq(oid(pki.OIDECDSAWithSHA256), null)), ""},
	{"CERT-29", "RSA without NULL", citizen, both(seq(oid(pki.OIDSHA256WithRSA))), ""},
	{"CERT-29", "RSA key without NULL", rsaCitizen, keyed(seq(seq(oid(pki.OIDRSAEncryption)), tlv(3, []byte{0, 0x30, 0}))), ""},
	{"CERT-29", "curve that is not named", citizen, keyed(seq(seq(oid(pki.OIDECPublicKey), null), tlv(3, []byte{0, 4}))), ""},
	{"CERT-29", "PSS with two hashes", rsaCitizen, both(pss(pki.OIDSHA256, pki.OIDSHA384, 32)), ""},
	{"CERT-29", "PSS with another salt", rsaCitizen, both(pss(pki.OIDSHA256, pki.OIDSHA256, 20)), ""},
	{"CERT-29", "PSS with defaults", rsaCitizen, both(seq(oid(pki.OIDRSASSAPSS), seq())), ""},
	{"CERT-29", "PSS with its trailer written out", rsaCitizen, both(seq(oid(pki.OIDRSASSAPSS), seq(tlv(0xa0, seq(oid(pki.OIDSHA256), null)),
		tlv(0xa1, seq(oid(pki.OIDMGF1), seq(oid(pki.OIDSHA256), null))), tlv(0xa2, integer(32)), tlv(0xa3, integer(1))))), ""},
	{"CERT-47", "SHA-1", citizen, both(seq(oid(sha1WithRSA), null)), ""},
	{"CERT-47", "PSS over SHA-1", rsaCitizen, both(pss(pki.OIDSHA1, pki.OIDSHA1, 20)), ""},
	{"CERT-47", "P-224", citizen, keyed(seq(seq(oid(pki.OIDECPublicKey), oid(p224)), tlv(3, []byte{0, 4}))), ""},
	{"CERT-47", "RSA of 1024 bits", rsaCitizen, keyed(rsaKey(1024, f4)), ""},
	{"CERT-47", "RSA of 2048 bits", rsaCitizen, keyed(rsaKey(2048, f4)), lint.Should},
	{"CERT-47", "RSA exponent 3", rsaCitizen, keyed(rsaKey(3072, big.NewInt(3))), ""},
	{"CERT-47", "RSA exponent 65536", rsaCitizen, keyed(rsaKey(3072, big.NewInt(65536))), ""},
	{"CERT-47", "RSA exponent of 257 bits", rsaCitizen, keyed(rsaKey(3072, new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 256), 0, 1))), ""},
	{"CERT-47", "compressed point", citizen, keyed(seq(seq(oid(pki.OIDECPublicKey), oid(pki.OIDP256)), tlv(3, []byte{0, 2}))), lint.Should},
	{"CERT-47", "key of another kind", citizen, keyed(seq(seq(oid(policy)), tlv(3, []byte{0, 1}))), ""},
}

var serviceFaults = []fault{
	{"OCSP-12", "not NULL", responder, func(c *template) { c.with(pki.OIDOCSPNoCheck, false, seq()) }, ""},
	{"OCSP-12", "in a citizen's certificate", citizen, func(c *template) { c.with(pki.OIDOCSPNoCheck, false, null) }, ""},
	{"OCSP-12", "missing", responder, func(c *template) { c.without(pki.OIDOCSPNoCheck) }, lint.Should},
	{"OCSP-12", "critical", responder, func(c *template) { c.get(pki.OIDOCSPNoCheck).critical = isTrue }, lint.Should},
	{"OCSP-13", "distribution points", responder, func(c *template) { c.with(pki.OIDCRLDistributionPoints, false, pointAt("http://a.example/b.crl")) }, lint.Should},
	{"TSA-09", "not critical", unit, func(c *template) { c.get(pki.OIDExtKeyUsage).critical = nil }, ""},
	{"TSA-09", "a second purpose", unit, func(c *template) {
		c.with(pki.OIDExtKeyUsage, true, seq(oid(pki.OIDTimeStamping), oid(pki.OIDClientAuth)))
	}, ""},
	{"TSA-10", "key that enciphers", unit, func(c *template) { c.with(pki.OIDKeyUsage, true, bitsOf(0, 2)) }, ""},
	{"TSA-42", "private key after the certificate", unit, func(c *template) {
		c.with(pki.OIDPrivateKeyUsagePeriod, false, seq(text(0x80, "20261122100000Z"), text(0x81, "20391122095959Z")))
	}, ""},
	{"TSA-42", "empty", unit, func(c *template) { c.with(pki.OIDPrivateKeyUsagePeriod, false, seq()) }, ""},
	{"TSA-42", "critical", unit, func(c *template) { c.get(pki.OIDPrivateKeyUsagePeriod).critical = isTrue }, lint.Should},
	{"TSA-42", "without seconds", unit, func(c *template) { c.with(pki.OIDPrivateKeyUsagePeriod, false, seq(text(0x80, "202611221000Z"))) }, ""},
}
