package tsa_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/digitorus/timestamp"

	"github.com/altamga/altamga/tsa"
)

// openssl runs the openssl command in dir and returns what it printed.
func openssl(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	c := exec.Command(path, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

func mustOpenSSL(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := openssl(t, dir, args...)
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func writePEM(t *testing.T, dir, name string, c *x509.Certificate) {
	t.Helper()
	write(t, dir, name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// at is the moment at which openssl judges certificates.
var at = fmt.Sprint(noon.Unix())

func TestOpenSSL(t *testing.T) {
	for name, key := range map[string]crypto.Signer{
		"P-256": newKey(t, elliptic.P256()), "P-384": newKey(t, elliptic.P384()), "P-521": newKey(t, elliptic.P521()), "RSA": newRSAKey(t),
	} {
		t.Run("TSA-45 openssl accepts tokens of "+name, func(t *testing.T) {
			dir := t.TempDir()
			h := newHierarchy(t, key)
			config, _ := h.config()
			config.Policies[0].Name = true
			config.Policies[0].Fraction = 3
			config.Clock = &clock{now: noon.Add(1)}
			a, err := tsa.New(config)
			if err != nil {
				t.Fatal(err)
			}
			writePEM(t, dir, "root.pem", h.root)
			writePEM(t, dir, "intermediate.pem", h.intermediate)
			writePEM(t, dir, "tsa.pem", h.certificate)
			write(t, dir, "data", []byte("a document\n"))

			hashes, variants := []string{"sha256"}, [][]string{{"-cert"}, {}}
			if name == "P-256" {
				hashes = append(hashes, "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512")
				variants = append(variants, []string{"-cert", "-no_nonce"}, []string{"-no_nonce", "-tspolicy", otherPolicy.String()})
			}
			for _, hash := range hashes {
				for _, options := range variants {
					mustOpenSSL(t, dir, append([]string{"ts", "-query", "-data", "data", "-" + hash, "-out", "q"}, options...)...)
					write(t, dir, "r", a.Respond(t.Context(), read(t, dir, "q")))
					// Without the certificate in the token, openssl has to be
					// given it.
					verify := []string{"ts", "-verify", "-in", "r", "-CAfile", "root.pem", "-attime", at, "-untrusted", "intermediate.pem"}
					if len(options) == 0 || options[0] != "-cert" {
						both := append(read(t, dir, "tsa.pem"), read(t, dir, "intermediate.pem")...)
						write(t, dir, "both.pem", both)
						verify[len(verify)-1] = "both.pem"
					}
					for _, against := range [][]string{{"-queryfile", "q"}, {"-data", "data"}} {
						if out := mustOpenSSL(t, dir, append(verify, against...)...); !strings.Contains(out, "Verification: OK") {
							t.Errorf("%s %v: %s", hash, options, out)
						}
					}
				}
			}

			// The token is a CMS message as well; that code of openssl checks
			// signingCertificateV2 and CMSAlgorithmProtection.
			mustOpenSSL(t, dir, "ts", "-query", "-data", "data", "-cert", "-out", "q")
			write(t, dir, "r", a.Respond(t.Context(), read(t, dir, "q")))
			mustOpenSSL(t, dir, "ts", "-reply", "-in", "r", "-token_out", "-out", "token")
			mustOpenSSL(t, dir, "cms", "-verify", "-in", "token", "-inform", "DER", "-CAfile", "root.pem", "-purpose", "timestampsign", "-attime", at, "-cades", "-out", "info")
			if _, err := tsa.ParseInfo(read(t, dir, "info")); err != nil {
				t.Error(err)
			}
			if out := mustOpenSSL(t, dir, "asn1parse", "-inform", "DER", "-in", "token"); !strings.Contains(out, "id-smime-aa-signingCertificateV2") {
				t.Errorf("openssl does not know the attributes:\n%s", out)
			}

			// openssl's reply text says what we meant.
			out := mustOpenSSL(t, dir, "ts", "-reply", "-in", "r", "-text")
			for _, line := range []string{"Status: Granted.", "Policy OID: " + policy.String(), "Hash Algorithm: sha256", "Accuracy: 0x01 seconds, unspecified millis, unspecified micros", "Ordering: no", "Time stamp: Nov 22 12:00:00 2026 GMT", "TSA: DirName:"} {
				if !strings.Contains(out, line) {
					t.Errorf("openssl does not say %q:\n%s", line, out)
				}
			}

			// And refuses what it should.
			write(t, dir, "other", []byte("another document\n"))
			if out, err := openssl(t, dir, "ts", "-verify", "-in", "r", "-CAfile", "root.pem", "-attime", at, "-untrusted", "intermediate.pem", "-data", "other"); err == nil {
				t.Errorf("openssl accepts another document: %s", out)
			}
		})
	}

	t.Run("TSA-45 openssl reads refusals", func(t *testing.T) {
		dir := t.TempDir()
		a, _, _ := newAuthority(t, nil)
		write(t, dir, "data", []byte("a document\n"))
		for _, row := range []struct {
			args []string
			says string
		}{
			{[]string{"-sha256", "-tspolicy", foreignPolicy.String()}, "requested TSA policy is not supported"},
			{[]string{"-md5"}, "unrecognized or unsupported algorithm identifier"},
			{[]string{"-sha1"}, "unrecognized or unsupported algorithm identifier"},
		} {
			mustOpenSSL(t, dir, append([]string{"ts", "-query", "-data", "data", "-out", "q"}, row.args...)...)
			write(t, dir, "r", a.Respond(t.Context(), read(t, dir, "q")))
			out := mustOpenSSL(t, dir, "ts", "-reply", "-in", "r", "-text")
			if !strings.Contains(out, "Status: Rejected.") || !strings.Contains(out, row.says) {
				t.Errorf("%v: %s", row.args, out)
			}
		}
		for _, row := range []struct {
			failure tsa.Failure
			says    string
		}{
			{tsa.BadAlg, "unrecognized or unsupported algorithm identifier"},
			{tsa.BadRequest, "transaction not permitted or supported"},
			{tsa.BadDataFormat, "the data submitted has the wrong format"},
			{tsa.TimeNotAvailable, "the TSA's time source is not available"},
			{tsa.UnacceptedPolicy, "the requested TSA policy is not supported by the TSA"},
			{tsa.UnacceptedExtension, "the requested extension is not supported by the TSA"},
			{tsa.AddInfoNotAvailable, "the additional information requested could not be understood or is not available"},
			{tsa.SystemFailure, "the request cannot be handled due to system failure"},
		} {
			write(t, dir, "r", (&tsa.Rejection{Failure: row.failure, Text: "möhür"}).Marshal())
			out := mustOpenSSL(t, dir, "ts", "-reply", "-in", "r", "-text")
			if !strings.Contains(out, "Status: Rejected.") || !strings.Contains(out, "Failure info: "+row.says) || !strings.Contains(out, "Status description: ") {
				t.Errorf("%v: %s", row.failure, out)
			}
		}
	})
}

func TestDigitorus(t *testing.T) {
	a, h, _ := newAuthority(t, func(c *tsa.Config) { c.Policies[0].Fraction = 3 })
	t.Run("TSA-45 digitorus accepts tokens", func(t *testing.T) {
		for _, certificates := range []bool{true, false} {
			for _, nonce := range []*big.Int{nil, big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 63), new(big.Int).Lsh(big.NewInt(1), 158)} {
				for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
					w := hash.New()
					w.Write([]byte("a document"))
					in, err := (&timestamp.Request{HashAlgorithm: hash, HashedMessage: w.Sum(nil), Certificates: certificates, TSAPolicyOID: otherPolicy, Nonce: nonce}).Marshal()
					if err != nil {
						t.Fatal(err)
					}
					got, err := timestamp.ParseResponse(a.Respond(t.Context(), in))
					if err != nil {
						t.Fatal(err)
					}
					if got.HashAlgorithm != hash || !bytes.Equal(got.HashedMessage, w.Sum(nil)) || !got.Policy.Equal(otherPolicy) ||
						!got.Time.Equal(noon) || got.Accuracy.Seconds() != 1 || got.Ordering || got.Qualified || len(got.Extensions) != 0 {
						t.Errorf("read as %+v", got)
					}
					if (got.Nonce == nil) != (nonce == nil) || nonce != nil && got.Nonce.Cmp(nonce) != 0 {
						t.Errorf("nonce %v, want %v", got.Nonce, nonce)
					}
					if certificates != got.AddTSACertificate || certificates && (len(got.Certificates) != 2 || !got.Certificates[0].Equal(h.certificate) && !got.Certificates[1].Equal(h.certificate)) {
						t.Errorf("%d certificates with certReq %v", len(got.Certificates), certificates)
					}
				}
			}
		}
	})
	t.Run("TSA-45 digitorus reads refusals", func(t *testing.T) {
		for failure, theirs := range map[tsa.Failure]timestamp.FailureInfo{
			tsa.BadAlg: timestamp.BadAlgorithm, tsa.BadRequest: timestamp.BadRequest, tsa.BadDataFormat: timestamp.BadDataFormat,
			tsa.TimeNotAvailable: timestamp.TimeNotAvailable, tsa.UnacceptedPolicy: timestamp.UnacceptedPolicy,
			tsa.UnacceptedExtension: timestamp.UnacceptedExtension, tsa.AddInfoNotAvailable: timestamp.AddInfoNotAvailable, tsa.SystemFailure: timestamp.SystemFailure,
		} {
			_, err := timestamp.ParseResponse((&tsa.Rejection{Failure: failure, Text: "no"}).Marshal())
			if err == nil || !strings.Contains(err.Error(), theirs.String()) {
				t.Errorf("%v is read as %v, want %v", failure, err, theirs)
			}
		}
	})
	t.Run("digitorus' own rejection of a policy is not DER", func(t *testing.T) {
		// Why the server encodes PKIStatusInfo itself: a trailing zero octet.
		theirs, err := timestamp.CreateErrorResponse(timestamp.Rejection, timestamp.UnacceptedPolicy)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tsa.ParseResponse(theirs); err == nil {
			t.Skip("digitorus has been mended")
		}
		if !bytes.HasSuffix(theirs, []byte{0x03, 0x04, 0x00, 0x00, 0x01, 0x00}) {
			t.Errorf("got %x", theirs)
		}
	})
}
