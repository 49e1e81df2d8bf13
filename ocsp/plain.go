package ocsp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strconv"
	"time"

	"github.com/altamga/altamga/internal/http1"
)

// Plain answers the plain requests of a server as ServeHTTP would, faster: what
// lies in memory is copied behind an HTTP header and sent, without a look at
// its ASN.1.
func (r *Responder) Plain() http1.Handler { return plain{r} }

type plain struct{ *Responder }

// Ready answers from memory.
//
// A request about one certificate without extensions is four nested headers
// around a CertID. The memory holds an answer under a CertID only when a request
// with just these octets was parsed before, so finding it is as good as parsing
// the request.
func (p plain) Ready(out []byte, req *http1.Request, now time.Time) ([]byte, bool) {
	var buffer [maxReady]byte
	in := p.octets(req, buffer[:0])
	key := certIDOf(in)
	if key == nil {
		return out, false
	}
	kept, shard := p.memory.find(key)
	if shard == nil {
		return out, false
	}
	defer shard.release()
	if !p.fresh(kept.thisUpdate(), now) ||
		!p.floors.allow(certificate{kept.issuer, string(kept.serial())}, kept.version(), kept.position()) {
		return out, false
	}
	if p.ripe(kept.thisUpdate(), now, kept.tag()[0]) {
		p.refresh(key, now)
	}
	h := head{
		date: now.Unix(), maxAge: secondsUntil(kept.thisUpdate(), kept.nextUpdate(), p.maxAge, now),
		tag: kept.tag(), thisUpdate: kept.thisUpdate(), nextUpdate: kept.nextUpdate(), length: kept.length(), close: req.Close,
	}
	p.classes[kept.class()].Add(1)
	reason := ReasonKept
	if h.unmodified = req.Method != http1.Post && h.matches(req.IfNoneMatch); h.unmodified {
		reason = ReasonNotModified
	}
	out = h.append(out)
	if !h.unmodified && req.Method != http1.Head {
		out = kept.append(out)
	}
	p.observe(reason, time.Since(now))
	return out, true
}

// Make answers the others, but for those that never come to be an OCSP request.
func (p plain) Make(ctx context.Context, out []byte, req *http1.Request) ([]byte, bool) {
	began := time.Now()
	in := p.octets(req, make([]byte, 0, maxReady))
	if req.Method == http1.Post && (in == nil || len(in) > maxRequest) {
		return out, false
	}
	if in == nil {
		path, ok := p.below(string(req.Path))
		if _, err := url.PathUnescape(path); !ok || err != nil || len(path) > maxPath {
			return out, false
		}
		in = decodePath(path)
	}
	reply := p.respond(ctx, in)
	now := time.Now()
	h := head{date: now.Unix(), sharing: &reply.sharing, close: req.Close}
	body := errorResponse(reply.status)
	if a := reply.answer; a != nil {
		body = a.Response
		h.tag, h.thisUpdate, h.nextUpdate = a.tag[:], a.ThisUpdate.Unix(), a.NextUpdate.Unix()
		if reply.sharing == public {
			h.sharing, h.maxAge = nil, secondsLeft(reply, p.maxAge)
		}
	}
	reason := reply.reason
	if h.unmodified = h.sharing == nil && req.Method != http1.Post && h.matches(req.IfNoneMatch); h.unmodified {
		reason = ReasonNotModified
	}
	h.length = len(body)
	out = h.append(out)
	if !h.unmodified && req.Method != http1.Head {
		out = append(out, body...)
	}
	p.observe(reason, now.Sub(began))
	return out, true
}

// maxReady bounds the requests that are looked up without being parsed: about
// one certificate, by its SHA-256 hashes.
const maxReady = 192

// octets returns the request's octets, decoded into buffer if need be; nil when
// they are not of the plain form.
func (p plain) octets(req *http1.Request, buffer []byte) []byte {
	path := req.Path
	if len(path) < len(p.path) || string(path[:len(p.path)]) != p.path {
		return nil
	}
	path = path[len(p.path):]
	if req.Method == http1.Post {
		if len(path) > 1 || len(path) == 1 && path[0] != '/' || !isRequestType(req.ContentType) {
			return nil
		}
		return req.Body
	}
	if len(path) == 0 || path[0] != '/' {
		return nil
	}
	for len(path) > 0 && path[0] == '/' {
		path = path[1:]
	}
	// Clients escape what need not be; see decodePath.
	var text [2 * maxReady]byte
	n := 0
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			if i+2 >= len(path) {
				return nil
			}
			high, low := unhex[path[i+1]], unhex[path[i+2]]
			if high > 15 || low > 15 {
				return nil
			}
			c = high<<4 | low
			i += 2
		}
		if n == len(text) {
			return nil
		}
		text[n] = c
		n++
	}
	for n > 0 && text[n-1] == '=' {
		n--
	}
	if standardText.DecodedLen(n) > cap(buffer) {
		return nil
	}
	n, err := standardText.Decode(buffer[:cap(buffer)], text[:n])
	if err != nil {
		return nil
	}
	return buffer[:n]
}

// standardText is base64 without padding, each octet string in one spelling.
var standardText = base64.RawStdEncoding.Strict()

// unhex holds the values of hexadecimal digits, and 16 for other octets.
var unhex = func() (out [256]byte) {
	for c := range out {
		out[c] = 16
	}
	for i, c := range []byte("0123456789abcdef") {
		out[c] = byte(i)
		out[bytes.ToUpper([]byte{c})[0]] = byte(i)
	}
	return out
}()

// certIDOf returns the CertID of an OCSPRequest that consists of nothing else,
// in the short form of lengths: OCSPRequest, tbsRequest, requestList, Request
// and CertID, each a SEQUENCE that reaches to the end. Of any other octets it
// returns nil.
func certIDOf(in []byte) []byte {
	const wrappers = 4
	if len(in) < 2*wrappers+2 || len(in) > 0x7f+2 {
		return nil
	}
	for i := 0; i <= 2*wrappers; i += 2 {
		if in[i] != 0x30 || int(in[i+1]) != len(in)-i-2 {
			return nil
		}
	}
	return in[2*wrappers:]
}

// isRequestType reports whether a Content-Type is the one of requests, or was
// left out. Spellings with parameters are for http.go to judge.
func isRequestType(value []byte) bool { return len(value) == 0 || string(value) == requestType }

// head is the head of an answer as octets; http.go says why its lines are as
// they are.
type head struct {
	date   int64
	maxAge int
	// sharing is nil for what is public.
	sharing                *sharing
	tag                    []byte
	thisUpdate, nextUpdate int64
	length                 int
	unmodified, close      bool
}

func (h *head) append(out []byte) []byte {
	if h.unmodified {
		out = append(out, "HTTP/1.1 304 Not Modified\r\nX-Content-Type-Options: nosniff\r\nDate: "...)
	} else {
		out = append(out, "HTTP/1.1 200 OK\r\nContent-Type: "+responseType+"\r\nX-Content-Type-Options: nosniff\r\nDate: "...)
	}
	out = http1.AppendDate(out, h.date)
	if h.sharing != nil {
		out = append(out, "\r\nCache-Control: "...)
		out = append(out, h.sharing.control()...)
	} else {
		out = append(out, "\r\nCache-Control: max-age="...)
		out = strconv.AppendInt(out, int64(h.maxAge), 10)
		out = append(out, publicControl+"\r\nETag: \""...)
		out = hex.AppendEncode(out, h.tag)
		out = append(out, "\"\r\nLast-Modified: "...)
		out = http1.AppendDate(out, h.thisUpdate)
		out = append(out, "\r\nExpires: "...)
		out = http1.AppendDate(out, h.nextUpdate)
	}
	if !h.unmodified {
		out = append(out, "\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(h.length), 10)
	}
	if h.close {
		out = append(out, "\r\nConnection: close"...)
	}
	return append(out, "\r\n\r\n"...)
}

// matches reports whether an If-None-Match names the answer.
func (h *head) matches(value []byte) bool {
	return len(value) > 0 && matches([]string{string(value)}, `"`+hex.EncodeToString(h.tag)+`"`)
}
