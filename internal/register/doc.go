// Package register keeps the certificate register and its journal: the one
// truth of the suite.
//
// The register holds every serial number that was ever reserved, what was to
// be signed under it, the certificate that came of it, and the certificate's
// status. The journal beside it holds every entry that led there, numbered
// from 1 without gaps. An entry and the status that it leads to are written in
// one transaction. A table of its own, outside of the journal, holds the
// requests that wait for a second person.
//
// It is one SQLite file, or one PostgreSQL database that several hosts share.
// The rules are written once; an engine is what the databases differ in.
//
// The life of a write:
//
//  1. A method checks what can be checked without the database and hands the
//     write to the process's one writer.
//  2. The writer gathers all writes that wait, up to a bound, and opens one
//     transaction for them. It takes the lock that keeps other processes out,
//     and under it reads the journal's head and whatever the writes need to know.
//  3. Each write is judged in its turn by what was read and by the writes before
//     it. One that is refused leaves nothing and uses no position; the others do
//     not notice.
//  4. What they change is sent in one go with the commit, which is flushed to the
//     disk.
//  5. Only then are they answered, and the followers woken, also those of other
//     processes.
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
// [fs.ErrClosed], [*journal.TransitionError] and [ErrUnavailable]. After all but
// the last and after the error of the caller's context, nothing was written.
// ErrUnavailable and any other error, such as that of a full disk, leave open
// whether the write survives, since the answer to the commit itself may be what
// was lost; the caller finds out by asking for it (Record, Redeemed), or repeats
// the write and learns from [fs.ErrExist] that it is there. A lost database is
// found again without opening the register anew.
package register
