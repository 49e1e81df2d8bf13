package ca_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/pki"
)

func TestProfileFiles(t *testing.T) {
	good := `validity = "1y"
keys = ["p256"]
key_usage = ["digitalSignature"]

[[subject]]
attribute = "CN"
required = true
`
	load := func(text string) error {
		_, err := ca.LoadProfiles(fstest.MapFS{"p.toml": {Data: []byte(text)}})
		return err
	}
	if err := load(good); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, text, want string }{
		{"unknown key", "validty = \"1y\"\n" + good, "p.toml:1: unknown key validty"},
		{"unknown key in a table", good + "requierd = true\n", "p.toml:8: unknown key subject.requierd"},
		{"broken TOML", "keys = [\n" + good, "p.toml:2"},
		{"bad validity", strings.Replace(good, `"1y"`, `"1w"`, 1), "p.toml:1"},
		{"no validity", strings.Replace(good, `validity = "1y"`, "", 1), "validity: is missing"},
		{"unknown kind of key", strings.Replace(good, "p256", "p192", 1), `p.toml:2: keys: "p192" is none of`},
		{"CERT-13 no usage", strings.Replace(good, `["digitalSignature"]`, "[]", 1), "p.toml:3: key_usage: is missing"},
		{"CERT-14 encipherment with an elliptic curve", strings.Replace(good, `"digitalSignature"`, `"keyEncipherment"`, 1), "RFC 8813, Section 3"},
		{"CERT-15 a policy twice", "policies = [\"2.999.1\", \"2.999.1\"]\n" + good, "p.toml:1: policies: 2.999.1 stands twice"},
		{"CERT-19 pathLen without cA", "path_length = 0\n" + good, "p.toml:1: path_length: belongs to authorities alone"},
		{"CERT-19 keyCertSign without cA", strings.Replace(good, "digitalSignature", "keyCertSign", 1), "p.toml:3: key_usage: only an authority"},
		{"CERT-19 cA without keyCertSign", "ca = true\n" + good, "an authority needs keyCertSign"},
		{"CERT-22 purpose without a fitting usage", "ext_key_usage = [\"clientAuth\"]\n" + strings.Replace(good, "digitalSignature", "nonRepudiation", 1), "RFC 5280, Section 4.2.1.12"},
		{"CERT-33 an attribute twice", good + "[[subject]]\nattribute = \"CN\"\n", "p.toml:9: subject.attribute: CN stands twice"},
		{"CERT-33 pseudonym beside a name", good + "[[subject]]\nattribute = \"pseudonym\"\n[[subject]]\nattribute = \"surname\"\n", "pseudonym stands beside"},
		{"CERT-36 nonRepudiation with another usage", strings.Replace(good, `"digitalSignature"`, `"nonRepudiation", "digitalSignature"`, 1), "nonRepudiation stands alone"},
		{"CERT-42 qualified without type", good + "[qc]\ncompliance = true\nlegislation = [\"AZ\"]\n[[qc.pds]]\nurl = \"https://a.example/\"\nlanguage = \"az\"\n", "qc.type"},
		{"CERT-43 QcCompliance without QcCClegislation", good + "[qc]\ncompliance = true\ntype = \"esign\"\n[[qc.pds]]\nurl = \"https://a.example/\"\nlanguage = \"az\"\n", "QcCompliance without QcCClegislation"},
		{"CERT-43 lower-case country", good + "[qc]\nlegislation = [\"az\"]\n", "p.toml:9: qc.legislation"},
		{"CERT-44 disclosure over http", good + "[qc]\n[[qc.pds]]\nurl = \"http://a.example/\"\nlanguage = \"az\"\n", "p.toml:10: qc.pds.url: is not an https URL"},
		{"CERT-44 upper-case language", good + "[qc]\n[[qc.pds]]\nurl = \"https://a.example/\"\nlanguage = \"AZ\"\n", "p.toml:11: qc.pds.language"},
		{"CERT-44 no disclosure in English", good + "[qc]\n[[qc.pds]]\nurl = \"https://a.example/\"\nlanguage = \"az\"\n", "p.toml:9: qc.pds: none of"},
		{"CERT-44 numeric currency", good + "[qc.limit]\ncurrency = \"944\"\namount = 1\n", "ISO 4217"},
		{"OCSP-12 responder without nocheck", "ext_key_usage = [\"OCSPSigning\"]\n" + good, "RFC 6960, Section 4.2.2.2.1"},
		{"TSA-09 time-stamping beside another purpose", "ext_key_usage = [\"timeStamping\", \"clientAuth\"]\nexclusive_key = true\n" + good, "RFC 3161, Section 2.3"},
		{"unknown attribute", strings.Replace(good, `"CN"`, `"cn"`, 1), `p.toml:6: subject.attribute: "cn"`},
		{"default of nothing", good + "default = \"{x}\"\n", "p.toml:8: subject.default"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := load(row.text); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want it to contain %q", err, row.want)
			}
		})
	}
	t.Run("all statements", func(t *testing.T) {
		text := `carries = ["crl", "ca_issuers"]
policies = ["2.999.1"]
` + strings.Replace(good, `"digitalSignature"`, `"nonRepudiation"`, 1) + `[[subject]]
attribute = "C"
value = "AZ"
[[subject]]
attribute = "O"
required = true
[[subject]]
attribute = "organizationIdentifier"
identifier = "VAT"
required = true
[qc]
semantics = "legal"
name_registration_authorities = ["https://a.example/numbers"]
compliance = true
sscd = true
type = "eseal"
legislation = ["AZ"]
retention_years = 10
[qc.limit]
currency = "AZN"
amount = 5
exponent = 3
[[qc.pds]]
url = "https://a.example/az"
language = "az"
[[qc.pds]]
url = "https://a.example/en"
language = "en"
`
		profiles, err := ca.LoadProfiles(fstest.MapFS{"p.toml": {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		centre := newCentre(t, p256)
		config := centre.config
		config.Profiles = profiles
		config.Issuers = slices.Clone(config.Issuers[2:3])
		config.Issuers[0].Profiles = []string{"p"}
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		c := issue(t, authority, ca.Request{Issuer: "ehm", Profile: "p", PublicKey: p256().Public(), Subject: map[string]string{"CN": "x", "O": "o", "voen": "1400057421"}}).Certificate
		got := hexOf(extension(c, pki.OIDQCStatements).Value)
		for name, want := range map[string]string{"SSCD": "300806060400" + "8e460104", "limit": "300b" + "1303415a4e" + "020105" + "020103", "retention": "060604008e46010302010a",
			"semantics": "06082b06010505070b02" + "3026060704008bec490102" + "301b8619" + hexOf([]byte("https://a.example/numbers"))} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is not in %s", name, got)
			}
		}
	})
}
