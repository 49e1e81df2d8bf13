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
)
