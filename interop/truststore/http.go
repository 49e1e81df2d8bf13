package truststore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/problem"
	"github.com/altamga/altamga/interop"
)

// media of the packages that are served.
var media = map[string]string{
	"anchors.pem": "application/x-pem-file", "anchors.p7b": "application/pkcs7-mime", "anchors.p12": "application/x-pkcs12",
	"anchors.jks": "application/x-java-keystore", "anchors.sst": "application/vnd.ms-pki.certstore", "anchors.json": "application/json",
	"anchors.csv": "text/csv; charset=utf-8", "anchors.zip": "application/zip",
	loteFile: "application/json", signedLoTEFile: interop.MediaTypeJSON,
}

// Handler serves packages of what the lists in force vouch for, under
// /packages/. The query chooses: territory, type, status and algorithm, each as
// often as wanted.
type Handler struct {
	// Trust returns what the lists say now.
	Trust func() *interop.Trust
	// signer signs what is served; nil when there is no key for it.
	signer *Signer
	// making bounds how many packages are made at once; patience is how long a
	// request waits for its turn.
	making   chan struct{}
	patience time.Duration
	made     memory
}

// NewHandler returns a handler. Without a signer what it serves is not signed.
func NewHandler(trust func() *interop.Trust, signer *Signer) *Handler {
	return &Handler{Trust: trust, signer: signer, making: make(chan struct{}, 2), patience: 5 * time.Second}
}

// ServeHTTP answers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/packages/")
	kind, ok := media[name]
	switch {
	case !ok:
		problem.New(http.StatusNotFound, "not_found", "packages are anchors.pem, .p7b, .p12, .jks, .sst, .json, .csv, .lote.json, .lote.jws and .zip").Write(w)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "packages are only read").Write(w)
		return
	}
	filter, refused := readFilter(r)
	if refused != nil {
		refused.Write(w)
		return
	}
	data, err := h.file(r.Context(), name, filter)
	switch {
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "5")
		problem.New(http.StatusServiceUnavailable, "busy", err.Error()).Write(w)
		return
	case r.Context().Err() != nil:
		return
	case err != nil:
		problem.New(http.StatusNotFound, "empty", err.Error()).Write(w)
		return
	}
	head := w.Header()
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(data))
	head.Set("ETag", etag)
	head.Set("Cache-Control", "max-age=300, public, no-transform, must-revalidate")
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Type", kind)
	head.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	head.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method == http.MethodGet {
		w.Write(data)
	}
}

// errBusy: other packages are being made, and take long.
var errBusy = errors.New("too many packages are asked for at this moment")

// file returns what was made already, or waits for its turn and makes it.
func (h *Handler) file(ctx context.Context, name string, f Filter) ([]byte, error) {
	trust, key := h.Trust(), keyOf(name, f)
	if data, ok := h.made.get(trust, key); ok {
		return data, nil
	}
	late := time.NewTimer(h.patience)
	defer late.Stop()
	select {
	case h.making <- struct{}{}:
		defer func() { <-h.making }()
	case <-late.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// Somebody may have made it meanwhile.
	if data, ok := h.made.get(trust, key); ok {
		return data, nil
	}
	data, err := h.make(trust, name, f)
	if err == nil {
		h.made.put(trust, key, data)
	}
	return data, err
}

func readFilter(r *http.Request) (f Filter, refused *problem.Details) {
	for key, values := range r.URL.Query() {
		into, ok := map[string]*[]string{"territory": &f.Territories, "type": &f.Types, "status": &f.Statuses, "algorithm": &f.Algorithms}[key]
		if !ok {
			return f, problem.Invalid(problem.Field{Field: key, Detail: "is no filter; territory, type, status and algorithm are"})
		}
		*into = values
	}
	return f, nil
}

// make makes the one file that is asked for.
func (h *Handler) make(trust *interop.Trust, name string, f Filter) ([]byte, error) {
	anchors := Select(trust, f)
	if len(anchors) == 0 {
		return nil, errEmpty
	}
	switch name {
	case "anchors.zip":
		return Bundle(anchors, h.signer)
	case loteFile:
		return LoTE(anchors)
	case signedLoTEFile:
		return SignedLoTE(anchors, h.signer)
	}
	return formats[name](anchors)
}
