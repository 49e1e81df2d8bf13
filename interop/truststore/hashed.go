package truststore

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Hashed is the folder that OpenSSL's CApath is: files named by the hash of
// their subject.
func Hashed(anchors []Anchor) []File {
	var files []File
	next := map[string]int{}
	for _, a := range certificates(anchors) {
		hash := subjectHash(a.Facts.RawSubject)
		files = append(files, File{fmt.Sprintf("%s.%d", hash, next[hash]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})})
		next[hash]++
	}
	return files
}

// subjectHash is OpenSSL's X509_NAME_hash: SHA-1 over the canonical form of the
// name's RDNs, without the SEQUENCE around them, its first four octets read as
// a little-endian number. It is a name, not a protection.
func subjectHash(rawName []byte) string {
	name, rdns, canonical := cryptobyte.String(rawName), cryptobyte.String(nil), []byte(nil)
	if !name.ReadASN1(&rdns, cryptobyte_asn1.SEQUENCE) {
		return "00000000"
	}
	for !rdns.Empty() {
		var rdn cryptobyte.String
		if !rdns.ReadASN1(&rdn, cryptobyte_asn1.SET) {
			return "00000000"
		}
		canonical = append(canonical, canonicalRDN(rdn)...)
	}
	sum := sha1.Sum(canonical)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:4]))
}

// canonicalRDN encodes an RDN with its texts in UTF-8, in lower case and with
// single spaces.
func canonicalRDN(rdn cryptobyte.String) []byte {
	var elements [][]byte
	for !rdn.Empty() {
		var attribute, value cryptobyte.String
		var id asn1.ObjectIdentifier
		var tag cryptobyte_asn1.Tag
		if !rdn.ReadASN1(&attribute, cryptobyte_asn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&id) {
			return nil
		}
		whole := attribute
		if !attribute.ReadAnyASN1(&value, &tag) {
			return nil
		}
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(id)
			if text, ok := textOf(value, tag); ok {
				b.AddASN1(cryptobyte_asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes(fold(text)) })
			} else {
				b.AddBytes(whole)
			}
		})
		elements = append(elements, b.BytesOrPanic())
	}
	b := cryptobyte.NewBuilder(nil)
	// OpenSSL keeps the set in DER's order, after folding.
	b.AddASN1(cryptobyte_asn1.SET, func(b *cryptobyte.Builder) {
		for len(elements) > 0 {
			least := 0
			for i := range elements {
				if bytes.Compare(elements[i], elements[least]) < 0 {
					least = i
				}
			}
			b.AddBytes(elements[least])
			elements = append(elements[:least], elements[least+1:]...)
		}
	})
	return b.BytesOrPanic()
}

// textOf returns a text of the kinds that OpenSSL folds.
func textOf(value []byte, tag cryptobyte_asn1.Tag) (string, bool) {
	switch tag {
	case cryptobyte_asn1.UTF8String, cryptobyte_asn1.PrintableString, cryptobyte_asn1.IA5String, cryptobyte_asn1.Tag(26):
		return string(value), true
	case cryptobyte_asn1.T61String:
		// Octets are taken for Latin-1.
		var b strings.Builder
		for _, c := range value {
			b.WriteRune(rune(c))
		}
		return b.String(), true
	case cryptobyte_asn1.Tag(30):
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(value[2*i:])
		}
		return string(utf16.Decode(units)), true
	case cryptobyte_asn1.Tag(28):
		var b strings.Builder
		for i := 0; i+4 <= len(value); i += 4 {
			b.WriteRune(rune(binary.BigEndian.Uint32(value[i:])))
		}
		return b.String(), true
	}
	return "", false
}

// fold puts ASCII letters in lower case and makes white space single spaces
// inside and none outside.
func fold(text string) []byte {
	space := func(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
	var out []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case space(c):
			if len(out) > 0 && out[len(out)-1] != ' ' {
				out = append(out, ' ')
			}
		case 'A' <= c && c <= 'Z':
			out = append(out, c|0x20)
		default:
			out = append(out, c)
		}
	}
	return bytes.TrimSuffix(out, []byte(" "))
}
