// Package ra is the registration authority: it takes in applications for
// certificates, sees to it that no single person can have one issued, asks the
// certification authority for the certificates, and carries requests to
// suspend, restore and revoke them. It also serves the public page on which
// anybody checks a certificate.
//
// The life of an application:
//
//	an operator takes it in; every wrong field is named at once           submitted
//	an operator has seen the documents and the person's identity          verified
//	an officer, who is neither of them nor the applicant, approves        approved
//	the applicant's requests for signature come in; they are recorded
//	before the authority is asked, so that a crash or a lost answer in
//	between leads to the same certificates and never to a second pair     completed
//
// An officer rejects with a reason, an operator withdraws at the applicant's
// wish. Whatever is not in that table is answered 409 with what is legal.
//
// It refuses: staff handling their own case, one person doing what needs two,
// a second open application of one person in one category, a request by
// telephone for anything but a suspension. An action that cannot be written to
// the audit log does not happen.
//
// Case files are JSON documents that the [Store] seals. Names, FİN, VÖEN,
// e-mail and telephone number are in them, in the answers to the staff, and
// nowhere else: not in URLs, logs, audit lines, metrics or error texts.
package ra
