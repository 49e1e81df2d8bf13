package crl

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// file is what is served under one path: a current list, or octets that stay.
type file struct {
	slot *slot
	// alarm is called when the list's file was altered; nil for nobody.
	alarm    func()
	der      []byte
	etag     string
	modified time.Time
}

// certificateMaxAge is how long caches may keep an authority's certificate,
// which hardly ever changes.
const certificateMaxAge = time.Hour

// maxRanges is how many ranges of a list are answered at once.
const maxRanges = 16

func certificateFile(c *x509.Certificate) file {
	return file{der: c.Raw, etag: fmt.Sprintf(`"%x"`, sha256.Sum256(c.Raw)), modified: c.NotBefore}
}

// ServeHTTP answers GET and HEAD for the published paths and for no others.
//
// RFC 2585, Section 4: application/pkix-crl and application/pkix-cert, one
// DER object each. RFC 4387, Section 2: no content-coding, whatever the client
// accepts, since the octets are a signed object. Validators, conditions and
// ranges are those of RFC 9110, Section 8.8, Section 13 and Section 14.
func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serveFiles(w, r, p.files, p.config.MaxAge)
}

func serveFiles(w http.ResponseWriter, r *http.Request, files map[string]file, mostAge time.Duration) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	f, ok := files[r.URL.Path]
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "there is no such list or certificate")
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "lists and certificates are only read")
		return
	}
	media, maxAge := "application/pkix-cert", certificateMaxAge
	now := time.Now()
	var content io.ReadSeeker = bytes.NewReader(f.der)
	if f.slot != nil {
		current := f.slot.current.Load()
		if current == nil {
			w.Header().Set("Retry-After", "5")
			refuse(w, http.StatusServiceUnavailable, "the list was not published yet")
			return
		}
		if current.altered() {
			if f.alarm != nil {
				f.alarm()
			}
			w.Header().Set("Retry-After", "5")
			refuse(w, http.StatusServiceUnavailable, "the list was damaged and is not published anew yet")
			return
		}
		content, f.etag, f.modified = current.open(), current.etag, current.modified
		if current.file != nil {
			w = paced{w}
			if opened := current.reopen(); opened != nil {
				defer opened.Close()
				content = opened
			}
		}
		// RFC 9111, Section 4.2: fresh means usable unasked, which a list is not
		// after its nextUpdate.
		media, maxAge = "application/pkix-crl", max(0, min(mostAge, current.NextUpdate.Sub(now)))
	}
	seconds := maxAge.Truncate(time.Second)
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "max-age="+strconv.Itoa(int(seconds/time.Second))+", public, no-transform, must-revalidate")
	h.Set("Expires", now.Add(seconds).UTC().Format(http.TimeFormat))
	if f.modified.After(now) {
		// RFC 9110, Section 8.8.2.1: never later than the answer itself.
		f.modified = time.Time{}
	}
	// RFC 9110, Section 14.2: many small ranges may be ignored, since the answer
	// to them is longer than the list.
	if strings.Count(r.Header.Get("Range"), ",") >= maxRanges {
		r.Header.Del("Range")
	}
	http.ServeContent(w, r, "", f.modified, content)
}

// A list takes longer to send than the server gives an answer out of memory, so
// each piece has time of its own: a quarter of a megabit per second is the least
// that is borne, and a client that takes nothing is soon rid of, and with it the
// file of a list that was replaced long ago.
const (
	piece       = 1 << 20
	pieceWithin = 30 * time.Second
)

// paced sends in pieces.
type paced struct{ http.ResponseWriter }

// ReadFrom is given what [http.ServeContent] sends. The kernel can send a piece
// of a file by itself.
func (p paced) ReadFrom(from io.Reader) (sent int64, err error) {
	all, ok := from.(*io.LimitedReader)
	if !ok {
		return io.Copy(p.ResponseWriter, from)
	}
	control := http.NewResponseController(p.ResponseWriter)
	for all.N > 0 {
		// Who serves in a test may know no deadlines.
		_ = control.SetWriteDeadline(time.Now().Add(pieceWithin))
		next := min(all.N, piece)
		n, err := io.Copy(p.ResponseWriter, &io.LimitedReader{R: all.R, N: next})
		sent, all.N = sent+n, all.N-n
		if err != nil || n < next {
			return sent, err
		}
	}
	return sent, nil
}

// reopen returns a file of its own for one answer, which the kernel can send
// by itself; nil when the name leads to another list by now.
func (l *List) reopen() *os.File {
	f, err := os.Open(l.file.Name())
	if err != nil {
		return nil
	}
	was, err := l.file.Stat()
	if err == nil {
		var is os.FileInfo
		if is, err = f.Stat(); err == nil && os.SameFile(was, is) {
			return f
		}
	}
	f.Close()
	return nil
}

// refuse answers without a list.
func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, why, status)
}
