package truststore

import (
	"crypto/sha1"
	"encoding/binary"
	"time"
)

// JKS is Java's older trust store. Its integrity hangs on a SHA-1 over the
// password, which is why newer software wants PKCS #12.
func JKS(anchors []Anchor, made time.Time) []byte {
	all := certificates(anchors)
	const magic, version, trustedCertificate = 0xFEEDFEED, 2, 2
	out := binary.BigEndian.AppendUint32(nil, magic)
	out = binary.BigEndian.AppendUint32(out, version)
	out = binary.BigEndian.AppendUint32(out, uint32(len(all)))
	text := func(s string) {
		out = binary.BigEndian.AppendUint16(out, uint16(len(s)))
		out = append(out, s...)
	}
	for _, a := range all {
		out = binary.BigEndian.AppendUint32(out, trustedCertificate)
		text(a.alias())
		out = binary.BigEndian.AppendUint64(out, uint64(made.UnixMilli()))
		text("X.509")
		out = binary.BigEndian.AppendUint32(out, uint32(len(a.Certificate.Raw)))
		out = append(out, a.Certificate.Raw...)
	}
	digest := sha1.New()
	digest.Write(bmp(Password))
	digest.Write([]byte("Mighty Aphrodite"))
	digest.Write(out)
	return digest.Sum(out)
}
