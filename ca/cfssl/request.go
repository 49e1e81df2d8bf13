package cfssl

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
)

// signRequest is the body of sign, with every field that clients send up to
// cfssl 1.6.
type signRequest struct {
	// Hostname, a list with commas, takes the place of Hosts.
	Hostname string       `json:"hostname"`
	Hosts    []string     `json:"hosts"`
	CSR      string       `json:"certificate_request"`
	Subject  *signSubject `json:"subject"`
	Profile  string       `json:"profile"`
	Label    string       `json:"label"`
	Bundle   bool         `json:"bundle"`
	// What follows is the client's wish to decide what the profile decides.
	Serial        *json.Number      `json:"serial"`
	CRLOverride   string            `json:"crl_override"`
	Extensions    []json.RawMessage `json:"extensions"`
	NotBefore     time.Time
	NotAfter      time.Time
	ReturnPrecert bool
	Metadata      map[string]any `json:"metadata"`
}

// signSubject takes the place of the CSR's subject.
type signSubject struct {
	CN           string
	Names        []signName `json:"names"`
	SerialNumber string
}

type signName struct {
	C, ST, L, O, OU, E string
	SerialNumber       string
	OID                map[string]string
}

// decode reads a JSON body. Unlike cfssl it does not pass over misspelled
// fields.
func decode(body []byte, v any) *failure {
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return fail(http.StatusBadRequest, codeJSON, "unable to parse the request: "+strings.TrimPrefix(err.Error(), "json: "))
	}
	// More would pass over a bracket that closes nothing.
	if _, err := decoder.Token(); err != io.EOF {
		return fail(http.StatusBadRequest, codeJSON, "unable to parse the request: something follows the JSON value")
	}
	return nil
}

// beyond names the fields that decide what is not the client's to decide.
func (s *signRequest) beyond() string {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"serial", s.Serial != nil}, {"crl_override", s.CRLOverride != ""}, {"extensions", len(s.Extensions) > 0},
		{"NotBefore", !s.NotBefore.IsZero()}, {"NotAfter", !s.NotAfter.IsZero()}, {"ReturnPrecert", s.ReturnPrecert},
	} {
		if field.set {
			return field.name
		}
	}
	return ""
}

// wish returns what the request asks to be called: as cfssl does, hosts and a
// subject of the request take the place of those in the CSR.
func (s *signRequest) wish(csr []byte) (*ca.Wish, error) {
	wish, err := ca.ReadWish(csr)
	if err != nil {
		return nil, err
	}
	if s.Subject != nil {
		wish.Subject = s.Subject.attributes()
	}
	hosts := s.Hosts
	if s.Hostname != "" {
		hosts = strings.Split(s.Hostname, ",")
	}
	if len(hosts) == 0 {
		return wish, nil
	}
	wish.DNSNames, wish.IPAddresses, wish.Emails, wish.OtherNames = nil, nil, nil, 0
	for _, host := range hosts {
		host = strings.TrimSpace(host)
		if address, err := netip.ParseAddr(host); err == nil {
			wish.IPAddresses = append(wish.IPAddresses, address)
		} else if strings.Contains(host, "://") {
			wish.OtherNames++
		} else if strings.Contains(host, "@") {
			wish.Emails = append(wish.Emails, host)
		} else {
			wish.DNSNames = append(wish.DNSNames, host)
		}
	}
	return wish, nil
}

// attributes lists the subject's attributes in cfssl's order.
func (s *signSubject) attributes() []ca.WishedAttribute {
	var list []ca.WishedAttribute
	add := func(key, value string) {
		if value != "" {
			list = append(list, ca.WishedAttribute{Key: key, Value: value})
		}
	}
	for _, name := range s.Names {
		add("C", name.C)
		add("ST", name.ST)
		add("L", name.L)
		add("O", name.O)
		add("OU", name.OU)
		add("E", name.E)
		add("serialNumber", name.SerialNumber)
		for id, value := range name.OID {
			add(id, value)
		}
	}
	add("serialNumber", s.SerialNumber)
	add("CN", s.CN)
	return list
}

// decodeCSR reads the request's CSR.
func (s *signRequest) decodeCSR() ([]byte, *failure) {
	if s.CSR == "" {
		return nil, fail(http.StatusBadRequest, codeBadRequest, "missing parameter 'certificate_request'")
	}
	der, err := ca.DecodeCSR([]byte(s.CSR))
	if err != nil {
		return nil, fail(http.StatusBadRequest, codeCSR, fmt.Sprintf("certificate_request %v", err))
	}
	return der, nil
}
