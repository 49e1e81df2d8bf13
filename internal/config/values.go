package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
)

// Path names a file or folder. Load makes a relative path in a file absolute
// against the file's folder, so that a server finds its files from whatever
// folder it is started in. "" stays "".
type Path string

// Address is a host and port to listen on or connect to: "127.0.0.1:8442",
// "[::1]:8442", ":8442" (every interface); port 0 takes a free one.
type Address string

// UnmarshalText refuses what is not a host and a port number.
func (a *Address) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return fmt.Errorf("is not an address of the form host:port (%q)", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("has a port that is not a number from 0 to 65535 (%q)", text)
	}
	if host != "" && net.ParseIP(host) == nil && !hostname(host) {
		return fmt.Errorf("has a host that is neither a name nor an IP address (%q)", text)
	}
	*a = Address(text)
	return nil
}

// URL is an absolute http or https address, such as the ones written into
// certificates.
type URL string

// UnmarshalText refuses what is not absolute, not http or https, or carries
// credentials or a fragment.
func (u *URL) UnmarshalText(text []byte) error {
	parsed, err := url.Parse(string(text))
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return fmt.Errorf("is not an absolute http or https URL (%q)", text)
	}
	if parsed.User != nil || parsed.Fragment != "" {
		return fmt.Errorf("has credentials or a fragment, which do not belong here (%q)", parsed.Redacted())
	}
	*u = URL(text)
	return nil
}

// hostname reports whether s can stand as a name in an address.
func hostname(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return len(s) <= 253
}
