package conformance

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// OCSP for many clients: what RFC 9919 asks of responders beyond RFC
// 6960, contents first and the header of HTTP behind.
var rfc9919 = []check[*responder]{
	// It binds new responders; which are new is not to be seen, and RFC 6960,
	// Section 4.2.2.3 leaves the choice.
	{"OCSP-15", "RFC 9919, Section 3.2.2", Should, "the responder names itself by key", "read responderID", anywhere, func(t *trial, r *responder) {
		for _, a := range r.answers(t) {
			if a.byKey == nil {
				t.should("the responder names itself by name")
			}
		}
	}},
	{"OCSP-18", "RFC 9919, Section 3.2.1", Should, "one certificate is answered by one SingleResponse, or with its twin of SHA-1", "count them", wire, func(t *trial, r *responder) {
		for _, a := range r.answers(t) {
			if len(a.singles) > 2 || len(a.singles) == 2 && !twins(a.singles) {
				t.should("%d SingleResponses answer one certificate", len(a.singles))
			}
		}
	}},
	{"OCSP-19", "RFC 9919, Section 3.2.4", Must, "nextUpdate is there", "read it", anywhere, func(t *trial, r *responder) {
		r.each(t, func(_ *answer, s *single) {
			if !s.nextUpdate.there() {
				t.fail("a SingleResponse has no nextUpdate")
			}
		})
	}},
	{"OCSP-27", "RFC 9919, Section 3.1.1", Must, "a CertID of SHA-256 is answered", "ask with one", wire, func(t *trial, r *responder) {
		r.sound(t)
		x := r.asked["status of the good certificate"]
		t.saw(x)
		if a := r.honest(t, x); a != nil && r.hash != crypto.SHA256 {
			t.fail("with SHA-256 the answer is %s, with SHA-1 it is successful", statusName(a.status))
		}
	}},
	{"OCSP-28", "RFC 9919, Section 3.1.1", Must, "a CertID of SHA-1 is answered for old clients; SHA-384 and SHA-512 are answered or unauthorized", "ask with each", wire, func(t *trial, r *responder) {
		r.sound(t)
		for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA384, crypto.SHA512} {
			id := idOf(r.issuer, r.good.serial, h, true)
			a := r.honest(t, r.ask(t, "CertID of "+h.String(), inquiry{ids: [][]byte{id}}))
			switch {
			case a == nil, a.status == statusSuccessful && a.has(id):
			case h == crypto.SHA1:
				t.fail("%s: the answer is %s", h, statusName(a.status))
			case a.status != statusUnauthorized:
				t.should("%s: the answer is %s", h, statusName(a.status))
			}
		}
	}},
	{"OCSP-29", "RFC 6960, Section 4.1.1", Must, "parameters of the hash may be NULL or absent", "ask with both", wire, func(t *trial, r *responder) {
		r.sound(t)
		for _, null := range []bool{false, true} {
			name := map[bool]string{false: "hash parameters absent", true: "hash parameters NULL"}[null]
			id := idOf(r.issuer, r.good.serial, r.hash, null)
			if a := r.honest(t, r.ask(t, name, inquiry{ids: [][]byte{id}})); a != nil && (a.status != statusSuccessful || !a.has(id)) {
				t.fail("%s: the answer is %s or has another CertID", name, statusName(a.status))
			}
		}
	}},
	{"OCSP-35", "RFC 9919, Section 3.2.3", Must, "a certificate of another authority is answered unauthorized", "ask with hashes of another authority", wire, func(t *trial, r *responder) {
		r.sound(t)
		id := built(func(b *cryptobyte.Builder) {
			b.AddASN1(sequence, func(b *cryptobyte.Builder) {
				pki.AddAlgorithm(b, pki.HashAlgorithm(crypto.SHA256))
				b.AddASN1OctetString(random(32))
				b.AddASN1OctetString(random(32))
				b.AddASN1Int64(4711)
			})
		})
		a := r.honest(t, r.ask(t, "certificate of another authority", inquiry{ids: [][]byte{id}}))
		switch {
		case a == nil || a.status == statusUnauthorized:
		case a.status != statusSuccessful:
			t.fail("the answer is %s", statusName(a.status))
		case a.single(id) != nil && a.single(id).status == stateUnknown:
			// RFC 6960, Section 2.2 has unknown for just that.
			t.should("the answer is unknown instead of unauthorized")
		default:
			t.fail("the responder speaks for another authority")
		}
	}},
	{"OCSP-37", "RFC 9919, Section 3.1.2", Must, "an unsigned request with a requestorName is handled as one without", "send one", wire, func(t *trial, r *responder) {
		r.sound(t)
		id := r.id(r.good.serial)
		mail := built(func(b *cryptobyte.Builder) {
			b.AddASN1(implicit(1), func(b *cryptobyte.Builder) { b.AddBytes([]byte("auditor@example.org")) })
		})
		if a := r.honest(t, r.ask(t, "requestorName", inquiry{ids: [][]byte{id}, name: mail})); a != nil && (a.status != statusSuccessful || !a.has(id)) {
			t.fail("the answer is %s", statusName(a.status))
		}
	}},
	{"OCSP-46", "RFC 9919, Section 6", Should, "Date", "get; read the header", wire, cacheHeader(func(t *trial, _ *answer, h http.Header) {
		if _, err := http.ParseTime(h.Get("Date")); err != nil {
			t.should("there is no Date")
		}
	})},
	{"OCSP-47", "RFC 9919, Section 6", Should, "Last-Modified is producedAt or thisUpdate", "get; compare", wire, cacheHeader(func(t *trial, a *answer, h http.Header) {
		at, err := http.ParseTime(h.Get("Last-Modified"))
		if err != nil {
			t.should("there is no Last-Modified")
		} else if !at.Equal(a.producedAt.at) && !at.Equal(a.singles[0].thisUpdate.at) {
			t.should("Last-Modified %s is neither producedAt nor thisUpdate", h.Get("Last-Modified"))
		}
	})},
	{"OCSP-48", "RFC 9919, Section 6", Should, "Expires is nextUpdate", "get; compare", wire, cacheHeader(func(t *trial, a *answer, h http.Header) {
		if !a.singles[0].nextUpdate.there() {
			t.skip("there is no nextUpdate")
		}
		at, err := http.ParseTime(h.Get("Expires"))
		if err != nil {
			t.should("there is no Expires")
		} else if !at.Equal(a.singles[0].nextUpdate.at) {
			t.should("Expires %s is not nextUpdate", h.Get("Expires"))
		}
	})},
	{"OCSP-49", "RFC 9919, Section 6", Should, "ETag is the SHA-256 hash of the response in hexadecimal", "get; hash the body", wire, cacheHeader(func(t *trial, a *answer, h http.Header) {
		sum := sha256.Sum256(a.raw)
		if tag := strings.ToLower(strings.Trim(strings.TrimPrefix(h.Get("ETag"), "W/"), `"`)); tag != hex.EncodeToString(sum[:]) {
			t.should("ETag is %q", clip(h.Get("ETag")))
		}
	})},
	{"OCSP-50", "RFC 9919, Section 6", Should, "max-age ends before nextUpdate", "get; compare", wire, cacheHeader(func(t *trial, a *answer, h http.Header) {
		age, there := maxAge(h)
		switch last := a.singles[0].nextUpdate; {
		case !there:
			t.should("Cache-Control has no max-age")
		case last.there() && a.when(t).Add(age).After(last.at.Add(clockSkew)):
			t.fail("max-age %v runs past nextUpdate %s", age, last.text)
		}
	})},
	{"OCSP-51", "RFC 9919, Section 6", Should, "public, no-transform, must-revalidate", "get; read Cache-Control", wire, cacheHeader(func(t *trial, _ *answer, h http.Header) {
		for _, wanted := range []string{"public", "no-transform", "must-revalidate"} {
			if !directive(h, wanted) {
				t.should("Cache-Control has no %s", wanted)
			}
		}
	})},
	{"OCSP-52", "RFC 9919, Section 7.2", Must, "authoritative answers may be stored, errors should not be", "get a good answer and an error; read the header", wire, storing},
	{"OCSP-55", "RFC 9919, Section 7.2", Must, "an answer with a nonce is not offered to shared caches", "ask with a nonce; read Cache-Control", wire, func(t *trial, r *responder) {
		r.sound(t)
		x := r.ask(t, "nonce of 32 octets", inquiry{ids: [][]byte{r.id(r.good.serial)}, nonce: random(32)})
		if _, there, _ := r.reply(t, x, nil).nonce(); !there {
			t.skip("the responder does not support nonces")
		}
		h := x.Header
		if age, there := maxAge(h); directive(h, "public") && there && age > 0 {
			t.fail("Cache-Control offers it to all: %q", clip(h.Get("Cache-Control")))
		}
	}},
	{"OCSP-56", "RFC 9919, Section 7.1", Must, "no answer is served older than its max-age promised", "get twice; compare Age, Date and thisUpdate", wire, freshness},
}

func twins(s []single) bool {
	return string(s[0].id.serial) == string(s[1].id.serial) && !s[0].id.hash.ID.Equal(s[1].id.hash.ID)
}

// goodByGet is the GET of the good certificate's status.
func (r *responder) goodByGet(t *trial) (*Exchange, []byte) {
	r.sound(t)
	id := r.id(r.good.serial)
	return r.get(t, "GET", http.MethodGet, base64Path(inquiry{ids: [][]byte{id}}.marshal()), map[string]string{"Accept": responseType}), id
}

// cacheHeader judges the header of a successful GET.
func cacheHeader(judge func(*trial, *answer, http.Header)) func(*trial, *responder) {
	return func(t *trial, r *responder) {
		x, id := r.goodByGet(t)
		judge(t, r.success(t, x, id), x.Header)
	}
}

// maxAge reads the directive of Cache-Control.
func maxAge(h http.Header) (time.Duration, bool) {
	for _, value := range h.Values("Cache-Control") {
		for part := range strings.SplitSeq(value, ",") {
			name, number, _ := strings.Cut(strings.TrimSpace(part), "=")
			if strings.EqualFold(name, "max-age") {
				seconds, err := strconv.ParseInt(strings.Trim(number, `"`), 10, 32)
				return time.Duration(seconds) * time.Second, err == nil && seconds >= 0
			}
		}
	}
	return 0, false
}

// directive reports whether Cache-Control has a directive.
func directive(h http.Header, wanted string) bool {
	for _, value := range h.Values("Cache-Control") {
		for part := range strings.SplitSeq(value, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
			if strings.EqualFold(name, wanted) {
				return true
			}
		}
	}
	return false
}

func storing(t *trial, r *responder) {
	x, id := r.goodByGet(t)
	r.success(t, x, id)
	for _, forbidden := range []string{"no-cache", "no-store"} {
		if directive(x.Header, forbidden) {
			t.fail("an authoritative answer has %s", forbidden)
		}
	}
	if x.Header.Get("Pragma") != "" {
		t.fail("an authoritative answer has Pragma")
	}
	refused := r.ask(t, "unknown critical extension of the request", inquiry{ids: [][]byte{id}, extensions: []der.Extension{unheardOf(true)}})
	if refused.Err == nil && refused.Status == http.StatusOK {
		if a, err := parseAnswer(refused.Response); err == nil && a.status != statusSuccessful {
			if age, there := maxAge(refused.Header); !directive(refused.Header, "no-store") && !directive(refused.Header, "no-cache") && (!there || age > 0) {
				t.should("an error may be stored by caches")
			}
		}
	}
}

// freshness: a responder or a cache before it must have another answer before
// the age that it promised is over.
func freshness(t *trial, r *responder) {
	x, id := r.goodByGet(t)
	a := r.success(t, x, id)
	promised, there := maxAge(x.Header)
	if !there {
		t.skip("no max-age is promised")
	}
	age := time.Duration(0)
	if value := x.Header.Get("Age"); value != "" {
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds < 0 {
			t.fail("Age is %q", clip(value))
			return
		}
		age = time.Duration(seconds) * time.Second
	}
	if age > promised {
		t.fail("the answer is %v old, and its max-age is %v", age, promised)
	}
	if date, err := http.ParseTime(x.Header.Get("Date")); err == nil {
		if away := date.Sub(a.when(t)); away.Abs() > 5*time.Minute+age {
			t.fail("Date is %v away from this machine's clock", away.Round(time.Second))
		}
	}
	again := r.get(t, "GET again", http.MethodGet, base64Path(inquiry{ids: [][]byte{id}}.marshal()), map[string]string{"Accept": responseType})
	b := r.success(t, again, id)
	if b.producedAt.at.Before(a.producedAt.at) {
		t.fail("a later answer was made earlier: time went back from %s to %s", a.producedAt.text, b.producedAt.text)
	}
	r.watched(t, b, id)
}

// watched asks again and again over the time that the user gave: no answer is
// older than its max-age, stale, or older than the one before.
func (r *responder) watched(t *trial, last *answer, id []byte) {
	if r.watch <= 0 {
		return
	}
	every := max(r.watch/30, 100*time.Millisecond)
	for end := time.Now().Add(r.watch); time.Now().Before(end) && !t.failed; {
		select {
		case <-t.ctx.Done():
			t.couldNot("the time for the whole run is over before the watch is")
		case <-time.After(every):
		}
		x := r.client.ask(t.ctx, r.byGet(t, "GET under watch", inquiry{ids: [][]byte{id}}))
		t.saw(x)
		next := r.success(t, x, id)
		if end := next.singles[0].nextUpdate; end.there() && !next.when(t).Before(end.at) {
			t.fail("under watch an answer came after its nextUpdate %s", end.text)
		}
		if next.producedAt.at.Before(last.producedAt.at) {
			t.fail("under watch, time went back from %s to %s", last.producedAt.text, next.producedAt.text)
		}
		last = next
	}
}
