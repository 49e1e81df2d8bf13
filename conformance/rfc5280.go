package conformance

import (
	"errors"
	"strings"

	"github.com/altamga/altamga/internal/pki/lint"
)

// What RFC 5280 says of certificates: the lints of the ground floor,
// which issuing obeys too, and the signature, which they do not look at.
var rfc5280 = append(linting(func(l lint.Lint) bool { return strings.HasPrefix(l.Clause, "RFC 5280") }),
	check[*holder]{"CERT-49", "RFC 5280, Section 6.1.3", Must, "the certificate is signed by its issuer's key", "verify it with the issuer's certificate", anywhere, signedByIssuer})

// otherCertificate are the lints of the standards around RFC 5280, by their
// clauses, and a second linter's opinion.
var otherCertificate = append(linting(func(l lint.Lint) bool {
	return !strings.HasPrefix(l.Clause, "RFC 5280") && !strings.HasPrefix(l.Clause, "ETSI")
}), check[*holder]{"ZLINT", "zlint v3, lints of RFC 5280 and ETSI", Must, "zlint finds nothing", "ask zlint", anywhere, secondOpinion})

func signedByIssuer(t *trial, h *holder) {
	t.saw(h.x)
	switch {
	case h.parsed == nil:
		t.couldNot("%v", errNoCertificate)
	case h.issuer == nil && !h.parsed.selfIssued():
		t.couldNot("the issuer's certificate is needed: name it with --issuer")
	case h.issuer == nil || h.parsed.selfIssued():
		t.judge("the certificate, by its own key", h.parsed.signed(h.parsed.algorithm, h.parsed.tbs, h.parsed.signature))
	default:
		if string(h.parsed.issuer) != string(h.issuer.subject) {
			t.fail("its issuer's name is not that of the certificate given as its issuer")
		}
		t.judge("the certificate", h.issuer.signed(h.parsed.algorithm, h.parsed.tbs, h.parsed.signature))
	}
}

func secondOpinion(t *trial, h *holder) {
	t.saw(h.x)
	switch {
	case h.second == nil:
		t.skip("no second linter is plugged in")
	case h.parsed == nil || h.parsed.std == nil:
		t.skip("crypto/x509 does not read the certificate, and so zlint is not asked")
	case h.parsed.foreign() != "":
		t.skip("foreign algorithm: %s", h.parsed.foreign())
	}
	if err := h.second(h.parsed.std); err != nil {
		var several interface{ Unwrap() []error }
		if errors.As(err, &several) {
			for _, one := range several.Unwrap() {
				t.fail("%v", one)
			}
			return
		}
		t.fail("%v", err)
	}
}
