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
// wish; once the application is approved a second person, an officer, has to
// confirm either. Whatever is not in that table is answered 409 with what is
// legal. The certificates of an application are issued all or none. One that
// nobody gets, because the application ended, is void: it is revoked before
// anything else happens to the application.
//
// Only certificates that came from an application of this office are suspended,
// restored and revoked here. A request in the right of a court or an
// organisation names the document that asks for it, and a court's needs two
// persons, as the centre's own restorations and revocations do.
//
// It refuses: staff handling their own case, one person doing what needs two,
// a second open application of one person in one category, a request by
// telephone for anything but a suspension, a revocation in the holder's name
// that does not say what it rests on. An action that cannot be written to the
// audit log does not happen, and neither does a look into a case.
//
// Every POST may bear an Idempotency-Key. A repetition waits for the request
// that it repeats, changes nothing and is answered from the case.
//
// Case files are JSON documents that the [Store] seals. Names, FİN, VÖEN,
// e-mail and telephone number are in them, in the answers to the staff, and
// nowhere else: not in URLs, logs, audit lines, metrics or error texts.
package ra
