package est

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// maxBody bounds a request body in octets.
const maxBody = 64 << 10

// readBody reads the certification request of a body.
//
// RFC 7030, Section 4.2.1: the media type is application/pkcs10. RFC 8951,
// Section 3: it is base64 whatever a Content-Transfer-Encoding says.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/pkcs10" {
		return nil, fail(http.StatusUnsupportedMediaType, "the body must be application/pkcs10 (RFC 7030, Section 4.2.1)")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fail(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d octets", maxBody))
	}
	if err != nil {
		return nil, fail(http.StatusBadRequest, "the body ended early")
	}
	csr, err := decodeBase64(string(text))
	switch {
	case strings.Contains(string(text), "-----BEGIN"):
		return nil, fail(http.StatusBadRequest, "the body is PEM: leave out the lines that begin with hyphens (RFC 8951, Section 3)")
	case err != nil || len(csr) == 0:
		return nil, fail(http.StatusBadRequest, "the body is not the base64 of a certification request (RFC 8951, Section 3)")
	}
	return csr, nil
}

// decodeBase64 decodes base64 with any white space in it.
//
// RFC 8951, Section 3.1: CR, LF, spaces and tabs should be tolerated.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("\r", "", "\n", "", " ", "", "\t", "").Replace(text)
	return base64.StdEncoding.Strict().DecodeString(text)
}
