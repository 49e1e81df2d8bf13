// Package ocsp is an online certificate status responder: RFC 6960 in the
// profile of RFC 9919, with nonces by RFC 9654 (read in request.go, repeated in
// response.go, tested in request_test.go).
//
// A [Responder] is an http.Handler made by [New] from issuers, their delegated
// signers and a [Source] of statuses. The life of a request:
//
//	plain.go      a plain request's octets are looked up in memory.go and, found, are answered
//	http.go       others: the undecoded path before any router cleans it, or a body of at most 4 KiB
//	request.go    is parsed strictly; what is not DER is answered malformedRequest
//	signer.go     the issuer is found whose name and key the CertIDs hash; none or several: unauthorized
//	kept.go       a kept answer, from memory or the shared [Cache], is sent when it is fresh and not below its floor
//	queue.go      otherwise the request waits for its turn, the most urgent first
//	making.go     the status is read from the [Source], once however many ask at the same time,
//	certainty.go  where the source knows less than the register, the answer claims no more,
//	response.go   and the answer is checked, written (encode.go) and signed by the issuer's delegate
//	floor.go      one that the journal has overtaken meanwhile is not sent but made anew
//	http.go       the caching headers of RFC 9919, Section 7.2 are added
//
// Answers are made ahead of requests, too: kept.go makes those anew that are asked
// for while their time ends, presign.go those that a restart has lost, or all.
//
// What it refuses: to sign with a certificate that its issuer did not delegate
// to, to choose a weak algorithm because a client prefers it, to call a
// certificate good of which its source knows that it was never issued, and to go
// back in time. For the last,
// [Responder.Follow] reads the journal and leaves a floor for every certificate
// that changed; see floor.go.
//
// A Source may be the register itself, a copy of it on another host, or a [List]:
// an authority that is known by its revocation lists alone. Its signers are
// replaced while it runs; see [Responder.ReplaceSigner].
//
// It does not check the signatures of signed requests (RFC 9919, Section 3.1.2
// allows to ignore them) and keeps no state that a restart would lose.
package ocsp
