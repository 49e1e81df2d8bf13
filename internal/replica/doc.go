// Package replica keeps what a responder apart from the certification authority
// has to know: the statuses of certificates by serial number, of what kind they
// are, which it counts its answers by, and how far into the authority's journal
// they reach. It holds no certificate and nothing personal, and needs no account
// on the authority's database: a host in a DMZ is given the right to read the
// journal, and no other.
//
// The life of a replica:
//
//	store.go     a SQLite file, made by an explicit command and never by a server that misses it
//	snapshot.go  a signed file of all statuses at one position, so that a replica need not fold years of journal
//	load.go      takes a snapshot over, whole or not at all, once its signature has proven right
//	follow.go    reads the journal from the position on, page by page, and waits for news
//	fold.go      folds a page by the rules of internal/journal; position and statuses are one commit
//	status.go    answers what a certificate's status is, and as of when that is certain
//	standings.go lists them, for who makes answers ahead of requests
//	ready.go     tells how far behind the replica may be, and what is in the way
//
// What it refuses: a journal that is not the one it has followed. Every page is
// asked for from the last entry that was folded, which the page must repeat:
// an authority that was restored from a backup, or another one, has something
// else at that position or nothing at all, and a page that leaves an entry out
// or contradicts the fold cannot be told from those. Then nothing more is folded,
// [ErrContradiction] is logged and shown by [Replica.Ready] until the journal is
// what it was, and what was known goes on being told as of when it was certain.
//
// The replica never says more than it knows. A status is certain as of the
// moment at which the journal was last asked and read to its end; that moment
// stands still while the authority cannot be reached, and outlives a restart.
// A responder that makes it thisUpdate and adds its validity (RFC 6960, Section
// 4.2.2.1) thereby goes on for exactly that long without the authority, and
// stops claiming that certificates are good by itself.
package replica
