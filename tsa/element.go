package tsa

import cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

// A token is written front to back into one buffer, with the length of every
// element worked out before: cryptobyte's builder, which learns a length by
// writing the contents first, moves them again for each level around them.

// sizeOf returns how many octets an element with contents of that length has.
func sizeOf(length int) int {
	n := 2 + length
	if length >= 0x80 {
		for rest := length; rest > 0; rest >>= 8 {
			n++
		}
	}
	return n
}

// appendHeader appends tag and length (X.690, Section 10.1: the shortest form).
func appendHeader(b []byte, tag cryptobyte_asn1.Tag, length int) []byte {
	b = append(b, byte(tag))
	switch {
	case length < 0x80:
		return append(b, byte(length))
	case length < 0x100:
		return append(b, 0x81, byte(length))
	case length < 0x10000:
		return append(b, 0x82, byte(length>>8), byte(length))
	}
	return append(b, 0x83, byte(length>>16), byte(length>>8), byte(length))
}

// appendElement appends a whole element.
func appendElement(b []byte, tag cryptobyte_asn1.Tag, contents []byte) []byte {
	return append(appendHeader(b, tag, len(contents)), contents...)
}
