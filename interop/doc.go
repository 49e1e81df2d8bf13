// Package interop reads, verifies, follows, authors and publishes trust lists
// (ETSI TS 119 612): the lists by which states tell one another which trust
// services they vouch for, since when, and until when they did.
package interop
