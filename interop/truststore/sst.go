package truststore

import "encoding/binary"

// SST is Windows' serialized certificate store: what certutil and the
// management console import.
func SST(anchors []Anchor) []byte {
	const (
		version           = 0
		certificateRecord = 32 // CERT_CERT_PROP_ID
		x509Encoding      = 1  // X509_ASN_ENCODING
	)
	out := binary.LittleEndian.AppendUint32(nil, version)
	out = append(out, "CERT"...)
	for _, a := range certificates(anchors) {
		out = binary.LittleEndian.AppendUint32(out, certificateRecord)
		out = binary.LittleEndian.AppendUint32(out, x509Encoding)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(a.Certificate.Raw)))
		out = append(out, a.Certificate.Raw...)
	}
	// The end is a record of nothing.
	return append(out, make([]byte, 12)...)
}
