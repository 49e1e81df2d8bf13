package est

import (
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"net/http"

	"github.com/altamga/altamga/ca"
)

// exporterLabel and exporterLength make the channel binding "tls-exporter"
// (RFC 9266, Section 4.1).
const (
	exporterLabel  = "EXPORTER-Channel-Binding"
	exporterLength = 32
)

// checkLink checks that a request was made for the connection that it came
// over: its challenge password is the channel binding in base64. A request
// without one passes, unless the label requires the link.
//
// RFC 7030, Section 3.5: tls-unique, which TLS 1.3 does not have. There
// tls-exporter takes its place (RFC 9266, Section 3). A password that is
// neither is refused, whatever it was meant for.
func checkLink(state *tls.ConnectionState, wish *ca.Wish, label *Label) error {
	if wish.ChallengePassword == nil {
		if label.RequireLink {
			return fail(http.StatusBadRequest, "the linking of identity and proof of possession is required: put the channel binding into the challenge password (RFC 7030, Section 3.5)")
		}
		return nil
	}
	binding := state.TLSUnique
	if state.Version >= tls.VersionTLS13 {
		var err error
		if binding, err = state.ExportKeyingMaterial(exporterLabel, nil, exporterLength); err != nil {
			binding = nil
		}
	}
	want := base64.StdEncoding.EncodeToString(binding)
	if len(binding) == 0 || subtle.ConstantTimeCompare([]byte(want), []byte(*wish.ChallengePassword)) != 1 {
		return fail(http.StatusBadRequest, "the challenge password is not the channel binding of this connection, so it does not link identity and proof of possession (RFC 7030, Section 3.5)")
	}
	return nil
}
