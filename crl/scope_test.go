package crl_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
)

const shardURL = "http://127.0.0.1:1/ehm-{shard}.crl"

// partitioned gives the centre four lists beside the one about all.
func (c *centre) partitioned() *centre {
	c.Issuers[0].Partitions = []crl.Partition{{Shards: 4, Place: crl.Place{
		Path: "ehm-{shard}.crl", URL: shardURL, DeltaPath: "ehm-{shard}-delta.crl", DeltaURL: "http://127.0.0.1:1/ehm-{shard}-delta.crl",
	}}}
	return c
}

func TestPartition(t *testing.T) {
	c := newCentre(t, p256(t)).partitioned()
	p := c.publisher(t)
	for serial := range int64(40) {
		c.put(entry(0x100+serial, 1))
	}
	c.publish(t, p)
	c.put(entry(0x200, 6))
	c.take(0x101)
	c.publish(t, p)
	all, full := c.content(t, "ehm.crl")
	t.Run("CRL-13 the lists together are the complete one", func(t *testing.T) {
		together := make(map[string]crl.Entry)
		for shard := range 4 {
			entries, r := c.content(t, fmt.Sprintf("ehm-%d.crl", shard))
			if r.CRLNumber.Cmp(full.CRLNumber) != 0 {
				t.Errorf("number %v, want %v", r.CRLNumber, full.CRLNumber)
			}
			for serial, e := range entries {
				if n, _ := new(big.Int).SetString(serial, 10); n.Int64()%4 != int64(shard) {
					t.Errorf("serial %s is on list %d", serial, shard)
				}
				together[serial] = e
			}
		}
		wantReasons(t, "together", together, reasons(all))
	})
	leaf := func(serial int64) (string, *x509.Certificate) {
		url := strings.ReplaceAll(shardURL, "{shard}", fmt.Sprint(serial%4))
		name := c.leafOf(t, serial, url, strings.ReplaceAll(url, ".crl", "-delta.crl"))
		return name, parsePEM(t, name)
	}
	t.Run("CRL-13 the distribution point is critical and the certificate's octet by octet", func(t *testing.T) {
		for _, path := range []string{"ehm-2.crl", "ehm-2-delta.crl"} {
			list := decode(t, readFile(t, c.Dir+"/"+path))
			idp := extension(list, "2.5.29.28")
			if idp == nil || !idp.Critical {
				t.Fatalf("%s: %v", path, idp)
			}
			var scope struct {
				Point asn1.RawValue `asn1:"tag:0"`
			}
			if rest, err := asn1.Unmarshal(idp.Value, &scope); err != nil || len(rest) > 0 {
				t.Fatal(err)
			}
			_, certificate := leaf(0x202)
			var points []struct {
				Point asn1.RawValue `asn1:"tag:0"`
			}
			for _, x := range certificate.Extensions {
				if x.Id.String() == "2.5.29.31" {
					if _, err := asn1.Unmarshal(x.Value, &points); err != nil {
						t.Fatal(err)
					}
				}
			}
			if len(points) != 1 || !bytes.Equal(points[0].Point.FullBytes, scope.Point.FullBytes) {
				t.Errorf("%s: the list says %x, the certificate %v", path, scope.Point.FullBytes, points)
			}
		}
	})
	revoked, _ := leaf(0x102)
	released, _ := leaf(0x101)
	good, _ := leaf(0x302)
	t.Run("CRL-13 openssl takes the certificate's own list and no other", func(t *testing.T) {
		for _, row := range []struct {
			leaf, want string
			lists      []string
		}{
			{good, ": OK", []string{"ehm-2.crl"}},
			{revoked, "certificate revoked", []string{"ehm-2.crl"}},
			{good, "different CRL scope", []string{"ehm-1.crl"}},
			{released, ": OK", []string{"ehm-1.crl", "ehm-1-delta.crl"}},
			{good, ": OK", []string{"ehm-2.crl", "ehm-2-delta.crl"}},
			{revoked, "certificate revoked", []string{"ehm-2.crl", "ehm-2-delta.crl"}},
		} {
			if out := c.opensslVerify(t, row.leaf, row.lists...); !strings.Contains(out, row.want) {
				t.Errorf("%v: want %q: %s", row.lists, row.want, out)
			}
		}
	})
}

func TestOnlyUsers(t *testing.T) {
	key := p256(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Users only"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	c := newCentre(t, key)
	t.Run("CRL-13 onlyContainsUserCerts is refused where authorities may be", func(t *testing.T) {
		c.Issuers[0].OnlyUsers = true
		if _, err := crl.New(c.Config); err == nil || !strings.Contains(err.Error(), "pathLenConstraint") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("CRL-13 onlyContainsUserCerts, and openssl goes by it", func(t *testing.T) {
		c.ca = certificate(t, template, template, key.Public(), key)
		c.Issuers[0].Certificate = c.ca
		c.put(entry(0x11, 1))
		c.publish(t, c.publisher(t))
		if _, r := c.content(t, "ehm.crl"); !r.Scope.OnlyUsers || r.Scope.Point != nil || r.Scope.Indirect {
			t.Errorf("scope %+v", r.Scope)
		}
		for serial, want := range map[int64]string{0x11: "certificate revoked", 0x12: ": OK"} {
			if out := c.opensslVerify(t, c.leafOf(t, serial, "", ""), "ehm.crl"); !strings.Contains(out, want) {
				t.Errorf("want %q: %s", want, out)
			}
		}
	})
}

// TestIndirect has another authority sign the lists.
func TestIndirect(t *testing.T) {
	c := newCentre(t, p256(t)).withDelta()
	signerKey := p256(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x77), Subject: pkix.Name{Country: []string{"AZ"}, CommonName: "Lists"}, SubjectKeyId: []byte{1, 2, 3, 4},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 6, 0), KeyUsage: x509.KeyUsageCRLSign,
	}
	signer := certificate(t, template, c.ca, signerKey.Public(), c.key)
	c.Issuers[0].Signer, c.Issuers[0].Key, c.Issuers[0].URL = signer, signerKey, "http://127.0.0.1:1/ehm.crl"
	p := c.publisher(t)
	for _, serial := range []int64{0x20, 0x10, 0x30} {
		c.put(entry(serial, 6))
	}
	c.publish2(t, p)
	c.take(0x10)
	c.publish2(t, p)
	list := decode(t, readFile(t, c.Dir+"/ehm.crl"))
	t.Run("CRL-18 certificateIssuer is critical and stands at the first entry", func(t *testing.T) {
		if len(list.TBS.Revoked) != 2 || len(list.TBS.Revoked[0].Extensions) != 2 || len(list.TBS.Revoked[1].Extensions) != 1 {
			t.Fatalf("entries %+v", list.TBS.Revoked)
		}
		x := list.TBS.Revoked[0].Extensions[1]
		if x.Id.String() != "2.5.29.29" || !x.Critical || !bytes.Contains(x.Value, c.ca.RawSubject) {
			t.Errorf("got %+v", x)
		}
	})
	t.Run("CRL-18 the reader gives each entry its issuer", func(t *testing.T) {
		r, err := crl.NewReader(bytes.NewReader(readFile(t, c.Dir+"/ehm.crl")))
		for err == nil {
			var e crl.Entry
			if e, err = r.Next(); err == nil && !bytes.Equal(e.Issuer, c.ca.RawSubject) {
				t.Errorf("serial %x is of %x", e.Serial, e.Issuer)
			}
		}
		if r.Entries() != 2 || !r.Scope.Indirect {
			t.Errorf("%d entries, scope %+v, %v", r.Entries(), r.Scope, err)
		}
	})
	t.Run("CRL-13 indirectCRL, and openssl goes by it", func(t *testing.T) {
		for serial, want := range map[int64]string{0x20: "certificate revoked", 0x10: ": OK"} {
			pem := writePEM(t, "crl.pem", "X509 CRL", readFile(t, c.Dir+"/ehm.crl"))
			out, _ := openssl(t, "verify", "-crl_check", "-extended_crl", "-CAfile", writePEM(t, "ca.pem", "CERTIFICATE", c.ca.Raw),
				"-untrusted", writePEM(t, "signer.pem", "CERTIFICATE", signer.Raw), "-CRLfile", pem, c.indirectLeaf(t, serial))
			if !strings.Contains(out, want) {
				t.Errorf("want %q: %s", want, out)
			}
		}
	})
	t.Run("CRL-18 one signer for two authorities, and openssl takes each one's own lists", func(t *testing.T) {
		root, below, signer := oneSigner(t)
		anchor, lists, others := writePEM(t, "root.pem", "CERTIFICATE", root.ca.Raw), []string(nil), []string{"-untrusted", writePEM(t, "signer.pem", "CERTIFICATE", signer.Raw)}
		for i, c := range below {
			c.put(entry(0x101, 6))
			c.put(entry(int64(0x102+i), 1))
			p := c.publisher(t)
			c.publish2(t, p)
			c.take(0x101)
			c.put(entry(0x105, 1))
			c.publishDelta(t, p)
			for _, path := range []string{"ehm.crl", "ehm-delta.crl"} {
				lists = append(lists, "-CRLfile", writePEM(t, "crl.pem", "X509 CRL", readFile(t, filepath.Join(c.Dir, path))))
			}
			others = append(others, "-untrusted", writePEM(t, "ca.pem", "CERTIFICATE", c.ca.Raw))
		}
		for i, c := range below {
			for serial, want := range map[int64]string{0x101: ": OK", int64(0x102 + i): "certificate revoked", int64(0x103 - i): ": OK", 0x105: "certificate revoked"} {
				args := slices.Concat([]string{"verify", "-x509_strict", "-crl_check", "-extended_crl", "-use_deltas", "-CAfile", anchor}, others, lists)
				if out, _ := openssl(t, append(args, c.indirectLeaf(t, serial))...); !strings.Contains(out, want) {
					t.Errorf("authority %d, serial %x: want %q: %s", i, serial, want, out)
				}
			}
		}
	})
	t.Run("CRL-18 no signer of the authority's own name", func(t *testing.T) {
		c.Issuers[0].Signer, c.Issuers[0].Key = c.ca, c.key
		if _, err := crl.New(c.Config); err == nil || !strings.Contains(err.Error(), "indirect") {
			t.Errorf("error %v", err)
		}
	})
}

// oneSigner returns two authorities below a root, whose lists another one signs.
func oneSigner(t testing.TB) (root *centre, below []*centre, signer *x509.Certificate) {
	t.Helper()
	root = newCentre(t, p256(t))
	root.publish(t, root.publisher(t))
	issue := func(serial int64, name string, key crypto.Signer, ca bool) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{Country: []string{"AZ"}, CommonName: name}, SubjectKeyId: []byte{1, 2, 3, byte(serial)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 6, 0),
			IsCA: ca, BasicConstraintsValid: ca, KeyUsage: x509.KeyUsageCRLSign,
		}
		if ca {
			template.KeyUsage |= x509.KeyUsageCertSign
		}
		return certificate(t, template, root.ca, key.Public(), root.key)
	}
	signerKey := p256(t)
	signer = issue(2, "Lists", signerKey, false)
	for i := range 2 {
		c := newCentre(t, p256(t)).withDelta()
		c.ca = issue(int64(3+i), fmt.Sprintf("Authority %d", i), c.key, true)
		c.Issuers[0].Certificate, c.Issuers[0].Signer, c.Issuers[0].Key = c.ca, signer, signerKey
		c.Issuers[0].URL, c.Issuers[0].DeltaURL = fmt.Sprintf("http://127.0.0.1:1/%d.crl", i), fmt.Sprintf("http://127.0.0.1:1/%d-delta.crl", i)
		below = append(below, c)
	}
	return root, below, signer
}

// indirectLeaf issues a certificate that names the signer of its list.
func (c *centre) indirectLeaf(t testing.TB, serial int64) string {
	t.Helper()
	issuer := c.Issuers[0]
	type distribution struct {
		Point  asn1.RawValue `asn1:"tag:0"`
		Issuer asn1.RawValue `asn1:"tag:2"`
	}
	full, _ := asn1.Marshal(asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: append([]byte{0x86, byte(len(issuer.URL))}, issuer.URL...)})
	name, _ := asn1.Marshal(asn1.RawValue{Class: 2, Tag: 4, IsCompound: true, Bytes: issuer.Signer.RawSubject})
	value, err := asn1.Marshal([]distribution{{
		asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: full}, asn1.RawValue{Class: 2, Tag: 2, IsCompound: true, Bytes: name},
	}})
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: "Nümunə"}, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 31}, Value: value}}}
	return writePEM(t, "leaf.pem", "CERTIFICATE", certificate(t, leaf, c.ca, c.key.Public(), c.key).Raw)
}

// publish2 publishes where the folder's list is not the authority's own.
func (c *centre) publish2(t testing.TB, p *crl.Publisher) {
	t.Helper()
	if err := p.Publish(t.Context(), "ehm"); err != nil {
		t.Fatal(err)
	}
}

func TestEnds(t *testing.T) {
	t.Run("CRL-29 expiredCertsOnCRL is not critical, and who has expired stays", func(t *testing.T) {
		c := newCentre(t, p256(t))
		since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c.Issuers[0].ExpiredSince = since
		p := c.publisher(t)
		c.put(entry(1, 1))
		c.publish(t, p)
		c.expire(1)
		for range 3 {
			if list := c.publish(t, p); len(list.RevokedCertificateEntries) != 1 {
				t.Fatalf("%d entries, want 1", len(list.RevokedCertificateEntries))
			}
		}
		x := extension(decode(t, readFile(t, c.Dir+"/ehm.crl")), "2.5.29.60")
		if x == nil || x.Critical || string(x.Value) != "\x18\x0f20260101000000Z" {
			t.Errorf("got %+v", x)
		}
	})
	t.Run("CRL-28 a list at least every 24 hours", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.Interval, c.Validity, c.Deadline = 25*time.Hour, 60*time.Hour, 26*time.Hour
		if _, err := crl.New(c.Config); err == nil || !strings.Contains(err.Error(), "24 hours") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("CRL-28 the last list of an authority never runs out", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.Issuers[0].Last = true
		p := c.publisher(t)
		c.put(entry(1, 5))
		list := c.publish(t, p)
		if want := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC); !list.NextUpdate.Equal(want) {
			t.Errorf("nextUpdate %v", list.NextUpdate)
		}
		if err := p.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func parsePEM(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	certificate, err := x509.ParseCertificate(decodePEM(t, readFile(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
