// Package est speaks Enrollment over Secure Transport (RFC 7030, with the
// clarifications of RFC 8951) in front of the issuing core, for devices that
// get and renew their certificates by themselves.
//
// It refuses clients that are not authenticated over TLS, every part of a name
// that the account's terms do not grant, renewals under another name or of a
// certificate that is held, revoked or foreign, and requests whose link to the
// TLS connection is wrong. Keys are never made here: /serverkeygen and /fullcmc
// are not offered.
//
// The life of a request:
//
//	http.go      find label and operation, answer in the media types of RFC 7030
//	auth.go      find the account, by HTTP Basic or by TLS client certificate
//	body.go      read the base64 of a certification request
//	link.go      check the request's link to the TLS connection
//	enrol.go     name from the account's terms, or from the certificate to renew;
//	             ask for approval; prepare and issue
//	pkcs7.go     certs-only CMS around the certificate
//	csrattrs.go  what requests should look like
package est
