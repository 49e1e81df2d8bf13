package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/altamga/altamga/internal/config"
)

type interopConfig struct {
	Listen config.Address `toml:"listen"`
	// Dir has the list being made, every published list, and the link `current`
	// to the one that counts, which other web servers may serve, too.
	Dir config.Path `toml:"dir"`
	// Plan is the TOML file that says what the list is to say; `altamga interop
	// prepare` reads it. Paths in it are relative to it.
	Plan config.Path `toml:"plan"`
	// Certificate and Key are those of the list's signer, and Chain the PEM file
	// of what goes with it into the signature, without the root. The key is
	// opened by `altamga interop sign` and by nothing else.
	Certificate config.Path `toml:"certificate"`
	Key         string      `toml:"key"`
	Chain       config.Path `toml:"chain"`
	// Successors is the PEM file of further signers that the list announces for
	// itself, before one of them signs.
	Successors config.Path `toml:"successors"`
	// Officers make the list: one prepares, another one signs.
	Officers []officerConfig `toml:"officer"`
	// Audit is the log of what the officers do. It is one of its own: their
	// commands write it while the servers write theirs.
	Audit *auditConfig `toml:"audit"`
	// Packages has the key that packages for relying parties are signed with: it
	// is in use day and night, so it is not the list's; `altamga init` makes one.
	// Without it they are not signed, and their manifests say so.
	Packages *packagesConfig `toml:"packages"`
	// Follow is a list of lists, or one list, whose word is asked for here.
	Follow *followConfig `toml:"follow"`
}

type officerConfig struct {
	// Name is the officer's short name in the audit log, without spaces.
	Name string `toml:"name"`
	// Token is the SHA-256 hash of the officer's token.
	Token hexHash `toml:"token"`
}

type packagesConfig struct {
	// Certificate and Key sign the packages, and Chain is the PEM file of what
	// goes with them, without the root. The key is RSA or ECDSA.
	Certificate config.Path `toml:"certificate"`
	Key         string      `toml:"key"`
	Chain       config.Path `toml:"chain"`
}

func (c *packagesConfig) Validate() error {
	return errors.Join(required(field{"certificate", string(c.Certificate)}), keyURI("key", c.Key))
}

type followConfig struct {
	// URL of the list of lists.
	URL config.URL `toml:"url"`
	// Signers is the PEM file of the certificates that it may be signed with,
	// from its official announcement, and Announcement that one's address, as
	// the list has it. Nothing that a list says adds to them.
	Signers      config.Path `toml:"signers"`
	Announcement config.URL  `toml:"announcement"`
	// Dir keeps the last good lists.
	Dir config.Path `toml:"dir"`
	// Interval between looks. Default 1h.
	Interval time.Duration `toml:"interval"`
	// Allow are networks, such as "10.1.0.0/16", that lists may lead to, and
	// partners' lists be imported from, although they are not public.
	Allow []netip.Prefix `toml:"allow"`
}

func (c *interopConfig) Validate() error {
	err := required(field{"listen", string(c.Listen)}, field{"dir", string(c.Dir)}, field{"certificate", string(c.Certificate)})
	if len(c.Officers) == 0 {
		// A host that serves what is made on another one.
		return err
	}
	names := make([]string, len(c.Officers))
	for i, o := range c.Officers {
		names[i] = o.Name
		if o.Name == "" {
			err = errors.Join(err, config.Missing(fmt.Sprintf("officer[%d].name", i)))
		}
	}
	err = errors.Join(err, required(field{"plan", string(c.Plan)}), keyURI("key", c.Key), distinct("officer", "name", names))
	if c.Audit == nil {
		err = errors.Join(err, config.Missing("audit"))
	}
	return err
}

func (c *followConfig) Validate() error {
	return required(field{"url", string(c.URL)}, field{"signers", string(c.Signers)}, field{"dir", string(c.Dir)})
}
