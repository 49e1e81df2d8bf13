package main

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
)

// ocspCAConfig is the authority that a responder follows or has its signers
// renewed by, over the authority's API.
type ocspCAConfig struct {
	// URL of the API. Client is how the responder proves itself to it: a client
	// with the right `journal`, and to renew signers `issue` with the profile
	// ocsp-signer alone.
	URL    config.URL `toml:"url"`
	Client tlsConfig  `toml:"client"`
	// Store is the responder's own copy of the statuses, which follows the
	// authority's journal; `altamga ocsp begin` makes it. With it the responder
	// needs no [register]. Default: none, [register] is read.
	Store config.Path `toml:"store"`
	// Log is the public key of the authority's audit log (log.pub), which signs
	// the snapshots that `altamga ocsp begin` takes over.
	Log config.Path `toml:"log"`
	// LostAfter is how long after the journal was last read /readyz says so, once
	// it cannot be read any more. Answers go on all the same, until `validity` is
	// over. Default 1m.
	LostAfter time.Duration `toml:"lost_after"`
}

// ocspListConfig is where an issuer's revocation list is. Such an issuer has no
// journal here: it is another centre's, or an old one's. A serial that is not on
// its list is answered good.
type ocspListConfig struct {
	// URL or Path of the list, DER.
	URL  config.URL  `toml:"url"`
	Path config.Path `toml:"path"`
	// Keep is the file that the last good list is kept in, so that a restart
	// neither forgets it nor goes back behind it.
	Keep config.Path `toml:"keep"`
	// Interval is how often the list is fetched. Default 10m.
	Interval time.Duration `toml:"interval"`
	// MaxSize bounds the list in octets. Default 64 MiB.
	MaxSize int64 `toml:"max_size"`
	// Networks, such as "10.0.0.0/8", are those besides public addresses that the
	// URL's host may be in. Default: none, or this host if the URL names it so.
	Networks []netip.Prefix `toml:"networks"`
}

// Ways to renew a signer.
const (
	renewSameKey = "same-key"
	renewNewKey  = "new-key"
	renewOff     = "off"
)

func (c *ocspCAConfig) Validate() error {
	err := required(field{"url", string(c.URL)})
	if c.Store != "" {
		err = errors.Join(err, required(field{"log", string(c.Log)}))
	}
	if c.LostAfter < 0 {
		err = errors.Join(err, config.Wrong("lost_after", "is negative"))
	}
	return err
}

func (c *ocspListConfig) Validate() error {
	err := required(field{"keep", string(c.Keep)})
	switch {
	case c.URL == "" && c.Path == "":
		err = errors.Join(err, config.Missing("url"))
	case c.URL != "" && c.Path != "":
		err = errors.Join(err, config.Wrong("path", "stands beside url: a list is in one place"))
	case c.URL != "" && !strings.HasPrefix(string(c.URL), "http://") && !strings.HasPrefix(string(c.URL), "https://"):
		err = errors.Join(err, config.Wrong("url", "is not of http or https"))
	}
	if c.Interval < 0 || c.MaxSize < 0 {
		err = errors.Join(err, config.Wrong("interval", "interval and max_size are not negative"))
	}
	return err
}

// validateApart checks what of a responder is about other hosts.
func (c *ocspConfig) validateApart() error {
	// The journal is read to its end every ten seconds: with less, answers would
	// run out in between.
	if c.CA != nil && c.CA.Store != "" && c.Validity != 0 && c.Validity < time.Minute {
		return config.Wrong("validity", "is less than a minute, for which a copy of the statuses is not fresh enough")
	}
	return nil
}

// needsRegister reports whether statuses come from [register].
func (c *ocspConfig) needsRegister() bool {
	return (c.CA == nil || c.CA.Store == "") &&
		slices.ContainsFunc(c.Issuers, func(i ocspIssuerConfig) bool { return i.List == nil })
}
