// Package jose reads, signs and verifies JSON documents whose signature decides
// whom a country trusts: strict JSON, and the one form of JSON Web Signature
// that lists of trusted entities have (RFC 7515, in compact serialization or in
// JSON with one signature; ETSI TS 119 182-1, JAdES-BASELINE-B).
//
// It is not a general JOSE library. It refuses HMAC, "none", curves that do not
// fit their algorithm, short RSA keys, critical headers that it does not
// process, headers that are not protected, unencoded and detached payloads,
// base64 that is not the one encoding of its octets, JSON with a member twice,
// and keys that were not pinned before the document was looked at: keys and
// addresses of keys in headers are not looked at at all.
//
// The life of a signed document:
//
//	json.go           octets to a value, once
//	serialization.go  its three parts, compact or in JSON
//	verify.go         a header whose every critical word is understood
//	algorithm.go      the pinned signer's key verifies the first two
//	sign.go           the same backwards; what is signed is verified before it is returned
package jose
