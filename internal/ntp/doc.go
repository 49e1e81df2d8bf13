// Package ntp asks time servers for the time (RFC 5905), as a client that does
// not set any clock: it measures how far a server's time is from ours, and how
// far both may be from UTC.
//
// It believes only an answer that holds the random number it sent, that comes
// from a synchronised server of stratum 1 to 15, and, when a key is configured,
// whose message authentication code is right: SHA-1, SHA-256 or SHA-512 over
// key and packet as RFC 5905, Section 7.3 has it, or AES-CMAC (RFC 8573).
// A server that asks to be left alone is left alone for a while. It tells the
// server nothing about the machine's own time. NTS (RFC 8915) is not spoken.
//
// The life of a query: keys.go reads the key file; packet.go writes the request
// and reads the answer; mac.go authenticates both; server.go sends, waits,
// judges and computes offset and distance. Beside it, elapsed_linux.go counts the
// time on a clock that no daemon slews.
package ntp
