package ca_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
)

// FuzzCSR feeds hostile certification requests. What is accepted must be what
// another parser reads, and its signature must hold.
func FuzzCSR(f *testing.F) {
	for _, key := range []func() []byte{
		func() []byte { return newCSR(f, p256()) },
		func() []byte { return newCSR(f, ed()) },
		func() []byte { return newCSR(f, rsa3072()) },
		func() []byte {
			return csrOf(f, p256(), x509.CertificateRequest{DNSNames: []string{"a.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, EmailAddresses: []string{"a@b.example"}})
		},
	} {
		f.Add(key())
	}
	for _, raw := range corpusCSRs(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		extensions, err := ca.ReadCSR(raw)
		if err != nil {
			return
		}
		parsed, err := x509.ParseCertificateRequest(raw)
		if err != nil || parsed.CheckSignature() != nil {
			t.Errorf("accepted, but %v", err)
			return
		}
		if len(parsed.Extensions) != len(extensions) {
			t.Errorf("read %d extensions, another parser %d", len(extensions), len(parsed.Extensions))
		}
		for i, e := range parsed.Extensions {
			if !e.Id.Equal(extensions[i].ID) || !bytes.Equal(e.Value, extensions[i].Value) {
				t.Errorf("extension %d differs", i)
			}
		}
	})
}

// FuzzSAN feeds hostile alternative names. Those of known kinds must be
// written again as they were read.
func FuzzSAN(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Add([]byte{0x30, 3, 0x82, 1, 'a'})
	f.Add([]byte{0x30, 9, 0x87, 4, 127, 0, 0, 1, 0x81, 1, 'a'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		names, ok := ca.ReadSAN(raw)
		if !ok {
			return
		}
		if again := ca.AppendSAN(nil, names); !ca.HasOther(names) && !bytes.Equal(again, raw) {
			t.Errorf("read %x, wrote %x", raw, again)
		}
	})
}

// FuzzPEM feeds hostile text to the PEM reader.
func FuzzPEM(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"))
	f.Add([]byte("junk"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if der, err := ca.DecodeCSR(text); err == nil {
			again, err := ca.DecodeCSR(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
			if err != nil || !bytes.Equal(again, der) {
				t.Errorf("read %x, then %x, %v", der, again, err)
			}
		}
	})
}

// corpusCSRs returns real certification requests, if the corpus is there.
func corpusCSRs(f *testing.F) (found [][]byte) {
	root := os.Getenv("ALTAMGA_CORPUS")
	if root == "" {
		f.Log("ALTAMGA_CORPUS is not set: no requests from outside")
		return nil
	}
	filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || len(found) > 50 {
			return nil
		}
		if strings.HasSuffix(path, ".csr") || strings.HasSuffix(path, ".p10") {
			if text, err := os.ReadFile(path); err == nil {
				if der, err := ca.DecodeCSR(text); err == nil {
					text = der
				}
				found = append(found, text)
			}
		}
		return nil
	})
	return found
}
