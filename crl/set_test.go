package crl_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
)

func (c *centre) load(t testing.TB, path string) *crl.Set {
	t.Helper()
	s, err := crl.Load(bytes.NewReader(readFile(t, filepath.Join(c.Dir, path))), c.ca)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSet(t *testing.T) {
	c := newCentre(t, p256(t)).partitioned().withDelta()
	p := c.publisher(t)
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for serial := range int64(30) {
		c.put(entry(0xf0+7*serial, int(serial%7)))
	}
	c.put(entry(0x500, 6))
	c.publish(t, p)
	complete := c.load(t, "ehm.crl")
	c.take(0x500)
	c.put(entry(0x501, 1, since))
	c.publish(t, p)
	delta, later := c.load(t, "ehm-delta.crl"), c.load(t, "ehm.crl")
	has := func(s *crl.Set, serial int64) bool { _, ok := s.Lookup(c.ca.RawSubject, big.NewInt(serial)); return ok }

	t.Run("CRL-19 who is on the list is found, and nobody else", func(t *testing.T) {
		for serial := range int64(30) {
			e, ok := complete.Lookup(c.ca.RawSubject, big.NewInt(0xf0+7*serial))
			if !ok || e.Reason != int(serial%7) || e.Number().Int64() != 0xf0+7*serial {
				t.Errorf("serial %x: %+v, %v", 0xf0+7*serial, e, ok)
			}
			if has(complete, 0xf1+7*serial) {
				t.Errorf("serial %x is found", 0xf1+7*serial)
			}
		}
		if _, ok := complete.Lookup([]byte("another"), big.NewInt(0xf0)); ok {
			t.Error("found under another issuer")
		}
		if _, ok := complete.Lookup(c.ca.RawSubject, new(big.Int).Lsh(big.NewInt(1), 2000)); ok {
			t.Error("a serial of 2000 bits is found")
		}
	})
	t.Run("CRL-25 base and delta are the complete list", func(t *testing.T) {
		both, err := complete.Apply(delta)
		if err != nil {
			t.Fatal(err)
		}
		if both.Len() != later.Len() || both.CRLNumber.Cmp(later.CRLNumber) != 0 || both.Base != nil {
			t.Errorf("%d entries of number %v, want %d of %v", both.Len(), both.CRLNumber, later.Len(), later.CRLNumber)
		}
		for i := range later.Len() {
			a, b := both.At(i), later.At(i)
			if !bytes.Equal(a.Serial, b.Serial) || a.Reason != b.Reason || !a.Since.Equal(b.Since) || !a.InvalidityDate.Equal(b.InvalidityDate) {
				t.Errorf("entry %d: %+v, want %+v", i, a, b)
			}
		}
		if e, _ := both.Lookup(c.ca.RawSubject, big.NewInt(0x501)); !e.InvalidityDate.Equal(since) {
			t.Errorf("invalidity date %v", e.InvalidityDate)
		}
	})
	t.Run("CRL-25 what does not fit is not combined", func(t *testing.T) {
		other := newCentre(t, p256(t)).withDelta()
		q := other.publisher(t)
		other.publish(t, q)
		other.put(entry(1, 1))
		other.publish(t, q)
		for name, pair := range map[string][2]*crl.Set{
			"two complete lists": {complete, later}, "a delta first": {delta, delta}, "one of the same number": {later, delta},
			"one of another issuer": {complete, other.load(t, "ehm-delta.crl")}, "one of another scope": {c.load(t, "ehm-1.crl"), delta},
		} {
			if _, err := pair[0].Apply(pair[1]); err == nil {
				t.Errorf("%s: combined", name)
			}
		}
	})
	t.Run("CRL-13 a list covers the certificates of its own point", func(t *testing.T) {
		url := "http://127.0.0.1:1/ehm-1.crl"
		leaf := parsePEM(t, c.leafOf(t, 0x101, url, ""))
		for path, want := range map[string]string{"ehm.crl": "", "ehm-1.crl": "", "ehm-1-delta.crl": "", "ehm-2.crl": "another distribution point"} {
			err := c.load(t, path).Covers(leaf)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", path, err, want)
			}
		}
		foreign := newCentre(t, p256(t))
		foreign.ca = authority(t, "another", foreign.key, x509.KeyUsageCRLSign|x509.KeyUsageCertSign)
		if err := complete.Covers(parsePEM(t, foreign.leafOf(t, 0x101, url, ""))); err == nil {
			t.Error("another issuer's certificate is covered")
		}
	})
	t.Run("lists of others", func(t *testing.T) {
		// Neither in order nor with a reason, and with a serial whose first bit
		// would be a sign.
		template := &x509.RevocationList{Number: big.NewInt(3), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
		for _, serial := range []int64{9, 255, 3, 128, 7} {
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Now()})
		}
		encoded, err := x509.CreateRevocationList(rand.Reader, template, c.ca, c.key)
		if err != nil {
			t.Fatal(err)
		}
		s, err := crl.Load(bytes.NewReader(encoded), c.ca)
		if err != nil {
			t.Fatal(err)
		}
		for serial := range int64(300) {
			if want := serial == 9 || serial == 255 || serial == 3 || serial == 128 || serial == 7; has(s, serial) != want {
				t.Errorf("serial %d is found: %v", serial, !want)
			}
		}
		if _, err := crl.Load(bytes.NewReader(encoded), newCentre(t, p256(t)).ca); err == nil {
			t.Error("verified with another key")
		}
		encoded[len(encoded)-1] ^= 1
		if _, err := crl.Load(bytes.NewReader(encoded), c.ca); err == nil {
			t.Error("a wrong signature is taken")
		}
	})
}

// TestIndirectSet reads entries of several issuers.
func TestIndirectSet(t *testing.T) {
	c := newCentre(t, p256(t))
	other := authority(t, "another", p256(t), x509.KeyUsageCRLSign)
	issuer, err := asn1.Marshal([]asn1.RawValue{{Class: 2, Tag: 4, IsCompound: true, Bytes: other.RawSubject}})
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.RevocationList{Number: big.NewInt(3), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 3, 0x84, 1, 0xff}}},
		RevokedCertificateEntries: []x509.RevocationListEntry{
			{SerialNumber: big.NewInt(5), RevocationTime: time.Now()},
			{SerialNumber: big.NewInt(6), RevocationTime: time.Now(), ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: issuer}}},
			{SerialNumber: big.NewInt(5), RevocationTime: time.Now(), ReasonCode: 1},
		}}
	encoded, err := x509.CreateRevocationList(rand.Reader, template, c.ca, c.key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := crl.Load(bytes.NewReader(encoded), c.ca)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("CRL-18 an entry is of the issuer that was last named", func(t *testing.T) {
		for _, row := range []struct {
			issuer []byte
			serial int64
			reason int
		}{{c.ca.RawSubject, 5, 0}, {c.ca.RawSubject, 6, -1}, {other.RawSubject, 5, 1}, {other.RawSubject, 6, 0}} {
			e, ok := s.Lookup(row.issuer, big.NewInt(row.serial))
			if ok != (row.reason >= 0) || ok && e.Reason != row.reason {
				t.Errorf("serial %d: %+v, %v, want reason %d", row.serial, e, ok, row.reason)
			}
		}
	})
}

// FuzzReader holds the reader against the standard library's.
func FuzzReader(f *testing.F) {
	c := newCentre(f, p256(f)).partitioned().withDelta()
	p := c.publisher(f)
	c.put(entry(0x101, 6, time.Now()))
	c.put(entry(0x80, 1))
	c.publish2(f, p)
	c.take(0x101)
	c.publish2(f, p)
	for _, path := range []string{"ehm.crl", "ehm-delta.crl", "ehm-1.crl", "ehm-1-delta.crl", "ehm-3.crl"} {
		f.Add(readFile(f, filepath.Join(c.Dir, path)))
	}
	if corpus := os.Getenv("ALTAMGA_CORPUS"); corpus != "" {
		for _, pattern := range []string{"*/*/*.crl", "*/*/*/*.crl", "*/*/*/*/*.crl"} {
			names, _ := filepath.Glob(filepath.Join(corpus, pattern))
			for _, name := range names {
				f.Add(readFile(f, name))
			}
		}
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		s, err := crl.Load(bytes.NewReader(encoded), c.ca)
		r, readErr := crl.NewReader(bytes.NewReader(encoded))
		n := 0
		for readErr == nil {
			if _, readErr = r.Next(); readErr == nil {
				n++
			}
		}
		if err == nil && s.Len() != n {
			t.Errorf("%d entries kept, %d read", s.Len(), n)
		}
		if r == nil || r.Signature == nil {
			return
		}
		// What ours takes, the standard library takes, and reads the same in it,
		// but for what it is stricter or laxer about and nobody relies on.
		parsed, err := x509.ParseRevocationList(encoded)
		if err != nil {
			return
		}
		if len(parsed.RevokedCertificateEntries) != n || !parsed.ThisUpdate.Equal(r.ThisUpdate) || !bytes.Equal(parsed.RawIssuer, r.RawIssuer) {
			t.Errorf("%d entries of %v, the standard library reads %d of %v", n, r.ThisUpdate, len(parsed.RevokedCertificateEntries), parsed.ThisUpdate)
		}
	})
}
