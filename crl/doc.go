// Package crl builds certificate revocation lists (RFC 5280, Section 5) and
// publishes them over HTTP (RFC 2585, Section 3) and as files.
//
// A [Publisher] keeps one complete list for each issuing authority: all
// certificates of the authority that are revoked or held. It publishes a list
// at the start when there is none, it is old or it misses a change, then
// [Config.Delay] after each change and otherwise every [Config.Interval].
//
// The life of a list:
//
//	follow.go    the journal tells of a change, or the interval is over
//	publish.go   the source numbers the list and gives its entries at one moment
//	build.go     the TBSCertList is encoded, or an entry that cannot be is refused
//	sign.go      a throw-away key signs it and the result is linted; an audit line
//	             is written; the authority's key signs the same octets
//	store.go     the file is replaced: whole, on the disk, never by a lower number
//	http.go      from now on GET and HEAD answer with the new octets from memory
//
// The package refuses to sign a list that its lint rejects or that the audit
// log did not take, to publish a number that is not greater than the published
// one, and to start over a file that another authority signed. While the
// source, the log or the key fails it goes on serving the last list and tries
// again. One publisher writes to a folder; any number of web servers may read
// it.
//
// Delta and partitioned lists are not made here yet.
package crl
