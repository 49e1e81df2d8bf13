// Package pki holds the few words of public-key infrastructure that the
// standard library lacks and that more than one protocol needs: object
// identifiers, algorithm identifiers with signing and verifying over raw
// to-be-signed bytes, key identifiers, distinguished names in chosen string
// types, the national identifiers of Azerbaijan, and the code lists that
// certificates refer to. The folder lint beside it judges whole certificates.
//
// It does no input or output and knows no policy.
package pki
