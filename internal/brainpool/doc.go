// Package brainpool verifies ECDSA signatures on the Brainpool curves of 256,
// 384 and 512 bits (RFC 5639), as German authorities and signers of trust lists
// have them. The standard library knows none of these curves, and crypto/x509
// refuses certificates with such keys. It verifies and does nothing else: there
// are no private keys in it.
//
//	curve.go     the curves, random (r1) and twisted (t1)
//	key.go       keys, as certificates have them
//	verify.go    signatures, as certificates and as XML have them
//
// Keys on other curves of the family, with their curve spelled out, or with a
// compressed point are not read: certificates that have them are carried and
// shown, and not verified.
package brainpool
