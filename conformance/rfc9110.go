package conformance

import (
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// How OCSP goes over HTTP: methods, media types, and the many
// ways to spell a request in a path.
var rfc9110OCSP = []check[*responder]{
	{"OCSP-41", "RFC 9110, Section 15.5.6", Must, "other methods are answered 405 with Allow", "PUT", hostile, func(t *trial, r *responder) {
		r.still(t)
		x := r.send(t, question{name: "PUT", method: http.MethodPut, url: r.url, body: inquiry{ids: [][]byte{r.id(r.good.serial)}}.marshal(), header: map[string]string{"Content-Type": requestType}})
		t.method(x)
	}},
	{"OCSP-42", "RFC 9110, Section 15.5.16", Must, "another media type is answered 415, or served", "POST text/plain", hostile, func(t *trial, r *responder) {
		r.still(t)
		r.sound(t)
		x := r.send(t, question{name: "POST of text/plain", method: http.MethodPost, url: r.url, body: inquiry{ids: [][]byte{r.id(r.good.serial)}}.marshal(), header: map[string]string{"Content-Type": "text/plain"}})
		if x.Err != nil {
			t.fail("%v", x.Err)
		} else if x.Status != http.StatusOK && x.Status != http.StatusUnsupportedMediaType {
			t.fail("the server answers HTTP %d", x.Status)
		}
	}},
	{"OCSP-43", "RFC 6960, Appendix A.1", Must, "a GET with the escaped base64 of the request is answered", "get", wire, func(t *trial, r *responder) {
		x, id := r.goodByGet(t)
		r.spelling(t, x, id, t.fail)
	}},
	{"OCSP-44", "RFC 9919, Section 5", Should, "the spellings of the path that clients use are understood", "bare +, / and =, lower-case escapes, doubled slash, no padding", wire, spellings},
	{"OCSP-45", "RFC 9110, Section 15.5.1", Must, "a nonsense path is answered malformedRequest or 4xx", "get nonsense", hostile, func(t *trial, r *responder) {
		r.still(t)
		x := r.get(t, "GET of nonsense", http.MethodGet, "this-is-no-request", nil)
		switch {
		case x.Err != nil:
			t.fail("%v", x.Err)
		case x.Status == http.StatusOK:
			if a, err := parseAnswer(x.Response); err != nil {
				t.fail("%v", err)
			} else if a.status != statusMalformed {
				t.fail("the answer is %s", statusName(a.status))
			}
		case x.Status < 400 || x.Status >= 500:
			t.fail("the server answers HTTP %d", x.Status)
		}
	}},
	{"OCSP-53", "RFC 9110, Section 13.1.2", Should, "If-None-Match with the current tag is answered 304", "get again with the tag", wire, func(t *trial, r *responder) {
		x, id := r.goodByGet(t)
		r.success(t, x, id)
		tag := x.Header.Get("ETag")
		if tag == "" {
			t.should("there is no ETag to ask with")
			return
		}
		again := r.get(t, "GET with If-None-Match", http.MethodGet, base64Path(inquiry{ids: [][]byte{id}}.marshal()), map[string]string{"If-None-Match": tag})
		// The answer may have been made anew in between.
		if again.Err != nil || again.Status != http.StatusNotModified && again.Header.Get("ETag") == tag {
			t.should("the server answers HTTP %d", again.Status)
		}
	}},
	{"OCSP-54", "RFC 9110, Section 9.3.2", Should, "HEAD has the header of GET and no body", "head", hostile, func(t *trial, r *responder) {
		r.still(t)
		x, id := r.goodByGet(t)
		r.success(t, x, id)
		head := r.get(t, "HEAD", http.MethodHead, base64Path(inquiry{ids: [][]byte{id}}.marshal()), nil)
		switch {
		case head.Err != nil:
			t.should("%v", head.Err)
		case head.Status != x.Status || head.Header.Get("Content-Type") != x.Header.Get("Content-Type"):
			t.should("HEAD is answered HTTP %d %q, and GET %d %q", head.Status, clip(head.Header.Get("Content-Type")), x.Status, clip(x.Header.Get("Content-Type")))
		}
	}},
}

// method judges the answer to a method that is not allowed.
func (t *trial) method(x *Exchange) {
	switch {
	case x.Err != nil:
		t.fail("%v", x.Err)
	case x.Status != http.StatusMethodNotAllowed && x.Status != http.StatusNotImplemented:
		t.fail("the server answers HTTP %d", x.Status)
	case x.Status == http.StatusMethodNotAllowed && len(x.Header.Values("Allow")) == 0:
		t.fail("405 without Allow")
	}
}

// spelling judges the answer to a GET.
func (r *responder) spelling(t *trial, x *Exchange, id []byte, find func(string, ...any)) {
	switch {
	case x.Err != nil:
		find("%s: %v", x.Name, x.Err)
		return
	case x.Status != http.StatusOK:
		find("%s: the server answers HTTP %d", x.Name, x.Status)
		return
	}
	a, err := parseAnswer(x.Response)
	if err != nil {
		find("%s: %v", x.Name, err)
	} else if a.status != statusSuccessful || !a.has(id) {
		find("%s: the answer is %s or about another certificate", x.Name, statusName(a.status))
	}
}

// spellings: a request whose base64 has all the letters that trouble servers is
// found by trying serial numbers that were never issued.
func spellings(t *trial, r *responder) {
	if x, _ := r.goodByGet(t); !succeeds(x) {
		t.couldNot("GET is not answered at all")
	}
	text, id := "", []byte(nil)
	for i := range 4096 {
		id = r.id(append([]byte{0x3e}, random(13+i%3)...))
		text = base64.StdEncoding.EncodeToString(inquiry{ids: [][]byte{id}}.marshal())
		if strings.Contains(text, "+") && strings.Contains(text, "//") && strings.HasSuffix(text, "=") {
			break
		}
	}
	escaped := url.QueryEscape(text)
	plain := r.get(t, "GET, all letters escaped", http.MethodGet, escaped, nil)
	if a, err := parseAnswer(plain.Response); plain.Err != nil || plain.Status != http.StatusOK || err != nil || a.status != statusSuccessful {
		// Where unknown serials are refused, other spellings cannot be told from
		// refusals: the good certificate's own base64 must do.
		id = r.id(r.good.serial)
		text = base64.StdEncoding.EncodeToString(inquiry{ids: [][]byte{id}}.marshal())
		escaped = url.QueryEscape(text)
	}
	lower := strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(escaped)
	for _, s := range []struct{ name, rest string }{
		{"GET, nothing escaped", text},
		{"GET, + escaped", strings.ReplaceAll(text, "+", "%2B")},
		{"GET, / and = escaped", strings.NewReplacer("/", "%2F", "=", "%3D").Replace(text)},
		{"GET, escaped in lower case", lower},
		{"GET, doubled slash before the request", "/" + escaped},
		{"GET, padding left out", strings.TrimRight(text, "=")},
	} {
		r.spelling(t, r.get(t, s.name, http.MethodGet, s.rest, nil), id, t.should)
	}
}

// sameMedia compares a Content-Type with a media type.
func sameMedia(header, want string) bool {
	media, _, err := mime.ParseMediaType(header)
	return err == nil && media == want
}

// mediaParameter is a parameter of a media type, "" when it is not there.
func mediaParameter(header, name string) string {
	_, parameters, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	return parameters[name]
}
