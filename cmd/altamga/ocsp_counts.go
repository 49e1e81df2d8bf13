package main

import "github.com/altamga/altamga/ocsp"

// ocspClasses are the kinds of certificates that answers are counted by, as the
// statistics of a country need them: the number is the answer's class, a profile
// decides it, and nothing of the holder is in it. Number 0 is what no profile
// here names.
//
// The numbers stand beside answers in Redis: a new class is added at the end.
var ocspClasses = [...]struct{ profile, holder, kind string }{
	{"", "other", "other"},
	{"citizen-signature", "citizen", "signature"},
	{"citizen-authentication", "citizen", "authentication"},
	{"tsa-signer", "centre", "time_stamp"},
	{"ocsp-signer", "centre", "ocsp"},
	{"issuing", "centre", "authority"},
	{"policy", "centre", "authority"},
	{"mobile-authentication", "citizen", "authentication"},
	{"short-term-signature", "citizen", "signature"},
	{"virtual-pin-signature", "citizen", "signature"},
	{"virtual-pin-authentication", "citizen", "authentication"},
	{"entrepreneur-signature", "entrepreneur", "signature"},
	{"entrepreneur-authentication", "entrepreneur", "authentication"},
	{"legal-person-signature", "legal_person", "signature"},
	{"legal-person-authentication", "legal_person", "authentication"},
	{"seal-right", "legal_person", "seal"},
	{"organisation-seal", "legal_person", "seal"},
	{"government-signature", "government", "signature"},
	{"government-authentication", "government", "authentication"},
	{"non-resident-signature", "non_resident", "signature"},
	{"non-resident-authentication", "non_resident", "authentication"},
	{"ocsp-signer-offline", "centre", "ocsp"},
	{"trust-list-signer", "centre", "trust_list"},
	{"cross", "centre", "authority"},
	{"link", "centre", "authority"},
	{"suite-server", "centre", "tls"},
	{"suite-client", "centre", "tls"},
	{"package-signer", "centre", "package"},
	{"crl-signer", "centre", "crl"},
}

// ocspClass returns the class of a profile's certificates.
func ocspClass(profile string) uint8 {
	for class, known := range ocspClasses {
		if known.profile == profile {
			return uint8(class)
		}
	}
	return 0
}

// ocspCounts publishes how many answers were given about each kind.
func (p *process) ocspCounts(responder *ocsp.Responder) {
	for class, known := range ocspClasses {
		p.admin.Gauge("ocsp", "ocsp_answers", "Answers given since the start, by the holder's category and the certificate's kind.", func() float64 {
			return float64(responder.Counts()[uint8(class)])
		}, "holder", known.holder, "kind", known.kind, "profile", known.profile)
	}
}
