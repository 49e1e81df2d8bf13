// Package ceremony carries out what happens to the keys of a hierarchy, on a
// machine without a network, as one reviewed plan says: keys, self-signed
// roots, certificates of authorities from requests that were brought along,
// cross-certificates, links between an old and a new key, revocation lists,
// revocations, and responders' certificates made in advance.
//
// It refuses to begin without the confirmations of enough officers over the
// very plan and inputs, outside the plan's time, over outputs or keys that
// exist, and with anything that the profiles or lints refuse. It signs nothing
// whose intent is not on the disk.
//
// The life of a ceremony:
//
//	plan.go      the plan's fields; check.go says what is wrong with them
//	manifest.go  the hash over the plan and every file that it brings in
//	rehearse.go  the dry run: the same steps on throw-away keys, shown as text (show.go)
//	confirm.go   the officers sign the hash; M of N are needed
//	minutes.go   every step is a line of the minutes, linked to the one before
//	run.go       each step: intent, signature, file; or where an earlier run ended
//	certify.go, request.go, list.go: the steps that sign
//	seal.go      the minutes are signed, and time-stamped from files
//	verify.go    anybody checks the minutes and outputs, offline
//
// What it needs of the world (register, keys, lints, lists, time-stamps) is
// handed in.
package ceremony
