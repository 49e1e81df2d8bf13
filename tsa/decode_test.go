package tsa_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
)

// The productions of RFC 3161, Section 2.4.2 and RFC 5652, Section 5 for
// encoding/asn1: a reader of answers that shares no code with the writer.
type (
	timeStampResp struct {
		Status         pkiStatusInfo
		TimeStampToken asn1.RawValue `asn1:"optional"`
	}
	pkiStatusInfo struct {
		Status       int
		StatusString []string       `asn1:"optional,utf8"`
		FailInfo     asn1.BitString `asn1:"optional"`
	}
	contentInfo struct {
		ContentType asn1.ObjectIdentifier
		Content     asn1.RawValue `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version          int
		DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
		EncapContentInfo struct {
			EContentType asn1.ObjectIdentifier
			EContent     []byte `asn1:"explicit,tag:0"`
		}
		Certificates asn1.RawValue `asn1:"optional,tag:0"`
		SignerInfos  []signerInfo  `asn1:"set"`
	}
	signerInfo struct {
		Version         int
		SID             issuerAndSerial
		DigestAlgorithm pkix.AlgorithmIdentifier
		SignedAttrs     asn1.RawValue `asn1:"tag:0"`
		Signature       pkix.AlgorithmIdentifier
		Value           []byte
	}
	issuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	attribute struct {
		Type   asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
	signingCertificateV2 struct {
		Certs []struct {
			CertHash     []byte
			IssuerSerial struct {
				Issuer []asn1.RawValue
				Serial *big.Int
			}
		}
	}
	algorithmProtection struct {
		Digest    pkix.AlgorithmIdentifier
		Signature pkix.AlgorithmIdentifier `asn1:"tag:1"`
	}
	tstInfo struct {
		Version        int
		Policy         asn1.ObjectIdentifier
		MessageImprint struct {
			HashAlgorithm pkix.AlgorithmIdentifier
			HashedMessage []byte
		}
		SerialNumber *big.Int
		GenTime      asn1.RawValue
		Accuracy     struct {
			Seconds int `asn1:"optional"`
			Millis  int `asn1:"optional,tag:0"`
			Micros  int `asn1:"optional,tag:1"`
		} `asn1:"optional"`
		Ordering   bool             `asn1:"optional"`
		Nonce      *big.Int         `asn1:"optional"`
		TSA        asn1.RawValue    `asn1:"optional,tag:0"` // EXPLICIT, as GeneralName is a CHOICE
		Extensions []pkix.Extension `asn1:"optional,tag:1"`
	}
)

// decoded is an answer that holds a token.
type decoded struct {
	token      []byte
	data       signedData
	signer     signerInfo
	attributes []attribute
	info       tstInfo
}

func decodeToken(t testing.TB, answer []byte) *decoded {
	t.Helper()
	var response timeStampResp
	var content contentInfo
	d := new(decoded)
	unmarshal(t, answer, &response, "")
	if response.Status.Status != 0 || len(response.TimeStampToken.FullBytes) == 0 {
		t.Fatalf("status %d with a token of %d octets", response.Status.Status, len(response.TimeStampToken.FullBytes))
	}
	d.token = response.TimeStampToken.FullBytes
	unmarshal(t, d.token, &content, "")
	unmarshal(t, content.Content.Bytes, &d.data, "")
	if len(d.data.SignerInfos) != 1 {
		t.Fatalf("%d SignerInfos, want 1", len(d.data.SignerInfos))
	}
	d.signer = d.data.SignerInfos[0]
	for rest := d.signer.SignedAttrs.Bytes; len(rest) > 0; {
		var a attribute
		var err error
		if rest, err = asn1.Unmarshal(rest, &a); err != nil {
			t.Fatal(err)
		}
		d.attributes = append(d.attributes, a)
	}
	unmarshal(t, d.data.EncapContentInfo.EContent, &d.info, "")
	return d
}

// value returns the one value of the signed attribute of that type.
func (d *decoded) value(t testing.TB, id asn1.ObjectIdentifier) []byte {
	t.Helper()
	var found []byte
	for _, a := range d.attributes {
		if !a.Type.Equal(id) {
			continue
		}
		if found != nil || len(a.Values) != 1 {
			t.Fatalf("attribute %v is there more than once", id)
		}
		found = a.Values[0].FullBytes
	}
	if found == nil {
		t.Fatalf("attribute %v is missing", id)
	}
	return found
}

func unmarshal(t testing.TB, der []byte, v any, params string) {
	t.Helper()
	rest, err := asn1.UnmarshalWithParams(der, v, params)
	if err != nil {
		t.Fatalf("%T: %v", v, err)
	}
	if len(rest) > 0 {
		t.Fatalf("%T: %d octets left over", v, len(rest))
	}
}
