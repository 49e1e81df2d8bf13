// Package rediscache keeps OCSP answers in Redis, for several responders to
// share behind a memory of their own, and for one to find again after a restart.
// It is the only importer of go-redis.
//
// Redis is optional at every moment. What it does not answer within a tight
// budget is not there, and after a few failures in a row it is left alone for a
// while (breaker.go): the responder then signs. Writes happen in the
// background, bounded, many in one trip (write.go), and are dropped rather than
// waited for. A value that is damaged or of another format counts as absent and
// is replaced.
//
// What may not happen is that an older truth replaces a newer one (design rule
// G2). The comparison is made inside Redis, in one step (put.lua). Whatever is
// read is held against the certificate's floor by the responder, as if it came
// from memory.
//
// The life of a look-up:
//
//	left alone while the breaker is open     breaker.go
//	with others that wait, in one MGET       question.go
//	read: header checked, answer rebuilt     entry.go
//	held against its floor by the responder
package rediscache
