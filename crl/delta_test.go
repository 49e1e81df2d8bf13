package crl_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/crl"
)

// withDelta gives the centre a delta list.
func (c *centre) withDelta() *centre {
	c.Issuers[0].DeltaPath, c.Issuers[0].DeltaURL = "ehm-delta.crl", "http://127.0.0.1:1/ehm-delta.crl"
	return c
}

// publishDelta publishes delta lists, and complete ones where there are none of
// the publisher's.
func (c *centre) publishDelta(t *testing.T, p *crl.Publisher) {
	t.Helper()
	if err := p.PublishDelta(t.Context(), "ehm"); err != nil {
		t.Fatal(err)
	}
}

// content is what a list in the folder says, and the reader at its end.
func (c *centre) content(t testing.TB, path string) (map[string]crl.Entry, *crl.Reader) {
	t.Helper()
	f, err := os.Open(filepath.Join(c.Dir, path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := crl.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	entries := make(map[string]crl.Entry)
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		entries[e.Number().String()] = crl.Entry{Since: e.Since, Reason: e.Reason, InvalidityDate: e.InvalidityDate}
	}
	signer := c.ca
	if c.Issuers[0].Signer != nil {
		signer = c.Issuers[0].Signer
	}
	if err := r.Verify(signer); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return entries, r
}

func reasons(entries map[string]crl.Entry) map[string]int {
	r := make(map[string]int)
	for serial, e := range entries {
		r[serial] = e.Reason
	}
	return r
}

func wantReasons(t *testing.T, what string, got map[string]crl.Entry, want map[string]int) {
	t.Helper()
	g := reasons(got)
	if len(g) != len(want) {
		t.Errorf("%s: got %v, want %v", what, g, want)
		return
	}
	for serial, reason := range want {
		if r, ok := g[serial]; !ok || r != reason {
			t.Errorf("%s: got %v, want %v", what, g, want)
			return
		}
	}
}

func TestDelta(t *testing.T) {
	c := newCentre(t, p256(t)).withDelta()
	p := c.publisher(t)
	c.put(entry(1, 6))
	c.put(entry(2, 1))
	c.put(entry(5, 6))
	c.publishDelta(t, p) // makes the base as well
	_, base := c.content(t, "ehm.crl")
	empty, first := c.content(t, "ehm-delta.crl")
	t.Run("CRL-12 complete and delta list of one round have one number", func(t *testing.T) {
		if base.CRLNumber.Cmp(first.CRLNumber) != 0 || first.Base.Cmp(base.CRLNumber) != 0 || len(empty) != 0 {
			t.Errorf("complete %v, delta %v on %v with %d entries", base.CRLNumber, first.CRLNumber, first.Base, len(empty))
		}
	})
	t.Run("CRL-26 hold, delta, release, delta", func(t *testing.T) {
		c.put(entry(3, 6))
		c.take(1)
		c.publishDelta(t, p)
		got, _ := c.content(t, "ehm-delta.crl")
		wantReasons(t, "after a hold and a release", got, map[string]int{"3": 6, "1": 8})
		c.take(3)
		c.put(entry(4, 1))
		c.publishDelta(t, p)
		got, _ = c.content(t, "ehm-delta.crl")
		wantReasons(t, "after the release of what was held in between", got, map[string]int{"3": 8, "1": 8, "4": 1})
	})
	t.Run("CRL-25 a change of reason", func(t *testing.T) {
		c.put(entry(5, 1))
		c.publishDelta(t, p)
		got, _ := c.content(t, "ehm-delta.crl")
		wantReasons(t, "after a hold became a revocation", got, map[string]int{"3": 8, "1": 8, "4": 1, "5": 1})
	})
	t.Run("CRL-25 base and delta are the complete list of the same number", func(t *testing.T) {
		folded, _ := c.content(t, "ehm.crl")
		c.publish(t, p)
		delta, d := c.content(t, "ehm-delta.crl")
		complete, full := c.content(t, "ehm.crl")
		if d.CRLNumber.Cmp(full.CRLNumber) != 0 || d.Base.Cmp(base.CRLNumber) != 0 {
			t.Errorf("delta %v on %v, complete %v, base %v", d.CRLNumber, d.Base, full.CRLNumber, base.CRLNumber)
		}
		for serial, e := range delta {
			if folded[serial] = e; e.Reason == crl.Removed {
				delete(folded, serial)
			}
		}
		wantReasons(t, "base and delta", folded, reasons(complete))
	})
	got := decode(t, readFile(t, filepath.Join(c.Dir, "ehm-delta.crl")))
	full := decode(t, readFile(t, filepath.Join(c.Dir, "ehm.crl")))
	t.Run("CRL-25 the indicator is critical, freshestCRL is in the complete list only and not", func(t *testing.T) {
		if x := extension(got, "2.5.29.27"); x == nil || !x.Critical {
			t.Errorf("indicator %v", x)
		}
		if x := extension(full, "2.5.29.46"); x == nil || x.Critical {
			t.Errorf("freshestCRL %v", x)
		}
		if extension(full, "2.5.29.27") != nil || extension(got, "2.5.29.46") != nil {
			t.Error("indicator in a complete list or freshestCRL in a delta list")
		}
	})
	t.Run("CRL-25 same key, same scope", func(t *testing.T) {
		if a, b := extension(got, "2.5.29.35"), extension(full, "2.5.29.35"); a == nil || b == nil || !bytes.Equal(a.Value, b.Value) {
			t.Errorf("key identifiers %v and %v", a, b)
		}
		if extension(got, "2.5.29.28") != nil || extension(full, "2.5.29.28") != nil {
			t.Error("there is a distribution point")
		}
	})
	t.Run("CRL-26 the next complete list, and deltas on it, are rid of it", func(t *testing.T) {
		synctestRound(t)
	})
	t.Run("CRL-19 what has expired leaves both", func(t *testing.T) {
		c := newCentre(t, p256(t)).withDelta()
		p := c.publisher(t)
		c.put(entry(1, 1))
		c.put(entry(2, 1))
		c.publish(t, p)
		c.expire(1)
		for _, want := range []map[string]int{{"1": 1, "2": 1}, {"2": 1}, {"2": 1}} {
			c.publish(t, p)
			complete, _ := c.content(t, "ehm.crl")
			wantReasons(t, "complete", complete, want)
		}
		delta, _ := c.content(t, "ehm-delta.crl")
		wantReasons(t, "delta", delta, map[string]int{"1": 8})
	})
}

// synctestRound lets the time go by after which a base is given up.
func synctestRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre(t, p256(t)).withDelta()
		p := c.publisher(t)
		defer run(t, p)()
		c.put(entry(1, 6))
		synctest.Wait()
		c.take(1)
		time.Sleep(time.Minute)
		delta, _ := c.content(t, "ehm-delta.crl")
		wantReasons(t, "after the release", delta, map[string]int{"1": 8})
		time.Sleep(2 * crl.DefaultInterval)
		synctest.Wait()
		delta, r := c.content(t, "ehm-delta.crl")
		wantReasons(t, "deltas on a later base", delta, map[string]int{})
		if age := time.Since(r.ThisUpdate); age > crl.DefaultDeltaInterval {
			t.Errorf("the delta list is %v old", age)
		}
		if _, full := c.content(t, "ehm.crl"); full.CRLNumber.Cmp(r.Base) < 0 {
			t.Errorf("the delta list is for %v, the complete one %v", r.Base, full.CRLNumber)
		}
	})
}

func extension(o outer, id string) *pkix.Extension { return among(o.TBS.Extensions, id) }

func among(extensions []pkix.Extension, id string) *pkix.Extension {
	for _, x := range extensions {
		if x.Id.String() == id {
			return &x
		}
	}
	return nil
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// leafOf issues a certificate of the serial, whose lists are at the addresses.
func (c *centre) leafOf(t testing.TB, serial int64, crlURL, freshestURL string) string {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		Subject: pkix.Name{CommonName: "Nümunə"}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if crlURL != "" {
		template.CRLDistributionPoints = []string{crlURL}
	}
	if freshestURL != "" {
		value, err := asn1.Marshal([]struct {
			Point struct {
				Full []asn1.RawValue `asn1:"tag:0"`
			} `asn1:"tag:0"`
		}{{struct {
			Full []asn1.RawValue `asn1:"tag:0"`
		}{[]asn1.RawValue{{Class: 2, Tag: 6, Bytes: []byte(freshestURL)}}}}})
		if err != nil {
			t.Fatal(err)
		}
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: value}}
	}
	return writePEM(t, "leaf.pem", "CERTIFICATE", certificate(t, template, c.ca, c.key.Public(), c.key).Raw)
}

// opensslVerify asks openssl about a certificate with lists of the folder.
func (c *centre) opensslVerify(t *testing.T, leaf string, paths ...string) string {
	t.Helper()
	args := []string{"verify", "-x509_strict", "-crl_check", "-use_deltas", "-extended_crl", "-CAfile", writePEM(t, "ca.pem", "CERTIFICATE", c.ca.Raw)}
	for _, path := range paths {
		pem := filepath.Join(t.TempDir(), "crl.pem")
		if out, ok := openssl(t, "crl", "-inform", "der", "-in", filepath.Join(c.Dir, path), "-out", pem); !ok {
			t.Fatal(out)
		}
		args = append(args, "-CRLfile", pem)
	}
	out, _ := openssl(t, append(args, leaf)...)
	return out
}

// TestDeltaPeers has others combine complete and delta lists.
func TestDeltaPeers(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"p256": p256(t), "rsa": keysOf(t)["rsa"]} {
		t.Run(name, func(t *testing.T) {
			c := newCentre(t, key).withDelta()
			p := c.publisher(t)
			c.put(entry(0x101, 6))
			c.publish(t, p)
			c.take(0x101)
			c.put(entry(0x102, 1))
			c.publishDelta(t, p)
			leaf := func(serial int64) string {
				return c.leafOf(t, serial, "http://127.0.0.1:1/ehm.crl", "http://127.0.0.1:1/ehm-delta.crl")
			}
			released, revoked, good := leaf(0x101), leaf(0x102), leaf(0x103)
			t.Run("CRL-25 openssl combines them", func(t *testing.T) {
				for leaf, want := range map[string]string{good: ": OK", revoked: "certificate revoked"} {
					if out := c.opensslVerify(t, leaf, "ehm.crl", "ehm-delta.crl"); !strings.Contains(out, want) {
						t.Errorf("want %q: %s", want, out)
					}
				}
			})
			t.Run("CRL-26 openssl takes removeFromCRL for what it is", func(t *testing.T) {
				if out := c.opensslVerify(t, released, "ehm.crl"); !strings.Contains(out, "certificate revoked") {
					t.Errorf("by the base alone: %s", out)
				}
				if out := c.opensslVerify(t, released, "ehm.crl", "ehm-delta.crl"); !strings.Contains(out, ": OK") {
					t.Errorf("with the delta: %s", out)
				}
			})
		})
	}
}
