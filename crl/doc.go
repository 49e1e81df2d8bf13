// Package crl makes, publishes and reads certificate revocation lists (RFC
// 5280, Section 5; RFC 2585, Section 3).
//
// A [Publisher] keeps the lists of each issuing authority: one about all its
// certificates that are revoked or held, further ones that share the
// certificates out by serial number, and to each a delta list. All lists of a
// round have one number, a position of the register's journal. It publishes
// complete lists at the start when there is none or it is old, then
// [Config.Delay] after each change and otherwise every [Config.Interval], and
// delta lists as their own delay and interval say. Lists that another authority
// signs may be about several (joint.go).
//
// The life of a list:
//
//	follow.go    the journal tells of a change, or the interval is over
//	publish.go   the source numbers the round
//	round.go     entries come from the list before and what the journal says
//	             since, or from the register's table, compared with both
//	draft.go     they are written to a file as they come, behind a gap for what
//	             stands before them; an entry that cannot be encoded is refused
//	sign.go      a throw-away key signs a sample that is linted; every octet is
//	             read back, judged and hashed; an audit line is written; the
//	             authority's key signs the hash
//	store.go     the file replaces the old one: whole, on the disk, never by a
//	             lower number; archive.go keeps it under its number, too
//	http.go      from now on GET and HEAD answer with it, from the disk; what
//	             is removed or written to there is noticed and made anew
//	mirror.go    and each mirror, such as a bucket, gets it, too
//
// Memory does not grow with a list: where a key signs messages and not hashes
// (Ed25519), the file is mapped.
//
// A [Puller] is a mirror without a key: it fetches lists, verifies and
// publishes them. A [Reader] reads any list as it comes in, a [Set] keeps one
// for look-ups and combines complete and delta lists, and a [Single] is made by
// hand.
//
// The package refuses to sign a list that its lint rejects or that the audit
// log did not take; to publish a number that is not greater than the published
// one or than those in the archive, or anything while the register's table and
// its journal contradict each other; to serve a file that is not as it was
// published, or a delta list for a complete one; to start over a file that
// another authority signed; and to read what is not DER. While the source, the
// log, the key or the disk fails it goes on serving the last list and tries
// again. One publisher writes to a folder; any number of web servers may read it.
package crl
