// Package conformance judges OCSP responders, distribution points, time-stamping
// authorities, EST servers, trust lists and certificates, ours or anybody's,
// from outside: over the wire or out of files, by the clauses of their
// standards, with the octets that each verdict rests on.
//
// It has one function per requirement, one file per standard, and knows nothing
// of how our own servers are made: it does not import them. Each requirement
// passes, fails, does not apply or could not be tested; what a server does not
// answer, or answers too late, too long or at another place, could not be tested
// and never passes.
//
// Trust lists are read by whoever [Config] has for it; what is found is judged
// here by clause.
//
// It refuses to follow redirects, to decode content-codings, to read past its
// limits, and to fetch a URL that it found in a certificate unless the address
// policy lets it ([Follow]).
//
// The life of a run:
//
//	tester.go       a Tester takes targets: certificates, URLs, files
//	requirement.go  the checks of each kind of subject, from rfc*.go, en*.go
//	                and ts*.go
//	trial.go        each check on its way to a verdict; malformed.go has hostile ones
//	responder.go    the subjects ask once and remember: responder, lists,
//	                authority, holder, request, enrolment, trust list; change.go
//	                and hold.go ask each source.go on until it knows of a
//	                revocation, a hold and its end; load.go, with consent, asks
//	                much
//	client.go       each question is one bounded exchange; address.go says where to
//	ocspresponse.go answers are read without trust: ocspresponse.go,
//	                revocationlist.go, token.go, certificate.go
//	country.go      rules of a country, as data, beside the catalogue
//	report.go       what came of it: text.go, junit.go, html.go and JSON; seal.go
//	                has it time-stamped
package conformance
