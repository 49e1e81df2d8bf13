// Package register keeps the certificate register and its journal: the one
// truth of the suite.
//
// The register holds every serial number that was ever reserved, what was to
// be signed under it, the certificate that came of it, and the certificate's
// status. The journal beside it holds every entry that led there, numbered
// from 1 without gaps. An entry and the status that it leads to are written in
// one transaction.
//
// The life of a write:
//
//  1. A method checks what can be checked without the store and hands the
//     write to the store's one writer.
//  2. The writer gathers all writes that wait, up to a bound, and opens one
//     transaction for them. It takes the lock that keeps other processes out,
//     and reads the journal's head under it.
//  3. Each write runs in a savepoint. One that is refused is rolled back to it
//     and uses no position; the others do not notice.
//  4. One commit, flushed to the disk, carries them all.
//  5. Only then are they answered, and the followers woken.
//
// Reads go through connections of their own, see the last commit, and never
// wait for the writer.
//
// It refuses: a serial that was ever reserved; a certificate whose
// to-be-signed part is not the reserved one; a change that the certificate's
// state does not allow; a second use of a ticket; a schema that is newer than
// the program; and, by trigger, any change or removal of an entry.
//
// Errors that callers branch on are [fs.ErrExist], [fs.ErrNotExist],
// [fs.ErrClosed] and [*journal.TransitionError]. After these and after
// the error of the caller's context, nothing was written. Any other error, such as
// that of a full disk during the commit, leaves open whether the write
// survives; the caller finds out by asking for it (Record, Redeemed).
package register
