package conformance

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
)

// Follow says which URLs found inside of what is tested are fetched. URLs that
// the user gave are always fetched.
type Follow string

// The policies.
const (
	FollowNone   Follow = "none"   // none
	FollowGiven  Follow = "given"  // those at a host and port that the user gave, too
	FollowPublic Follow = "public" // those at public addresses, too
	FollowAny    Follow = "any"    // all http and https URLs
)

// permit says why a URL that was found in a certificate may not be fetched, or
// nil.
func (c *client) permit(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q is not a plain http or https URL", target)
	}
	switch {
	case c.follow == FollowAny, c.follow == FollowPublic:
		return nil // the dialer judges addresses
	case c.follow == FollowGiven && slices.Contains(c.given, hostPort(u)):
		return nil
	}
	return fmt.Errorf("the address policy %q does not let %s be fetched", c.follow, hostPort(u))
}

// hostPort is host and port with the scheme's default filled in.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// onlyPublic is a dialer's control function that refuses addresses which mean
// something only inside of a network. It sees the address after the name was
// looked up, so that a name cannot lead past it.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading address %q: %w", address, err)
	}
	// No network contains an address with a zone, which some host may yet have.
	ip := at.Addr().WithZone("").Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return fmt.Errorf("%s is not a public address", ip)
	}
	return nil
}

// reserved are networks that IsGlobalUnicast counts as global and that are not
// public (IANA special-purpose address registries). Of IPv6 only 2000::/3 is
// given out as public (RFC 4291, Section 2.4).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("::/3"), netip.MustParsePrefix("4000::/2"), netip.MustParsePrefix("8000::/1"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("3fff::/20"),
}
