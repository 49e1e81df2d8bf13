package main

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"

	"github.com/altamga/altamga/internal/config"
)

type raConfig struct {
	Listen config.Address `toml:"listen"`
	// TLS is how the server proves itself. Tokens and personal data cross the
	// connection, so without it the server listens on loopback only, or
	// BehindProxy says that a proxy in front of it speaks TLS. It has to append
	// the address of its client to X-Forwarded-For, by which the requests of each
	// are bounded.
	TLS         *serverTLSConfig `toml:"tls"`
	BehindProxy bool             `toml:"behind_proxy"`
	// Store is the SQLite database of applications.
	Store config.Path `toml:"store"`
	// DataKey is the file of the 32 octets, in hexadecimal, that encrypt
	// personal data in the store.
	DataKey config.Path `toml:"data_key"`
	// CA is the base URL of the certification authority's API; Client is how
	// the registration authority proves itself to it.
	CA     config.URL `toml:"ca"`
	Client tlsConfig  `toml:"client"`
	// Issuer and the two profiles are what an approved application is issued by.
	Issuer                string `toml:"issuer"`
	SignatureProfile      string `toml:"signature_profile"`
	AuthenticationProfile string `toml:"authentication_profile"`
	// Demonstration marks the public page as one that shows no real
	// certificates.
	Demonstration bool `toml:"demonstration"`
	// Staff may act; nobody else.
	Staff []staffConfig `toml:"staff"`
}

type staffConfig struct {
	// Name is the person's short name in the audit log, without spaces.
	Name string `toml:"name"`
	// Roles: operator, officer, revocation.
	Roles []string `toml:"roles"`
	// Token is the SHA-256 hash of the person's bearer token.
	Token hexHash `toml:"token"`
	// FINHash is a hash of the person's FİN under the data key, so that nobody
	// handles his own case: `altamga ra staff` makes it, with the token.
	FINHash hexHash `toml:"fin_hash"`
}

// hexHash is a SHA-256 hash, in the file in hexadecimal.
type hexHash [32]byte

// UnmarshalText reads 64 hexadecimal digits.
func (h *hexHash) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(h[:], text[:min(len(text), 64)]); err != nil || n != len(h) || len(text) != 64 {
		return errors.New("is not a SHA-256 hash of 64 hexadecimal digits")
	}
	return nil
}

func (c *raConfig) Validate() error {
	names := make([]string, len(c.Staff))
	for i, person := range c.Staff {
		names[i] = person.Name
	}
	var plain error
	if c.TLS == nil && !c.BehindProxy && c.Listen != "" && !onLoopback(c.Listen) {
		plain = config.Wrong("listen", "is not on loopback, and there is no tls").
			WithHint("give ra a `tls = { certificate = …, key = … }`, or set behind_proxy = true when a proxy speaks TLS for it")
	}
	return errors.Join(plain, distinct("staff", "name", names),
		required(field{"listen", string(c.Listen)}, field{"store", string(c.Store)}, field{"data_key", string(c.DataKey)},
			field{"ca", string(c.CA)}, field{"issuer", c.Issuer},
			field{"signature_profile", c.SignatureProfile}, field{"authentication_profile", c.AuthenticationProfile}))
}

// onLoopback reports whether an address is reachable from its own machine alone.
func onLoopback(address config.Address) bool {
	host, _, err := net.SplitHostPort(string(address))
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
