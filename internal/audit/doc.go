// Package audit keeps the tamper-evident log of what the servers did.
//
// The log is a file of JSON lines. Each line has a sequence number from 1
// without gaps, the time, an action, its attributes, and the SHA-256 hash of
// the line before it with its newline, so that a line that is altered, removed
// or moved breaks every link after it:
//
//	{"seq":2,"time":"2026-11-22T10:00:00.000001Z","action":"certificate.issue","attrs":{"serial":"1f"},"prev":"9c1e..."}
//
// Anybody can follow the chain with sha256sum; [Verify] does. What the chain
// alone does not show is that its end was cut off or that all of it was
// written anew: for that, keep the last hash that [Log.Head] gives somewhere
// else and compare.
//
// A line is on the disk before [Log.Append] returns. Where that cannot be had,
// Append fails, and goes on failing until the log is opened anew: whoever
// audits an action must not carry it out when Append returns an error. A line
// thus says that an action was about to happen. The package refuses a log that
// another process has open, one that its group or the world may write, and
// one whose end does not chain.
//
// Appending: line.go encodes the line and links it to the one before; log.go
// gathers the lines that wait while the disk is busy, writes and flushes them
// at once, and lets all their appenders go. Opening: tail.go checks the end of
// the file and cuts off a line that a crash left without its newline, which no
// Append can have acknowledged; verify.go checks a whole log.
package audit
