package interop_test

import (
	"encoding/hex"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
	"github.com/altamga/altamga/interop"
)

// carried are the certificates that a list brings in its own signature.
func carried(t testing.TB, data []byte) (all []*interop.Certificate) {
	d, err := xmlsec.Parse(data, xmlsec.Limits{})
	if err != nil {
		return nil
	}
	for s := range d.Root.All() {
		if !s.Is(xmlsec.SpaceDSig, "Signature") {
			continue
		}
		for e := range s.All() {
			if e.Is(xmlsec.SpaceDSig, "X509Certificate") {
				raw, err := xmlsec.Base64(e.Text())
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, &interop.Certificate{Raw: raw})
			}
		}
	}
	return all
}

// announced are the signers that a list of lists names, for itself and others.
func announced(t testing.TB, list string) (all []*interop.Certificate) {
	t.Helper()
	l, err := interop.Read(corpus(t, "eu/*.xml")[list])
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Scheme.Pointers {
		all = append(all, l.Scheme.Pointers[i].Signers()...)
	}
	return all
}

// TestEveryList: every real list verifies, by the signers that a list of lists
// of the corpus announces for it where there is one, or is refused for the
// reason given.
func TestEveryList(t *testing.T) {
	lotl := map[string]string{
		"AT.xml": "eu-lotl.xml", "CY.xml": "eu-lotl.xml", "CZ.xml": "eu-lotl.xml", "IS.xml": "eu-lotl.xml", "LI.xml": "eu-lotl.xml",
		"MT.xml": "eu-lotl.xml", "SE.xml": "eu-lotl.xml", "UK.xml": "eu-lotl.xml", "ie-tl.xml": "eu-lotl.xml", "eu-lotl.xml": "eu-lotl.xml",
		"fi-v5.xml": "lotl_test_loc_01.xml", "eu-lotl-pivot-335.xml": "lotl_test_loc_01.xml",
		"lotl_test_OJ_1_pivot_01.xml": "lotl_test_loc_01.xml", "lotl_test_loc_01.xml": "lotl_test_loc_01.xml",
	}
	refused := map[string]string{
		"tsl-pe.xml": "algorithm", // a reference is digested with SHA-1
	}
	for name, data := range corpus(t, "eu/*.xml") {
		signers, from := carried(t, data), "its own KeyInfo"
		if lotl[name] != "" {
			signers, from = announced(t, lotl[name]), lotl[name]
		}
		v, err := interop.Verify(data, signers, interop.Terms{})
		if interop.ReasonOf(err) != refused[name] || (err != nil) != (refused[name] != "") {
			t.Errorf("%s: got %v, want %q", name, err, refused[name])
			continue
		}
		if err != nil {
			t.Logf("| %s | refused | %v |", name, err)
			continue
		}
		t.Logf("| %s | verifies | version %d, sequence %d, signers of %s, %s, weak: %v |", name, v.Scheme.Version, v.Scheme.SequenceNumber, from, v.Method[strings.LastIndex(v.Method, "#"):], v.Weak)
	}
}

// TestEveryNegative: each file is refused for its own reason by a reader that
// has the lists of September 2019 in force, or trusts the very key that signed.
func TestEveryNegative(t *testing.T) {
	files := corpus(t, "negative/*.xml")
	maps.Copy(files, corpus(t, "negative/xsw/*.xml"))
	in2019 := time.Date(2019, 9, 10, 0, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		want     string
		sequence uint64
		text     string
	}{
		"CZ_broken-sig.xml":                {"digest", 0, "changed after signing"},
		"CZ_empty.xml":                     {"malformed", 0, "there is no element"},
		"CZ_no-sig.xml":                    {"unsigned", 0, "is not signed"},
		"CZ_not-conform.xml":               {"malformed", 0, "line 174"},
		"CZ_two-sigs.xml":                  {"form", 0, "2 signatures"},
		"eu-lotl-broken-sig.xml":           {"digest", 0, "changed after signing"},
		"eu-lotl-not-parseable.xml":        {"malformed", 0, "line 55"},
		"fi-v5-invalid.xml":                {"structure", 0, "an attribute type, which version 5 does not know"},
		"fi-v6-no-service-information.xml": {"digest", 0, "changed after signing"},
		"fi-v6-no-tsp-information.xml":     {"digest", 0, "changed after signing"},
		"tl-empty-with-identifier.xml":     {"unsigned", 0, "is not signed"},
		"tl-empty.xml":                     {"unsigned", 0, "is not signed"},
		"tl_pivot_247_mp_with-bom.xml":     {"replayed", 248, "sequence number 247; 248 is in force"},
		"tlv6_empty.xml":                   {"unsigned", 0, "is not signed"},
		"tlv6_wrong_inside.xml":            {"unsigned", 0, "is not signed"},
		"TSL-CY-sign.xml":                  {"expired", 0, "due on 2018-11-06"},
		"XSW-enveloped-fake-content.xml":   {"form", 0, "Object where it does not belong"},
		"XSW-enveloping-fake-object.xml":   {"malformed", 0, "the root element is"},
	} {
		data := files[name]
		delete(files, name)
		v, err := interop.Verify(data, carried(t, data), interop.Terms{At: in2019, MinSequence: row.sequence})
		if v != nil || interop.ReasonOf(err) != row.want || !strings.Contains(err.Error(), row.text) {
			t.Errorf("%s: got %q (%v), want %q", name, interop.ReasonOf(err), err, row.want)
		}
		// Whatever else is wrong with it, nobody announced a signer of it for
		// these lists, or it is the one that counts.
		if _, err := interop.Verify(data, nil, interop.Terms{}); err == nil {
			t.Errorf("%s is taken without any pinned signer", name)
		}
	}
	for name := range files {
		t.Errorf("%s is not in the table", name)
	}
}

// The terms of a list that is right in itself.
func TestTerms(t *testing.T) {
	c := newCountry(t, "AZ")
	now := time.Now()
	data := sign(t, c.list, c.signer)
	signers := []*interop.Certificate{c.signer.list()}
	closed := *c.list
	closed.Scheme.NextUpdate = time.Time{}
	four, five := *c.list, *c.list
	four.Scheme.Version, five.Scheme.Version = 4, 5
	for _, row := range []struct {
		name  string
		data  []byte
		terms interop.Terms
		want  string
	}{
		{"in force", data, interop.Terms{At: now, MinSequence: 1}, ""},
		{"at any time", data, interop.Terms{}, ""},
		{"expired", data, interop.Terms{At: now.Add(25 * time.Hour)}, "expired"},
		{"not yet issued", data, interop.Terms{At: now.Add(-time.Hour)}, "early"},
		{"replayed", data, interop.Terms{At: now, MinSequence: 2}, "replayed"},
		{"closed", sign(t, &closed, c.signer), interop.Terms{At: now}, "expired"},
		{"closed, for the archive", sign(t, &closed, c.signer), interop.Terms{}, ""},
		{"version 5", sign(t, &five, c.signer), interop.Terms{At: now}, ""},
		{"version 4", sign(t, &four, c.signer), interop.Terms{At: now}, "structure"},
		{"version 4, for the archive", sign(t, &four, c.signer), interop.Terms{}, ""},
		{"another signer", sign(t, c.list, newCountry(t, "KZ").signer), interop.Terms{At: now}, "untrusted"},
	} {
		if _, err := interop.Verify(row.data, signers, row.terms); interop.ReasonOf(err) != row.want {
			t.Errorf("%s: got %q (%v), want %q", row.name, interop.ReasonOf(err), err, row.want)
		}
	}
}

func TestCompanion(t *testing.T) {
	raw := strings.Repeat("\xab", 32)
	for _, good := range []string{raw, hex.EncodeToString([]byte(raw)), strings.ToUpper(hex.EncodeToString([]byte(raw))) + "\r\n"} {
		if d, err := interop.Companion([]byte(good)); err != nil || string(d[:]) != raw {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "ab", raw + "x", hex.EncodeToString([]byte(raw)) + "00", strings.Repeat("g", 64)} {
		if _, err := interop.Companion([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a hash", bad)
		}
	}
}
