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
		var element cryptobyte.String
		var tag asn1.Tag
		if !s.ReadAnyASN1Element(&element, &tag) {
			return "a length is not minimal, or an element is torn"
		}
		constructed := element[0]&0x20 != 0
		// The header: a tag of one octet, and a length of one or, from 128 on, of
		// one that says how many follow.
		contents := element[2:]
		if element[1] >= 0x80 {
			contents = contents[element[1]&0x7f:]
		}
		switch {
		case tag == asn1.BOOLEAN && (len(contents) != 1 || contents[0] != 0 && contents[0] != 0xff):
			return "a BOOLEAN is neither 00 nor FF"
		case tag == asn1.INTEGER && (len(contents) == 0 || len(contents) > 1 && (contents[0] == 0 && contents[1] < 0x80 || contents[0] == 0xff && contents[1] >= 0x80)):
			return "an INTEGER is not minimal"
		case tag == asn1.SET && !sorted(contents):
			return "a SET OF is not sorted"
		}
		if constructed {
			if found := fault(contents, depth+1); found != "" {
				return found
			}
		}
	}
	return ""
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
