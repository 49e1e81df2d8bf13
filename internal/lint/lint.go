// Package lint judges certificates and revocation lists before the real key
// signs them. It runs zlint with the lints of the standards that this module
// keeps: RFC 5280, RFC 5480, RFC 8813 and the ETSI ones. It is the only
// importer of zlint.
//
// Errors and warnings both refuse; notices do not.
//
// [Certificate] takes several times as long as a signature. The authority runs it
// once a day for certificates that differ in nothing that a lint could tell, see
// [Shape]. What zlint then no longer sees before the key signs, in all but the
// first of a shape, are the values of those few fields; our own lints
// (internal/pki/lint) and the authority judge them in every certificate: the
// serial number (CERT-03), the types, bounds and characters of names (CERT-04)
// and the identifiers in them (CERT-34), the times (CERT-06, CERT-07), the key
// (CERT-47; its point when it is encoded), the key identifier by comparison. A lint
// of zlint that would look at one of these values beyond its form, as a newer
// version may, has to be held against [Shape]; `altamga ca relint` runs zlint over
// everything that was issued.
package lint

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"

	zcrypto "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

// Error says which lints an object broke.
type Error struct {
	// Lints are the names that zlint gives them, in alphabetical order.
	Lints []string
}

func (e *Error) Error() string { return "lints refuse it: " + strings.Join(e.Lints, ", ") }

// exceptions are lints that do not fit what this module issues.
var exceptions = []string{
	// Wants every QcType to be that of a web site. There are three types, and
	// a person's signature is another one (ETSI EN 319 412-5, Section 4.2.3).
	"w_qcstatem_qctype_web",
}

// standards selects the lints once; they do not depend on what is judged.
var standards = sync.OnceValues(func() (lint.Registry, error) {
	return lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC8813, lint.EtsiEsi},
		ExcludeNames:   exceptions,
	})
})

// Certificate returns an [*Error] when a lint refuses the certificate. Its
// signature is not looked at.
func Certificate(certificate *x509.Certificate) error {
	registry, err := standards()
	if err != nil {
		return fmt.Errorf("selecting lints: %w", err)
	}
	parsed, err := zcrypto.ParseCertificate(certificate.Raw)
	if err != nil {
		return fmt.Errorf("parsing certificate for lints: %w", err)
	}
	return judge(zlint.LintCertificateEx(parsed, registry))
}

// CRL returns an [*Error] when a lint refuses the list. Its signature is not
// looked at.
func CRL(list *x509.RevocationList) error {
	registry, err := standards()
	if err != nil {
		return fmt.Errorf("selecting lints: %w", err)
	}
	parsed, err := zcrypto.ParseRevocationList(list.Raw)
	if err != nil {
		return fmt.Errorf("parsing revocation list for lints: %w", err)
	}
	return judge(zlint.LintRevocationListEx(parsed, registry))
}

func judge(results *zlint.ResultSet) error {
	var broken []string
	for name, result := range results.Results {
		if result.Status == lint.Error || result.Status == lint.Fatal || result.Status == lint.Warn {
			broken = append(broken, name)
		}
	}
	if len(broken) == 0 {
		return nil
	}
	slices.Sort(broken)
	return &Error{Lints: broken}
}
