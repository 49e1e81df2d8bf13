package ca

import (
	"slices"

	"github.com/altamga/altamga/internal/pki"
)

// has reports whether the profile's subject has the attribute.
func (p *Profile) has(attribute string) bool {
	return slices.ContainsFunc(p.Subject, func(r SubjectRule) bool { return r.Attribute == attribute })
}

// always reports whether every certificate of the profile has the attribute.
func (p *Profile) always(attribute string) bool {
	return slices.ContainsFunc(p.Subject, func(r SubjectRule) bool {
		return r.Attribute == attribute && (r.Required || r.Value != "" || r.Default != "")
	})
}

// natural reports whether the profile is for natural persons.
func (p *Profile) natural() bool {
	return !p.CA && (p.has("surname") || p.has("givenName") || p.has("pseudonym") || p.QC != nil && p.QC.Type == "esign")
}

// legal reports whether the profile is for legal persons that sign as such.
// Services that only name their operator are not meant.
func (p *Profile) legal() bool {
	return !p.CA && !p.natural() && p.QC != nil && (p.QC.Type == "eseal" || p.QC.Semantics == "legal")
}

func (p *Profile) person() bool { return p.natural() || p.legal() }

// checkHolder checks that subject, statements and policies speak of one kind of
// holder.
func (p *Profile) checkHolder() (faults []fault) {
	add := func(key, detail string) { faults = append(faults, fault{key: key, detail: detail}) }
	switch {
	case p.natural():
		// ETSI EN 319 412-2, Section 4.2.4.
		for _, attribute := range []string{"C", "CN", "serialNumber"} {
			if !p.always(attribute) {
				add("subject", "a natural person always has "+attribute+" (ETSI EN 319 412-2, Section 4.2.4)")
			}
		}
		if !p.always("pseudonym") && !(p.always("surname") && p.always("givenName")) {
			add("subject", "a natural person always has surname and givenName, or a pseudonym (ETSI EN 319 412-2, Section 4.2.4)")
		}
	case p.legal():
		// ETSI EN 319 412-3, Section 4.2.1.
		for _, attribute := range []string{"C", "O", "organizationIdentifier", "CN"} {
			if !p.always(attribute) {
				add("subject", "a legal person always has "+attribute+" (ETSI EN 319 412-3, Section 4.2.1)")
			}
		}
	}
	if p.QC == nil {
		return faults
	}
	switch {
	case p.QC.Type == "eseal" && p.natural():
		add("qc.type", "a seal is a legal person's, and the subject is a natural one (ETSI EN 319 412-5, Section 4.2.3)")
	case p.QC.Type == "web" && !slices.Contains(p.ExtKeyUsage, "serverAuth"):
		add("qc.type", "web is for certificates with serverAuth (ETSI EN 319 412-5, Section 4.2.3)")
	}
	identified := func(attribute string) bool {
		return slices.ContainsFunc(p.Subject, func(r SubjectRule) bool { return r.Attribute == attribute && r.Identifier != "" })
	}
	switch {
	case p.QC.Semantics == "natural" && !identified("serialNumber"):
		add("qc.semantics", "natural explains a serialNumber that the profile has no identifier for ("+clauseNatural+")")
	case p.QC.Semantics == "legal" && !identified("organizationIdentifier"):
		add("qc.semantics", "legal explains an organizationIdentifier that the profile has no identifier for ("+clauseLegal+")")
	}
	// ETSI EN 319 412-5, Section 4.2.4: the law is that of the centre's country.
	if country := p.country(); p.QC.Compliance && country != "" && len(p.QC.Legislation) > 0 && !slices.Contains(p.QC.Legislation, country) {
		add("qc.legislation", "the holder's certificate is of "+country+", whose law is not among those that make it qualified (ETSI EN 319 412-5, Section 4.2.4)")
	}
	return append(faults, p.checkQualifiedPolicies()...)
}

// qualifiedPolicies are the policies of ETSI EN 319 411-2, Section 5.3, with the
// QcType and QcSSCD that each goes with. They are those of the European Union's
// law; a centre outside it has policies of its own, but may state equivalence.
var qualifiedPolicies = []struct {
	dotted, kind string
	device       bool
}{
	{"0.4.0.194112.1.0", "esign", false},
	{"0.4.0.194112.1.1", "eseal", false},
	{"0.4.0.194112.1.2", "esign", true},
	{"0.4.0.194112.1.3", "eseal", true},
	{"0.4.0.194112.1.4", "web", false},
}

// checkQualifiedPolicies checks that the policies of EN 319 411-2 fit the
// statements.
func (p *Profile) checkQualifiedPolicies() (faults []fault) {
	for _, policy := range qualifiedPolicies {
		if !slices.Contains(p.Policies, policy.dotted) {
			continue
		}
		if p.QC.Type != policy.kind || p.QC.SSCD != policy.device || !p.QC.Compliance {
			faults = append(faults, fault{key: "policies", detail: policy.dotted + " does not go with qc.compliance, qc.type and qc.sscd (ETSI EN 319 412-2, Section 5.2)"})
		}
	}
	return faults
}

// issuedIn says what is wrong when an issuer of the given countries uses the
// profile, "" for nothing.
//
// ETSI EN 319 412-5, Section 4.2.4: what makes a certificate qualified is the
// law that its issuer is under.
func (p *Profile) issuedIn(countries []string) string {
	if p.QC == nil || !p.QC.Compliance || len(countries) == 0 {
		return ""
	}
	for _, country := range countries {
		if pki.IsCountry(country) && slices.Contains(p.QC.Legislation, country) {
			return ""
		}
	}
	return "states a law that the issuer is not under (ETSI EN 319 412-5, Section 4.2.4)"
}
