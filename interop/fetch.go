package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Validators are what a server said of a file when it was fetched, so that it
// is fetched again only when it changed (RFC 9110, Section 8.8).
type Validators struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// Fetched is a file, or the word that it did not change.
type Fetched struct {
	Body []byte
	Validators
	Unchanged bool
}

// Policy says what may be fetched. Addresses in lists are other people's words:
// without a policy, a list could make this server ask its own neighbours.
type Policy struct {
	// Allow are networks that are asked although they are not public: loopback
	// for tests, or the government's own network.
	Allow []netip.Prefix
	// MaxOctets bounds a file. Default 32 MiB.
	MaxOctets int64
	// Timeout of one fetch. Default 30 seconds.
	Timeout time.Duration
}

// maxRedirects is how many times a server may send us on.
const maxRedirects = 5

// Web fetches by http and https under a policy. It knows no proxies and no
// cookies.
type Web struct {
	policy Policy
	client *http.Client
}

// NewWeb returns a fetcher.
func NewWeb(policy Policy) *Web {
	if policy.MaxOctets == 0 {
		policy.MaxOctets = 32 << 20
	}
	if policy.Timeout == 0 {
		policy.Timeout = 30 * time.Second
	}
	w := &Web{policy: policy}
	// The address is judged when it is dialled: what a name meant before that
	// does not count.
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: w.control}
	w.client = &http.Client{
		Timeout: policy.Timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1, IdleConnTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return fmt.Errorf("more than %d redirections", maxRedirects)
			}
			if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errors.New("the server sends on from https to http")
			}
			return checkURL(r.URL)
		},
	}
	return w
}

// checkURL judges the address before it is looked up.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the scheme %q is not fetched; http and https are", u.Scheme)
	case u.Host == "":
		return errors.New("the address has no host")
	case u.User != nil:
		return errors.New("the address has a user in it")
	}
	return nil
}

// control judges the address that is dialled.
func (w *Web) control(_, address string, _ syscall.RawConn) error {
	host, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	// No network contains an address with a zone, but ::1%lo is ::1.
	ip := host.Addr().WithZone("").Unmap()
	if slices.ContainsFunc(w.policy.Allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	for _, p := range special {
		if p.Contains(ip) {
			return fmt.Errorf("%s is not a public address, and not one that the configuration allows", ip)
		}
	}
	return nil
}

// special are the networks that are not public (RFC 6890, Section 2.2). Of IPv6
// only 2000::/3 is given out as public (RFC 4291, Section 2.4).
var special = func() (all []netip.Prefix) {
	for _, p := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}()

// Get fetches a file, unless the server says that it is the one that v is of.
func (w *Web) Get(ctx context.Context, address string, v Validators) (Fetched, error) {
	u, err := url.Parse(address)
	if err == nil {
		err = checkURL(u)
	}
	if err != nil {
		return Fetched{}, fmt.Errorf("fetching %q: %w", address, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Fetched{}, err
	}
	request.Header.Set("Accept", MediaType+", application/xml;q=0.9, */*;q=0.1")
	if v.ETag != "" {
		request.Header.Set("If-None-Match", v.ETag)
	} else if v.LastModified != "" {
		request.Header.Set("If-Modified-Since", v.LastModified)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return Fetched{}, fmt.Errorf("fetching: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified && v != (Validators{}) {
		return Fetched{Validators: v, Unchanged: true}, nil
	}
	if response.StatusCode != http.StatusOK {
		return Fetched{}, fmt.Errorf("fetching %s: the server answers %s", address, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, w.policy.MaxOctets+1))
	if err != nil {
		return Fetched{}, fmt.Errorf("fetching %s: %w", address, err)
	}
	if int64(len(body)) > w.policy.MaxOctets {
		return Fetched{}, fmt.Errorf("fetching %s: it has more than %d octets", address, w.policy.MaxOctets)
	}
	return Fetched{Body: body, Validators: Validators{ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified")}}, nil
}

// companionOf returns the address of a list's .sha2 file, "" when it has none.
func companionOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	extension := path.Ext(u.Path)
	if e := strings.ToLower(extension); e != ".xml" && e != ".xtsl" {
		return ""
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, extension)+".sha2", ""
	return u.String()
}
