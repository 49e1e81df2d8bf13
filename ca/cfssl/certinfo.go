package cfssl

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

type certinfoRequest struct {
	Certificate    string `json:"certificate"`
	Domain         string `json:"domain"`
	Serial         string `json:"serial"`
	AuthorityKeyID string `json:"authority_key_id"`
}

// certinfoResult has the fields of cfssl's answer.
type certinfoResult struct {
	Subject            nameResult `json:"subject"`
	Issuer             nameResult `json:"issuer"`
	SerialNumber       string     `json:"serial_number"`
	SANs               []string   `json:"sans,omitempty"`
	NotBefore          time.Time  `json:"not_before"`
	NotAfter           time.Time  `json:"not_after"`
	SignatureAlgorithm string     `json:"sigalg"`
	AuthorityKeyID     string     `json:"authority_key_id"`
	SubjectKeyID       string     `json:"subject_key_id"`
	PEM                string     `json:"pem"`
}

type nameResult struct {
	CommonName         string   `json:"common_name,omitempty"`
	SerialNumber       string   `json:"serial_number,omitempty"`
	Country            string   `json:"country,omitempty"`
	Organization       string   `json:"organization,omitempty"`
	OrganizationalUnit string   `json:"organizational_unit,omitempty"`
	Locality           string   `json:"locality,omitempty"`
	Names              []string `json:"names,omitempty"`
}

// certinfo tells what a certificate holds: one that the body brings, for
// everybody, or one that was issued here, for a client whose kind it is, since
// a certificate may name a person.
func (a *API) certinfo(r *http.Request, body []byte) (any, []message, error) {
	raw := body
	var client *Client
	if wrapped(body) {
		var err error
		if _, raw, client, err = a.open(r, body, true); err != nil {
			return nil, nil, err
		}
	}
	var request certinfoRequest
	if refused := decode(raw, &request); refused != nil {
		return nil, nil, refused
	}
	switch {
	case request.Domain != "":
		return nil, nil, fail(http.StatusBadRequest, codeBadRequest, "this server does not connect to hosts that others name; use `cfssl certinfo -domain`")
	case request.Certificate != "":
		certificate, err := readCertificate(request.Certificate)
		if err != nil {
			return nil, nil, fail(http.StatusBadRequest, codeCertificate, "certificate "+err.Error())
		}
		return tell(certificate), nil, nil
	case request.Serial != "":
		if client == nil {
			var err error
			if client, err = a.byCertificate(r); err != nil {
				return nil, nil, err
			}
		}
		record, certificate, err := a.find(r, request.Serial, request.AuthorityKeyID)
		if err != nil {
			return nil, nil, err
		}
		if !a.mine(client, record) {
			return nil, nil, notFound()
		}
		return tell(certificate), nil, nil
	}
	return nil, nil, fail(http.StatusBadRequest, codeBadRequest, "no valid parameter sets found: certificate, or serial and authority_key_id")
}

// readCertificate reads the first certificate of a PEM text.
func readCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("is not PEM of a certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("is malformed")
	}
	return certificate, nil
}

// signatureWords are cfssl's names of signature algorithms, where they differ
// from the standard library's.
var signatureWords = map[x509.SignatureAlgorithm]string{
	x509.SHA256WithRSA: "SHA256WithRSA", x509.SHA384WithRSA: "SHA384WithRSA", x509.SHA512WithRSA: "SHA512WithRSA",
	x509.ECDSAWithSHA256: "ECDSAWithSHA256", x509.ECDSAWithSHA384: "ECDSAWithSHA384", x509.ECDSAWithSHA512: "ECDSAWithSHA512",
}

// tell describes a certificate in cfssl's words.
func tell(c *x509.Certificate) certinfoResult {
	algorithm, ok := signatureWords[c.SignatureAlgorithm]
	if !ok {
		algorithm = c.SignatureAlgorithm.String()
	}
	names := slices.Clone(c.DNSNames)
	for _, address := range c.IPAddresses {
		names = append(names, address.String())
	}
	return certinfoResult{
		Subject: tellName(c.Subject), Issuer: tellName(c.Issuer), SerialNumber: c.SerialNumber.String(),
		SANs: append(names, c.EmailAddresses...), NotBefore: c.NotBefore, NotAfter: c.NotAfter, SignatureAlgorithm: algorithm,
		AuthorityKeyID: identifier(c.AuthorityKeyId), SubjectKeyID: identifier(c.SubjectKeyId),
		PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})),
	}
}

func tellName(n pkix.Name) nameResult {
	list := func(values []string) string { return strings.Join(values, ",") }
	result := nameResult{
		CommonName: n.CommonName, SerialNumber: n.SerialNumber, Country: list(n.Country), Organization: list(n.Organization),
		OrganizationalUnit: list(n.OrganizationalUnit), Locality: list(n.Locality),
	}
	for _, attribute := range n.Names {
		result.Names = append(result.Names, fmt.Sprint(attribute.Value))
	}
	return result
}

// identifier writes octets as 0A:1B.
func identifier(octets []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", octets), " ", ":")
}
