package jose

import (
	"bytes"
	"encoding/base64"
)

// IsCompact reports whether data looks like a JWS in compact serialization: the
// base64 of a JSON object's beginning.
func IsCompact(data []byte) bool { return bytes.HasPrefix(data, []byte("eyJ")) }

// maxHeader bounds a header: certificates, and a few words.
const maxHeader = 256 << 10

// serialized is a JWS, in whatever serialization it came: its three parts as
// they are signed, and decoded.
type serialized struct {
	header, payload, signature []byte
	input                      []byte
}

// Payload returns what a JWS is over, and does not look at its signature.
func Payload(data []byte) ([]byte, error) {
	s, err := deserialize(data)
	if err != nil {
		return nil, err
	}
	return s.payload, nil
}

// deserialize reads a JWS in compact serialization (RFC 7515, Section 7.1) or in
// JSON (Section 7.2), of which it takes both forms, with one signature.
func deserialize(data []byte) (*serialized, error) {
	if len(data) > maxOctets {
		return nil, fault(Malformed, "the document is larger than %d octets", maxOctets)
	}
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return deserializeJSON(data)
	}
	parts := bytes.Split(bytes.TrimRight(data, "\r\n"), []byte("."))
	if len(parts) != 3 {
		return nil, fault(Malformed, "the document is not a JSON Web Signature: it has %d parts", len(parts))
	}
	return decodeParts(parts[0], parts[1], parts[2])
}

// deserializeJSON reads the general form, which has its signatures in an array,
// or the flattened one, which has the one signature's members beside the
// payload; nobody may mix them (RFC 7515, Section 7.2.2). Members that it does
// not know are left alone, as Section 7.2.1 asks.
func deserializeJSON(data []byte) (*serialized, error) {
	value, err := Parse(data)
	if err != nil {
		return nil, fault(Malformed, "the document: %v", err)
	}
	document, _ := value.(map[string]any)
	_, flattened := document["signature"]
	several, general := document["signatures"]
	signature := document
	if general {
		all, _ := several.([]any)
		_, protected := document["protected"]
		_, header := document["header"]
		if flattened || protected || header {
			return nil, fault(Form, "the document has members of both JSON serializations")
		}
		if len(all) != 1 {
			return nil, fault(Form, "the document has %d signatures; one is taken", len(all))
		}
		signature, _ = all[0].(map[string]any)
	} else if !flattened {
		return nil, fault(Unsigned, "the document is not signed")
	}
	if _, there := signature["header"]; there {
		return nil, fault(Form, "the signature has a header that it does not protect")
	}
	var parts [3][]byte
	for i, from := range []map[string]any{signature, document, signature} {
		name := [3]string{"protected", "payload", "signature"}[i]
		text, ok := from[name].(string)
		if !ok {
			return nil, fault(Form, "the document has no %s", name)
		}
		parts[i] = []byte(text)
	}
	return decodeParts(parts[0], parts[1], parts[2])
}

func decodeParts(header, payload, signature []byte) (*serialized, error) {
	if len(header) > maxHeader {
		return nil, fault(Malformed, "the header is larger than %d octets", maxHeader)
	}
	s := &serialized{input: bytes.Join([][]byte{header, payload}, []byte("."))}
	for _, part := range []struct {
		name string
		text []byte
		into *[]byte
	}{{"header", header, &s.header}, {"payload", payload, &s.payload}, {"signature", signature, &s.signature}} {
		var ok bool
		if *part.into, ok = decode(part.text); !ok {
			return nil, fault(Malformed, "the %s of the document is not base64url", part.name)
		}
	}
	return s, nil
}

// decode takes the one encoding of some octets (RFC 7515, Section 2): without
// padding, line ends and bits that are not used.
func decode(part []byte) ([]byte, bool) {
	out, err := base64.RawURLEncoding.Strict().DecodeString(string(part))
	return out, err == nil && !bytes.ContainsAny(part, "\r\n")
}
