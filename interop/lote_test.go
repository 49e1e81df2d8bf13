package interop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/jose"
	"github.com/altamga/altamga/interop"
)

// asJSON writes the country's list as one of trusted entities, and signs it.
func (c *country) asJSON(t testing.TB) (written, signed []byte) {
	t.Helper()
	written, err := interop.WriteLoTE(c.list)
	if err != nil {
		t.Fatal(err)
	}
	signed, err = interop.SignLoTE(written, c.signer.key, c.signer.cert, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return written, signed
}

// A list of trusted entities is verified by its pinned signer, and by the terms
// that a list in XML has to meet.
func TestLoTEVerify(t *testing.T) {
	kz, tr := newCountry(t, "KZ"), newCountry(t, "TR")
	written, signed := kz.asJSON(t)
	v, err := interop.Verify(signed, []*interop.Certificate{tr.signer.list(), kz.signer.list()}, interop.Terms{At: time.Now(), MinSequence: 1})
	if err != nil {
		t.Fatal(err)
	}
	if v.Scheme.Territory != "KZ" || v.Method != "ES256" || string(v.Signer.Raw) != string(kz.signer.cert.Raw) || !v.JSON {
		t.Errorf("got %+v", v)
	}
	if a := interop.NewTrust(v).TrustedAt(kz.leaf(t), time.Now()); !a.Trusted {
		t.Errorf("the list does not vouch for its citizen: %s", a.Why)
	}
	body := bytes.Split(signed, []byte("."))
	inJSON := fmt.Appendf(nil, `{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, body[1], body[0], body[2])
	again, err := interop.Verify(inJSON, []*interop.Certificate{kz.signer.list()}, interop.Terms{})
	if err != nil || again.Scheme.SequenceNumber != v.Scheme.SequenceNumber || again.Digest == v.Digest {
		t.Errorf("in JSON serialization: %v", err)
	}
	if l, err := interop.Read(inJSON); err != nil || l.Scheme.Territory != "KZ" {
		t.Errorf("in JSON serialization, read: %v", err)
	}
	for _, row := range []struct {
		name   string
		data   []byte
		terms  interop.Terms
		reason string
	}{
		{"not signed", written, interop.Terms{}, "unsigned"},
		{"changed", bytes.Join([][]byte{body[0], append([]byte("ICAg"), body[1]...), body[2]}, []byte(".")), interop.Terms{}, "signature"},
		{"two parts", bytes.Join(body[:2], []byte(".")), interop.Terms{}, "malformed"},
		{"another signer", second(tr.asJSON(t)), interop.Terms{}, "untrusted"},
		{"replayed", signed, interop.Terms{MinSequence: 2}, interop.ReasonReplayed},
		{"expired", signed, interop.Terms{At: time.Now().AddDate(0, 0, 2)}, interop.ReasonExpired},
		{"of the future", signed, interop.Terms{At: time.Now().AddDate(0, 0, -2)}, interop.ReasonEarly},
		{"no list", second(sealed(t, kz, `{"LoTE":{}}`)), interop.Terms{}, interop.ReasonStructure},
	} {
		if _, err := interop.Verify(row.data, []*interop.Certificate{kz.signer.list()}, row.terms); interop.ReasonOf(err) != row.reason {
			t.Errorf("%s: refused for %q, want %q: %v", row.name, interop.ReasonOf(err), row.reason, err)
		}
	}
}

func second(_, b []byte) []byte { return b }

func sealed(t *testing.T, c *country, payload string) (written, signed []byte) {
	t.Helper()
	signed, err := jose.Sign(jose.Request{Payload: []byte(payload), Key: c.signer.key, Certificate: c.signer.cert, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return []byte(payload), signed
}

// ETSI TS 119 602, Section 6.8: nobody signs another operator's list.
func TestLoTESigner(t *testing.T) {
	kz, tr := newCountry(t, "KZ"), newCountry(t, "TR")
	written, _ := kz.asJSON(t)
	if _, err := interop.SignLoTE(written, tr.signer.key, tr.signer.cert, nil, time.Now()); err == nil || !strings.Contains(err.Error(), "the territory \"KZ\"") {
		t.Errorf("a signer of another country: %v", err)
	}
	another := *kz.signer.cert
	another.Subject.Organization = []string{"Another (TEST)"}
	if _, err := interop.SignLoTE(written, kz.signer.key, &another, nil, time.Now()); err == nil || !strings.Contains(err.Error(), "not the scheme operator's name") {
		t.Errorf("a signer of another organisation: %v", err)
	}
	if _, err := interop.SignLoTE([]byte(`{"LoTE":{}}`), kz.signer.key, kz.signer.cert, nil, time.Now()); err == nil {
		t.Error("what is no list is signed")
	}
}

// What the schema does not know, or knows otherwise, is refused with its place.
func TestLoTEStrict(t *testing.T) {
	written, _ := newCountry(t, "KZ").asJSON(t)
	for _, row := range []struct{ name, old, new, want string }{
		{"unknown", `"LoTESequenceNumber"`, `"More": 1, "LoTESequenceNumber"`, "ListAndSchemeInformation.More: is not of"},
		{"another case", `"SchemeTerritory"`, `"schemeTerritory"`, "schemeTerritory: is not of"},
		{"twice", `"LoTESequenceNumber": 1`, `"LoTESequenceNumber": 1, "LoTESequenceNumber": 2`, "stands twice"},
		{"missing", `"LoTEVersionIdentifier": 1,`, ``, "has no LoTEVersionIdentifier"},
		{"a later version", `"LoTEVersionIdentifier": 1`, `"LoTEVersionIdentifier": 2`, "the version is 2"},
		{"number as text", `"LoTESequenceNumber": 1`, `"LoTESequenceNumber": "1"`, "not the JSON of a list"},
		{"null", `"SchemeTerritory": "KZ"`, `"SchemeTerritory": null`, "SchemeTerritory"},
		{"empty", `"val": "`, `"val": null, "encoding": "`, "X509Certificates[0].val"},
		{"no date", `"NextUpdate": "`, `"NextUpdate": "soon`, "is not a date"},
		{"no URI", `"LoTEType": "http`, `"LoTEType": "://`, "is not a URI"},
		{"cut", "}\n}", "}", "ends early"},
		{"more behind", "}\n}", "}\n}{}", "stands behind"},
	} {
		at := bytes.LastIndex(written, []byte(row.old))
		if at < 0 {
			t.Fatalf("%s: there is no %s", row.name, row.old)
		}
		bad := string(written[:at]) + row.new + string(written[at+len(row.old):])
		if _, err := interop.Read([]byte(bad)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if _, err := interop.Read([]byte(strings.Repeat("[", 100_000))); err == nil {
		t.Error("a deep one is read")
	}
	if _, err := interop.WriteLoTE(&interop.List{}); err == nil {
		t.Error("an empty list is written")
	}
}

// Real lists of states go through JSON and come back with every certificate and
// every word that ETSI TS 119 602 has a place for.
func TestLoTERoundTrip(t *testing.T) {
	written := 0
	for name, data := range corpus(t, "eu/*.xml") {
		if len(data) > 250_000 {
			continue // the same again, and slow under the race detector
		}
		l, err := interop.Read(data)
		if err != nil || len(l.Providers) == 0 {
			continue
		}
		// Pointers of lists before version 5 do not say what they lead to.
		l.Scheme.Pointers = nil
		again, err := interop.WriteLoTE(l)
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		written++
		got, err := interop.Read(again)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		twice, err := interop.WriteLoTE(got)
		if err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%s: written twice, it differs: %v", name, err)
		}
		if want, have := certificatesOf(l), certificatesOf(got); !reflect.DeepEqual(want, have) {
			t.Errorf("%s: %d certificates, %d after", name, len(want), len(have))
		}
		for i, p := range l.Providers {
			for j, s := range p.Services {
				g := got.Providers[i].Services[j]
				if s.Type != g.Type || s.Status != g.Status || !s.Since.Equal(g.Since) || len(s.History) != len(g.History) || !reflect.DeepEqual(s.Extensions, g.Extensions) || !reflect.DeepEqual(s.Name, g.Name) {
					t.Errorf("%s: service %d of provider %d differs", name, j, i)
				}
			}
		}
	}
	if written < 5 {
		t.Errorf("%d lists were written", written)
	}
}

func certificatesOf(l *interop.List) (all []string) {
	add := func(id interop.Identity) {
		for _, c := range id.Certificates() {
			all = append(all, c.Fingerprint()+c.Text)
		}
	}
	for _, p := range l.Providers {
		for _, s := range p.Services {
			add(s.Identity)
			for _, h := range s.History {
				add(h.Identity)
			}
		}
	}
	return all
}

// The lists that others made are read, and those that are none are not.
func TestLoTECorpus(t *testing.T) {
	bad := map[string]string{
		"invalid.json": "TrustedEntitiesList: is not of", "Mock_PID_Provider_List_v0.0.1.json": "after object key",
		"empty-only-schema-extensions.json": "TEPostalAddress of type",
	}
	for name, data := range corpus(t, "lote/*.json") {
		l, err := interop.Read(data)
		if (err == nil) != (bad[name] == "") || err != nil && !strings.Contains(err.Error(), bad[name]) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		t.Log(name, l.Notes)
		again, err := interop.WriteLoTE(l)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := interop.Read(again); err != nil || !reflect.DeepEqual(certificatesOf(l), certificatesOf(got)) {
			t.Errorf("%s: written and read: %v", name, err)
		}
	}
}

// What is written is judged by ETSI's schema, with somebody else's validator.
func TestLoTESchema(t *testing.T) {
	dir := os.Getenv("ALTAMGA_CORPUS")
	if _, err := exec.LookPath("jsonschema"); err != nil || dir == "" {
		t.Skip("jsonschema (Debian: python3-jsonschema) or ALTAMGA_CORPUS with the schemas is missing")
	}
	schema := filepath.Join(dir, "interop/xsd/lote/1960201_json_schema.json")
	written, _ := newCountry(t, "KZ").asJSON(t)
	broken := bytes.Replace(written, []byte(`"LoTESequenceNumber"`), []byte(`"LoTESequence"`), 1)
	good, bad := filepath.Join(t.TempDir(), "good.json"), filepath.Join(t.TempDir(), "bad.json")
	if err := errors.Join(os.WriteFile(good, written, 0o600), os.WriteFile(bad, broken, 0o600)); err != nil {
		t.Fatal(err)
	}
	// One run for both: it says what is wrong with which.
	output, err := exec.Command("jsonschema", "--output", "pretty", "-i", good, "-i", bad, schema).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "SUCCESS]===("+good+")") || !strings.Contains(string(output), "'LoTESequenceNumber' is a required property") {
		t.Errorf("%v\n%s", err, output)
	}
}

// FuzzLoTE: what is read is written again, and read as the same.
func FuzzLoTE(f *testing.F) {
	written, _ := newCountry(f, "KZ").asJSON(f)
	var compact bytes.Buffer
	if err := json.Compact(&compact, written); err != nil {
		f.Fatal(err)
	}
	f.Add(compact.Bytes())
	f.Add([]byte(`{"LoTE":{"ListAndSchemeInformation":{"LoTEVersionIdentifier":1,"LoTESequenceNumber":1,"SchemeOperatorName":[{"lang":"en","value":"A"}],"ListIssueDateTime":"2026-01-01T00:00:00Z","NextUpdate":"2026-02-01T00:00:00Z","SchemeExtensions":[{"a":[1]}]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := interop.Read(data)
		if err != nil || !l.JSON {
			return
		}
		again, err := interop.WriteLoTE(l)
		if err != nil {
			return
		}
		got, err := interop.Read(again)
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, again)
		}
		if twice, err := interop.WriteLoTE(got); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("written twice, it differs: %v\n%s\n%s", err, again, twice)
		}
	})
}
