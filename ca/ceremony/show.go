package ceremony

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
)

// certificateText writes a certificate for people who decide whether it shall
// be signed: every field, and every extension, whether this program knows its
// insides or not.
func certificateText(c *x509.Certificate) string {
	var b strings.Builder
	b.WriteString("Certificate\n")
	section(&b, "Version", "%d", c.Version)
	section(&b, "Serial number", "%s", journal.SerialOf(c.SerialNumber))
	section(&b, "Signature algorithm", "%s", c.SignatureAlgorithm)
	section(&b, "Issuer", "%s", c.Issuer)
	section(&b, "Not before", "%s", when(c.NotBefore))
	section(&b, "Not after", "%s", when(c.NotAfter))
	section(&b, "Subject", "%s", c.Subject)
	keyText(&b, c.PublicKey, c.RawSubjectPublicKeyInfo)
	for _, e := range c.Extensions {
		extensionText(&b, c, e)
	}
	return b.String()
}

func keyText(b *strings.Builder, public crypto.PublicKey, encoded []byte) {
	kind := fmt.Sprintf("%T", public)
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		kind = "ECDSA " + key.Curve.Params().Name
	case *rsa.PublicKey:
		kind = fmt.Sprintf("RSA %d bits, exponent %d", key.N.BitLen(), key.E)
	default:
		kind = strings.TrimSuffix(strings.ToUpper(strings.TrimPrefix(kind, "ed")), ".PUBLICKEY")
		if strings.Contains(kind, "25519") {
			kind = "Ed25519"
		}
	}
	section(b, "Public key", "%s, sha256 of its SubjectPublicKeyInfo %s", kind, hash(encoded))
}

var useNames = []struct {
	use  x509.KeyUsage
	name string
}{
	{x509.KeyUsageDigitalSignature, "digitalSignature"}, {x509.KeyUsageContentCommitment, "nonRepudiation"},
	{x509.KeyUsageKeyEncipherment, "keyEncipherment"}, {x509.KeyUsageDataEncipherment, "dataEncipherment"},
	{x509.KeyUsageKeyAgreement, "keyAgreement"}, {x509.KeyUsageCertSign, "keyCertSign"}, {x509.KeyUsageCRLSign, "cRLSign"},
}

var purposeNames = map[x509.ExtKeyUsage]string{
	x509.ExtKeyUsageServerAuth: "serverAuth", x509.ExtKeyUsageClientAuth: "clientAuth",
	x509.ExtKeyUsageTimeStamping: "timeStamping", x509.ExtKeyUsageOCSPSigning: "OCSPSigning",
}

func extensionText(b *strings.Builder, c *x509.Certificate, e pkix.Extension) {
	name, value := e.Id.String(), "octets "+hex.EncodeToString(e.Value)
	switch {
	case e.Id.Equal(pki.OIDSubjectKeyIdentifier):
		name, value = "subjectKeyIdentifier", octets(c.SubjectKeyId)
	case e.Id.Equal(pki.OIDAuthorityKeyIdentifier):
		name, value = "authorityKeyIdentifier", octets(c.AuthorityKeyId)
	case e.Id.Equal(pki.OIDKeyUsage):
		var uses []string
		for _, u := range useNames {
			if c.KeyUsage&u.use != 0 {
				uses = append(uses, u.name)
			}
		}
		name, value = "keyUsage", strings.Join(uses, ", ")
	case e.Id.Equal(pki.OIDExtKeyUsage):
		var purposes []string
		for _, p := range c.ExtKeyUsage {
			purposes = append(purposes, purposeNames[p])
		}
		for _, p := range c.UnknownExtKeyUsage {
			purposes = append(purposes, p.String())
		}
		name, value = "extKeyUsage", strings.Join(purposes, ", ")
	case e.Id.Equal(pki.OIDBasicConstraints):
		name, value = "basicConstraints", fmt.Sprintf("CA %v, no limit of path length", c.IsCA)
		if c.MaxPathLen > 0 || c.MaxPathLenZero {
			value = fmt.Sprintf("CA %v, path length at most %d", c.IsCA, c.MaxPathLen)
		}
	case e.Id.Equal(pki.OIDCertificatePolicies):
		var policies []string
		for _, p := range c.Policies {
			policies = append(policies, p.String())
		}
		name, value = "certificatePolicies", strings.Join(policies, ", ")
	case e.Id.Equal(pki.OIDCRLDistributionPoints):
		name, value = "cRLDistributionPoints", strings.Join(c.CRLDistributionPoints, ", ")
	case e.Id.Equal(pki.OIDAuthorityInfoAccess):
		name, value = "authorityInfoAccess", fmt.Sprintf("OCSP %s; CA issuers %s", strings.Join(c.OCSPServer, ", "), strings.Join(c.IssuingCertificateURL, ", "))
	case e.Id.Equal(pki.OIDSubjectAltName):
		names := append(append([]string{}, c.DNSNames...), c.EmailAddresses...)
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
		name, value = "subjectAltName", strings.Join(names, ", ")
	case e.Id.Equal(pki.OIDOCSPNoCheck):
		name, value = "ocsp-nocheck", "present"
	}
	if e.Critical {
		name += " (critical)"
	}
	section(b, "Extension "+name, "%s", value)
}

// listText writes a revocation list for people.
func listText(l *x509.RevocationList) string {
	var b strings.Builder
	b.WriteString("Revocation list\n")
	section(&b, "Number", "%s", l.Number)
	section(&b, "Signature algorithm", "%s", l.SignatureAlgorithm)
	section(&b, "Issuer", "%s", l.Issuer)
	section(&b, "This update", "%s", when(l.ThisUpdate))
	section(&b, "Next update", "%s", when(l.NextUpdate))
	section(&b, "Authority key identifier", "%s", octets(l.AuthorityKeyId))
	section(&b, "Entries", "%d", len(l.RevokedCertificateEntries))
	for _, e := range l.RevokedCertificateEntries {
		section(&b, "  Revoked", "%s at %s, %s", journal.SerialOf(e.SerialNumber), when(e.RevocationTime), journal.Reason(e.ReasonCode))
	}
	return b.String()
}

// requestText writes a certification request for people.
func requestText(r *x509.CertificateRequest) string {
	var b strings.Builder
	b.WriteString("Certification request\n")
	section(&b, "Subject", "%s", r.Subject)
	keyText(&b, r.PublicKey, r.RawSubjectPublicKeyInfo)
	return b.String()
}
