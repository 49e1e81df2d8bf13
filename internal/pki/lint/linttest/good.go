package linttest

import (
	"crypto/x509"
	"slices"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/pki/lint"
)

// Certificate is one to be judged, with the issuer's as far as lints look at it.
type Certificate struct {
	Name   string
	DER    []byte
	Parent *x509.Certificate
}

// Fault is one planted fault: a sound certificate, the same one with the fault,
// and the requirement that finds it.
type Fault struct {
	ID, Name      string
	Level         lint.Level
	Sound, Spoilt Certificate
	// Holder says that the fault is in what names a person.
	Holder bool
}

func (c *template) certificate(name string) Certificate {
	return Certificate{Name: name, DER: c.der(), Parent: c.parent}
}

// Faults returns every planted fault.
func Faults() (all []Fault) {
	for _, f := range slices.Concat(envelopeFaults, extensionFaults, nameFaults, statusFaults, holderFaults, qualifiedFaults, keyFaults, serviceFaults) {
		sound, spoilt := f.in(), f.in()
		f.plant(spoilt)
		level := f.level
		if level == "" {
			level = lint.Must
		}
		inHolder := slices.ContainsFunc(holderFaults, func(h fault) bool { return h.id == f.id })
		all = append(all, Fault{ID: f.id, Name: f.name, Level: level, Sound: sound.certificate(f.name), Spoilt: spoilt.certificate(f.name), Holder: inHolder})
	}
	return all
}

// Citizen returns a citizen's certificate that nothing is wrong with.
func Citizen() Certificate { return citizen().certificate("citizen") }

// Good returns certificates that nothing is wrong with: one of each kind.
func Good() (all []Certificate) {
	for name, build := range good {
		all = append(all, build().certificate(name))
	}
	return all
}

// Forms returns certificates in forms that are rarer and as good.
func Forms() (all []Certificate) {
	for _, row := range forms {
		c := row.in()
		row.plant(c)
		all = append(all, c.certificate(row.name))
	}
	return all
}

// fault is one row of the tables: the good certificate that it is planted in,
// and the requirement that finds it.
type fault struct {
	id, name string
	in       func() *template
	plant    func(*template)
	level    lint.Level
}

// forms are rows without a fault.
var forms = []struct {
	name  string
	in    func() *template
	plant func(*template)
}{
	{"RSASSA-PSS over an RSA key", rsaCitizen, func(*template) {}},
	{"CERT-06 GeneralizedTime from 2050 on", authority, func(c *template) { c.notAfter = text(0x18, "20511122095959Z") }},
	{"CERT-11 self-signed without an authority key identifier", authority, func(c *template) {
		c.subject, c.parent = c.issuer, nil
		c.without(pki.OIDAuthorityKeyIdentifier)
	}},
	{"CERT-33 pseudonym in place of a name", citizen, named("C", "AZ", "pseudonym", "p", "serialNumber", "PNOAZ-1ABC2D3", "CN", "p")},
	{"CERT-34 passport", citizen, person("PASTR-U12345678")},
	{"CERT-34 entrepreneur by VÖEN", citizen, person("TINAZ-1400057422")},
	{"CERT-34 virtual PIN that an authority explains", citizen, func(c *template) {
		person("VP:AZ-A1B2C3")(c)
		c.restate(pki.OIDQCSyntaxV2, statementOf(pki.OIDQCSyntaxV2, seq(oid(pki.OIDSemanticsNatural), seq(text(uri, "https://a.example/")))))
	}},
	{"CERT-34 LEI", seal, organisation("LEIXG-529900T8BM49AURSDO55")},
	{"CERT-39 OCSP alone", citizen, func(c *template) { c.without(pki.OIDCRLDistributionPoints); c.without(pki.OIDFreshestCRL) }},
	{"CERT-43 qualified in the European Union", citizen, func(c *template) {
		c.issuer = dn("C", "EE", "O", "x", "CN", "y")
		c.parent = nil
		c.restate(pki.OIDQCCLegislation, nil)
	}},
	{"CERT-45 policy of a device with QcSSCD", citizen, func(c *template) { c.with(pki.OIDCertificatePolicies, false, policiesOf(policy, qcpNQSCD)) }},
}
