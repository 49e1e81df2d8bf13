package jose_test

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/jose"
)

// flattened and general are a compact document in the two forms of JSON.
func flattened(signed []byte) string {
	p := bytes.Split(signed, []byte("."))
	return fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, p[1], p[0], p[2])
}

func general(signed []byte) string {
	p := bytes.Split(signed, []byte("."))
	return fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2])
}

// RFC 7515, Section 7.2: the same signature in JSON, and what is refused there.
func TestSerializations(t *testing.T) {
	by := onCurve(t, elliptic.P256())
	const payload = `{"a":[1,{"b":null}]}`
	signed, err := jose.Sign(jose.Request{Payload: []byte(payload), Key: by.key, Certificate: by.cert, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	flat, whole := flattened(signed), general(signed)
	change := strings.Replace
	one := whole[strings.Index(whole, "[")+1 : strings.Index(whole, "]")]
	protected := flat[strings.Index(flat, `"protected"`):strings.Index(flat, `,"signature"`)]
	for _, row := range []struct {
		name, document string
		reason         jose.Reason
	}{
		{"compact", string(signed), ""},
		{"flattened", flat, ""},
		{"general", whole, ""},
		{"with spaces", " \n" + change(flat, ":", " : ", -1) + "\n", ""},
		{"members that nobody knows", change(flat, "{", `{"more":{"crit":["x"]},`, 1), ""},
		{"no signature", `{"payload":"e30"}`, jose.Unsigned},
		{"another document", `{"LoTE":{}}`, jose.Unsigned},
		{"no signatures", `{"payload":"e30","signatures":[]}`, jose.Form},
		{"signatures that are none", change(whole, "["+one+"]", `"x"`, 1), jose.Form},
		{"a signature that is none", change(whole, one, "1", 1), jose.Form},
		{"two signatures", change(whole, one, one+","+one, 1), jose.Form},
		{"both forms", change(flat, "{", `{"signatures":[`+one+`],`, 1), jose.Form},
		{"both forms, in part", change(whole, "{", "{"+protected+",", 1), jose.Form},
		{"a header that is not protected", change(flat, "{", `{"header":{"x":1},`, 1), jose.Form},
		{"the same in the general form", change(whole, one, `{"header":{},`+one[1:], 1), jose.Form},
		{"a header beside the signatures", change(whole, "{", `{"header":{},`, 1), jose.Form},
		{"no protected header", change(flat, protected+",", "", 1), jose.Form},
		{"no payload", change(flat, `"payload"`, `"Payload"`, 1), jose.Form},
		{"the payload twice", change(flat, "{", `{"payload":"e30",`, 1), jose.Malformed},
		{"the payload twice, spelled otherwise", change(flat, "{", `{"\u0070ayload":"e30",`, 1), jose.Malformed},
		{"a payload that is a number", `{"payload":1,"protected":"e30","signature":"e30"}`, jose.Form},
		{"another payload", change(flat, `"payload":"`, `"payload":"ICAg`, 1), jose.Value},
		{"padding", change(flat, `","protected"`, `==","protected"`, 1), jose.Malformed},
		{"something behind it", flat + flat, jose.Malformed},
		{"half of it", flat[:len(flat)/2], jose.Malformed},
		{"too deep", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), jose.Malformed},
		{"a header that is too large", `{"payload":"e30","protected":"` + strings.Repeat("e", 300<<10) + `","signature":"e30"}`, jose.Malformed},
	} {
		v, err := jose.Verify([]byte(row.document), []jose.Signer{by.pinned()})
		if jose.ReasonOf(err) != row.reason || (err != nil) != (row.reason != "") {
			t.Errorf("%s: refused for %q, want %q: %v", row.name, jose.ReasonOf(err), row.reason, err)
		}
		if err == nil && (string(v.Payload) != payload || v.Signer != 0) {
			t.Errorf("%s: %q by %d", row.name, v.Payload, v.Signer)
		}
	}
	// What is critical counts there, too.
	critical := sealed(t, by, `{"alg":"ES256","crit":["more"],"more":1}`)
	for _, document := range []string{flattened(critical), general(critical)} {
		if _, err := jose.Verify([]byte(document), []jose.Signer{by.pinned()}); jose.ReasonOf(err) != jose.Form || !strings.Contains(err.Error(), "not understood") {
			t.Errorf("a critical unknown: %v", err)
		}
	}
}
