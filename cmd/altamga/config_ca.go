package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
)

type caConfig struct {
	// Listen is the address of the API; it speaks mutual TLS only.
	Listen config.Address `toml:"listen"`
	TLS    tlsConfig      `toml:"tls"`
	// Profiles is a folder of profile files. Default: the built-in profiles,
	// whose policies are examples.
	Profiles config.Path      `toml:"profiles"`
	Issuers  []caIssuerConfig `toml:"issuer"`
	// Clients may use the API; a certificate of the right root that is not
	// named here is not enough.
	Clients []caClientConfig `toml:"client"`
	// PendingFor is how long a request that takes two persons can be confirmed
	// by the second. Default 24h.
	PendingFor time.Duration `toml:"pending_for"`
	// Zlint says how often zlint judges before the key signs, beside our own
	// lints, which judge every certificate: "shape" (default) once a day for
	// certificates that differ in nothing that a lint could tell (see the package
	// internal/lint), "always" for each of them, at several times the cost of a
	// signature.
	Zlint string `toml:"zlint"`
	// Verify says which signatures of issuers are verified before they are used:
	// "tokens" (default) those that were not made in this process, by keys of
	// tokens; "always" those of file keys, too, at twice the cost of a signature.
	Verify string `toml:"verify"`
	// Strangers bounds the requests of each client that a door does not know yet,
	// by its TLS client certificate or else its address: those of cfssl and EST
	// before they have shown who they are.
	Strangers rateConfig `toml:"strangers"`
	// CFSSL and EST are for clients that enrol by these protocols. Default:
	// neither is spoken.
	CFSSL *caCFSSLConfig `toml:"cfssl"`
	EST   *caESTConfig   `toml:"est"`
}

type caClientConfig struct {
	// Name is the common name of the client's TLS certificate, and the actor in
	// journal and audit log.
	Name string `toml:"name"`
	// Actions: issue, hold, release, revoke, read, list, journal; authority, which
	// asks for or confirms the certificate of an authority below an issuer;
	// approve, which agrees to what waits for approval under a label of EST.
	Actions []string `toml:"actions"`
	// Issuers and Profiles that the client may have certificates issued by.
	// Default: all that are configured.
	Issuers  []string `toml:"issuers"`
	Profiles []string `toml:"profiles"`
	// Person behind the client; two clients of one person count as one where
	// two persons must agree. Default: the name.
	Person string `toml:"person"`
	// Vouches: the client is a server that has had two of its staff agree
	// before it asks for what takes two, and names them. The ca takes its word
	// for it; it is never one of the two itself.
	Vouches bool `toml:"vouches"`
	rateConfig
}

// rateConfig bounds the requests of one client.
type rateConfig struct {
	// Rate is how many a second, Burst how many at once. Default 500 and 1000.
	Rate  float64 `toml:"rate"`
	Burst int     `toml:"burst"`
}

// Validate checks the section of its own that strangers are.
func (c *rateConfig) Validate() error {
	if c.Rate < 0 || c.Burst < 0 {
		return config.Wrong("rate", "rate and burst are not negative")
	}
	return nil
}

type caIssuerConfig struct {
	// ID is the issuer's short name in the register and the API. It never
	// changes.
	ID          string      `toml:"id"`
	Certificate config.Path `toml:"certificate"`
	Key         string      `toml:"key"`
	// Profiles that this issuer may issue by.
	Profiles []string `toml:"profiles"`
	// PSS makes an RSA key sign certificates with RSASSA-PSS. Default: PKCS #1
	// v1.5.
	PSS bool `toml:"rsa_pss"`
	// OCSP, CRL, FreshestCRL (the delta list) and CAIssuers are the addresses put
	// into what it issues; percent-encode what a URL must not hold.
	OCSP        config.URL `toml:"ocsp"`
	CRL         config.URL `toml:"crl"`
	FreshestCRL config.URL `toml:"freshest_crl"`
	// CRLShards spreads certificates over so many lists; {shard} in crl and
	// freshest_crl stands for the number of the list. Default: one list for all.
	CRLShards int `toml:"crl_shards"`
	// CRLSigner is the certificate that the lists are signed with, where that is
	// another authority's. Default: the issuer's own.
	CRLSigner config.Path `toml:"crl_signer"`
	CAIssuers config.URL  `toml:"ca_issuers"`
}

func (c *caConfig) Validate() error {
	ids := make([]string, len(c.Issuers))
	for i, issuer := range c.Issuers {
		ids[i] = issuer.ID
	}
	names := make([]string, len(c.Clients))
	for i, client := range c.Clients {
		names[i] = client.Name
	}
	return errors.Join(oneOf("zlint", &c.Zlint, "shape", "always"), oneOf("verify", &c.Verify, "tokens", "always"),
		required(field{"listen", string(c.Listen)}), distinct("issuer", "id", ids), distinct("client", "name", names))
}

// oneOf checks that a key has one of some values, the first of which it gets
// when it has none.
func oneOf(key string, value *string, values ...string) error {
	if *value == "" {
		*value = values[0]
	}
	if !slices.Contains(values, *value) {
		return config.Wrong(key, "%q is none of %s", *value, strings.Join(values, ", "))
	}
	return nil
}

func (c *caClientConfig) Validate() error {
	err := required(field{"name", c.Name})
	if len(c.Actions) == 0 {
		err = errors.Join(err, config.Missing("actions"))
	}
	err = errors.Join(err, c.rateConfig.Validate())
	for i, action := range c.Actions {
		if !slices.Contains(caActions, action) {
			err = errors.Join(err, config.Wrong(fmt.Sprintf("actions[%d]", i), "%q is none of %s", action, strings.Join(caActions, ", ")))
		}
	}
	return err
}

func (c *caIssuerConfig) Validate() error {
	return errors.Join(required(field{"id", c.ID}, field{"certificate", string(c.Certificate)}), keyURI("key", c.Key))
}
