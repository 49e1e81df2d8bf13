package ca

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// generalName is one name of a subjectAltName: its kind and encoded contents.
type generalName struct {
	kind  string
	value string
}

// RFC 5280, Section 4.2.1.6: context tags of GeneralName.
var sanTags = map[string]cryptobyte_asn1.Tag{
	"email": cryptobyte_asn1.Tag(1).ContextSpecific(),
	"dns":   cryptobyte_asn1.Tag(2).ContextSpecific(),
	"uri":   cryptobyte_asn1.Tag(6).ContextSpecific(),
	"ip":    cryptobyte_asn1.Tag(7).ContextSpecific(),
}

// maxNames bounds the alternative names of one certificate.
const maxNames = 100

// names checks and orders the alternative names of a request: those of its
// fields, then those of the CSR that are not among them.
func (p *Profile) names(request *Request, requested []generalName, r *refusal) []generalName {
	var names []generalName
	add := func(field, kind, value string) {
		if !slices.Contains(p.SAN, kind) {
			r.add(CodeExtension, field, "the profile allows no alternative name of this kind", "RFC 5280, Section 4.2.1.6")
			return
		}
		if detail, clause := checkName(kind, value); detail != "" {
			r.add(CodeInvalid, field, detail, clause)
			return
		}
		if name := (generalName{kind, value}); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range request.DNSNames {
		add("dns_names", "dns", name)
	}
	for _, address := range request.IPAddresses {
		octets := ""
		if address.IsValid() && address.Zone() == "" {
			octets = string(address.Unmap().AsSlice())
		}
		add("ip_addresses", "ip", octets)
	}
	for _, mailbox := range request.Emails {
		add("emails", "email", mailbox)
	}
	for _, uri := range request.URIs {
		add("uris", "uri", uri)
	}
	for _, name := range requested {
		add("csr.subjectAltName", name.kind, name.value)
	}
	if len(names) > maxNames {
		r.add(CodeInvalid, "csr.subjectAltName", fmt.Sprintf("holds more than %d names", maxNames), "RFC 5280, Section 4.2.1.6")
	}
	return names
}

// checkName says what is wrong with a name of a kind, and which clause says so.
func checkName(kind, value string) (detail, clause string) {
	clause = "RFC 5280, Section 4.2.1.6"
	switch {
	case kind == "other":
		return "", ""
	case kind != "ip" && strings.TrimSpace(value) == "":
		return "is empty", clause
	case kind != "ip" && strings.IndexFunc(value, func(r rune) bool { return r > '~' }) >= 0:
		// RFC 9549, Section 2.3: international names are carried as A-labels.
		return "holds letters outside ASCII; write international host names as A-labels (xn--)", "RFC 9549, Section 2.3"
	case kind == "dns" && !validHost(value):
		return "is not a host name of letters, digits and hyphens", clause
	case kind == "email" && !validMailbox(value):
		return "is not a mailbox at a host", clause
	case kind == "uri" && !validURI(value):
		return "is not an absolute URI with a scheme and a host", clause
	case kind == "ip" && len(value) != 4 && len(value) != 16:
		return "is not an IPv4 or IPv6 address", clause
	}
	return "", ""
}

// readSAN reads the subjectAltName that a CSR asks for. Kinds that no profile
// knows come back as "other".
func readSAN(value []byte) ([]generalName, bool) {
	list, ok := der.Whole(value, cryptobyte_asn1.SEQUENCE)
	// RFC 5280, Section 4.2.1.6: the sequence holds at least one name.
	if !ok || list.Empty() {
		return nil, false
	}
	var names []generalName
	for !list.Empty() {
		var contents cryptobyte.String
		var tag cryptobyte_asn1.Tag
		if !list.ReadAnyASN1(&contents, &tag) {
			return nil, false
		}
		name := generalName{kind: "other", value: string(contents)}
		for kind, t := range sanTags {
			if t == tag {
				name.kind = kind
			}
		}
		names = append(names, name)
	}
	return names, true
}

func appendSAN(b []byte, names []generalName) []byte {
	return der.Append(b, cryptobyte_asn1.SEQUENCE, func(b []byte) []byte {
		for _, name := range names {
			b = append(der.AppendHeader(b, sanTags[name.kind], len(name.value)), name.value...)
		}
		return b
	})
}

// validHost reports whether s is a host name in the preferred syntax.
//
// RFC 1034, Section 3.5, with RFC 1123, Section 2.1, says what that is. By
// RFC 9549, Section 2.3 international labels pass as A-labels alone.
func validHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
		// The third and fourth character are hyphens in A-labels alone.
		if len(label) >= 4 && label[2:4] == "--" && !strings.EqualFold(label[:2], "xn") {
			return false
		}
	}
	// An address in dotted form is no host name.
	_, err := netip.ParseAddr(s)
	return err != nil
}

// validMailbox reports whether s is a Mailbox with an unquoted local part.
//
// RFC 5321, Section 4.1.2.
func validMailbox(s string) bool {
	local, host, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || !validHost(host) {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0) {
				return false
			}
		}
	}
	return true
}

// validURI reports whether s is an absolute URI with a host, in ASCII.
//
// RFC 5280, Section 4.2.1.6: not relative, with a scheme and a scheme-specific
// part; with an authority, the host is a domain name or an address.
func validURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !isASCII(s) || !u.IsAbs() || u.Host == "" {
		return false
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err == nil || validHost(u.Hostname())
}
