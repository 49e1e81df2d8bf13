package ocsp

import (
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	requestType  = "application/ocsp-request"
	responseType = "application/ocsp-response"

	// maxRequest bounds a request: 16 CertIDs with SHA-512 fit in.
	maxRequest = 4 << 10
	// maxPath bounds the path of a GET: base64 with every octet escaped.
	maxPath = 3 * maxRequest * 4 / 3
)

// ServeHTTP answers POST and GET (RFC 6960, Appendix A.1). It must be called
// before any router: http.ServeMux answers the slashes that base64 puts into a
// path with a redirect.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	began := time.Now()
	reason := r.serve(w, req)
	r.observe(reason, time.Since(began))
}

func (r *Responder) serve(w http.ResponseWriter, req *http.Request) (reason string) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	// RequestURI would be the client's own spelling too, but is not set on
	// requests that did not come over a connection.
	path, ok := r.below(req.URL.EscapedPath())
	if !ok {
		return reject(w, http.StatusNotFound)
	}
	var in []byte
	switch req.Method {
	case http.MethodPost:
		if path != "" {
			return reject(w, http.StatusNotFound)
		}
		var status int
		if in, status = readBody(w, req); status != 0 {
			return reject(w, status)
		}
	case http.MethodGet, http.MethodHead:
		if len(path) > maxPath {
			return reject(w, http.StatusRequestURITooLong)
		}
		// What cannot be decoded is nil, which is no DER either.
		in = decodePath(path)
	default:
		// RFC 9110, Section 15.5.6: 405 names what is allowed.
		header.Set("Allow", "GET, HEAD, POST")
		return reject(w, http.StatusMethodNotAllowed)
	}
	return write(w, req, r.respond(req.Context(), in), r.maxAge)
}

// below returns the rest of the escaped path behind the responder's own,
// without slashes in front: an encoded request begins with M, so they can only
// be left over from joining the two.
func (r *Responder) below(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, r.path)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.TrimLeft(rest, "/"), true
}

// decodePath decodes the request in a path. Clients spell it in many ways: '+',
// '/' and '=' bare or escaped in either case, padding left out, lines broken.
// '+' is never a space in a path.
func decodePath(path string) []byte {
	text, err := url.PathUnescape(path)
	if err != nil {
		return nil
	}
	out, err := standardText.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(out) > maxRequest {
		return nil
	}
	return out
}

// readBody returns the body of a POST or the HTTP status to refuse it with.
func readBody(w http.ResponseWriter, req *http.Request) ([]byte, int) {
	if value := req.Header.Get("Content-Type"); value != "" {
		if media, _, err := mime.ParseMediaType(value); err != nil || media != requestType {
			w.Header().Set("Accept", requestType)
			return nil, http.StatusUnsupportedMediaType
		}
	}
	if coding := req.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		return nil, http.StatusUnsupportedMediaType
	}
	if req.ContentLength > maxRequest {
		return nil, http.StatusRequestEntityTooLarge
	}
	in, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxRequest))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return in, 0
}

// reject answers what never came to be an OCSP request.
func reject(w http.ResponseWriter, status int) string {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
	return ReasonHTTP
}

// write sends the reply with the headers of RFC 9919, Section 7.2, and returns
// the reason to observe.
func write(w http.ResponseWriter, req *http.Request, out reply, maxAge time.Duration) string {
	header := w.Header()
	header.Set("Content-Type", responseType)
	body := errorResponse(out.status)
	if out.answer != nil {
		body = out.answer.Response
	}
	if out.sharing != public {
		header.Set("Cache-Control", out.sharing.control())
	} else {
		header.Set("Cache-Control", "max-age="+strconv.Itoa(secondsLeft(out, maxAge))+publicControl)
		// RFC 9919, Section 7.2: the ETag is the hexadecimal SHA-256 hash of the
		// OCSPResponse.
		tag := `"` + hex.EncodeToString(out.answer.tag[:]) + `"`
		header.Set("ETag", tag)
		header.Set("Last-Modified", out.answer.ThisUpdate.UTC().Format(http.TimeFormat))
		header.Set("Expires", out.answer.NextUpdate.UTC().Format(http.TimeFormat))
		// If-Modified-Since is not looked at: a certificate may be held and
		// released within the second that HTTP dates can tell apart.
		if req.Method != http.MethodPost && matches(req.Header.Values("If-None-Match"), tag) {
			header.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return ReasonNotModified
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if req.Method != http.MethodHead {
		// A client that hung up is nobody's concern.
		_, _ = w.Write(body)
	}
	return out.reason
}

// publicControl follows max-age in the Cache-Control of what all may keep (RFC
// 9919, Section 7.2).
const publicControl = ", public, no-transform, must-revalidate"

// control is the Cache-Control of what not all may keep.
func (s sharing) control() string {
	if s == private {
		// RFC 9919, Section 7.2 forbids no-store and no-cache here, since the
		// answer is authoritative; private keeps it from shared caches, and no
		// age from others.
		return "private, max-age=0, no-transform, must-revalidate"
	}
	// RFC 9919, Section 7.2: what is not authoritative should not be kept.
	return "no-store"
}

// secondsLeft returns the max-age of an answer. Only one that outlives its time
// because the source is lost gets another MaxAge.
func secondsLeft(out reply, maxAge time.Duration) int {
	now := time.Now()
	made := out.answer.ThisUpdate.Unix()
	if out.stale {
		made = now.Unix()
	}
	return secondsUntil(made, out.answer.NextUpdate.Unix(), maxAge, now)
}

// secondsUntil returns the max-age of an answer made and ending at these times.
//
// RFC 9919, Section 7.1: the answer must be refreshed before it runs out, so
// the age counts from when the answer was made, as the responder's own keeping
// does. RFC 9919, Section 7.2: it ends before nextUpdate.
func secondsUntil(made, nextUpdate int64, maxAge time.Duration, now time.Time) int {
	until := min(time.Unix(made, 0).Add(maxAge).UnixNano(), time.Unix(nextUpdate-1, 0).UnixNano())
	return max(0, int(time.Duration(until-now.UnixNano())/time.Second))
}

// matches reports whether an If-None-Match header (RFC 9110, Section 13.1.2)
// holds the tag.
func matches(values []string, tag string) bool {
	for _, value := range values {
		for candidate := range strings.SplitSeq(value, ",") {
			candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
			if candidate == tag || candidate == "*" {
				return true
			}
		}
	}
	return false
}
