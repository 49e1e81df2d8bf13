// Package der reads and writes the distinguished encoding that every other
// package's wire formats are made of.
//
// [golang.org/x/crypto/cryptobyte] already refuses indefinite and non-minimal
// lengths, non-minimal integers and booleans other than 00 and FF. This
// package adds what it leaves open and what the formats of this module ask
// for: exactly one element with nothing behind it, GeneralizedTime in the one
// form that RFC 5280, Section 4.1.2.5.2 allows, named bit lists, sorted SETs,
// extension lists without duplicates, and a judge of whole encodings.
//
// Readers return false instead of an error, as cryptobyte does: the caller
// knows which field it was reading and names it.
package der
