// Package gost verifies signatures by GOST R 34.10-2012 (RFC 7091) over hashes
// by GOST R 34.11-2012, Streebog (RFC 6986), as Kazakhstan's certificates have
// had them since 2015. It verifies and does nothing else: there are no keys in
// it, so that nothing needs to take the same time for all.
//
//	hash.go, table.go    Streebog, 256 and 512 bits
//	curve.go             the curves of RFC 7836, on internal/weierstrass
//	verify.go            a signature over a hash
//	certificate.go       keys and signatures of certificates, in their byte orders
//
// Keys on other curves, and the algorithms of 2004 and of other states, are
// [ErrUnknown]: such certificates are carried and shown, and not verified.
package gost
