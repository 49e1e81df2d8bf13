// Package lint holds certificates to the requirements that a relying party may
// make, by the ids of the project's catalogue: one function per id.
//
// It adds to the general linters what they lack for a national centre: the
// identifiers and subjects of EN 319 412-1 to -3, the rules of EN 319 412-2 on
// where status and issuer are found, statements of qualified certificates
// outside the European Union, short-lived certificates, the certificates of
// responders and time-stamping units, TS 119 312 strengths, and the numbers of
// Azerbaijan with their check digits. It repeats the rules of RFC 5280, too, on
// the raw octets, so that a certificate can be judged with nothing else.
//
// It looks at one certificate, and at its issuer's when that is known. It does
// not verify signatures, fetch anything or look at a clock, and so gives the
// same answer for ever. All lints together take about eight microseconds.
//
// The life of a certificate in it:
//
//	certificate.go  parse strictly, keep raw octets; what fails here is CERT-28
//	identifier.go   object identifiers, name.go the names
//	lint.go         run every lint over the parsed certificate
//	envelope.go     CERT-01 to CERT-09, CERT-28: what surrounds the extensions
//	extension.go    CERT-10 to CERT-16, CERT-19 to CERT-22, CERT-30
//	altname.go      CERT-17, CERT-18
//	status.go       CERT-23 to CERT-27, CERT-39, CERT-40, CERT-46
//	holder.go       CERT-32 to CERT-38: persons and their issuers
//	qualified.go    CERT-41 to CERT-45
//	key.go          CERT-14, CERT-29, CERT-47
//	service.go      OCSP-12, OCSP-13, TSA-09, TSA-10
package lint

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Level says how binding a requirement is.
type Level string

// The levels of the catalogue.
const (
	Must   Level = "must"
	Should Level = "should"
)

// Finding is one requirement that a certificate does not meet.
type Finding struct {
	// ID is the requirement's, such as CERT-34.
	ID string `json:"id"`
	// Clause is where it stands.
	Clause string `json:"clause"`
	Level  Level  `json:"level"`
	// Detail says what is wrong. It names no person: values of a subject stay
	// out.
	Detail string `json:"detail"`
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s (%s)", f.ID, f.Detail, f.Clause) }

// Lint is one requirement.
type Lint struct {
	ID     string
	Clause string
	// Title is the requirement in a few words.
	Title string
	check func(*certificate, *report)
}

// lints are all requirements in the order of the catalogue.
var lints = slices.Concat(envelopeLints, extensionLints, nameLints, statusLints, holderLints, qualifiedLints, keyLints, serviceLints)

// Lints returns every requirement that [Certificate] holds certificates to.
func Lints() []Lint { return slices.Clone(lints) }

// report takes what one lint finds.
type report struct {
	lint     *Lint
	findings []Finding
}

func (r *report) must(format string, args ...any)   { r.add(Must, format, args...) }
func (r *report) should(format string, args ...any) { r.add(Should, format, args...) }

func (r *report) add(level Level, format string, args ...any) {
	r.findings = append(r.findings, Finding{ID: r.lint.ID, Clause: r.lint.Clause, Level: level, Detail: fmt.Sprintf(format, args...)})
}

// Certificate returns what a DER certificate does not meet, nil when it meets
// everything. issuer is the certificate of the authority that issued it; nil
// when that is not known or the certificate is self-signed, and then the rules
// that compare the two are left out.
func Certificate(der []byte, issuer *x509.Certificate) []Finding {
	_, findings := Read(der, issuer)
	return findings
}

// Fields are what certificates of one profile and issuer differ in, as this
// package reads it. Slices alias the certificate.
type Fields struct {
	// ToBeSigned, Issuer, Subject and PublicKey are elements with their headers.
	ToBeSigned, Issuer, Subject, PublicKey []byte
	// Serial is the contents of the INTEGER.
	Serial              []byte
	NotBefore, NotAfter time.Time
	// KeyID is the subject key identifier, nil without one.
	KeyID []byte
}

// Read is [Certificate], and returns the fields that it judged, so that who has
// encoded the certificate can hold them to what was meant. With findings they
// mean nothing.
func Read(der []byte, issuer *x509.Certificate) (Fields, []Finding) {
	parsed := idle.Get().(*certificate)
	defer idle.Put(parsed)
	if fault := parsed.parse(der); fault != "" {
		return Fields{}, []Finding{{ID: "CERT-28", Clause: clauseDER, Level: Must, Detail: fault}}
	}
	parsed.parent = issuer
	var r report
	for i := range lints {
		r.lint = &lints[i]
		lints[i].check(parsed, &r)
	}
	return parsed.fields(), r.findings
}
