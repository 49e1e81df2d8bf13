package ca

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// fault is something wrong with a profile: the key that is at fault, in which
// of several tables of that name, and why.
type fault struct {
	key    string
	index  int
	detail string
}

// keyUsageBits gives the bit of each usage by its name, with the standard
// library's word for it (RFC 5280, Section 4.2.1.3).
var keyUsageBits = []struct {
	name string
	bit  int
	use  x509.KeyUsage
}{
	{"digitalSignature", 0, x509.KeyUsageDigitalSignature},
	{"nonRepudiation", 1, x509.KeyUsageContentCommitment},
	{"keyEncipherment", 2, x509.KeyUsageKeyEncipherment},
	{"dataEncipherment", 3, x509.KeyUsageDataEncipherment},
	{"keyAgreement", 4, x509.KeyUsageKeyAgreement},
	{"keyCertSign", 5, x509.KeyUsageCertSign},
	{"cRLSign", 6, x509.KeyUsageCRLSign},
}

func keyUsage(name string) (bit int, use x509.KeyUsage, ok bool) {
	for _, b := range keyUsageBits {
		if b.name == name {
			return b.bit, b.use, true
		}
	}
	return 0, 0, false
}

// extKeyUsages gives the purposes that profiles may name.
var extKeyUsages = map[string]asn1.ObjectIdentifier{
	"serverAuth":   pki.OIDServerAuth,
	"clientAuth":   pki.OIDClientAuth,
	"timeStamping": pki.OIDTimeStamping,
	"OCSPSigning":  pki.OIDOCSPSigning,
	"tslSigning":   pki.OIDTSLSigning,
}

// check tells everything that is wrong with the profile, and prepares what
// building certificates from it needs.
func (p *Profile) check() (faults []fault) {
	add := func(key, format string, args ...any) {
		faults = append(faults, fault{key: key, detail: fmt.Sprintf(format, args...)})
	}
	words := func(key string, given []string, known ...string) {
		for i, word := range given {
			if !slices.Contains(known, word) {
				add(key, "%q is none of %s", word, strings.Join(known, ", "))
			}
			if slices.Contains(given[:i], word) {
				add(key, "%q stands twice", word)
			}
		}
	}
	if p.Validity == (Validity{}) {
		add("validity", "is missing")
	}
	if len(p.Keys) == 0 {
		add("keys", "is missing")
	}
	words("keys", p.Keys, "p256", "p384", "p521", "rsa", "ed25519")
	words("san", p.SAN, "dns", "ip", "email", "uri")
	words("carries", p.Carries, "ocsp", "crl", "freshest_crl", "ca_issuers")
	words("ext_key_usage", p.ExtKeyUsage, "serverAuth", "clientAuth", "timeStamping", "OCSPSigning", "tslSigning")
	usages := make([]string, 0, len(keyUsageBits))
	for _, b := range keyUsageBits {
		usages = append(usages, b.name)
	}
	words("key_usage", p.KeyUsage, usages...)

	faults = append(faults, p.checkUsage()...)
	faults = append(faults, p.checkPurpose()...)
	faults = append(faults, p.checkStatus()...)
	faults = append(faults, p.checkSubject()...)
	faults = append(faults, p.Constraints.check(p.CA)...)
	p.policies = nil
	for i, dotted := range p.Policies {
		// RFC 5280, Section 4.2.1.4: a policy identifier must not stand more
		// than once.
		if slices.Contains(p.Policies[:i], dotted) {
			add("policies", "%s stands twice (RFC 5280, Section 4.2.1.4)", dotted)
		}
		oid, err := parseOID(dotted)
		if err != nil {
			add("policies", "%v", err)
			continue
		}
		p.policies = append(p.policies, oid)
	}
	for i, m := range p.PolicyMappings {
		// RFC 5280, Section 4.2.1.5: each issuerDomainPolicy should be stated.
		if !slices.Contains(p.Policies, m.Issuer) && !slices.Contains(p.Policies, pki.OIDAnyPolicy.String()) {
			faults = append(faults, fault{"policy_mapping.issuer", i, m.Issuer + " is not among the policies (RFC 5280, Section 4.2.1.5)"})
		}
	}
	if p.QC != nil {
		if p.CA {
			add("qc", "statements of qualified certificates do not belong into one of an authority (ETSI EN 319 412-5, Section 4.1)")
		}
		faults = append(faults, p.QC.check()...)
	}
	return append(faults, p.checkHolder()...)
}

// checkUsage checks what the key may be used for.
func (p *Profile) checkUsage() (faults []fault) {
	add := func(key, detail string) { faults = append(faults, fault{key: key, detail: detail}) }
	has := func(name string) bool { return slices.Contains(p.KeyUsage, name) }
	// RFC 5280, Section 4.2.1.3: when the extension appears, at least one bit
	// is set.
	if len(p.KeyUsage) == 0 {
		add("key_usage", "is missing")
	}
	if p.CA {
		// RFC 5280, Section 4.2.1.9: keyCertSign in certificates of
		// authorities; CRLs are signed by the same key, hence cRLSign.
		if !has("keyCertSign") || !has("cRLSign") {
			add("key_usage", "an authority needs keyCertSign and cRLSign (RFC 5280, Section 4.2.1.3)")
		}
		if len(p.ExtKeyUsage) > 0 {
			add("ext_key_usage", "authorities here carry none (RFC 5280, Section 4.2.1.12)")
		}
		if p.PathLength != nil && (*p.PathLength < 0 || *p.PathLength > 9) {
			add("path_length", "is not between 0 and 9 (RFC 5280, Section 4.2.1.9)")
		}
	} else {
		if has("keyCertSign") {
			add("key_usage", "only an authority signs certificates (RFC 5280, Section 4.2.1.9)")
		}
		// Another than an authority signs indirect lists; and nothing else, or what
		// it signs for one purpose serves the other.
		if has("cRLSign") && (len(p.KeyUsage) > 1 || len(p.ExtKeyUsage) > 0 || !p.ExclusiveKey) {
			add("key_usage", "a key that signs CRLs for authorities has no other use, and exclusive_key (RFC 5280, Section 4.2.1.3)")
		}
		if p.PathLength != nil {
			add("path_length", "belongs to authorities alone (RFC 5280, Section 4.2.1.9)")
		}
		if p.SelfSigned {
			add("self_signed", "belongs to authorities alone (RFC 5280, Section 3.2)")
		}
		if p.Cross {
			add("cross", "belongs to authorities alone (RFC 5280, Section 3.2)")
		}
	}
	if p.Cross && p.SelfSigned {
		add("cross", "a self-signed certificate is for no other authority (RFC 5280, Section 3.2)")
	}
	// RFC 8813, Section 3: encipherment bits do not fit elliptic-curve keys.
	if (has("keyEncipherment") || has("dataEncipherment")) && slices.ContainsFunc(p.Keys, func(k string) bool { return k != "rsa" }) {
		add("key_usage", "only RSA keys encipher (RFC 8813, Section 3)")
	}
	// ETSI EN 319 412-2, Section 4.3.2: a key that commits its holder to
	// contents has no other use (type A), which every profile here keeps to.
	if has("nonRepudiation") && len(p.KeyUsage) > 1 && !slices.Contains(p.ExtKeyUsage, "timeStamping") {
		add("key_usage", "nonRepudiation stands alone (ETSI EN 319 412-2, Section 4.3.2)")
	}
	return faults
}

// checkPurpose checks what the purposes of extKeyUsage ask for.
func (p *Profile) checkPurpose() (faults []fault) {
	add := func(key, detail string) { faults = append(faults, fault{key: key, detail: detail}) }
	has := func(name string) bool { return slices.Contains(p.KeyUsage, name) }
	purpose := func(name string) bool { return slices.Contains(p.ExtKeyUsage, name) }
	if purpose("timeStamping") {
		// RFC 3161, Section 2.3.
		if len(p.ExtKeyUsage) != 1 || !p.ExtKeyUsageCritical {
			add("ext_key_usage", "timeStamping is the only purpose and critical (RFC 3161, Section 2.3)")
		}
		if !p.ExclusiveKey {
			add("exclusive_key", "a time-stamping key is used for nothing else (RFC 3161, Section 2.3)")
		}
	} else if p.ExtKeyUsageCritical {
		add("ext_key_usage_critical", "is for timeStamping alone (ETSI EN 319 412-2, Section 4.3.10)")
	}
	if p.PrivateKeyUsage != (Validity{}) {
		if !purpose("timeStamping") {
			add("private_key_usage", "is for time-stamping units, whose tokens outlive the use of the key (RFC 3280, Section 4.2.1.4)")
		}
		if p.PrivateKeyUsage.exceeds(p.Validity) {
			add("private_key_usage", "is longer than the certificate's validity (RFC 3280, Section 4.2.1.4)")
		}
	}
	if len(p.ExtKeyUsage) > 0 && !has("digitalSignature") {
		// RFC 5280, Section 4.2.1.12: each purpose here is exercised by signing.
		add("ext_key_usage", "its purposes need digitalSignature (RFC 5280, Section 4.2.1.12)")
	}
	if purpose("tslSigning") {
		// ETSI TS 119 612, Section 5.7.1.
		if len(p.ExtKeyUsage) != 1 {
			add("ext_key_usage", "tslSigning is the only purpose (ETSI TS 119 612, Section 5.7.1)")
		}
		if !p.BasicConstraints {
			add("basic_constraints", "the signer of a trust list says that it is no authority (ETSI TS 119 612, Section 5.7.1)")
		}
		for _, attribute := range []string{"C", "O"} {
			if !p.always(attribute) {
				add("subject", "the signer of a trust list has "+attribute+", those of the scheme operator (ETSI TS 119 612, Section 5.7.1)")
			}
		}
	}
	if purpose("OCSPSigning") {
		if !p.OCSPNoCheck {
			add("ocsp_no_check", "a responder whose status nobody can ask needs it (RFC 6960, Section 4.2.2.2.1)")
		}
		if p.Validity.exceeds(Validity{duration: 366 * 24 * time.Hour}) {
			add("validity", "a responder that cannot be revoked is valid for a year at most (RFC 6960, Section 4.2.2.2.1)")
		}
	} else if p.OCSPNoCheck {
		add("ocsp_no_check", "is for OCSPSigning alone (RFC 6960, Section 4.2.2.2.1)")
	}
	return faults
}

// day is the longest life of a short-term certificate: the time within which a
// revocation must take effect, so that there is none to tell of (ETSI EN 319
// 411-1, Section 6.3.9).
var day = Validity{duration: 24 * time.Hour}

// checkStatus checks where the certificate says that its status is told.
func (p *Profile) checkStatus() (faults []fault) {
	add := func(key, detail string) { faults = append(faults, fault{key: key, detail: detail}) }
	carries := func(word string) bool { return slices.Contains(p.Carries, word) }
	told := carries("crl") || carries("ocsp") || carries("freshest_crl")
	switch {
	case p.SelfSigned && len(p.Carries) > 0:
		add("carries", "nothing above a self-signed certificate says what its status is (RFC 5280, Section 4.2.1.13)")
	case p.OCSPNoCheck && told:
		add("carries", "a responder's certificate names neither OCSP nor CRL (RFC 9919, Section 3.2.2)")
	case p.NoRevAvail && told:
		add("carries", "a certificate without revocation information names neither OCSP nor CRL (RFC 9608, Section 2)")
	}
	if carries("freshest_crl") && !carries("crl") {
		add("carries", "a delta list needs its base: freshest_crl stands beside crl (RFC 5280, Section 4.2.1.15)")
	}
	if p.NoRevAvail && p.CA {
		add("no_rev_avail", "does not belong into the certificate of an authority (RFC 9608, Section 2)")
	}
	if p.ValidityAssured && p.Validity.exceeds(day) {
		add("validity_assured", "the certificate is valid for more than 24 hours, within which it may have to be revoked (ETSI EN 319 412-1, Section 5.2)")
	}
	if p.NoRevAvail && p.Validity.exceeds(day) {
		add("no_rev_avail", "the certificate is valid for more than 24 hours, within which it may have to be revoked (RFC 9608, Section 4)")
	}
	if p.person() && !told && !p.NoRevAvail && !p.ValidityAssured {
		// ETSI EN 319 412-2, Section 4.3.11 and Section 4.4.1.
		add("carries", "a person's certificate says where its status is told: crl, ocsp or both (ETSI EN 319 412-2, Section 4.3.11)")
	}
	if p.person() && !carries("ca_issuers") {
		add("carries", "a person's certificate says where its issuer's is: ca_issuers (ETSI EN 319 412-2, Section 4.4.1)")
	}
	return faults
}

// checkSubject checks the subject's rules against each other.
func (p *Profile) checkSubject() (faults []fault) {
	seen := map[string]bool{}
	for i, rule := range p.Subject {
		add := func(key, format string, args ...any) {
			faults = append(faults, fault{"subject." + key, i, fmt.Sprintf(format, args...)})
		}
		oid, ok := pki.AttributeType(rule.Attribute)
		if !ok {
			add("attribute", "%q is not an attribute that names hold here", rule.Attribute)
			continue
		}
		// ETSI EN 319 412-2, Section 4.2.4: each attribute stands once.
		if seen[rule.Attribute] {
			add("attribute", "%s stands twice (ETSI EN 319 412-2, Section 4.2.4)", rule.Attribute)
		}
		seen[rule.Attribute] = true
		if rule.Value != "" {
			if rule.Required || rule.Default != "" || rule.Identifier != "" {
				add("value", "a fixed attribute has no other rule")
			}
			if _, err := pki.MarshalName([]pki.Attribute{{Type: oid, Value: rule.Value}}); err != nil {
				add("value", "%v", err)
			}
		}
		form, known := identifiers[rule.Identifier]
		if rule.Identifier != "" && (!known || form.attribute != rule.Attribute) {
			add("identifier", "is PNO, PAS, VP or TIN for serialNumber, NTR or VAT for organizationIdentifier (ETSI EN 319 412-1, Section 5.1)")
		}
		if form.national && p.country() == "" {
			add("identifier", "needs a fixed C, the country that gave the number (%s)", form.clause)
		}
		if rule.Identifier == "VP" && (p.QC == nil || len(p.QC.NameRegistrationAuthorities) == 0) {
			add("identifier", "a national type is explained by qc.name_registration_authorities (%s)", form.clause)
		}
		if rule.Attribute == "C" && rule.Value != "" && !pki.IsCountry(rule.Value) {
			add("value", "%q is not an ISO 3166-1 alpha-2 code (RFC 5280, Appendix A.1)", rule.Value)
		}
		for _, key := range placeholders(rule.Default) {
			if !slices.ContainsFunc(p.Subject, func(r SubjectRule) bool { return r.Attribute == key && r.Default == "" }) {
				add("default", "{%s} is no attribute of this profile", key)
			}
		}
	}
	// ETSI EN 319 412-2, Section 4.2.4: a pseudonym never stands beside a name.
	if seen["pseudonym"] && (seen["givenName"] || seen["surname"]) {
		faults = append(faults, fault{key: "subject", detail: "pseudonym stands beside givenName or surname (ETSI EN 319 412-2, Section 4.2.4)"})
	}
	if p.Cross {
		if len(p.Subject) > 0 {
			faults = append(faults, fault{key: "subject", detail: "a cross-certificate has the name of the other authority (RFC 5280, Section 3.2)"})
		}
		return faults
	}
	// RFC 5280, Section 4.1.2.6: the subject of an authority is never empty.
	if p.CA && !slices.ContainsFunc(p.Subject, func(r SubjectRule) bool { return r.Required || r.Value != "" }) {
		faults = append(faults, fault{key: "subject", detail: "an authority has a name (RFC 5280, Section 4.1.2.6)"})
	}
	return faults
}

// country is the fixed country of the subject.
func (p *Profile) country() string {
	for _, rule := range p.Subject {
		if rule.Attribute == "C" {
			return rule.Value
		}
	}
	return ""
}

// placeholders returns the keys in braces.
func placeholders(template string) (keys []string) {
	for {
		_, rest, ok := strings.Cut(template, "{")
		if !ok {
			return keys
		}
		key, after, ok := strings.Cut(rest, "}")
		if !ok {
			return append(keys, rest)
		}
		keys = append(keys, key)
		template = after
	}
}

// parseOID reads a dotted object identifier. Its numbers fit an int, which is
// what encoding/asn1 holds.
func parseOID(dotted string) (asn1.ObjectIdentifier, error) {
	checked, err := x509.ParseOID(dotted)
	if err != nil {
		return nil, fmt.Errorf("%q is not an object identifier", dotted)
	}
	der, err := checked.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("%q is not an object identifier", dotted)
	}
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(append([]byte{6, byte(len(der))}, der...), &oid); err != nil {
		return nil, fmt.Errorf("%q is too large an object identifier", dotted)
	}
	return oid, nil
}
