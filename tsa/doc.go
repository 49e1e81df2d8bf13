// Package tsa is a time-stamping authority: it answers time-stamp queries with
// signed statements that a hash existed at a moment (RFC 3161 as updated by RFC
// 5816, in the profile of ETSI EN 319 422).
//
// It refuses to stamp when it cannot prove its clock, when its certificate or
// its private-key usage period does not cover the moment, when a query asks
// for a policy, hash function or extension that it does not serve, and when
// its own token does not verify. Every refusal is a TimeStampResp with the
// failInfo that RFC 3161, Section 2.4.2 provides, never another format.
//
// The life of a query:
//
//	http.go       method, media type, size; the body is read
//	request.go    the TimeStampReq is parsed strictly and judged
//	authority.go  a place among the signings in flight is taken
//	clock.go      the time is read, or refused
//	serial.go     a serial number no other token has is drawn
//	info.go       the TSTInfo is written and read back as the lint before signing
//	token.go      the signed attributes are signed and wrapped as SignedData
//	verify.go     the token is parsed and its signature verified
//	response.go   the TimeStampResp goes out
//
// The package holds no state on disk: serial numbers stay unique after a crash
// by construction, and what is stamped is recorded through [Config.Audit].
package tsa
