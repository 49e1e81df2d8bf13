package pki

import "encoding/asn1"

// Object identifiers by the name their standard gives them. They are never
// modified.
var (
	// RFC 5280, Appendix A, and X.520: attribute types of names.
	OIDCommonName             = asn1.ObjectIdentifier{2, 5, 4, 3}
	OIDSurname                = asn1.ObjectIdentifier{2, 5, 4, 4}
	OIDSerialNumber           = asn1.ObjectIdentifier{2, 5, 4, 5}
	OIDCountryName            = asn1.ObjectIdentifier{2, 5, 4, 6}
	OIDLocalityName           = asn1.ObjectIdentifier{2, 5, 4, 7}
	OIDOrganizationName       = asn1.ObjectIdentifier{2, 5, 4, 10}
	OIDOrganizationalUnitName = asn1.ObjectIdentifier{2, 5, 4, 11}
	OIDTitle                  = asn1.ObjectIdentifier{2, 5, 4, 12}
	OIDGivenName              = asn1.ObjectIdentifier{2, 5, 4, 42}
	OIDPseudonym              = asn1.ObjectIdentifier{2, 5, 4, 65}
	OIDOrganizationIdentifier = asn1.ObjectIdentifier{2, 5, 4, 97}
	OIDEmailAddress           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	OIDDomainComponent        = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}

	// RFC 5280, Section 4.2: certificate extensions.
	OIDSubjectKeyIdentifier   = asn1.ObjectIdentifier{2, 5, 29, 14}
	OIDKeyUsage               = asn1.ObjectIdentifier{2, 5, 29, 15}
	OIDSubjectAltName         = asn1.ObjectIdentifier{2, 5, 29, 17}
	OIDBasicConstraints       = asn1.ObjectIdentifier{2, 5, 29, 19}
	OIDCRLDistributionPoints  = asn1.ObjectIdentifier{2, 5, 29, 31}
	OIDCertificatePolicies    = asn1.ObjectIdentifier{2, 5, 29, 32}
	OIDAuthorityKeyIdentifier = asn1.ObjectIdentifier{2, 5, 29, 35}
	OIDExtKeyUsage            = asn1.ObjectIdentifier{2, 5, 29, 37}
	OIDAuthorityInfoAccess    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	OIDQCStatements           = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}
	OIDIssuerAltName          = asn1.ObjectIdentifier{2, 5, 29, 18}
	OIDNameConstraints        = asn1.ObjectIdentifier{2, 5, 29, 30}
	OIDPolicyMappings         = asn1.ObjectIdentifier{2, 5, 29, 33}
	OIDPolicyConstraints      = asn1.ObjectIdentifier{2, 5, 29, 36}
	OIDFreshestCRL            = asn1.ObjectIdentifier{2, 5, 29, 46}
	OIDInhibitAnyPolicy       = asn1.ObjectIdentifier{2, 5, 29, 54}
	// OIDPrivateKeyUsagePeriod is of RFC 3280, Section 4.2.1.4: left out of
	// RFC 5280, it still tells the life of a time-stamping key.
	OIDPrivateKeyUsagePeriod = asn1.ObjectIdentifier{2, 5, 29, 16}
	// OIDNoRevAvail is of RFC 9608, Section 2.
	OIDNoRevAvail = asn1.ObjectIdentifier{2, 5, 29, 56}
	// OIDTLSFeature is of RFC 7633, Section 6.
	OIDTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}
	// OIDValidityAssured is of ETSI EN 319 412-1, Section 5.2: the certificate is
	// short-lived and never revoked.
	OIDValidityAssured = asn1.ObjectIdentifier{0, 4, 0, 194121, 2, 1}

	// RFC 5280, Section 4.2.1.4 and Section 4.2.1.12: any policy, any purpose.
	OIDAnyPolicy        = asn1.ObjectIdentifier{2, 5, 29, 32, 0}
	OIDAnyExtKeyUsage   = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
	OIDPolicyUserNotice = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 2}
	OIDSmtpUTF8Mailbox  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 9} // RFC 9598, Section 3

	// RFC 5280, Section 5: CRL and CRL entry extensions.
	OIDCRLNumber                = asn1.ObjectIdentifier{2, 5, 29, 20}
	OIDReasonCode               = asn1.ObjectIdentifier{2, 5, 29, 21}
	OIDInvalidityDate           = asn1.ObjectIdentifier{2, 5, 29, 24}
	OIDIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}

	// RFC 5280, Section 4.2.2.1: access methods.
	OIDAccessOCSP      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	OIDAccessCAIssuers = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}

	// RFC 6960, Section 4.4, and Appendix B.
	OIDOCSPBasic          = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	OIDOCSPNonce          = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	OIDOCSPNoCheck        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	OIDOCSPExtendedRevoke = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 9}

	// RFC 5280, Section 4.2.1.12: extended key purposes.
	OIDServerAuth   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	OIDClientAuth   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	OIDTimeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	OIDOCSPSigning  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}
	// OIDTSLSigning is of ETSI TS 119 612, Section 5.7.1: signing trust lists.
	OIDTSLSigning = asn1.ObjectIdentifier{0, 4, 0, 2231, 3, 0}

	// RFC 5754, Section 2, and RFC 3279, Section 2.1: hash algorithms.
	OIDSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	OIDSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	OIDSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	OIDSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}

	// RFC 5758, Section 3.2; RFC 4055, Section 5; RFC 8410, Section 3:
	// signature algorithms.
	OIDECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	OIDECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	OIDECDSAWithSHA512 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}
	OIDSHA256WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	OIDSHA384WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}
	OIDSHA512WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}
	OIDEd25519         = asn1.ObjectIdentifier{1, 3, 101, 112}

	// RFC 4055, Section 1.2 and Section 3.1; RFC 5480, Section 2.1: public keys
	// and RSASSA-PSS with its mask generation function.
	OIDRSAEncryption = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	OIDMGF1          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	OIDRSASSAPSS     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	OIDECPublicKey   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	OIDP256          = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	OIDP384          = asn1.ObjectIdentifier{1, 3, 132, 0, 34}
	OIDP521          = asn1.ObjectIdentifier{1, 3, 132, 0, 35}

	// RFC 3739, Section 3.2.6, and ETSI EN 319 412-5, Annex B: statements of
	// qualified certificates.
	OIDQCSyntaxV2     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 11, 2}
	OIDQCCompliance   = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 1}
	OIDQCLimitValue   = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 2}
	OIDQCRetention    = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 3}
	OIDQCSSCD         = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 4}
	OIDQCPDS          = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 5}
	OIDQCType         = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6}
	OIDQCTypeESign    = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6, 1}
	OIDQCTypeESeal    = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6, 2}
	OIDQCTypeWeb      = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6, 3}
	OIDQCCLegislation = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 7}

	// ETSI EN 319 412-1, Section 5.1: what serialNumber and
	// organizationIdentifier of a subject mean.
	OIDSemanticsNatural = asn1.ObjectIdentifier{0, 4, 0, 194121, 1, 1}
	OIDSemanticsLegal   = asn1.ObjectIdentifier{0, 4, 0, 194121, 1, 2}
)
