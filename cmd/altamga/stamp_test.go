package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stamping is a time-stamping authority that the real openssl plays.
type stamping struct {
	t    *testing.T
	dir  string
	root *x509.Certificate
}

func newStamping(t *testing.T) *stamping {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed (Debian package openssl)")
	}
	s := &stamping{t: t, dir: t.TempDir()}
	rootKey := s.key("root.key")
	s.root = s.certificate("root.pem", &x509.Certificate{Subject: pkix.Name{CommonName: "Stamp root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, rootKey.Public(), rootKey)
	// RFC 3161, Section 2.3: the purpose is critical, which openssl insists on.
	s.certificate("tsa.pem", &x509.Certificate{Subject: pkix.Name{CommonName: "Stamp"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: []int{2, 5, 29, 37}, Critical: true, Value: []byte{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8}}}}, s.root, s.key("tsa.key").Public(), rootKey)
	s.write("tsa.cnf", []byte("[tsa]\ndefault_tsa = one\n[one]\nserial = "+filepath.Join(s.dir, "serial")+"\ndefault_policy = 1.2.3.4\ndigests = sha256\nsigner_digest = sha256\naccuracy = secs:1\ness_cert_id_alg = sha256\n"))
	s.write("serial", []byte("01\n"))
	return s
}

func (s *stamping) write(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stamping) key(name string) crypto.Signer {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
	return key
}

func (s *stamping) certificate(name string, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	s.t.Helper()
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent = template
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encoded}))
	certificate, err := x509.ParseCertificate(encoded)
	if err != nil {
		s.t.Fatal(err)
	}
	return certificate
}

// reply has openssl answer a request.
func (s *stamping) reply(request []byte) []byte {
	s.t.Helper()
	s.write("request", request)
	command := exec.Command("openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "request", "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "response")
	command.Dir = s.dir
	if output, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("openssl ts: %v\n%s", err, output)
	}
	response, err := os.ReadFile(filepath.Join(s.dir, "response"))
	if err != nil {
		s.t.Fatal(err)
	}
	return response
}

// The stamps of another authority are taken when they answer the request that
// was carried to it, and only then.
func TestStamps(t *testing.T) {
	authority := newStamping(t)
	hash := sha256.Sum256([]byte("minutes"))
	request, err := stamps{}.Request(hash)
	if err != nil {
		t.Fatal(err)
	}
	response := authority.reply(request)
	roots := []*x509.Certificate{authority.root}
	at, err := stamps{}.Check(hash, request, response, roots)
	if err != nil || time.Since(at).Abs() > time.Minute {
		t.Fatalf("a good stamp: %v, %v", at, err)
	}
	again, err := stamps{}.Request(hash)
	if err != nil {
		t.Fatal(err)
	}
	changed := append([]byte(nil), response...)
	changed[len(changed)-5] ^= 1
	for name, row := range map[string]struct {
		hash              [32]byte
		request, response []byte
		roots             []*x509.Certificate
		want              string
	}{
		"of another hash":          {sha256.Sum256(nil), request, response, roots, "over another hash"},
		"of another request":       {hash, again, response, roots, "the nonce differs"},
		"from elsewhere":           {hash, request, response, []*x509.Certificate{newStamping(t).root}, "verifying the certificate"},
		"with a changed signature": {hash, request, changed, roots, "parsing time-stamp response"},
		"that is none":             {hash, request, []byte("no"), roots, "parsing time-stamp response"},
		"of no request":            {hash, []byte("no"), response, roots, "parsing time-stamp request"},
	} {
		if _, err := (stamps{}).Check(row.hash, row.request, row.response, row.roots); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("a stamp %s: got %v, want %q", name, err, row.want)
		}
	}
}
