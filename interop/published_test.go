package interop_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/xmlsec"
)

// What is published is judged by others: the schema of ETSI and xmlsec1.
func TestPublishedListConforms(t *testing.T) {
	b := newBureau(t)
	b.publish(t)
	name := filepath.Join(b.dir, "current", "AZ-TL.xml")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	told, err := os.ReadFile(filepath.Join(b.dir, "current", "AZ-TL.sha2"))
	if sum := sha256.Sum256(data); err != nil || string(told) != hex.EncodeToString(sum[:]) {
		t.Errorf("the .sha2 file says %s: %v", told, err)
	}
	t.Run("xmllint", func(t *testing.T) {
		dir := os.Getenv("ALTAMGA_CORPUS")
		if _, err := exec.LookPath("xmllint"); err != nil || dir == "" {
			t.Skip("xmllint (Debian: libxml2-utils) or ALTAMGA_CORPUS with the schemas is missing")
		}
		validate(t, filepath.Join(dir, "interop/xsd/etsi-complete"), name)
	})
	t.Run("xmlsec1", func(t *testing.T) {
		if _, err := exec.LookPath("xmlsec1"); err != nil {
			t.Skip("xmlsec1 is not installed (Debian: xmlsec1)")
		}
		trusted := filepath.Join(t.TempDir(), "signer.der")
		if err := os.WriteFile(trusted, b.signer.cert.Raw, 0o600); err != nil {
			t.Fatal(err)
		}
		output, err := exec.Command("xmlsec1", "--verify", "--trusted-der", trusted, "--enabled-key-data", "x509", "--id-attr:Id", xmlsec.SpaceXAdES+":SignedProperties", name).CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, output)
		}
	})
	t.Run("JDK", func(t *testing.T) {
		if _, err := exec.LookPath("javac"); err != nil {
			t.Skip("no Java compiler is installed (Debian: default-jdk-headless)")
		}
		dir := t.TempDir()
		changed := strings.Replace(string(data), "Citizens (TEST)", "Anybody (TEST)", 1)
		resigned := regexp.MustCompile(`SigningTime>20..`).ReplaceAllString(string(data), "SigningTime>2001")
		for file, data := range map[string][]byte{"signer.der": b.signer.cert.Raw, "list.xml": data, "changed.xml": []byte(changed), "resigned.xml": []byte(resigned)} {
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		program, err := filepath.Abs("testdata/VerifyList.java")
		if err != nil {
			t.Fatal(err)
		}
		command := exec.Command("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", program, "signer.der", "list.xml", "changed.xml", "resigned.xml")
		command.Dir = dir
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		for _, want := range []string{"list.xml: value true, true, true, ", "changed.xml: value true, false, true, ", "resigned.xml: value true, true, false, "} {
			if !strings.Contains(string(output), want) {
				t.Errorf("it does not say %q:\n%s", want, output)
			}
		}
	})
	t.Run("pages", func(t *testing.T) {
		since := map[string]string{"az": "01.01.2026</time> tarixindən<", "en": ">since <time", "ru": ">с <time", "tr": "01.01.2026</time> tarihinden beri<"}
		for lang, want := range map[string]string{"az": "verilib", "en": "granted", "ru": "предоставлен", "tr": "verilmiş"} {
			page, err := os.ReadFile(filepath.Join(b.dir, "current", "AZ-TL."+lang+".html"))
			if err != nil {
				t.Fatal(err)
			}
			fingerprint := b.ca.list().Fingerprint()
			for _, part := range []string{`<html lang="` + lang + `">`, want, since[lang], fingerprint, "The law &amp; practice.", "AZ-TL.xml"} {
				if !strings.Contains(string(page), part) {
					t.Errorf("the page in %s has no %s", lang, part)
				}
			}
		}
	})
}

// validate holds a list to the schema of ETSI TS 119 612 and what it imports,
// from files alone.
func validate(t *testing.T, schemas, name string) {
	t.Helper()
	command := exec.Command("xmllint", "--nonet", "--noout", "--schema", filepath.Join(schemas, "all.xsd"), name)
	command.Env = append(os.Environ(), "XML_CATALOG_FILES="+filepath.Join(schemas, "catalog.xml"))
	if output, err := command.CombinedOutput(); err != nil || !strings.Contains(string(output), "validates") {
		t.Errorf("xmllint: %v\n%s", err, output)
	}
}
