// Package interop reads, verifies, follows, authors and publishes trust lists
// (ETSI TS 119 612, and in JSON ETSI TS 119 602): the lists by which states tell
// one another which trust services they vouch for, since when, and until when
// they did.
//
// Versions 5 and 6 are read strictly by their schemas, and older ones that
// pivots and other regions still have; version 6 is written. A certificate
// that no library understands is carried as it is: a list is never refused for
// what it vouches for, and nothing of it is lost when it is written again.
//
// What it refuses: a list that is not signed, signed twice, or by anybody but
// the signers that were pinned; one that is not whole, was issued in the
// future, is past its next update, or is older than the one in force; one of
// another territory than its pointer says; addresses inside of lists that are
// not public. The last good list then stays in force, and its age is shown.
// Revocation of signers is not looked at: lists end a signer by not naming it
// any more.
//
// The life of a list that others publish:
//
//	fetch.go            http and https only, no address that is not public
//	verify.go           internal/xmlsec: the signature, by a pinned signer
//	read.go             the octets that were signed, strictly by the schema
//	lote.go, loteread.go, lotewrite.go   the same in JSON: internal/jose, and its schema
//	pivot.go            signers that changed since they were pinned
//	follow.go, keep.go  a list of lists and where it leads; the last good ones kept
//	recognise.go        what it says in a partner's words counts here as: by the agreement
//	trust.go            TrustedAt: which service vouches for a certificate, and why
//
// of a partner, until its people are recognised here:
//
//	material.go         what it handed over: certificates in any form, or its list
//	partner.go          the record of it: proposed → tested → accepted → published → suspended
//	partnertest.go      its list verifies, and samples of its certificates are recognised
//	partnerdesk.go      one officer proposes, another one accepts exactly that
//	partnerplan.go      the next list leads to it, or names its authorities
//
// and of the one that we publish:
//
//	plan.go             what its operator wants it to say, and the list before: the next list
//	lint.go, diff.go    the rules of the standard; what changes, for people
//	desk.go             one officer prepares, another one signs exactly that
//	draft.go            what is prepared and signed, on its way
//	deed.go             the audit log, which is believed where the folder is not
//	write.go, page.go   XML, and pages in Azerbaijani, English, Russian and Turkish
//	release.go, http.go list, hash and pages before the public at once
//	served.go           the newest list that was, so that no start goes back
package interop
