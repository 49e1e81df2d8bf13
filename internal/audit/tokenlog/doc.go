// Package tokenlog is the time-stamping authority's journal: a record of every
// token, on the disk before the token is signed, in a Merkle tree whose root is
// signed every day and in between.
//
// A folder holds two files for each day (UTC) on which tokens were made:
//
//	2026-11-22.log    a header line, then records of 64 octets
//	2026-11-22.root   the day's last signed root: a checkpoint, and the tree's edge
//
// The records of all days are the leaves of one tree (RFC 6962, Section 2.1).
// The header says how many came before and which tree they made, so that a day
// is complete in itself: a proof that a token is in the journal needs its day's
// two files alone, and leads to a root that was signed for everything before it.
// A record that was altered, removed, added or moved behind the back of the key
// is found with the public key, and so is a day that is missing. What is made in
// the name of the authority's key elsewhere is not in the journal, which is what
// tells its tokens apart should that key ever be stolen.
//
// Writing: log.go gathers the records that come while the disk is busy or
// tokens are signed, and writes and flushes them at once; day.go begins and
// opens the files; root.go signs. A record costs its 64 octets and its share of
// a flush; nothing is looked up. A crash leaves records of tokens that were
// never sent, and never a token without its record; octets that no Append
// acknowledged are cut off when the journal is opened. A full disk is tried
// again; after a flush that failed the journal stays failed until it is opened
// anew.
//
// Reading: record.go is the form of a record; scan.go reads a day's file;
// verify.go holds the whole journal to its roots; prove.go proves one token.
package tokenlog
