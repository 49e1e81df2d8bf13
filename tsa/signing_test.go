package tsa_test

import (
	"archive/zip"
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/tsa"
)

// peer runs another program in dir; the test is skipped where it is missing.
func peer(t *testing.T, dir, debian, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian: %s)", name, debian)
	}
	c := exec.Command(path, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

func mustPeer(t *testing.T, dir, debian, name string, args ...string) string {
	t.Helper()
	out, err := peer(t, dir, debian, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// signing serves an authority and leaves a code-signing certificate of the same
// root in dir: key.pem, certificates.pem, root.pem, signer.p12.
func signing(t *testing.T) (dir, url string, h *hierarchy) {
	t.Helper()
	dir = t.TempDir()
	h = newHierarchy(t, newKey(t, elliptic.P256()), validAround(time.Now()))
	config, _ := h.config()
	config.Clock = wallClock{}
	config.Policies[0].Fraction = 3
	a, err := tsa.New(config)
	if err != nil {
		t.Fatal(err)
	}
	key := newRSAKey(t)
	signer := certify(t, &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{Country: []string{"AZ"}, CommonName: "Test Signer"},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{extKeyUsage(t, false, oidCodeSigning)},
	}, h.intermediate, key.Public(), h.intermediateKey)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
	writePEM(t, dir, "signer.pem", signer)
	writePEM(t, dir, "intermediate.pem", h.intermediate)
	writePEM(t, dir, "root.pem", h.root)
	write(t, dir, "certificates.pem", append(read(t, dir, "signer.pem"), read(t, dir, "intermediate.pem")...))
	mustOpenSSL(t, dir, "pkcs12", "-export", "-inkey", "key.pem", "-in", "certificates.pem", "-name", "signer", "-passout", "pass:secret", "-out", "signer.p12")
	return dir, served(t, a).URL, h
}

func TestJarsigner(t *testing.T) {
	t.Parallel() // it starts Java three times
	t.Run("TSA-45 jarsigner -strict accepts", func(t *testing.T) {
		const debian = "default-jdk-headless"
		dir, url, _ := signing(t)
		var jar bytes.Buffer
		w := zip.NewWriter(&jar)
		f, err := w.Create("document.txt")
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte("a document\n"))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "plain.jar", jar.Bytes())
		mustPeer(t, dir, debian, "keytool", "-importcert", "-noprompt", "-alias", "root", "-file", "root.pem", "-keystore", "signer.p12", "-storepass", "secret")
		out := mustPeer(t, dir, debian, "jarsigner", "-strict", "-tsa", url, "-keystore", "signer.p12", "-storepass", "secret", "-signedjar", "signed.jar", "plain.jar", "signer")
		if !strings.Contains(out, "jar signed.") || strings.Contains(out, "does not include a timestamp") {
			t.Error(out)
		}
		out = mustPeer(t, dir, debian, "jarsigner", "-verify", "-strict", "-verbose", "-certs", "-keystore", "signer.p12", "-storepass", "secret", "signed.jar")
		if !strings.Contains(out, "jar verified.") || !strings.Contains(out, "Timestamped by") || strings.Contains(out, "TSA certificate chain is invalid") {
			t.Error(out)
		}
	})
}

func TestOsslsigncode(t *testing.T) {
	t.Run("TSA-45 osslsigncode accepts", func(t *testing.T) {
		const debian = "osslsigncode"
		dir, url, _ := signing(t)
		write(t, dir, "plain.ps1", []byte("Write-Output 'a document'\r\n"))
		mustPeer(t, dir, debian, "osslsigncode", "sign", "-certs", "certificates.pem", "-key", "key.pem", "-h", "sha256", "-ts", url, "-in", "plain.ps1", "-out", "signed.ps1")
		out := mustPeer(t, dir, debian, "osslsigncode", "verify", "-CAfile", "root.pem", "-TSA-CAfile", "root.pem", "-in", "signed.ps1")
		if !strings.Contains(out, "Timestamp Server Signature verification: ok") && !strings.Contains(out, "Timestamp verified using") {
			t.Error(out)
		}
		if !strings.Contains(out, "Succeeded") {
			t.Error(out)
		}
	})
}
