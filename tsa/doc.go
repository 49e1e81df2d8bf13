// Package tsa is a time-stamping authority: it answers time-stamp queries with
// signed statements that a hash existed at a moment (RFC 3161 as updated by RFC
// 5816, in the profile of ETSI EN 319 422).
//
// It refuses to stamp when it cannot prove that its clock is within the accuracy
// of the policy that is asked for, when no unit's certificate or private-key
// usage period covers the moment, when a certificate is held or revoked, when a
// query asks for a policy, hash function or extension that it does not serve,
// when the token cannot be recorded, and when its own token does not verify.
// Every refusal is a TimeStampResp with the failInfo that RFC 3161, Section
// 2.4.2 provides, never another format.
//
// The life of a query:
//
//	plain.go      a plain query of everybody comes in, without net/http, or
//	http.go       any other: method, media type, size; client.go says who asks
//	              and how much
//	request.go    the TimeStampReq is parsed strictly and judged
//	authority.go  a place among the signings in flight is taken
//	tick.go       the clock is read, and a time that its policy can promise taken
//	serial.go     a serial number no other token has is drawn
//	units.go      a unit whose key may be used is chosen,
//	unit.go       the TSTInfo is written,
//	info.go       and read back as the lint before signing
//	authority.go  [Config.Journal] makes it durable
//	token.go      the signed attributes are signed and wrapped as SignedData
//	verify.go     the token is parsed and its signature verified
//	response.go   a refusal goes out instead
//
// Beside it: proven.go tells the machine's time as long as time sources prove it
// (round.go asks them, agree.go finds where a majority says UTC is), clock.go is
// the clock of demonstrations, and standing.go watches the units' certificates.
// revoked.go says which tokens stand after a revocation.
//
// The package holds no state on disk: serial numbers stay unique after a crash
// and among several nodes by construction.
package tsa
