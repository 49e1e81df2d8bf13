package conformance

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/pki/lint"
)

// holder is a certificate on trial.
type holder struct {
	raw []byte
	x   *Exchange
	// parsed is nil when the octets are no certificate.
	parsed *certificate
	issuer *certificate // nil when not known
	kind   string       // what the user says that it is, or ""
	client *client      // nil: nothing is fetched
	// second is another linter, nil for none.
	second func(*x509.Certificate) error

	findings []lint.Finding
	linted   bool
}

// Kinds are what a certificate can be said to be.
var Kinds = []string{"natural", "legal", "seal", "web", "ocsp", "tsu", "ca"}

// found returns what the ground floor's lints find under an id.
func (h *holder) found(id string) (mine []lint.Finding) {
	if !h.linted {
		h.linted = true
		var issuer *x509.Certificate
		if h.issuer != nil && h.parsed != nil && string(h.parsed.issuer) != string(h.parsed.subject) {
			issuer = h.issuer.std
		}
		h.findings = lint.Certificate(h.raw, issuer)
	}
	for _, f := range h.findings {
		if f.ID == id {
			mine = append(mine, f)
		}
	}
	return mine
}

// linting makes a check of every lint of the ground floor that belong chooses.
func linting(belong func(lint.Lint) bool) (checks []check[*holder]) {
	for _, l := range lint.Lints() {
		if !belong(l) {
			continue
		}
		clause := l.Clause
		level := Must
		checks = append(checks, check[*holder]{l.ID, clause, level, l.Title, "read the octets of the certificate", anywhere, func(t *trial, h *holder) { h.judge(t, l.ID) }})
	}
	return checks
}

func (h *holder) judge(t *trial, id string) {
	t.saw(h.x)
	if h.parsed == nil && id != "CERT-28" {
		t.couldNot("%v", errNoCertificate)
	}
	found := h.found(id)
	if name := ""; len(found) > 0 && (id == "CERT-47" || id == "CERT-29") && h.parsed != nil {
		if name = h.parsed.foreign(); name != "" {
			t.couldNot("foreign algorithm: %s", name)
		}
	}
	for _, f := range found {
		t.find(Level(f.Level), "%s", f.Detail)
	}
	h.expect(t, id)
	if h.parsed != nil && h.client != nil && !t.failed {
		switch id {
		case "CERT-23":
			h.fetchLists(t)
		case "CERT-25":
			h.fetchIssuer(t)
		}
	}
	if applies := applicable[id]; !t.failed && applies != nil && !applies(h.parsed) {
		t.skip("the certificate has nothing that this is about")
	}
}

// applicable says which certificates a requirement is about; those without an
// entry are about all.
var applicable = map[string]func(*certificate) bool{
	"CERT-15": has(pki.OIDCertificatePolicies), "CERT-16": has(pki.OIDPolicyMappings), "CERT-17": has(pki.OIDSubjectAltName), "CERT-18": has(pki.OIDSubjectAltName),
	"CERT-20": has(pki.OIDNameConstraints), "CERT-22": has(pki.OIDExtKeyUsage), "CERT-23": has(pki.OIDCRLDistributionPoints), "CERT-24": has(pki.OIDFreshestCRL),
	"CERT-25": has(pki.OIDAuthorityInfoAccess), "CERT-26": has(pki.OIDAuthorityInfoAccess), "CERT-27": has(pki.OIDNoRevAvail), "CERT-30": has(pki.OIDTLSFeature),
	"CERT-21": func(c *certificate) bool { return has(pki.OIDPolicyConstraints)(c) || has(pki.OIDInhibitAnyPolicy)(c) },
	"CERT-32": (*certificate).natural, "CERT-33": (*certificate).natural, "CERT-35": (*certificate).legal, "CERT-34": (*certificate).person, "CERT-36": (*certificate).person,
	"CERT-37": (*certificate).person, "CERT-39": (*certificate).person, "CERT-40": (*certificate).person,
	"CERT-41": has(pki.OIDQCStatements), "CERT-42": has(pki.OIDQCStatements), "CERT-43": has(pki.OIDQCStatements), "CERT-44": has(pki.OIDQCStatements), "CERT-45": has(pki.OIDQCStatements),
	"CERT-46": has(pki.OIDValidityAssured), "OCSP-12": purposed(pki.OIDOCSPSigning), "OCSP-13": purposed(pki.OIDOCSPSigning),
	"TSA-09": purposed(pki.OIDTimeStamping), "TSA-10": purposed(pki.OIDTimeStamping), "TSA-42": has(pki.OIDPrivateKeyUsagePeriod),
}

func has(id asn1.ObjectIdentifier) func(*certificate) bool {
	return func(c *certificate) bool { return c.extensions.get(id) != nil }
}

func purposed(id asn1.ObjectIdentifier) func(*certificate) bool {
	return func(c *certificate) bool { return c.hasPurpose(id) }
}

// named reports whether a subject has an attribute.
func (c *certificate) named(id asn1.ObjectIdentifier) bool { return nameHas(c.subject, id) }

func nameHas(name []byte, id asn1.ObjectIdentifier) bool {
	_, ok := nameValue(name, id)
	return ok
}

// nameValue returns the first value of an attribute in a Name.
func nameValue(name []byte, id asn1.ObjectIdentifier) (string, bool) {
	list, _ := whole(name)
	for !list.Empty() {
		var members, body, value cryptobyte.String
		if !list.ReadASN1(&members, set) {
			return "", false
		}
		for !members.Empty() {
			var found asn1.ObjectIdentifier
			var tag cryptobyte_asn1.Tag
			if !members.ReadASN1(&body, sequence) || !body.ReadASN1ObjectIdentifier(&found) || !body.ReadAnyASN1(&value, &tag) {
				return "", false
			}
			if found.Equal(id) {
				return string(value), true
			}
		}
	}
	return "", false
}

func (c *certificate) natural() bool {
	return !c.authority() && (c.named(pki.OIDSurname) || c.named(pki.OIDGivenName) || c.named(pki.OIDPseudonym))
}

func (c *certificate) legal() bool {
	return !c.authority() && !c.natural() && c.named(pki.OIDOrganizationIdentifier) && !c.hasPurpose(pki.OIDOCSPSigning)
}

func (c *certificate) person() bool { return c.natural() || c.legal() }

// qcTypes are the QcTypes of the statements, encoded.
func (c *certificate) qcStatement(id asn1.ObjectIdentifier) (info []byte, there bool) {
	e := c.extensions.get(pki.OIDQCStatements)
	if e == nil {
		return nil, false
	}
	list, _ := whole(e.value)
	for !list.Empty() {
		var body cryptobyte.String
		var found asn1.ObjectIdentifier
		if !list.ReadASN1(&body, sequence) || !body.ReadASN1ObjectIdentifier(&found) {
			return nil, false
		}
		if found.Equal(id) {
			return body, true
		}
	}
	return nil, false
}

// expectations are what a certificate must have to be of a kind: the
// requirement it breaks otherwise, the words for it, and the test.
var expectations = map[string][]struct {
	id, otherwise string
	is            func(*certificate) bool
}{
	"natural": {{"CERT-32", "it is not a natural person's", (*certificate).natural}},
	"legal":   {{"CERT-35", "it is not a legal person's", (*certificate).legal}},
	"seal": {
		{"CERT-35", "it is not a legal person's", (*certificate).legal},
		{"CERT-42", "its statements do not say that it is for seals", func(c *certificate) bool {
			info, _ := c.qcStatement(pki.OIDQCType)
			want := built(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(pki.OIDQCTypeESeal) })
			return strings.Contains(string(info), string(want))
		}},
	},
	"web": {
		{"CERT-22", "it is not for servers", purposed(pki.OIDServerAuth)},
		{"CERT-17", "it has no alternative name", has(pki.OIDSubjectAltName)},
	},
	"ocsp": {{"OCSP-12", "it is not a responder's", purposed(pki.OIDOCSPSigning)}},
	"tsu":  {{"TSA-09", "it is not a time-stamping unit's", purposed(pki.OIDTimeStamping)}},
	"ca":   {{"CERT-19", "it is not an authority's", (*certificate).authority}},
}

func (h *holder) expect(t *trial, id string) {
	if h.parsed == nil {
		return
	}
	for _, e := range expectations[h.kind] {
		if e.id == id && !e.is(h.parsed) {
			t.fail("%s", e.otherwise)
		}
	}
}

// fetchLists asks the distribution points, as far as the address policy lets.
func (h *holder) fetchLists(t *trial) {
	uris, _ := h.parsed.points(pki.OIDCRLDistributionPoints)
	for _, uri := range uris {
		x := h.fetch(t, "distribution point", uri)
		if x == nil {
			continue
		}
		if _, err := parseList(x.Response); x.Status != http.StatusOK || err != nil {
			t.fail("a distribution point serves no list in DER")
		}
	}
}

// fetchIssuer asks for the issuer's certificate.
func (h *holder) fetchIssuer(t *trial) {
	for _, uri := range h.parsed.uris(pki.OIDAccessCAIssuers) {
		x := h.fetch(t, "issuer's certificate", uri)
		if x == nil {
			continue
		}
		if x.Status != http.StatusOK {
			t.fail("the place of the issuer's certificate answers HTTP %d", x.Status)
			continue
		}
		h.judgeIssuers(t, x)
	}
}

// judgeIssuers judges what stands at the place of the issuer's certificate: one
// in DER, or a message of several, of which one must be the issuer's.
//
// RFC 5280, Section 4.2.2.1: application/pkix-cert, or application/pkcs7-mime
// (RFC 2797, certs-only).
func (h *holder) judgeIssuers(t *trial, x *Exchange) {
	found, media := [][]byte{x.Response}, "application/pkix-cert"
	if several, ok := certsOnly(x.Response); ok {
		found, media = several, "application/pkcs7-mime"
	}
	if got := x.Header.Get("Content-Type"); !sameMedia(got, media) {
		t.should("the place of the issuer's certificate says %q of what is %s", clip(got), media)
	}
	problem := errors.New("none of the certificates there is the issuer's")
	for _, raw := range found {
		issuer, err := parseCertificate(raw)
		if err != nil {
			t.fail("the place of the issuer's certificate serves neither a certificate in DER nor certs-only CMS")
			return
		}
		if string(issuer.subject) != string(h.parsed.issuer) && len(found) > 1 {
			continue
		}
		if problem = issuer.signed(h.parsed.algorithm, h.parsed.tbs, h.parsed.signature); problem == nil {
			return
		}
	}
	t.judge("the certificate with the issuer's key from there", problem)
}

// fetch gets what a certificate points to; nil when the policy forbids it or
// nobody answers, which is then said.
func (h *holder) fetch(t *trial, what, uri string) *Exchange {
	if !strings.HasPrefix(uri, "http") {
		return nil
	}
	if err := h.client.permit(uri); err != nil {
		t.note("%s not fetched: %v", what, err)
		return nil
	}
	x := h.client.ask(t.ctx, question{name: what, method: http.MethodGet, url: uri, limit: maxDownload, found: true})
	t.saw(x)
	if x.Err != nil {
		t.couldNot("%s: %v", what, x.Err)
	}
	return x
}

// note adds to the details what is neither a finding nor a reason.
func (t *trial) note(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); !slices.Contains(t.result.Details, note) {
		t.result.Details = append(t.result.Details, note)
	}
}
