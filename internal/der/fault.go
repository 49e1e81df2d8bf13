package der

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxDepth bounds how deep elements may stand in each other.
const maxDepth = 32

// Fault says where an encoding is not DER, in a few words, or "" when it finds
// nothing. It looks into constructed elements, not into strings that hold
// further encodings.
//
// X.690, Section 10.1: lengths are definite and minimal; Section 8.3.2:
// INTEGERs are; Section 11.1: TRUE is FF; Section 11.6: a SET OF is sorted.
func Fault(raw []byte) string { return fault(raw, 0) }

func fault(s cryptobyte.String, depth int) string {
	if depth > maxDepth {
		return "its elements stand too deep in each other"
	}
	for !s.Empty() {
		tag, contents, ok := next(&s)
		if !ok {
			return "a length is not minimal, or an element is torn"
		}
		switch {
		case tag == asn1.BOOLEAN && (len(contents) != 1 || contents[0] != 0 && contents[0] != 0xff):
			return "a BOOLEAN is neither 00 nor FF"
		case tag == asn1.INTEGER && (len(contents) == 0 || len(contents) > 1 && (contents[0] == 0 && contents[1] < 0x80 || contents[0] == 0xff && contents[1] >= 0x80)):
			return "an INTEGER is not minimal"
		case tag == asn1.SET && !sorted(contents):
			return "a SET OF is not sorted"
		}
		if tag&0x20 != 0 { // constructed
			if found := fault(contents, depth+1); found != "" {
				return found
			}
		}
	}
	return ""
}

// next reads an element as [cryptobyte.String.ReadAnyASN1] does, in a third of the
// time: certificates have hundreds of them. A tag is one octet, a length one or, from
// 128 on, one that says how many follow, up to four.
func next(s *cryptobyte.String) (tag asn1.Tag, contents cryptobyte.String, ok bool) {
	in := *s
	if len(in) < 2 || in[0]&0x1f == 0x1f {
		return 0, nil, false
	}
	start, size := 2, uint64(in[1])
	if more := int(in[1] & 0x7f); in[1] >= 0x80 {
		if more == 0 || more > 4 || len(in) < 2+more || in[2] == 0 {
			return 0, nil, false
		}
		size = 0
		for _, octet := range in[2 : 2+more] {
			size = size<<8 | uint64(octet)
		}
		if start += more; size < 0x80 {
			return 0, nil, false
		}
	}
	if uint64(len(in)-start) < size {
		return 0, nil, false
	}
	end := start + int(size)
	*s = in[end:]
	return asn1.Tag(in[0]), in[start:end], true
}

func sorted(set cryptobyte.String) bool {
	var last, member cryptobyte.String
	var tag asn1.Tag
	for ; !set.Empty(); last = member {
		if !set.ReadAnyASN1Element(&member, &tag) || bytes.Compare(last, member) > 0 {
			return false
		}
	}
	return true
}
