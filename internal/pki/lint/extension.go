package lint

import (
	"bytes"
	"encoding/asn1"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

var extensionLints = []Lint{
	{"CERT-10", "RFC 5280, Section 4.2", "no extension twice", repeatedExtension},
	{"CERT-11", "RFC 5280, Section 4.2.1.1", "authority key identifier is the issuer's subject key identifier", authorityKeyID},
	{"CERT-12", "RFC 5280, Section 4.2.1.2", "subject key identifier, not critical", subjectKeyID},
	{"CERT-13", "RFC 5280, Section 4.2.1.3", "key usage with at least one bit, of authorities that sign", keyUsageBits},
	{"CERT-15", "RFC 5280, Section 4.2.1.4", "each policy once, without qualifiers", policies},
	{"CERT-16", "RFC 5280, Section 4.2.1.5", "policies are never mapped to or from anyPolicy", policyMappings},
	{"CERT-19", "RFC 5280, Section 4.2.1.9", "basic constraints critical in authorities, path length only there", constraints},
	{"CERT-20", "RFC 5280, Section 4.2.1.10", "name constraints critical, in authorities alone, not empty", nameConstraints},
	{"CERT-21", "RFC 5280, Section 4.2.1.11", "policy constraints critical and not empty, inhibitAnyPolicy critical", policyConstraints},
	{"CERT-22", "RFC 5280, Section 4.2.1.12", "extended key usage fits key usage", extendedKeyUsage},
	{"CERT-30", "RFC 7633, Section 4.2", "TLS feature well-formed, in certificates of servers", tlsFeature},
}

func repeatedExtension(c *certificate, r *report) {
	for i, e := range c.extensions {
		for _, earlier := range c.extensions[:i] {
			if same(earlier.id, e.id) {
				r.must("extension %s stands twice", e.id)
				break
			}
		}
	}
}

func authorityKeyID(c *certificate, r *report) {
	e := c.extension(pki.OIDAuthorityKeyIdentifier)
	if e == nil {
		// A self-signed certificate may leave it out.
		if !c.selfIssued() {
			r.must("there is no authority key identifier")
		}
		return
	}
	if e.critical {
		r.must("the authority key identifier is critical")
	}
	body, ok := der.Whole(e.value, sequence)
	var id cryptobyte.String
	there := false
	if !ok || !body.ReadOptionalASN1(&id, &there, context(0)) {
		r.must("the authority key identifier is malformed")
		return
	}
	switch {
	case !there:
		r.must("the authority key identifier has no keyIdentifier")
	case c.parent != nil && len(c.parent.SubjectKeyId) > 0 && !bytes.Equal(id, c.parent.SubjectKeyId):
		r.must("the authority key identifier is not the issuer's subject key identifier")
	}
}

func subjectKeyID(c *certificate, r *report) {
	e := c.extension(pki.OIDSubjectKeyIdentifier)
	switch {
	case e == nil && c.ca():
		r.must("an authority has no subject key identifier")
	case e == nil:
		r.should("there is no subject key identifier")
	case e.critical:
		r.must("the subject key identifier is critical")
	default:
		if id, ok := der.Whole(e.value, cryptobyte_asn1.OCTET_STRING); !ok || id.Empty() {
			r.must("the subject key identifier is malformed or empty")
		}
	}
}

func keyUsageBits(c *certificate, r *report) {
	switch {
	case !c.usage.there && c.ca():
		r.must("an authority has no key usage")
	case !c.usage.there:
	case !c.usage.good:
		r.must("the key usage has no bit, unused bits that are set, or zero bits at its end")
	case c.ca() && !c.usage.has(keyCertSign):
		r.must("an authority may not sign certificates")
	default:
		if !c.usage.critical {
			r.should("the key usage is not critical")
		}
	}
}

func policies(c *certificate, r *report) {
	e := c.extension(pki.OIDCertificatePolicies)
	if e == nil {
		return
	}
	list, ok := der.Whole(e.value, sequence)
	if !ok || list.Empty() {
		r.must("the policies are malformed or empty")
		return
	}
	var seen []asn1.ObjectIdentifier
	for !list.Empty() {
		var body, qualifiers cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&body, sequence) || !readID(&body, &id) {
			r.must("the policies are malformed")
			return
		}
		if contains(seen, id) {
			r.must("policy %s stands twice", id)
		}
		seen = append(seen, id)
		if body.Empty() {
			continue
		}
		r.should("policy %s has qualifiers", id)
		if !body.ReadASN1(&qualifiers, sequence) || qualifiers.Empty() || !body.Empty() {
			r.must("the qualifiers of policy %s are malformed", id)
			return
		}
		userNotices(qualifiers, r)
	}
}

// userNotices judges the explicitText of user notices, which must be neither
// VisibleString nor BMPString.
func userNotices(qualifiers cryptobyte.String, r *report) {
	for !qualifiers.Empty() {
		var body, notice cryptobyte.String
		var id asn1.ObjectIdentifier
		if !qualifiers.ReadASN1(&body, sequence) || !readID(&body, &id) {
			r.must("a policy qualifier is malformed")
			return
		}
		if !id.Equal(pki.OIDPolicyUserNotice) || !body.ReadASN1(&notice, sequence) {
			continue
		}
		for !notice.Empty() {
			var text cryptobyte.String
			var tag cryptobyte_asn1.Tag
			if !notice.ReadAnyASN1(&text, &tag) {
				r.must("a user notice is malformed")
				return
			}
			if tag == visibleString || tag == bmpString {
				r.must("the text of a user notice is a VisibleString or BMPString")
			}
		}
	}
}

// String types that cryptobyte has no name for.
const (
	visibleString = cryptobyte_asn1.Tag(26)
	bmpString     = cryptobyte_asn1.Tag(30)
)

// readPolicies returns the identifiers of the policies; those behind a malformed
// one are left out.
func (c *certificate) readPolicies() (ids []asn1.ObjectIdentifier) {
	e := c.extension(pki.OIDCertificatePolicies)
	if e == nil {
		return nil
	}
	list, _ := der.Whole(e.value, sequence)
	for !list.Empty() {
		var body cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&body, sequence) || !readID(&body, &id) {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

func policyMappings(c *certificate, r *report) {
	e := c.extension(pki.OIDPolicyMappings)
	if e == nil {
		return
	}
	list, ok := der.Whole(e.value, sequence)
	if !ok || list.Empty() {
		r.must("the policy mappings are malformed or empty")
		return
	}
	if !e.critical {
		r.should("the policy mappings are not critical")
	}
	stated := c.policies
	for !list.Empty() {
		var body cryptobyte.String
		var from, to asn1.ObjectIdentifier
		if !list.ReadASN1(&body, sequence) || !readID(&body, &from) || !readID(&body, &to) || !body.Empty() {
			r.must("the policy mappings are malformed")
			return
		}
		if from.Equal(pki.OIDAnyPolicy) || to.Equal(pki.OIDAnyPolicy) {
			r.must("anyPolicy is mapped")
		} else if !contains(stated, from) && !contains(stated, pki.OIDAnyPolicy) {
			r.should("policy %s is mapped and not among the policies", from)
		}
	}
}

func constraints(c *certificate, r *report) {
	b := c.basic
	switch {
	case b.there && !b.good:
		r.must("the basic constraints are malformed")
	case b.writtenFalse:
		r.must("cA is FALSE, its default, and written out")
	case b.ca && !b.critical:
		r.must("the basic constraints of an authority are not critical")
	case b.pathLength && !b.ca:
		r.must("there is a path length, and the certificate is not an authority's")
	case b.pathLength && !c.usage.has(keyCertSign):
		r.must("there is a path length, and the key may not sign certificates")
	case !b.ca && c.usage.has(keyCertSign):
		r.must("the key may sign certificates, and the certificate is not an authority's")
	}
}

func nameConstraints(c *certificate, r *report) {
	e := c.extension(pki.OIDNameConstraints)
	if e == nil {
		return
	}
	if !c.ca() {
		r.must("an end entity has name constraints")
	}
	if !e.critical {
		r.must("the name constraints are not critical")
	}
	body, ok := der.Whole(e.value, sequence)
	if !ok || body.Empty() {
		r.must("the name constraints are malformed or empty")
		return
	}
	for _, tag := range []uint8{0, 1} {
		var trees cryptobyte.String
		there := false
		if !body.ReadOptionalASN1(&trees, &there, contextSequence(tag)) {
			r.must("the name constraints are malformed")
			return
		}
		if there && trees.Empty() {
			r.must("a list of name constraints is empty")
		}
		subtrees(trees, r)
	}
	if !body.Empty() {
		r.must("the name constraints are malformed")
	}
}

// subtrees judges GeneralSubtrees: minimum zero, no maximum, and by RFC 9549,
// Section 2.2 no single mailbox.
func subtrees(trees cryptobyte.String, r *report) {
	for !trees.Empty() {
		var tree, base cryptobyte.String
		var tag cryptobyte_asn1.Tag
		if !trees.ReadASN1(&tree, sequence) || !tree.ReadAnyASN1(&base, &tag) {
			r.must("the name constraints are malformed")
			return
		}
		if !tree.Empty() {
			r.must("a name constraint has a minimum or a maximum")
		}
		if tag == context(1) && strings.Contains(string(base), "@") {
			r.must("a name constraint is a single mailbox (RFC 9549, Section 2.2)")
		}
	}
}

func policyConstraints(c *certificate, r *report) {
	if e := c.extension(pki.OIDPolicyConstraints); e != nil {
		body, ok := der.Whole(e.value, sequence)
		switch {
		case !ok:
			r.must("the policy constraints are malformed")
		case body.Empty():
			r.must("the policy constraints are empty")
		}
		if !e.critical {
			r.must("the policy constraints are not critical")
		}
	}
	// RFC 5280, Section 4.2.1.14.
	if e := c.extension(pki.OIDInhibitAnyPolicy); e != nil {
		var skip int64
		value := cryptobyte.String(e.value)
		if !value.ReadASN1Integer(&skip) || !value.Empty() || skip < 0 {
			r.must("inhibitAnyPolicy is malformed")
		}
		if !e.critical {
			r.must("inhibitAnyPolicy is not critical")
		}
	}
}

func extendedKeyUsage(c *certificate, r *report) {
	e := c.extension(pki.OIDExtKeyUsage)
	if e == nil {
		return
	}
	if !c.purposesGood {
		r.must("the extended key usage is malformed or empty")
		return
	}
	if e.critical && c.purpose(pki.OIDAnyExtKeyUsage) {
		r.should("the extended key usage is critical and allows any purpose")
	}
	if !c.usage.there || c.ca() {
		return
	}
	// RFC 5280, Section 4.2.1.12: the bits that are consistent with a purpose.
	for _, row := range []struct {
		id   asn1.ObjectIdentifier
		bits uint16
	}{
		{pki.OIDServerAuth, digitalSignature | keyEncipherment | keyAgreement},
		{pki.OIDClientAuth, digitalSignature | keyAgreement},
		{pki.OIDTimeStamping, digitalSignature | nonRepudiation},
		{pki.OIDOCSPSigning, digitalSignature | nonRepudiation},
		{pki.OIDTSLSigning, digitalSignature | nonRepudiation},
	} {
		if c.purpose(row.id) && c.usage.bits&row.bits == 0 {
			r.must("purpose %s is not consistent with the key usage", row.id)
		}
	}
}

func tlsFeature(c *certificate, r *report) {
	e := c.extension(pki.OIDTLSFeature)
	if e == nil {
		return
	}
	list, ok := der.Whole(e.value, sequence)
	if !ok || list.Empty() {
		r.must("the TLS feature list is malformed or empty")
		return
	}
	for !list.Empty() {
		var feature int64
		if !list.ReadASN1Integer(&feature) || feature < 0 || feature > 65535 {
			r.must("the TLS feature list is malformed")
			return
		}
	}
	if !c.ca() && !c.purpose(pki.OIDServerAuth) {
		r.must("the certificate asks for TLS features and is not a server's")
	}
	// RFC 7633, Section 4.2.3.1: a status that must be stapled can be asked for.
	if !c.ca() && !c.place(pki.OIDAccessOCSP) {
		r.must("the certificate asks for a stapled status that no responder is named for")
	}
}
