package lint

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// knownIDs are the identifiers that most certificates are made of, by their
// octets: they are found here and not decoded each time.
var knownIDs = encoded(
	pki.OIDAuthorityKeyIdentifier, pki.OIDSubjectKeyIdentifier, pki.OIDKeyUsage, pki.OIDExtKeyUsage, pki.OIDBasicConstraints,
	pki.OIDSubjectAltName, pki.OIDCertificatePolicies, pki.OIDCRLDistributionPoints, pki.OIDFreshestCRL, pki.OIDAuthorityInfoAccess,
	pki.OIDQCStatements, pki.OIDOCSPNoCheck, pki.OIDNoRevAvail, pki.OIDValidityAssured, pki.OIDPrivateKeyUsagePeriod,
	pki.OIDCountryName, pki.OIDOrganizationName, pki.OIDOrganizationalUnitName, pki.OIDOrganizationIdentifier, pki.OIDLocalityName,
	pki.OIDTitle, pki.OIDSurname, pki.OIDGivenName, pki.OIDPseudonym, pki.OIDSerialNumber, pki.OIDCommonName,
	pki.OIDECDSAWithSHA256, pki.OIDECDSAWithSHA384, pki.OIDECDSAWithSHA512, pki.OIDSHA256WithRSA, pki.OIDRSASSAPSS, pki.OIDEd25519,
	pki.OIDECPublicKey, pki.OIDRSAEncryption, pki.OIDP256, pki.OIDP384, pki.OIDP521,
	pki.OIDAccessOCSP, pki.OIDAccessCAIssuers, pki.OIDServerAuth, pki.OIDClientAuth, pki.OIDTimeStamping, pki.OIDOCSPSigning, pki.OIDTSLSigning,
	pki.OIDQCCompliance, pki.OIDQCSSCD, pki.OIDQCType, pki.OIDQCPDS, pki.OIDQCCLegislation, pki.OIDQCLimitValue, pki.OIDQCRetention,
	pki.OIDQCSyntaxV2, pki.OIDQCTypeESign, pki.OIDQCTypeESeal, pki.OIDQCTypeWeb, pki.OIDSemanticsNatural,
)

func encoded(ids ...asn1.ObjectIdentifier) map[string]asn1.ObjectIdentifier {
	known := make(map[string]asn1.ObjectIdentifier, len(ids))
	for _, id := range ids {
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1ObjectIdentifier(id)
		known[string(b.BytesOrPanic())] = id
	}
	return known
}

// readID reads an OBJECT IDENTIFIER. The result must not be changed.
func readID(s *cryptobyte.String, out *asn1.ObjectIdentifier) bool {
	rest := *s
	var element cryptobyte.String
	if !rest.ReadASN1Element(&element, cryptobyte_asn1.OBJECT_IDENTIFIER) {
		return false
	}
	if known, ok := knownIDs[string(element)]; ok {
		*s, *out = rest, known
		return true
	}
	return s.ReadASN1ObjectIdentifier(out)
}

// readAlgorithm is [pki.ReadAlgorithm] with readID.
func readAlgorithm(s *cryptobyte.String, out *pki.Algorithm) bool {
	var body, parameters cryptobyte.String
	if !s.ReadASN1(&body, sequence) || !readID(&body, &out.ID) {
		return false
	}
	out.Parameters = nil
	if body.Empty() {
		return true
	}
	var tag cryptobyte_asn1.Tag
	if !body.ReadAnyASN1Element(&parameters, &tag) || !body.Empty() {
		return false
	}
	out.Parameters = parameters
	return true
}

// same reports whether two identifiers are equal.
func same(a, b asn1.ObjectIdentifier) bool {
	// Those that differ mostly do in the last place.
	n := len(a)
	return n == len(b) && (n == 0 || a[n-1] == b[n-1] && (&a[0] == &b[0] || a.Equal(b)))
}
