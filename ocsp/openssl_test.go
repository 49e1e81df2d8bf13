package ocsp_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/ocsp"
)

// OpenSSL judges the bytes: its client asks a real server and verifies the
// answers.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	server := httptest.NewServer(r)
	defer server.Close()
	dir := t.TempDir()
	write := func(name string, c *x509.Certificate) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	issuer := write("issuer.pem", a.certificate)
	goodLeaf, heldLeaf, goneLeaf := a.leaf(t), a.leaf(t), a.leaf(t)
	g.set(a.id, goodLeaf.SerialNumber, ocsp.Status{State: ocsp.Good})
	g.set(a.id, heldLeaf.SerialNumber, ocsp.Status{State: ocsp.Revoked, Reason: 6})
	g.set(a.id, goneLeaf.SerialNumber, ocsp.Status{State: ocsp.Revoked, Reason: 1})
	good, held, gone := write("good.pem", goodLeaf), write("held.pem", heldLeaf), write("gone.pem", goneLeaf)
	run := func(t *testing.T, arguments ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), openssl, append([]string{"ocsp"}, arguments...)...).CombinedOutput()
		if err != nil {
			t.Errorf("openssl ocsp %s: %v", strings.Join(arguments, " "), err)
		}
		return string(out)
	}
	expect := func(t *testing.T, out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("openssl said\n%s\nwant %q in it", out, w)
			}
		}
	}
	for _, hash := range []string{"-sha1", "-sha256", "-sha384", "-sha512"} {
		for _, nonce := range []string{"-nonce", "-no_nonce"} {
			t.Run("OCSP-23 OCSP-24 "+hash+" "+nonce, func(t *testing.T) {
				base := []string{hash, "-issuer", issuer, "-url", server.URL, "-CAfile", issuer, nonce}
				out := run(t, append(base, "-cert", good)...)
				expect(t, out, "Response verify OK", good+": good")
				expect(t, run(t, append(base, "-cert", held)...), "Response verify OK", held+": revoked", "Reason: certificateHold")
				expect(t, run(t, append(base, "-cert", gone)...), "Response verify OK", gone+": revoked", "Reason: keyCompromise")
				if strings.Contains(out, "no nonce") {
					t.Errorf("openssl misses the nonce: %s", out)
				}
			})
		}
	}
	t.Run("OCSP-36 several CertIDs of several hashes with nonce", func(t *testing.T) {
		out := run(t, "-issuer", issuer, "-sha1", "-cert", good, "-sha256", "-cert", held, "-sha512", "-cert", gone, "-url", server.URL, "-CAfile", issuer, "-nonce")
		expect(t, out, "Response verify OK", good+": good", held+": revoked", gone+": revoked")
	})
	t.Run("OCSP-34 non-issued", func(t *testing.T) {
		out := run(t, "-issuer", issuer, "-serial", "0x7f112233445566778899aabbccddeeff", "-url", server.URL, "-CAfile", issuer)
		expect(t, out, "Response verify OK", ": unknown")
	})
	t.Run("OCSP-34 extended revoke", func(t *testing.T) {
		r, _ := newResponder(t, a, func(c *ocsp.Config) { c.NonIssued = "revoked" })
		server := httptest.NewServer(r)
		defer server.Close()
		out := run(t, "-issuer", issuer, "-serial", "4711", "-url", server.URL, "-CAfile", issuer, "-resp_text")
		expect(t, out, "Response verify OK", "Revocation Time: Jan  1 00:00:00 1970 GMT", "Revocation Reason: certificateHold")
	})
	t.Run("client that has the issuer and the root, with what lies between in the answer", func(t *testing.T) {
		below := func(parent *authority, id string) *authority {
			child := &authority{id: id, key: newKey(t)}
			child.certificate = parent.issue(t, &x509.Certificate{
				Subject: pkix.Name{CommonName: "Demonstration " + id}, NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
				IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
			}, child.key.Public())
			return child
		}
		policy := below(a, "policy")
		issuing := below(policy, "issuing")
		key := newKey(t)
		issuing.signer = &ocsp.Signer{Key: key, Certificate: issuing.issue(t, delegate(), key.Public()), Chain: []*x509.Certificate{policy.certificate}}
		r, g := newResponder(t, issuing, nil)
		server := httptest.NewServer(r)
		defer server.Close()
		leaf := issuing.leaf(t)
		g.set(issuing.id, leaf.SerialNumber, ocsp.Status{State: ocsp.Good})
		path := write("issuing-leaf.pem", leaf)
		expect(t, run(t, "-issuer", write("issuing.pem", issuing.certificate), "-cert", path, "-url", server.URL, "-CAfile", issuer), "Response verify OK", path+": good")
	})
	t.Run("errors", func(t *testing.T) {
		path := filepath.Join(dir, "answer.der")
		for _, test := range []struct {
			in   []byte
			want string
		}{
			{[]byte("garbage"), "malformedrequest (1)"},
			{request(t, nil, newAuthority(t, "foreign").certID(t, crypto.SHA256, big.NewInt(1))), "unauthorized (6)"},
		} {
			response := post(t, r, test.in)
			raw := make([]byte, response.ContentLength)
			if _, err := response.Body.Read(raw); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			// It exits 1 for such answers, having understood them.
			out, _ := exec.CommandContext(t.Context(), openssl, "ocsp", "-respin", path, "-noverify", "-resp_text").CombinedOutput()
			expect(t, string(out), "Responder Error: "+test.want)
		}
	})
	t.Run("signed request with requestorName", func(t *testing.T) {
		key, err := x509.MarshalPKCS8PrivateKey(a.signer.Key)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "signer.key")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
			t.Fatal(err)
		}
		out := run(t, "-issuer", issuer, "-cert", good, "-signer", write("signer.pem", a.signer.Certificate), "-signkey", path, "-url", server.URL, "-CAfile", issuer)
		expect(t, out, "Response verify OK", good+": good")
	})
}
