package ca_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/altamga/altamga/ca"
)

// TestContradictoryProfiles spoils the files that come with the package, one
// line each, and wants the place and the clause.
func TestContradictoryProfiles(t *testing.T) {
	place := regexp.MustCompile(`[a-z-]+\.toml:[0-9]+: .*\((RFC [0-9]+|ETSI (EN|TS) [0-9 -]+), (Section|Appendix) [0-9A-Z.]+\)`)
	for _, row := range []struct{ name, file, old, fresh, want string }{
		{"CERT-13 authority without keyCertSign", "issuing", `["keyCertSign", "cRLSign"]`, `["cRLSign"]`, "issuing.toml:6: key_usage: an authority needs"},
		{"CERT-13 signer of lists that signs other things", "crl-signer", `["cRLSign"]`, `["cRLSign", "digitalSignature"]`, "crl-signer.toml:6: key_usage: a key that signs CRLs"},
		{"CERT-13 signer of lists that signs certificates", "crl-signer", `["cRLSign"]`, `["keyCertSign"]`, "crl-signer.toml:6: key_usage: only an authority signs"},
		{"CERT-16 anyPolicy is mapped", "cross", `subject = "2.999.398.1.2"`, `subject = "2.5.29.32.0"`, "cross.toml:26: policy_mapping.subject: anyPolicy is never mapped"},
		{"CERT-16 a policy that is not stated is mapped", "cross", `issuer = "2.999.31.1.2"`, `issuer = "2.999.31.1.9"`, "cross.toml:25: policy_mapping.issuer: 2.999.31.1.9 is not among"},
		{"CERT-18 U-label in a name constraint", "cross", `dns = ["kz.example"]`, `dns = ["қаз.example"]`, "cross.toml:31: name_constraints.permitted.dns:"},
		{"CERT-19 path length out of bounds", "issuing", "path_length = 0", "path_length = -1", "issuing.toml:5: path_length:"},
		{"CERT-20 single mailbox", "cross", `email = ["kz.example", ".kz.example"]`, `email = ["a@kz.example"]`, "cross.toml:32: name_constraints.permitted.email:"},
		{"CERT-20 name constraints of a citizen", "citizen-signature", "[qc]", "[name_constraints.permitted]\ndns = [\"a.example\"]\n[qc]", "name_constraints: belongs to authorities"},
		{"CERT-21 negative number of certificates", "cross", "inhibit_any_policy = 0", "inhibit_any_policy = -1", "cross.toml:18: inhibit_any_policy:"},
		{"CERT-21 policy constraints of a citizen", "citizen-signature", "exclusive_key = true", "exclusive_key = true\nrequire_explicit_policy = 0", "citizen-signature.toml:5: require_explicit_policy:"},
		{"CERT-24 delta list without its base", "citizen-signature", `["crl", "freshest_crl", "ocsp", "ca_issuers"]`, `["freshest_crl", "ocsp", "ca_issuers"]`, "citizen-signature.toml:9: carries: a delta list needs its base"},
		{"CERT-27 noRevAvail beside a CRL", "short-term-signature", `["ca_issuers"]`, `["crl", "ca_issuers"]`, "short-term-signature.toml:9: carries: a certificate without revocation information"},
		{"CERT-27 noRevAvail for three years", "short-term-signature", `"12h"`, `"3y"`, "short-term-signature.toml:12: no_rev_avail:"},
		{"CERT-46 assured validity for two days", "short-term-signature", `"12h"`, `"2d"`, "short-term-signature.toml:13: validity_assured:"},
		{"CERT-32 no serialNumber", "citizen-signature", "attribute = \"serialNumber\"\nidentifier = \"PNO\"\nrequired = true", "attribute = \"title\"", "a natural person always has serialNumber"},
		{"CERT-32 optional given name", "citizen-signature", "attribute = \"givenName\"\nrequired = true", "attribute = \"givenName\"", "surname and givenName, or a pseudonym"},
		{"CERT-33 pseudonym beside a name", "citizen-signature", "[qc]", "[[subject]]\nattribute = \"pseudonym\"\n[qc]", "pseudonym stands beside"},
		{"CERT-34 identifier of the wrong attribute", "citizen-signature", `identifier = "PNO"`, `identifier = "NTR"`, "citizen-signature.toml:25: subject.identifier:"},
		{"CERT-34 national type that nobody explains", "virtual-pin-signature", `name_registration_authorities = ["https://identifiers.example/virtual-pin"]`, "", "subject.identifier: a national type is explained"},
		{"CERT-34 relative address of an authority", "virtual-pin-signature", `https://identifiers.example/virtual-pin`, "/virtual-pin", "qc.name_registration_authorities:"},
		{"CERT-34 semantics of an identifier that is not there", "citizen-signature", `semantics = "natural"`, `semantics = "legal"`, "qc.semantics: legal explains"},
		{"CERT-34 unknown semantics", "citizen-signature", `semantics = "natural"`, `semantics = "person"`, "qc.semantics: is none of natural, legal"},
		{"CERT-35 seal without an identifier", "organisation-seal", "attribute = \"organizationIdentifier\"\nidentifier = \"NTR\"\nrequired = true", "attribute = \"L\"", "a legal person always has organizationIdentifier"},
		{"CERT-39 person without status", "citizen-signature", `["crl", "freshest_crl", "ocsp", "ca_issuers"]`, `["ca_issuers"]`, "citizen-signature.toml:9: carries: a person's certificate says where its status"},
		{"CERT-40 person without the issuer's place", "citizen-signature", `"ocsp", "ca_issuers"]`, `"ocsp"]`, "citizen-signature.toml:9: carries: a person's certificate says where its issuer's"},
		{"CERT-42 a natural person's seal", "citizen-signature", `type = "esign"`, `type = "eseal"`, "qc.type: a seal is a legal person's"},
		{"CERT-42 web without serverAuth", "organisation-seal", `type = "eseal"`, `type = "web"`, "qc.type: web is for certificates with serverAuth"},
		{"CERT-42 statements of an authority", "issuing", `policies = ["2.5.29.32.0"]`, "policies = [\"2.5.29.32.0\"]\nqc = { type = \"esign\" }", "issuing.toml:9: qc: statements"},
		{"CERT-43 QcCompliance without QcCClegislation", "citizen-signature", `legislation = ["AZ"]`, "", "qc.legislation: QcCompliance without QcCClegislation"},
		{"CERT-43 law of another country", "citizen-signature", `legislation = ["AZ"]`, `legislation = ["TR"]`, "qc.legislation: the holder's certificate is of AZ"},
		{"CERT-43 member of the European Union", "citizen-signature", `legislation = ["AZ"]`, `legislation = ["AZ", "DE"]`, "qualification in the European Union is stated by leaving"},
		{"CERT-43 country that is none", "citizen-signature", `legislation = ["AZ"]`, `legislation = ["AZ", "XX"]`, `"XX" is not an ISO 3166-1`},
		{"CERT-44 currency that is none", "organisation-seal", `"AZN"`, `"AZM"`, "qc.limit: currency"},
		{"CERT-44 retention before the end", "organisation-seal", "retention_years = 10", "retention_years = -1", "qc.retention_years:"},
		{"CERT-44 language that is none", "citizen-signature", `language = "az"`, `language = "xx"`, "qc.pds.language:"},
		{"CERT-45 policy of a device without QcSSCD", "citizen-signature", `policies = ["2.999.31.1.1"]`, `policies = ["0.4.0.194112.1.2"]`, "citizen-signature.toml:8: policies: 0.4.0.194112.1.2 does not go with"},
		{"OCSP-13 responder that names a CRL", "ocsp-signer", `["ca_issuers"]`, `["crl", "ca_issuers"]`, "carries: a responder's certificate names neither"},
		{"OCSP-13 responder for two years", "ocsp-signer", `"30d"`, `"2y"`, "ocsp-signer.toml:4: validity:"},
		{"TSA-09 purpose not critical", "tsa-signer", "ext_key_usage_critical = true", "", "ext_key_usage: timeStamping is the only purpose"},
		{"TSA-09 key for other uses", "tsa-signer", "exclusive_key = true", "", "exclusive_key: a time-stamping key"},
		{"TSA-42 private key longer than its certificate", "tsa-signer", `private_key_usage = "1y"`, `private_key_usage = "6y"`, "private_key_usage: is longer"},
		{"TSA-42 private key's period of a citizen", "citizen-signature", "exclusive_key = true", "exclusive_key = true\nprivate_key_usage = \"1y\"", "citizen-signature.toml:5: private_key_usage:"},
		{"trust-list signer with another purpose", "trust-list-signer", `["tslSigning"]`, `["tslSigning", "clientAuth"]`, "ext_key_usage: tslSigning is the only purpose"},
		{"trust-list signer that does not deny to be an authority", "trust-list-signer", "basic_constraints = true", "", "basic_constraints: the signer of a trust list"},
		{"cross-certificate with a subject", "cross", "# The other centre speaks", "[[subject]]\nattribute = \"CN\"\nrequired = true\n# The other", "subject: a cross-certificate has the name"},
		{"cross-certificate of no authority", "citizen-signature", "exclusive_key = true", "exclusive_key = true\ncross = true", "cross: belongs to authorities"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text, err := os.ReadFile("profiles/" + row.file + ".toml")
			if err != nil {
				t.Fatal(err)
			}
			spoilt := strings.Replace(string(text), row.old, row.fresh, 1)
			if spoilt == string(text) {
				t.Fatalf("%q is not in the file", row.old)
			}
			_, err = ca.LoadProfiles(fstest.MapFS{row.file + ".toml": {Data: []byte(spoilt)}})
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got %v, want it to contain %q", err, row.want)
			}
			for line := range strings.Lines(err.Error()) {
				if !place.MatchString(line) {
					t.Errorf("no place or no clause: %s", line)
				}
			}
		})
	}
}

// A profile that is sound by itself may still be wrong for an issuer.
func TestProfileOfAnotherLaw(t *testing.T) {
	text, err := os.ReadFile("profiles/citizen-signature.toml")
	if err != nil {
		t.Fatal(err)
	}
	foreign := strings.NewReplacer(`legislation = ["AZ"]`, `legislation = ["TR"]`, `value = "AZ"`, `value = "TR"`).Replace(string(text))
	profiles, err := ca.LoadProfiles(fstest.MapFS{"citizen-signature.toml": {Data: []byte(foreign)}})
	if err != nil {
		t.Fatal(err)
	}
	centre := newCentre(t, p256)
	t.Run("CERT-43 an issuer states the law that it is under", func(t *testing.T) {
		config := centre.config
		config.Profiles, config.Issuers = profiles, []ca.Issuer{config.Issuers[2]}
		config.Issuers[0].Profiles = []string{"citizen-signature"}
		if _, err := ca.New(config); err == nil || !strings.Contains(err.Error(), "ETSI EN 319 412-5, Section 4.2.4") {
			t.Errorf("got %v", err)
		}
	})
}
