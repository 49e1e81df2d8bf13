// Package audit keeps the tamper-evident log of what the servers did, and
// through it makes the register's journal tamper-evident too.
//
// The log is a file of JSON lines. Most are entries; between them stand
// checkpoints:
//
//	{"seq":2,"time":"2026-11-22T10:00:00.000001Z","action":"ca.issue","attrs":{"serial":"1f"},"prev":"9c1e..."}
//	{"checkpoint":"pki.example/audit\n2\nCsUY...=\n\n— pki.example/audit Az3g...=\n","edge":["CsUY...="]}
//
// An entry holds the SHA-256 hash of the line before it, so that sha256sum
// alone finds where a log was changed. The entries' lines are also the leaves
// of a Merkle tree (RFC 6962, Section 2.1), and a checkpoint is the signed
// root of the tree of all entries before it: a signed note of
// c2sp.org/tlog-checkpoint, which other people's tools read. Whoever has the
// public key finds any octet that was altered before a checkpoint, without the
// network and without trust in whoever keeps the log. What no log can show of
// itself is that its end was cut off, or that its keeper signed two of them:
// for that, checkpoints are kept elsewhere, best with the signature of a
// partner who watches that each goes on from the one before.
//
// An entry is on the disk before [Log.Append] returns. Where that cannot be
// had, Append fails: whoever audits an action must not carry it out when Append
// returns an error. An entry thus says that an action was about to happen. A
// full disk is tried again with the next entry; after a flush that failed, the
// log stays failed until it is opened anew, since nobody knows what is on the
// disk. Nor are entries taken when too many of them, or too old ones, wait for
// a checkpoint that the key does not sign. The package refuses a log that
// another process has open, one that its group or the world may write, one
// whose end does not chain, and one that another key signed: a new key begins a
// new log, under a new origin.
//
// Writing: line.go encodes an entry and links it to the line before; log.go
// gathers the entries that wait while the disk is busy, writes and flushes
// them at once, and lets all their appenders go; seal.go says when a
// checkpoint goes with them; tree.go grows the Merkle tree; checkpoint.go and
// key.go make and read signed checkpoints. journal.go follows the register's
// journal and writes the hash of each of its entries, certificates and tickets
// into the log; intent.go does so for what is reserved and not signed. Positions
// of followers are bookmarks and in no hash: one that is moved makes work again,
// or leaves a gap that the next check finds.
//
// Reading: scan.go holds each line to those before; tail.go opens a log from
// its last checkpoint and cuts off a line that a crash left without its
// newline, which no Append can have acknowledged; verify.go checks a whole
// log, and replay.go reads back one that is open; proof.go proves one entry, or
// that a log went on, in a file of a few hundred octets; witness.go signs for a
// partner's log.
package audit
