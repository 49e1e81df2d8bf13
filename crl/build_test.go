package crl_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/crl"
)

// outer is RFC 5280, Section 5.1 as encoding/asn1 reads it: an oracle that
// shares no code with the encoder.
type outer struct {
	TBS struct {
		Raw        asn1.RawContent
		Version    int `asn1:"optional,default:0"`
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		ThisUpdate asn1.RawValue
		NextUpdate asn1.RawValue
		Revoked    []struct {
			Serial     *big.Int
			Date       asn1.RawValue
			Extensions []pkix.Extension `asn1:"optional"`
		} `asn1:"optional"`
		Extensions []pkix.Extension `asn1:"tag:0,optional,explicit"`
	}
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

func decode(t testing.TB, encoded []byte) outer {
	t.Helper()
	var o outer
	if rest, err := asn1.Unmarshal(encoded, &o); err != nil || len(rest) != 0 {
		t.Fatalf("decoding list: %v, %d octets left", err, len(rest))
	}
	return o
}

func TestList(t *testing.T) {
	c := newCentre(t, p256(t))
	p := c.publisher(t)
	empty := decode(t, c.publish(t, p).Raw)
	since := time.Now().Add(-48 * time.Hour)
	c.put(entry(0x1001, 0))
	c.put(entry(0x1002, 1, since))
	c.put(entry(0x1003, 6))
	c.put(entry(0x1004, 0, since))
	list := c.publish(t, p)
	got := decode(t, list.Raw)

	t.Run("CRL-03 version is v2", func(t *testing.T) {
		if got.TBS.Version != 1 {
			t.Errorf("version %d, want 1 (v2)", got.TBS.Version)
		}
	})
	t.Run("CRL-04 inner and outer algorithm are the same", func(t *testing.T) {
		inner, outer := got.TBS.Algorithm, got.Algorithm
		if !inner.Algorithm.Equal(outer.Algorithm) || !bytes.Equal(inner.Parameters.FullBytes, outer.Parameters.FullBytes) {
			t.Errorf("inner %v, outer %v", inner, outer)
		}
	})
	t.Run("CRL-05 issuer is the certificate's subject octet by octet", func(t *testing.T) {
		if !bytes.Equal(got.TBS.Issuer.FullBytes, c.ca.RawSubject) {
			t.Errorf("issuer %x, want %x", got.TBS.Issuer.FullBytes, c.ca.RawSubject)
		}
	})
	t.Run("CRL-06 signature verifies", func(t *testing.T) {
		if err := c.ca.CheckSignature(list.SignatureAlgorithm, got.TBS.Raw, got.Signature.RightAlign()); err != nil {
			t.Error(err)
		}
	})
	t.Run("CRL-08 nextUpdate is there, both dates UTCTime", func(t *testing.T) {
		if got.TBS.ThisUpdate.Tag != asn1.TagUTCTime || got.TBS.NextUpdate.Tag != asn1.TagUTCTime {
			t.Errorf("tags %d and %d", got.TBS.ThisUpdate.Tag, got.TBS.NextUpdate.Tag)
		}
		if got, want := list.NextUpdate.Sub(list.ThisUpdate), crl.DefaultValidity; got != want {
			t.Errorf("validity %v, want %v", got, want)
		}
	})
	t.Run("CRL-10 no extension twice, none critical", func(t *testing.T) {
		if len(got.TBS.Extensions) != 2 || got.TBS.Extensions[0].Id.Equal(got.TBS.Extensions[1].Id) {
			t.Errorf("extensions %v", got.TBS.Extensions)
		}
		for _, e := range got.TBS.Extensions {
			if e.Critical {
				t.Errorf("%v is critical", e.Id)
			}
		}
	})
	t.Run("CRL-11 authorityKeyIdentifier is the issuer's key identifier", func(t *testing.T) {
		if !bytes.Equal(list.AuthorityKeyId, c.ca.SubjectKeyId) {
			t.Errorf("%x, want %x", list.AuthorityKeyId, c.ca.SubjectKeyId)
		}
	})
	t.Run("CRL-14 empty revokedCertificates is absent", func(t *testing.T) {
		if empty.TBS.Revoked != nil {
			t.Errorf("an empty list has %v", empty.TBS.Revoked)
		}
	})
	t.Run("CRL-15 each serial once", func(t *testing.T) {
		for i, want := range []int64{0x1001, 0x1002, 0x1003, 0x1004} {
			if got := got.TBS.Revoked[i].Serial.Int64(); got != want {
				t.Errorf("serial %x, want %x", got, want)
			}
		}
		if len(got.TBS.Revoked) != 4 {
			t.Errorf("%d entries, want 4", len(got.TBS.Revoked))
		}
	})
	t.Run("CRL-17 reasons are not critical, unspecified is left out", func(t *testing.T) {
		if got.TBS.Revoked[0].Extensions != nil {
			t.Errorf("unspecified has %v", got.TBS.Revoked[0].Extensions)
		}
		for i, want := range []int{0, 1, 6, 0} {
			if got := list.RevokedCertificateEntries[i].ReasonCode; got != want {
				t.Errorf("entry %d has reason %d, want %d", i, got, want)
			}
			for _, e := range got.TBS.Revoked[i].Extensions {
				if e.Critical {
					t.Errorf("entry %d: %v is critical", i, e.Id)
				}
			}
		}
		if n := len(got.TBS.Revoked[3].Extensions); n != 1 {
			t.Errorf("unspecified with an invalidity date has %d extensions", n)
		}
	})
	t.Run("CRL-27 invalidityDate is a GeneralizedTime in UTC", func(t *testing.T) {
		value := got.TBS.Revoked[1].Extensions[1].Value
		if want := "\x18\x0f" + since.UTC().Format("20060102150405Z"); string(value) != want {
			t.Errorf("invalidityDate %q, want %q", value, want)
		}
	})
	t.Run("the standard library encodes the same octets", func(t *testing.T) {
		// It puts the reason behind the other extensions, so no entry has both.
		c := newCentre(t, p256(t))
		c.put(entry(0x1001, 0))
		c.put(entry(0x1003, 6))
		c.put(entry(0x1004, 0, since))
		list := c.publish(t, c.publisher(t))
		template := &x509.RevocationList{Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate}
		for _, e := range list.RevokedCertificateEntries {
			copied := x509.RevocationListEntry{SerialNumber: e.SerialNumber, RevocationTime: e.RevocationTime, ReasonCode: e.ReasonCode}
			if e.ReasonCode == 0 {
				copied.ExtraExtensions = e.Extensions
			}
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, copied)
		}
		// Ours is deterministic, so only the signed octets can be compared.
		theirs, err := x509.CreateRevocationList(nil, template, c.ca, c.key)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(decode(t, theirs).TBS.Raw, list.RawTBSRevocationList) {
			t.Errorf("ours   %x\ntheirs %x", list.RawTBSRevocationList, decode(t, theirs).TBS.Raw)
		}
	})
}

func TestRefusedEntries(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name, want string
		entries    []crl.Entry
	}{
		{"CRL-15 a serial twice", "twice", []crl.Entry{entry(7, 1), entry(7, 6), entry(8, 1)}},
		{"CRL-15 serials out of order", "order", []crl.Entry{entry(8, 1), entry(7, 6)}},
		{"CRL-16 a date after thisUpdate", "after thisUpdate", []crl.Entry{{Serial: []byte{7}, Since: now.Add(time.Hour)}}},
		{"CRL-17 reason 7", "reason 7", []crl.Entry{entry(7, 7)}},
		{"CRL-17 removeFromCRL on a complete list", "reason 8", []crl.Entry{entry(7, 8)}},
		{"CRL-17 reason 11", "reason 11", []crl.Entry{entry(7, 11)}},
		{"CRL-27 an invalidityDate that cannot be told", "cannot be told", []crl.Entry{entry(7, 1, now.AddDate(20000, 0, 0))}},
		{"no serial", "serial", []crl.Entry{{Since: now}}},
		{"serial zero", "serial", []crl.Entry{{Serial: []byte{0, 0}, Since: now}}},
		{"serial of 21 octets", "20 octets", []crl.Entry{{Serial: new(big.Int).Lsh(big.NewInt(1), 159).Bytes(), Since: now.Add(-time.Hour)}}},
		{"no date", "date", []crl.Entry{{Serial: []byte{7}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCentre(t, &counting{Signer: p256(t)})
			c.spoil, c.limit = func([]crl.Entry) []crl.Entry { return test.entries }, -1
			err := c.publisher(t).Publish(t.Context(), "ehm")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %q", err, test.want)
			}
			if n := c.key.(*counting).n.Load(); n != 0 {
				t.Errorf("the key signed %d times", n)
			}
		})
	}
	t.Run("the longest serial is taken", func(t *testing.T) {
		c := newCentre(t, p256(t))
		long := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 159), big.NewInt(1))
		c.put(crl.Entry{Serial: long.Bytes(), Since: now.Add(-time.Hour)})
		if got := c.publish(t, c.publisher(t)).RevokedCertificateEntries[0].SerialNumber; got.Cmp(long) != 0 {
			t.Errorf("serial %x, want %x", got, long)
		}
	})
}

func TestYear2050(t *testing.T) {
	t.Run("CRL-08 GeneralizedTime from 2050 on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Date(2049, 12, 31, 12, 0, 0, 0, time.UTC)))
			c := newCentre(t, p256(t))
			got := decode(t, c.publish(t, c.publisher(t)).Raw).TBS
			if got.ThisUpdate.Tag != asn1.TagUTCTime || string(got.ThisUpdate.Bytes) != "491231120000Z" {
				t.Errorf("thisUpdate %d %q", got.ThisUpdate.Tag, got.ThisUpdate.Bytes)
			}
			if got.NextUpdate.Tag != asn1.TagGeneralizedTime || string(got.NextUpdate.Bytes) != "20500101130000Z" {
				t.Errorf("nextUpdate %d %q", got.NextUpdate.Tag, got.NextUpdate.Bytes)
			}
		})
	})
}
