package truststore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// Password is that of the Java stores: the one that Java's own store has.
// Nothing in them is secret.
const Password = "changeit"

var (
	oidCertBag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509Certificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidFriendlyName    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	// oidTrustedKeyUsage is Oracle's: Java takes a certificate without a key for
	// trusted only when it has it.
	oidTrustedKeyUsage = asn1.ObjectIdentifier{2, 16, 840, 1, 113894, 746875, 1, 1}
	oidAnyPurpose      = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
)

// macIterations is what Java's stores have.
const macIterations = 10000

// PKCS12 is a trust store of Java and others (RFC 7292): certificates in the
// clear, under a MAC. The MAC's salt is derived from what it is over, so that
// the same certificates make the same octets.
func PKCS12(anchors []Anchor) ([]byte, error) {
	var bags cryptobyte.Builder
	bags.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, a := range certificates(anchors) {
			addBag(b, &a)
		}
	})
	contents, err := bags.Bytes()
	if err != nil {
		return nil, err
	}
	var safe cryptobyte.Builder
	safe.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { addData(b, contents) })
	authenticated, err := safe.Bytes()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(authenticated)
	salt := digest[:20]
	mac := hmac.New(sha256.New, macKey(Password, salt, macIterations))
	mac.Write(authenticated)
	var b cryptobyte.Builder
	// RFC 7292, Section 4.
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		addData(b, authenticated)
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				pki.AddAlgorithm(b, pki.Algorithm{ID: pki.OIDSHA256, Parameters: []byte{5, 0}})
				b.AddASN1OctetString(mac.Sum(nil))
			})
			b.AddASN1OctetString(salt)
			b.AddASN1Int64(macIterations)
		})
	})
	return b.Bytes()
}

// addData writes a ContentInfo of data.
func addData(b *cryptobyte.Builder, data []byte) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidData)
		b.AddASN1(explicit, func(b *cryptobyte.Builder) { b.AddASN1OctetString(data) })
	})
}

// addBag writes a SafeBag with a certificate, its name and its trust.
func addBag(b *cryptobyte.Builder, a *Anchor) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidCertBag)
		b.AddASN1(explicit, func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidX509Certificate)
				b.AddASN1(explicit, func(b *cryptobyte.Builder) { b.AddASN1OctetString(a.Certificate.Raw) })
			})
		})
		attribute := func(id asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) []byte {
			var b cryptobyte.Builder
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(id)
				b.AddASN1(cryptobyte_asn1.SET, value)
			})
			return b.BytesOrPanic()
		}
		der.AddSetOf(b, [][]byte{
			attribute(oidFriendlyName, func(b *cryptobyte.Builder) {
				b.AddASN1(cryptobyte_asn1.Tag(30), func(b *cryptobyte.Builder) { b.AddBytes(bmp(a.alias())) })
			}),
			attribute(oidTrustedKeyUsage, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidAnyPurpose) }),
		})
	})
}

func bmp(s string) (out []byte) {
	for _, unit := range utf16.Encode([]rune(s)) {
		out = binary.BigEndian.AppendUint16(out, unit)
	}
	return out
}

// macKey derives the MAC's key from the password (RFC 7292, Appendix B.2),
// with SHA-256.
func macKey(password string, salt []byte, iterations int) []byte {
	const blockSize, purpose = 64, 3
	fill := func(pattern []byte) (out []byte) {
		for len(out) < (len(pattern)+blockSize-1)/blockSize*blockSize {
			out = append(out, pattern[len(out)%len(pattern)])
		}
		return out
	}
	input := append(fill(salt), fill(append(bmp(password), 0, 0))...)
	var diversifier [blockSize]byte
	for i := range diversifier {
		diversifier[i] = purpose
	}
	// One block of SHA-256 is all that the MAC needs, so the input is not
	// carried on to a next one.
	sum := sha256.Sum256(append(diversifier[:], input...))
	for range iterations - 1 {
		sum = sha256.Sum256(sum[:])
	}
	return sum[:]
}
