// Package ca is the certification authority: it decides whether a certificate
// may be issued, builds it, signs it, and records it and every later change of
// its status in the register.
//
// It refuses everything that a profile does not allow: unknown profiles (there
// is no default one), subject attributes and extensions that the profile does
// not name, requests whose signature fails, weak keys, keys of its own issuers
// and keys that were revoked before. Nothing is signed by an issuer's key that
// the lints reject, and nothing without an audit line and a durable intent.
//
// The life of a request:
//
//	door.go      who may come in, and how often (limit.go): one rule for every protocol
//	http.go      authenticate the client, read the JSON, answer repeats
//	access.go    who needs a second person
//	standing.go  what the register said of a certificate a moment ago
//	pending.go   what waits for the second person; carry.go does it
//	request.go   check the certification request and its key (key.go)
//	profile.go   find the profile; rules.go and holder.go checked it when it was loaded
//	subject.go   build the subject; san.go the alternative names; cross.go another authority's
//	tbs.go       build the to-be-signed bytes (extension.go, qc.go, constraint.go)
//	judge.go     put a throw-away signature to it, lint, compare what was read with what was meant
//	prepare.go   all of this in order, then make the intent durable, unless what
//	             the key was certified for before (history.go) speaks against it
//	issue.go     redeem the token: audit, compare, sign, verify; set.go for several at once
//	record.go    record what was signed, also over an outage of the register
//	resume.go    go on with an intent whose process ended
//	change.go    hold, release, revoke: a journal entry each
//	renew.go     the successor of one of the suite's own TLS certificates
//	feed.go      the journal for followers; snapshot.go what they begin with
//	reconcile.go account for every serial after a crash
//
// Clients of other protocols (ca/cfssl, ca/est) come in by wish.go, what their
// request asks for; grant.go, what they may have of it; approval.go, what waits
// for a person; and renewal.go.
//
// The standards are RFC 5280 and ETSI EN 319 412; each rule is cited above the
// line that enforces it.
package ca
