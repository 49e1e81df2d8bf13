package http1

import "bytes"

// Method is one of the methods of a plain request.
type Method byte

// The methods that are plain.
const (
	Get Method = iota
	Head
	Post
)

// Request is a plain request. Its fields alias the connection's buffer and are
// valid until the [Handler] returns.
type Request struct {
	Method Method
	// Path is the request target up to a question mark, as it was sent.
	Path []byte
	// ContentType and IfNoneMatch are the values of those header lines, nil
	// when absent.
	ContentType []byte
	IfNoneMatch []byte
	// Body is that of a POST.
	Body []byte
	// Close says that the connection ends with the answer, which must say so
	// (RFC 9112, Section 9.6).
	Close bool
}

// extent is how much of a request is there.
type extent int

const (
	// partial: what is there may be the beginning of a plain request.
	partial extent = iota
	// whole: a plain request.
	whole
	// odd: for net/http to judge.
	odd
)

// maxBuffer bounds a plain request with its body.
const maxBuffer = 8 << 10

// read recognises the request that in begins with and returns its length.
func (r *Request) read(in []byte) (int, extent) {
	*r = Request{}
	// RFC 9112, Section 2.2: a server should ignore an empty line before the
	// request; net/http does, so it is odd here.
	line, rest, ok := cutLine(in)
	if !ok {
		return 0, undecided(in)
	}
	if !r.readLine(line) {
		return 0, odd
	}
	var h header
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return 0, undecided(in)
		}
		if len(line) == 0 {
			break
		}
		if !h.readLine(r, line) {
			return 0, odd
		}
	}
	// RFC 9112, Section 3.2: exactly one Host, or the request is refused.
	if !h.host || r.Method != Post && h.length > 0 || r.Method == Post && !h.counted {
		return 0, odd
	}
	if len(in)-len(rest)+h.length > maxBuffer {
		return 0, odd
	}
	if len(rest) < h.length {
		return 0, partial
	}
	r.Body = rest[:h.length:h.length]
	return len(in) - len(rest) + h.length, whole
}

// undecided is the extent of a beginning without its end.
func undecided(in []byte) extent {
	if len(in) >= maxBuffer {
		return odd
	}
	return partial
}

// cutLine returns the line that s begins with, without its CRLF, and what
// follows. A bare CR or LF is left in the line, where it is no valid octet.
func cutLine(s []byte) (line, rest []byte, ok bool) {
	end := bytes.IndexByte(s, '\n')
	if end < 0 {
		return nil, nil, false
	}
	if end > 0 && s[end-1] == '\r' {
		return s[:end-1], s[end+1:], true
	}
	// A line that ends with LF alone: returned with it, so that no rule
	// accepts it.
	return s[:end+1], s[end+1:], true
}

// readLine reads the request line (RFC 9112, Section 3): method, one space,
// target in origin form, one space, version.
func (r *Request) readLine(line []byte) bool {
	const version = " HTTP/1.1"
	if !bytes.HasSuffix(line, []byte(version)) {
		return false
	}
	line = line[:len(line)-len(version)]
	switch {
	case bytes.HasPrefix(line, []byte("GET /")):
		r.Method, line = Get, line[4:]
	case bytes.HasPrefix(line, []byte("POST /")):
		r.Method, line = Post, line[5:]
	case bytes.HasPrefix(line, []byte("HEAD /")):
		r.Method, line = Head, line[5:]
	default:
		return false
	}
	for _, c := range line {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	if query := bytes.IndexByte(line, '?'); query >= 0 {
		line = line[:query]
	}
	r.Path = line
	return true
}

// header is what was seen of the header lines.
type header struct {
	host, counted, connection bool
	length                    int
}

// readLine reads one header line. It reports false where the line is not plain:
// malformed, repeated, or of a meaning that only net/http knows.
func (h *header) readLine(r *Request, line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	// RFC 9112, Section 5.1: no space before the colon; Section 5.2: a line
	// that begins with one continues the line before.
	if colon <= 0 || !isToken(line[:colon]) {
		return false
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	// Only names of these lengths and first letters matter; most lines are
	// passed over here.
	switch name[0] | 0x20 {
	case 'a':
		// Who asks is for net/http's handler to find out.
		return !is(name, "authorization")
	case 'h':
		if is(name, "host") {
			if h.host || !isHost(value) {
				return false
			}
			h.host = true
		}
	case 'i':
		if is(name, "if-none-match") {
			return once(&r.IfNoneMatch, value)
		}
	case 'c':
		switch {
		case is(name, "content-length"):
			return h.readLength(value)
		case is(name, "content-type"):
			return once(&r.ContentType, value)
		case is(name, "connection"):
			return h.readConnection(r, value)
		case is(name, "content-encoding"):
			return false
		}
	case 't':
		// Chunks and what else may change where the body ends.
		return !is(name, "transfer-encoding") && !is(name, "trailer") && !is(name, "te")
	case 'e':
		return !is(name, "expect")
	case 'u':
		return !is(name, "upgrade")
	case 'x':
		// Whoever names a request wants the name back.
		return !is(name, "x-request-id")
	}
	return true
}

// readLength reads Content-Length (RFC 9112, Section 6.3): digits, once.
func (h *header) readLength(value []byte) bool {
	if h.counted || len(value) == 0 || len(value) > 5 {
		return false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
		h.length = h.length*10 + int(c-'0')
	}
	h.counted = true
	return true
}

func (h *header) readConnection(r *Request, value []byte) bool {
	if h.connection {
		return false
	}
	h.connection = true
	r.Close = is(value, "close")
	return r.Close || is(value, "keep-alive")
}

// once sets field, which must not be set yet.
func once(field *[]byte, value []byte) bool {
	if *field != nil {
		return false
	}
	*field = value[:len(value):len(value)]
	return true
}

// is reports whether s is the word, given in lower case, in any case.
func is(s []byte, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// isToken reports whether s is a token (RFC 9110, Section 5.6.2).
func isToken(s []byte) bool {
	for _, c := range s {
		if !tokens[c] {
			return false
		}
	}
	return true
}

// isHost reports whether value has octets only that occur in names, addresses
// and ports. Empty is a matter for net/http.
func isHost(value []byte) bool {
	for _, c := range value {
		if !hosts[c] {
			return false
		}
	}
	return len(value) > 0
}

var (
	hosts  = set("-.:[]_")
	tokens = set("!#$%&'*+-.^_`|~")
)

// set is the set of letters, digits and more.
func set(more string) (out [256]bool) {
	for c := range byte(255) {
		out[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	for _, c := range []byte(more) {
		out[c] = true
	}
	return out
}
