package tsa_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/altamga/altamga/tsa"
)

var (
	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidAlgorithmProtection  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 52}
	oidTSTInfo              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSignedData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// TestToken takes a token apart with encoding/asn1 for every kind of key.
func TestToken(t *testing.T) {
	for _, row := range []struct {
		name              string
		key               crypto.Signer
		hash              crypto.Hash
		digest, algorithm asn1.ObjectIdentifier
	}{
		{"P-256", newKey(t, elliptic.P256()), crypto.SHA256, oidSHA256, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}},
		{"P-384", newKey(t, elliptic.P384()), crypto.SHA384, oidSHA384, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}},
		{"P-521", newKey(t, elliptic.P521()), crypto.SHA512, oidSHA512, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}},
		{"RSA", newRSAKey(t), crypto.SHA256, oidSHA256, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHierarchy(t, row.key)
			config, _ := h.config()
			config.Policies[0].Name = true
			a, err := tsa.New(config)
			if err != nil {
				t.Fatal(err)
			}
			r := query()
			r.CertReq = true
			r.Nonce = []byte{42}
			answer := a.Respond(t.Context(), marshal(t, r))
			d := decodeToken(t, answer)

			t.Run("TSA-02 status 0 with a token", func(t *testing.T) {
				var response timeStampResp
				unmarshal(t, answer, &response, "")
				if response.Status.Status != 0 || response.Status.FailInfo.BitLength != 0 || response.Status.StatusString != nil {
					t.Errorf("got %+v", response.Status)
				}
			})
			t.Run("TSA-03 SignedData v3 of id-ct-TSTInfo", func(t *testing.T) {
				var content contentInfo
				unmarshal(t, d.token, &content, "")
				if !content.ContentType.Equal(oidSignedData) || d.data.Version != 3 || !d.data.EncapContentInfo.EContentType.Equal(oidTSTInfo) {
					t.Errorf("got %v version %d of %v", content.ContentType, d.data.Version, d.data.EncapContentInfo.EContentType)
				}
			})
			t.Run("TSA-04 one SignerInfo by issuer and serial number", func(t *testing.T) {
				s := d.signer
				if s.Version != 1 || !bytes.Equal(s.SID.Issuer.FullBytes, h.certificate.RawIssuer) || s.SID.Serial.Cmp(h.certificate.SerialNumber) != 0 {
					t.Errorf("got version %d, serial %v", s.Version, s.SID.Serial)
				}
				if len(d.data.DigestAlgorithms) != 1 || !d.data.DigestAlgorithms[0].Algorithm.Equal(row.digest) || !s.DigestAlgorithm.Algorithm.Equal(row.digest) {
					t.Errorf("got digests %v and %v, want %v", d.data.DigestAlgorithms, s.DigestAlgorithm, row.digest)
				}
				if !s.Signature.Algorithm.Equal(row.algorithm) {
					t.Errorf("got signature algorithm %v, want %v", s.Signature.Algorithm, row.algorithm)
				}
			})
			t.Run("TSA-05 ESSCertIDv2 for a hash other than SHA-1", func(t *testing.T) {
				var v signingCertificateV2
				unmarshal(t, d.value(t, oidSigningCertificateV2), &v, "")
				if len(v.Certs) != 1 {
					t.Fatalf("%d certificates named, want 1", len(v.Certs))
				}
				c := v.Certs[0]
				if c.IssuerSerial.Serial.Cmp(h.certificate.SerialNumber) != 0 || len(c.IssuerSerial.Issuer) != 1 ||
					c.IssuerSerial.Issuer[0].Tag != 4 || !bytes.Equal(c.IssuerSerial.Issuer[0].Bytes, h.certificate.RawIssuer) {
					t.Errorf("issuerSerial is %+v", c.IssuerSerial)
				}
			})
			t.Run("TSA-06 ESSCertIDv2 hash matches the certificate", func(t *testing.T) {
				var v signingCertificateV2
				unmarshal(t, d.value(t, oidSigningCertificateV2), &v, "")
				sum := sha256.Sum256(h.certificate.Raw)
				if !bytes.Equal(v.Certs[0].CertHash, sum[:]) {
					t.Errorf("got %x, want %x", v.Certs[0].CertHash, sum)
				}
			})
			t.Run("TSA-07 message-digest and content-type", func(t *testing.T) {
				var digest []byte
				unmarshal(t, d.value(t, oidMessageDigest), &digest, "")
				w := row.hash.New()
				w.Write(d.data.EncapContentInfo.EContent)
				if !bytes.Equal(digest, w.Sum(nil)) {
					t.Errorf("message-digest is %x, want %x", digest, w.Sum(nil))
				}
				var id asn1.ObjectIdentifier
				unmarshal(t, d.value(t, oidContentType), &id, "")
				if !id.Equal(oidTSTInfo) {
					t.Errorf("content-type is %v", id)
				}
			})
			t.Run("TSA-08 signature over the DER SET of attributes", func(t *testing.T) {
				signed := slices.Clone(d.signer.SignedAttrs.FullBytes)
				signed[0] = 0x31
				w := row.hash.New()
				w.Write(signed)
				switch public := row.key.Public().(type) {
				case *ecdsa.PublicKey:
					if !ecdsa.VerifyASN1(public, w.Sum(nil), d.signer.Value) {
						t.Error("the ECDSA signature does not verify")
					}
				case *rsa.PublicKey:
					if err := rsa.VerifyPKCS1v15(public, row.hash, w.Sum(nil), d.signer.Value); err != nil {
						t.Error(err)
					}
				}
				var last []byte
				for rest := d.signer.SignedAttrs.Bytes; len(rest) > 0; {
					var element asn1.RawValue
					rest, _ = asn1.Unmarshal(rest, &element)
					if bytes.Compare(last, element.FullBytes) >= 0 {
						t.Error("the attributes are not in ascending order")
					}
					last = element.FullBytes
				}
			})
			t.Run("TSA-44 CMSAlgorithmProtection", func(t *testing.T) {
				var p algorithmProtection
				unmarshal(t, d.value(t, oidAlgorithmProtection), &p, "")
				if !p.Digest.Algorithm.Equal(row.digest) || !p.Signature.Algorithm.Equal(row.algorithm) ||
					!bytes.Equal(p.Signature.Parameters.FullBytes, d.signer.Signature.Parameters.FullBytes) {
					t.Errorf("got %+v", p)
				}
				if len(d.attributes) != 4 {
					t.Errorf("%d signed attributes, want 4", len(d.attributes))
				}
			})
			t.Run("TSA-11 imprint echoed", func(t *testing.T) {
				got := d.info.MessageImprint
				if !got.HashAlgorithm.Algorithm.Equal(oidSHA256) || !bytes.Equal(got.HashedMessage, r.Imprint.HashedMessage) {
					t.Errorf("got %v", got)
				}
			})
			t.Run("TSA-12 nonce echoed", func(t *testing.T) {
				if d.info.Nonce.Int64() != 42 {
					t.Errorf("got %v", d.info.Nonce)
				}
			})
			t.Run("TSA-15 TSTInfo v1", func(t *testing.T) {
				if d.info.Version != 1 {
					t.Errorf("got %d", d.info.Version)
				}
			})
			t.Run("TSA-19 tsa is the certificate's subject", func(t *testing.T) {
				var name asn1.RawValue // a GeneralName; 4 is directoryName
				unmarshal(t, d.info.TSA.Bytes, &name, "")
				if name.Class != asn1.ClassContextSpecific || name.Tag != 4 || !bytes.Equal(name.Bytes, h.certificate.RawSubject) {
					t.Errorf("got %x", d.info.TSA.FullBytes)
				}
			})
			t.Run("TSA-20 no TSTInfo extension", func(t *testing.T) {
				if len(d.info.Extensions) != 0 {
					t.Errorf("got %v", d.info.Extensions)
				}
			})
			t.Run("TSA-17 ordering absent", func(t *testing.T) {
				// BOOLEAN FALSE would be bytes 01 01 00 between accuracy and nonce.
				if d.info.Ordering || bytes.Contains(d.data.EncapContentInfo.EContent, []byte{2, 1, 1, 1, 1, 0}) {
					t.Error("ordering is there")
				}
			})
			if got := stamp(t, a, h, r); got == nil {
				t.Error("no token")
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	a, h, _ := newAuthority(t, nil)
	t.Run("TSA-24 certReq true includes the certificate", func(t *testing.T) {
		d := decodeToken(t, a.Respond(t.Context(), request(t, "0101ff")))
		got, err := x509.ParseCertificates(d.data.Certificates.Bytes)
		if err != nil || len(got) != 2 {
			t.Fatalf("%d certificates (%v), want 2", len(got), err)
		}
		if !slices.ContainsFunc(got, h.certificate.Equal) || !slices.ContainsFunc(got, h.intermediate.Equal) {
			t.Error("the certificate or its issuer is missing")
		}
		if bytes.Compare(got[0].Raw, got[1].Raw) >= 0 {
			t.Error("the certificates are not in the order of a SET OF")
		}
	})
	t.Run("TSA-24 certReq false or absent leaves the field out", func(t *testing.T) {
		// RFC 3161, Section 2.4.1 allows for an encoded FALSE.
		for _, field := range []string{"", "010100"} {
			d := decodeToken(t, a.Respond(t.Context(), request(t, field)))
			if len(d.data.Certificates.FullBytes) != 0 {
				t.Errorf("%q: the token has certificates", field)
			}
		}
	})
}

func TestGenTime(t *testing.T) {
	h := newHierarchy(t, newKey(t, elliptic.P256()))
	at := func(fraction int, accuracy time.Duration, now time.Time) *decoded {
		config, c := h.config()
		config.Policies[0].Fraction, config.Policies[0].Accuracy = fraction, accuracy
		c.set(now, nil)
		a, err := tsa.New(config)
		if err != nil {
			t.Fatal(err)
		}
		return decodeToken(t, a.Respond(t.Context(), request(t)))
	}
	baku := time.FixedZone("Baku", 4*60*60)
	t.Run("TSA-13 genTime Z, seconds, fraction without trailing zeros", func(t *testing.T) {
		for _, row := range []struct {
			fraction int
			now      time.Time
			want     string
		}{
			{0, noon, "20261122120000Z"},
			{0, noon.Add(999999999), "20261122120000Z"},
			{0, noon.In(baku), "20261122120000Z"},
			{1, noon.Add(350 * time.Millisecond), "20261122120000.3Z"},
			{3, noon.Add(350 * time.Millisecond), "20261122120000.35Z"},
			{3, noon.Add(999999), "20261122120000Z"},
			{3, noon.Add(1999999), "20261122120000.001Z"},
			{6, noon.Add(123456789), "20261122120000.123456Z"},
			{6, noon.Add(100 * time.Microsecond), "20261122120000.0001Z"},
			{0, time.Date(2027, 1, 1, 0, 0, 0, 0, baku), "20261231200000Z"},
		} {
			got := at(row.fraction, 0, row.now).info.GenTime
			if got.Tag != asn1.TagGeneralizedTime || string(got.Bytes) != row.want {
				t.Errorf("%d digits of %v: got %q, want %q", row.fraction, row.now, got.Bytes, row.want)
			}
		}
	})
	t.Run("TSA-16 accuracy present and at most a second", func(t *testing.T) {
		for _, row := range []struct {
			accuracy time.Duration
			want     [3]int
			raw      string
		}{
			{0, [3]int{1, 0, 0}, "3003020101"},
			{time.Second, [3]int{1, 0, 0}, "3003020101"},
			{500 * time.Millisecond, [3]int{0, 500, 0}, "3004800201f4"},
			{128 * time.Millisecond, [3]int{0, 128, 0}, "300480020080"},
			{1500 * time.Microsecond, [3]int{0, 1, 500}, "3007800101810201f4"},
			{20 * time.Microsecond, [3]int{0, 0, 20}, "3003810114"},
		} {
			d := at(6, row.accuracy, noon)
			got := d.info.Accuracy
			if [3]int{got.Seconds, got.Millis, got.Micros} != row.want || !bytes.Contains(d.data.EncapContentInfo.EContent, unhex(t, row.raw)) {
				t.Errorf("%v: got %+v, want %v", row.accuracy, got, row.want)
			}
		}
	})
}

func TestVerifyRefuses(t *testing.T) {
	a, h, _ := newAuthority(t, nil)
	r := query()
	r.CertReq = true
	token, err := a.Stamp(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("every changed octet", func(t *testing.T) {
		// The certificates in a token are not covered by its signature; all
		// else is, or does not parse.
		parsed, err := tsa.ParseToken(token)
		if err != nil {
			t.Fatal(err)
		}
		begin := bytes.Index(token, parsed.Certificates[0])
		end := begin
		for _, c := range parsed.Certificates {
			end += len(c)
		}
		for i := range token {
			if i >= begin && i < end {
				continue
			}
			for _, bit := range []byte{1, 0x80} {
				changed := slices.Clone(token)
				changed[i] ^= bit
				if parsed, err := tsa.ParseToken(changed); err == nil {
					if err := parsed.Verify(h.certificate); err == nil {
						t.Fatalf("octet %d changed from %02x to %02x and the token verifies", i, token[i], changed[i])
					}
				}
			}
		}
	})
	t.Run("another certificate", func(t *testing.T) {
		parsed, err := tsa.ParseToken(token)
		if err != nil {
			t.Fatal(err)
		}
		other := newHierarchy(t, newKey(t, elliptic.P256()))
		for _, c := range []*x509.Certificate{other.certificate, h.intermediate, h.root} {
			if err := parsed.Verify(c); err == nil {
				t.Errorf("verifies with the certificate of %v", c.Subject)
			}
		}
		// The same name, serial number and key, but another certificate:
		// ESSCertIDv2 tells them apart.
		twin := newHierarchy(t, h.key)
		if err := parsed.Verify(twin.certificate); err == nil {
			t.Error("verifies with another certificate of the same key")
		}
	})
	t.Run("a token that is cut", func(t *testing.T) {
		for i := range token {
			if _, err := tsa.ParseToken(token[:i]); err == nil {
				t.Fatalf("the first %d of %d octets were read", i, len(token))
			}
		}
	})
}

func TestParseInfoRefuses(t *testing.T) {
	imprint := wrap(t, 0x30, imprintAlgorithm, zeros32)
	head := []string{"020101", policyHex, imprint, "020107"}
	now := "180f" + hex.EncodeToString([]byte("20261122120000Z"))
	good := append(slices.Clone(head), now)
	if _, err := tsa.ParseInfo(unhex(t, wrap(t, 0x30, good...))); err != nil {
		t.Fatal(err)
	}
	withTime := func(text string) string {
		return wrap(t, 0x30, append(slices.Clone(head), wrap(t, 0x18, hex.EncodeToString([]byte(text))))...)
	}
	with := func(fields ...string) string { return wrap(t, 0x30, append(slices.Clone(good), fields...)...) }
	for name, in := range map[string]string{
		"nothing":                 "",
		"version 2":               wrap(t, 0x30, append([]string{"020102"}, good[1:]...)...),
		"no policy":               wrap(t, 0x30, append([]string{"020101"}, good[2:]...)...),
		"no imprint":              wrap(t, 0x30, "020101", policyHex, "020107", now),
		"a padded serial number":  wrap(t, 0x30, "020101", policyHex, imprint, "02020007", now),
		"no time":                 wrap(t, 0x30, head...),
		"no seconds":              withTime("202611221200Z"),
		"no Z":                    withTime("20261122120000"),
		"an offset":               withTime("20261122120000+0400"),
		"a fraction of zero":      withTime("20261122120000.0Z"),
		"a fraction with zeros":   withTime("20261122120000.10Z"),
		"a point alone":           withTime("20261122120000.Z"),
		"a comma":                 withTime("20261122120000,5Z"),
		"ten digits":              withTime("20261122120000.1234567891Z"),
		"a 61st second":           withTime("20261122115960Z"),
		"a 30th of February":      withTime("20260230120000Z"),
		"an empty accuracy":       with("3000"),
		"zero millis":             with("3003800100"),
		"a thousand millis":       with("3004800203e8"),
		"micros before millis":    with("3006810101800101"),
		"a padded second":         with("300402020001"),
		"ordering of FALSE":       with("010100"),
		"ordering of 1":           with("010101"),
		"a padded nonce":          with("02020001"),
		"a name without contents": with("a002a400"),
		"another kind of name":    with("a0038601" + "61"),
		"extensions":              with(wrap(t, 0xa1, wrap(t, 0x30, "0603883701"+"0400"))),
		"something else":          with("0500"),
	} {
		if info, err := tsa.ParseInfo(unhex(t, in)); err == nil {
			t.Errorf("%s was read as %+v", name, info)
		}
	}
}
