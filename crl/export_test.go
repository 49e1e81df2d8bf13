package crl

import (
	"context"
	"net/http"
	"time"
)

// Authorize signs a request to S3-compatible storage.
func Authorize(r *http.Request, accessKey, secretKey, region, service, payload string, at time.Time) {
	credentials{accessKey, secretKey, region, service}.authorize(r, payload, at)
}

// MirrorOnce puts all lists to a mirror that has none.
func (p *Publisher) MirrorOnce(ctx context.Context, m Mirror) error {
	return p.mirrorOnce(ctx, m, make(map[*slot]*List))
}

// Hash hashes a list's octets for a mirror.
func Hash(l *List) error {
	_, err := l.hash()
	return err
}

// CanonicalRequest is the text that stands for a request in its signature.
func CanonicalRequest(r *http.Request, payload string) string {
	_, text := canonicalRequest(r, payload)
	return text
}
