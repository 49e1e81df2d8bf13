package truststore

import (
	"bytes"
	"encoding/pem"
	"fmt"

	"github.com/altamga/altamga/interop"
)

// PEM is every certificate, with a line before it that says what it is.
func PEM(anchors []Anchor) []byte {
	var b bytes.Buffer
	for _, a := range certificates(anchors) {
		fmt.Fprintf(&b, "# %s: %s\n# sha256 %s\n", a.Territory, oneLine(interop.NameText(a.Facts.Subject)), a.Certificate.Fingerprint())
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw}))
	}
	return b.Bytes()
}

// oneLine keeps a name from ending the comment that it stands in.
func oneLine(s string) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, []byte(s)))
}
