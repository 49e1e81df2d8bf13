package crl

import (
	"net/http"
	"time"
)

// Authorize signs a request to S3-compatible storage.
func Authorize(r *http.Request, accessKey, secretKey, region, service, payload string, at time.Time) {
	credentials{accessKey, secretKey, region, service}.authorize(r, payload, at)
}

// CanonicalRequest is the text that stands for a request in its signature.
func CanonicalRequest(r *http.Request, payload string) string {
	_, text := canonicalRequest(r, payload)
	return text
}
