// Package cfssl speaks the HTTP interface of Cloudflare's cfssl in front of
// the issuing core, so that cfssl's own command, certmgr and whatever else
// knows it get their certificates here. It shares no code with cfssl.
//
// It refuses what cfssl lets pass: an unknown or missing profile (there is no
// default one), unauthenticated signing and revoking, names that the profile's
// terms do not let the client choose, serial numbers, validity periods and
// extensions of the client's making, and looking up certificates of arbitrary
// hosts, which would make the server a scanner for others.
//
// The life of a request:
//
//	http.go      bound and read the body, find the endpoint, answer in cfssl's envelope
//	auth.go      find the client, by its HMAC token or its TLS certificate
//	request.go   read the signing request strictly
//	sign.go      map profile, subject and hosts to a ca.Request; prepare and issue
//	info.go      the issuer's certificate, usages and validity of a profile
//	revoke.go    revoke one of the client's own kind by serial number
//	certinfo.go  tell what a certificate holds
package cfssl
