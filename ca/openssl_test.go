package ca_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
)

// openssl runs the real one in dir and returns what it prints.
func openssl(t *testing.T, dir string, arguments ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	command := exec.Command(path, arguments...)
	command.Dir = dir
	output, err := command.CombinedOutput()
	return string(output), err
}

func writePEM(t *testing.T, dir, name string, certificates ...*x509.Certificate) {
	t.Helper()
	var text []byte
	for _, c := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSSLVerifies(t *testing.T) {
	for kind, newKey := range map[string]func() crypto.Signer{"P-256": p256, "Ed25519": ed} {
		t.Run(kind, func(t *testing.T) {
			centre := newCentre(t, newKey)
			dir := t.TempDir()
			writePEM(t, dir, "root.pem", centre.config.Issuers[0].Certificate)
			writePEM(t, dir, "suite.pem", centre.config.Issuers[3].Certificate)
			writePEM(t, dir, "between.pem", centre.config.Issuers[1].Certificate, centre.config.Issuers[2].Certificate)
			purposes := map[string]string{"tsa-signer": "timestampsign", "suite-server": "sslserver", "suite-client": "sslclient",
				"citizen-authentication": "sslclient", "ocsp-signer": "ocsphelper", "ocsp-signer-offline": "ocsphelper", "citizen-signature": "any"}
			for profile, request := range samples(t, p256) {
				writePEM(t, dir, profile+".pem", issue(t, centre.Authority, request).Certificate)
				trust := []string{"-CAfile", "root.pem", "-untrusted", "between.pem"}
				purpose, ok := purposes[profile]
				if !ok {
					purpose = "any"
				}
				if request.Issuer == "suite" {
					trust = []string{"-CAfile", "suite.pem"}
				}
				arguments := append([]string{"verify", "-x509_strict", "-check_ss_sig", "-purpose", purpose}, trust...)
				if output, err := openssl(t, dir, append(arguments, profile+".pem")...); err != nil {
					t.Errorf("%s: %s", profile, output)
				}
			}
			t.Run("policy is valid along the path", func(t *testing.T) {
				output, err := openssl(t, dir, "verify", "-x509_strict", "-policy_check", "-explicit_policy", "-policy", "2.999.31.1.1",
					"-CAfile", "root.pem", "-untrusted", "between.pem", "citizen-signature.pem")
				if err != nil {
					t.Error(output)
				}
			})
			t.Run("names are printed as they are", func(t *testing.T) {
				output, err := openssl(t, dir, "x509", "-in", "citizen-signature.pem", "-noout", "-subject", "-nameopt", "utf8,sep_comma_plus")
				if err != nil || !strings.Contains(output, "Məmmədzadə-Çıraqlı Öğuz") || !strings.Contains(output, "PNOAZ-1ABC2D3") {
					t.Error(output)
				}
			})
		})
	}
}

func TestOpenSSLRequests(t *testing.T) {
	centre := newCentre(t, p256)
	for name, key := range map[string][]string{
		"p256":    {"ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"p521":    {"ec", "-pkeyopt", "ec_paramgen_curve:P-521"},
		"rsa3072": {"rsa:3072"},
		"ed25519": {"ed25519"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			arguments := slices.Concat([]string{"req", "-new", "-nodes", "-keyout", "a.key", "-out", "a.csr", "-subj", "/CN=anybody",
				"-addext", "keyUsage=critical,digitalSignature", "-addext", "basicConstraints=CA:FALSE", "-newkey"}, key)
			if output, err := openssl(t, dir, arguments...); err != nil {
				t.Fatal(output)
			}
			text, err := os.ReadFile(filepath.Join(dir, "a.csr"))
			if err != nil {
				t.Fatal(err)
			}
			der, err := ca.DecodeCSR(text)
			if err != nil {
				t.Fatal(err)
			}
			c := issue(t, centre.Authority, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: der, Subject: citizen()}).Certificate
			if strings.Contains(c.Subject.String(), "anybody") {
				t.Error("the subject of the request got into the certificate")
			}
			writePEM(t, dir, "a.pem", c)
			want, _ := openssl(t, dir, "pkey", "-in", "a.key", "-pubout")
			if got, _ := openssl(t, dir, "x509", "-in", "a.pem", "-noout", "-pubkey"); got != want {
				t.Error("the key in the certificate is another one")
			}
		})
	}
	t.Run("CERT-47 weak key of openssl", func(t *testing.T) {
		dir := t.TempDir()
		if output, err := openssl(t, dir, "req", "-new", "-nodes", "-keyout", "a.key", "-out", "a.csr", "-outform", "DER", "-subj", "/CN=a", "-newkey", "rsa:1024"); err != nil {
			t.Fatal(output)
		}
		der, err := os.ReadFile(filepath.Join(dir, "a.csr"))
		if err != nil {
			t.Fatal(err)
		}
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: der, Subject: citizen()}, ca.CodeWeakKey, "csr")
	})
	t.Run("CERT-28 compressed point", func(t *testing.T) {
		dir := t.TempDir()
		if output, err := openssl(t, dir, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "b.key"); err != nil {
			t.Fatal(output)
		}
		if output, err := openssl(t, dir, "ec", "-in", "b.key", "-conv_form", "compressed", "-out", "a.key"); err != nil {
			t.Fatal(output)
		}
		if output, err := openssl(t, dir, "req", "-new", "-key", "a.key", "-out", "a.csr", "-outform", "DER", "-subj", "/CN=a"); err != nil {
			t.Fatal(output)
		}
		der, err := os.ReadFile(filepath.Join(dir, "a.csr"))
		if err != nil {
			t.Fatal(err)
		}
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: der, Subject: citizen()}, ca.CodeBadCSR, "csr")
	})
}
