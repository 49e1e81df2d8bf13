package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
)

type ocspConfig struct {
	Listen config.Address `toml:"listen"`
	// Validity is how long an answer may be relied on: nextUpdate - thisUpdate.
	// Default 1h.
	Validity time.Duration `toml:"validity"`
	// MaxAge is how long HTTP caches may keep an answer, and so the longest
	// time that a change stays hidden behind one. Default 1m.
	MaxAge time.Duration `toml:"max_age"`
	// NonIssued is the answer for a serial that was never issued: "unknown"
	// (default), or "revoked" with the extended-revoke extension.
	NonIssued string `toml:"non_issued"`
	// Memory is how many MiB the answers may take that are kept ready. Default
	// 64, which is enough for 190,000.
	Memory int64 `toml:"memory"`
	// Presign says which answers are made before anyone asks: "hot", those that
	// were in memory before a restart, or "all", those about every certificate,
	// kept fresh as far as `memory` goes, for which `max_age` should be long.
	// Default: none but those that are asked for again while their time ends.
	Presign string `toml:"presign"`
	// HotSet is the file in which "hot" remembers what was in memory.
	HotSet config.Path `toml:"hot_set"`
	// JournalGrace is for how long after the loss of the journal certificates
	// may be called good in new answers. Default: validity.
	JournalGrace time.Duration `toml:"journal_grace"`
	// Redis shares answers between responders and keeps them over a restart.
	// Default: answers are kept in memory alone.
	Redis *redisConfig `toml:"redis"`
	// CA is followed over its API, from a host that has no [register].
	CA      *ocspCAConfig      `toml:"ca"`
	Issuers []ocspIssuerConfig `toml:"issuer"`
}

type redisConfig struct {
	// Addresses of the servers. One is a single server; with Master they are
	// Sentinels; several without it are a Cluster.
	Addresses []config.Address `toml:"addresses"`
	// Master is the name that the Sentinels know the primary by.
	Master string `toml:"master"`
	// User and PasswordFile are those of Redis's access control list. The user
	// needs +mget (+get for a Cluster) +set +evalsha +eval on the keys ocsp:2:*.
	User         string      `toml:"user"`
	PasswordFile config.Path `toml:"password_file"`
	// Roots is the PEM file of the roots that the server's TLS certificate must
	// come from. Default: no TLS.
	Roots config.Path `toml:"roots"`
	// Budget is how long one look-up may take before the answer is signed
	// instead. Default 25ms.
	Budget time.Duration `toml:"budget"`
}

type ocspIssuerConfig struct {
	ID          string      `toml:"id"`
	Certificate config.Path `toml:"certificate"`
	ocspSignerConfig
	// Others sign for clients that prefer their algorithm (RFC 6960, Section
	// 4.4.7): an RSA key beside an ECDSA one, say. Default: none.
	Others []ocspSignerConfig `toml:"other"`
	// List is for an issuer that is known by its revocation lists alone.
	List *ocspListConfig `toml:"list"`
}

// ocspSignerConfig is a delegated signer of an issuer.
type ocspSignerConfig struct {
	// Signer is the certificate of the delegated responder, issued directly by
	// the issuer; SignerKey the URI of its key.
	Signer    config.Path `toml:"signer"`
	SignerKey string      `toml:"signer_key"`
	// Chain is the PEM file of further certificates that each answer carries,
	// so that a client that knows only the issuer and the root can build the
	// path between them. Default: none.
	Chain config.Path `toml:"chain"`
	// Renew says how the signer's certificate is renewed before it ends, by the
	// ca of the same process or of [ocsp.ca]: "same-key" (default), "new-key" or
	// "off", as for the signer of an authority whose key is in a safe.
	Renew string `toml:"renew"`
}

func (c *ocspConfig) Validate() error {
	ids := make([]string, len(c.Issuers))
	for i, issuer := range c.Issuers {
		ids[i] = issuer.ID
	}
	return errors.Join(required(field{"listen", string(c.Listen)}), distinct("issuer", "id", ids), c.validatePresign(), c.validateApart())
}

func (c *ocspConfig) validatePresign() error {
	switch c.Presign {
	case "", presignAll:
		return nil
	case presignHot:
		return required(field{"hot_set", string(c.HotSet)})
	}
	return config.Wrong("presign", "%q is neither hot nor all", c.Presign)
}

func (c *redisConfig) Validate() error {
	if len(c.Addresses) == 0 {
		return config.Missing("addresses")
	}
	return nil
}

func (c *ocspIssuerConfig) Validate() error {
	return errors.Join(required(field{"id", c.ID}, field{"certificate", string(c.Certificate)}), c.ocspSignerConfig.Validate())
}

func (c *ocspSignerConfig) Validate() error {
	err := errors.Join(required(field{"signer", string(c.Signer)}), keyURI("signer_key", c.SignerKey))
	if !slices.Contains([]string{"", renewSameKey, renewNewKey, renewOff}, c.Renew) {
		err = errors.Join(err, config.Wrong("renew", "%q is none of same-key, new-key, off", c.Renew))
	}
	if c.Renew == renewNewKey && !strings.HasPrefix(c.SignerKey, "file:") {
		err = errors.Join(err, config.Wrong("renew", "new-key is for keys in files; one on a token stays"))
	}
	return err
}
