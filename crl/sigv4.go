package crl

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// credentials are those of a client of S3-compatible storage.
type credentials struct {
	accessKey, secretKey, region, service string
}

// The formats of the time in signatures.
const (
	signedTime = "20060102T150405Z"
	signedDay  = "20060102"
)

// authorize signs a request by AWS Signature Version 4, with all of its headers
// as they are. The caller has set X-Amz-Content-Sha256 where the service wants it.
func (c credentials) authorize(r *http.Request, payload string, at time.Time) {
	r.Header.Set("X-Amz-Date", at.UTC().Format(signedTime))
	names, canonical := canonicalRequest(r, payload)
	scope := strings.Join([]string{at.UTC().Format(signedDay), c.region, c.service, "aws4_request"}, "/")
	hash := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", at.UTC().Format(signedTime), scope, hex.EncodeToString(hash[:])}, "\n")
	key := []byte("AWS4" + c.secretKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.accessKey+"/"+scope+
		", SignedHeaders="+names+", Signature="+hex.EncodeToString(mac(key, text)))
}

// canonicalRequest returns the names of the headers that are signed and the
// text that stands for the request.
func canonicalRequest(r *http.Request, payload string) (names, text string) {
	headers := map[string]string{"host": r.Host}
	if r.Host == "" {
		headers["host"] = r.URL.Host
	}
	for name, values := range r.Header {
		if name == "Authorization" {
			continue
		}
		var trimmed []string
		for _, value := range values {
			trimmed = append(trimmed, strings.Join(strings.Fields(value), " "))
		}
		headers[strings.ToLower(name)] = strings.Join(trimmed, ",")
	}
	var order []string
	for name := range headers {
		order = append(order, name)
	}
	slices.Sort(order)
	names = strings.Join(order, ";")
	var b strings.Builder
	for _, name := range order {
		b.WriteString(name + ":" + headers[name] + "\n")
	}
	var query []string
	for name, values := range r.URL.Query() {
		for _, value := range values {
			query = append(query, escape(name, false)+"="+escape(value, false))
		}
	}
	slices.Sort(query)
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	return names, strings.Join([]string{r.Method, path, strings.Join(query, "&"), b.String(), names, payload}, "\n")
}

// escape writes octets other than the unreserved ones of RFC 3986, Section 2.3
// as percent signs and numbers, and the slash only outside of paths.
func escape(s string, path bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/' && path:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
