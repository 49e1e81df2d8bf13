package lint

import (
	"encoding/asn1"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

var statusLints = []Lint{
	{"CERT-23", "RFC 5280, Section 4.2.1.13", "distribution points name a place, for all reasons", distributionPoints},
	{"CERT-24", "RFC 5280, Section 4.2.1.15", "freshest CRL not critical, beside its base", freshestCRL},
	{"CERT-25", "RFC 5280, Section 4.2.2.1", "authority information access not critical, places absolute", informationAccess},
	{"CERT-26", "RFC 6960, Section 3.1", "responders named by URI", responderPlace},
	{"CERT-27", "RFC 9608, Section 3", "without revocation information no place of it, and no authority", noRevocation},
	{"CERT-39", "ETSI EN 319 412-2, Section 4.3.11", "a person's certificate has distribution points unless OCSP or short-term", personDistributionPoints},
	{"CERT-40", "ETSI EN 319 412-2, Section 4.4.1", "a person's certificate names its issuer's, and OCSP where no CRL is named", personAccess},
	{"CERT-46", "ETSI EN 319 412-1, Section 5.2", "validity-assured only for a day, not critical, NULL", validityAssured},
}

// point is one DistributionPoint.
type point struct {
	names              []generalName
	relative           bool // nameRelativeToCRLIssuer
	reasons, crlIssuer bool
}

// readPoints reads a CRLDistributionPoints value.
func readPoints(value []byte) (all []point, ok bool) {
	list, ok := der.Whole(value, sequence)
	if !ok || list.Empty() {
		return nil, false
	}
	for !list.Empty() {
		var body, place, names, rest cryptobyte.String
		var p point
		there := false
		if !list.ReadASN1(&body, sequence) || !body.ReadOptionalASN1(&place, &there, contextSequence(0)) {
			return nil, false
		}
		if there {
			full := false
			if !place.ReadOptionalASN1(&names, &full, contextSequence(0)) {
				return nil, false
			}
			if full {
				if p.names, ok = readGeneralNames(names); !ok || !place.Empty() {
					return nil, false
				}
			}
			p.relative = !full
		}
		if !body.ReadOptionalASN1(&rest, &p.reasons, context(1)) || !body.ReadOptionalASN1(&rest, &p.crlIssuer, contextSequence(2)) || !body.Empty() {
			return nil, false
		}
		all = append(all, p)
	}
	return all, true
}

func distributionPoints(c *certificate, r *report) {
	if c.extension(pki.OIDCRLDistributionPoints) != nil {
		judgePoints(c.points, c.pointsGood, "distribution points", r)
	}
}

func judgePoints(all []point, ok bool, what string, r *report) {
	if !ok {
		r.must("the %s are malformed or empty", what)
		return
	}
	whole := false
	for i, p := range all {
		if len(p.names) == 0 && !p.relative && !p.crlIssuer {
			r.must("point %d of the %s names neither a place nor an issuer", i+1, what)
		}
		whole = whole || !p.reasons
		for _, n := range p.names {
			if n.tag == uriName && n.uri == noURI {
				r.must("point %d of the %s is not an absolute URI", i+1, what)
			}
		}
	}
	if !whole {
		r.must("none of the %s is for all reasons", what)
	}
}

func freshestCRL(c *certificate, r *report) {
	e := c.extension(pki.OIDFreshestCRL)
	if e == nil {
		return
	}
	if e.critical {
		r.must("freshestCRL is critical")
	}
	all, ok := readPoints(e.value)
	judgePoints(all, ok, "freshest distribution points", r)
	if c.extension(pki.OIDCRLDistributionPoints) == nil {
		r.should("a delta list is named, and not the base that it changes")
	}
}

// place reports whether a place is named for an access method.
func (c *certificate) place(method asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.access, func(a access) bool { return same(a.method, method) })
}

// webPlace reports whether one is named by an http or https URI.
func (c *certificate) webPlace(method asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.access, func(a access) bool { return same(a.method, method) && a.at.web() })
}

type access struct {
	method asn1.ObjectIdentifier
	at     generalName
}

func (c *certificate) readAccess() bool {
	e := c.extension(pki.OIDAuthorityInfoAccess)
	if e == nil {
		return true
	}
	list, ok := der.Whole(e.value, sequence)
	if !ok || list.Empty() {
		return false
	}
	for !list.Empty() {
		var body cryptobyte.String
		var a access
		if !list.ReadASN1(&body, sequence) || !readID(&body, &a.method) || !readGeneralName(&body, &a.at) || !body.Empty() {
			return false
		}
		c.access = append(c.access, a)
	}
	return true
}

func informationAccess(c *certificate, r *report) {
	e := c.extension(pki.OIDAuthorityInfoAccess)
	if e == nil {
		return
	}
	if e.critical {
		r.must("the authority information access is critical")
	}
	if !c.accessGood {
		r.must("the authority information access is malformed or empty")
	}
	for _, a := range c.access {
		if same(a.method, pki.OIDAccessCAIssuers) && a.at.tag == uriName && a.at.uri == noURI {
			r.must("the place of the issuer's certificate is not an absolute URI")
		}
	}
}

func responderPlace(c *certificate, r *report) {
	for _, a := range c.access {
		if same(a.method, pki.OIDAccessOCSP) && !a.at.web() {
			r.must("a responder is not named by an http or https URI")
		}
	}
}

func noRevocation(c *certificate, r *report) {
	e := c.extension(pki.OIDNoRevAvail)
	if e == nil {
		return
	}
	if e.critical {
		r.must("noRevAvail is critical")
	}
	if string(e.value) != "\x05\x00" {
		r.must("noRevAvail is not NULL")
	}
	if c.ca() {
		r.must("noRevAvail stands in the certificate of an authority")
	}
	for _, other := range []asn1.ObjectIdentifier{pki.OIDCRLDistributionPoints, pki.OIDFreshestCRL} {
		if c.extension(other) != nil {
			r.must("noRevAvail stands beside %s", other)
		}
	}
	if c.place(pki.OIDAccessOCSP) {
		r.must("noRevAvail stands beside the place of a responder")
	}
}

// unrevoked reports whether the certificate says that it will not be revoked.
func (c *certificate) unrevoked() bool {
	return c.extension(pki.OIDNoRevAvail) != nil || c.extension(pki.OIDValidityAssured) != nil || c.extension(pki.OIDOCSPNoCheck) != nil
}

func personDistributionPoints(c *certificate, r *report) {
	if !c.person() {
		return
	}
	if c.extension(pki.OIDCRLDistributionPoints) == nil {
		if !c.place(pki.OIDAccessOCSP) && !c.unrevoked() {
			r.must("neither distribution points nor a responder are named")
		}
		return
	}
	reachable := func(p point) bool {
		return slices.ContainsFunc(p.names, func(n generalName) bool {
			return n.web() || n.tag == uriName && strings.HasPrefix(strings.ToLower(n.value), "ldap://")
		})
	}
	if !slices.ContainsFunc(c.points, reachable) {
		r.must("no distribution point is an http or ldap URI")
	}
}

func personAccess(c *certificate, r *report) {
	if !c.person() || c.selfIssued() {
		return
	}
	if !c.webPlace(pki.OIDAccessCAIssuers) {
		r.must("the place of the issuer's certificate is not named by an http or https URI")
	}
	if c.extension(pki.OIDCRLDistributionPoints) == nil && !c.unrevoked() && !c.webPlace(pki.OIDAccessOCSP) {
		r.must("no CRL is named, and no responder")
	}
}

// web reports whether the name is an http or https URI with a host.
func (n generalName) web() bool { return n.tag == uriName && (n.uri == httpURI || n.uri == httpsURI) }

// shortTerm is the longest life of a short-term certificate: the time within
// which a revocation must take effect (ETSI EN 319 411-1, Section 6.3.9).
const shortTerm = 24 * time.Hour

func validityAssured(c *certificate, r *report) {
	e := c.extension(pki.OIDValidityAssured)
	if e == nil {
		return
	}
	if e.critical {
		r.must("the statement of assured validity is critical")
	}
	if string(e.value) != "\x05\x00" {
		r.must("the statement of assured validity is not NULL")
	}
	if c.notBefore.ok && c.notAfter.ok && c.lifetime() > shortTerm {
		r.must("validity is assured for more than %v", shortTerm)
	}
}
