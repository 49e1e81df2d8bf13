package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
)

// suiteConfig is the configuration file. One file may hold every section
// (`altamga up`) or only those that one server needs (`altamga ocsp serve`).
// Every field's comment is its manual.
type suiteConfig struct {
	// Register is the certificate register and its journal. The ca writes it;
	// ocsp and crl follow it.
	Register *registerConfig `toml:"register"`
	// Audit is the tamper-evident log of this process.
	Audit *auditConfig `toml:"audit"`
	// Admin serves health, readiness and metrics.
	Admin *adminConfig `toml:"admin"`

	CA   *caConfig   `toml:"ca"`
	OCSP *ocspConfig `toml:"ocsp"`
	CRL  *crlConfig  `toml:"crl"`
	TSA  *tsaConfig  `toml:"tsa"`
	RA   *raConfig   `toml:"ra"`

	Interop *interopConfig `toml:"interop"`
}

type registerConfig struct {
	// Path of the SQLite database, for a centre on one host. `altamga init`
	// creates it; a server refuses to start on a register that does not exist.
	Path config.Path `toml:"path"`
	// URL of the PostgreSQL database, for a centre on several hosts:
	// "postgres://user@host/database?sslmode=verify-full&sslrootcert=/path", with
	// any other parameter of libpq; it takes the place of path. `altamga register
	// copy` fills it. For a host that is not this one, sslmode has to
	// be verify-full or verify-ca.
	URL string `toml:"url"`
	// PasswordFile holds the user's password in its first line and is readable
	// for its owner only.
	PasswordFile config.Path `toml:"password_file"`
}

type auditConfig struct {
	// Path of the log. One process at a time writes it.
	Path config.Path `toml:"path"`
	// Key is the URI of the key that signs the log's checkpoints, Ed25519 or
	// ECDSA. `altamga audit key` prints its public key.
	Key string `toml:"key"`
	// Origin is the log's name in its checkpoints, such as
	// pki.example/audit: no spaces, no plus, and no other log's. It never
	// changes: with another one, or another key, begin another log.
	Origin string `toml:"origin"`
	// CheckpointEntries and CheckpointInterval bound how many entries, and for
	// how long, stand in the log before a checkpoint signs them. Default 1000
	// and 5s.
	CheckpointEntries  int           `toml:"checkpoint_entries"`
	CheckpointInterval time.Duration `toml:"checkpoint_interval"`
}

type adminConfig struct {
	// Listen is the address of health, readiness and metrics. It has no
	// authentication: keep it off public networks.
	Listen config.Address `toml:"listen"`
}

// tlsConfig is how one end of a TLS connection proves itself and whom it
// trusts.
type tlsConfig struct {
	// Certificate is the PEM file of the certificate and its chain.
	Certificate config.Path `toml:"certificate"`
	// Key is the key's URI, relative to the configuration file.
	Key string `toml:"key"`
	// Peers is the PEM file of the roots that the other end's certificate must
	// come from.
	Peers config.Path `toml:"peers"`
	// External: somebody else renews the certificate. Default: the ca that
	// issued it does, before two thirds of its life have passed.
	External bool `toml:"external"`
}

// serverTLSConfig is how a server proves itself to clients that it does not ask
// for a certificate.
type serverTLSConfig struct {
	// Certificate is the PEM file of the certificate and its chain.
	Certificate config.Path `toml:"certificate"`
	// Key is the key's URI, relative to the configuration file.
	Key string `toml:"key"`
}

// Validate checks what one section needs of another.
func (c *suiteConfig) Validate() error {
	var faults []error
	need := func(section string, there bool, register, audit bool) {
		if there && register && c.Register == nil {
			faults = append(faults, config.Wrong(section, "needs a section [register]"))
		}
		if there && audit && c.Audit == nil {
			faults = append(faults, config.Wrong(section, "needs a section [audit]"))
		}
	}
	need("ca", c.CA != nil, true, true)
	need("ocsp", c.OCSP != nil && c.OCSP.needsRegister(), true, false)
	mirror := c.CRL != nil && len(c.CRL.Pull) > 0 // which needs nothing
	need("crl", c.CRL != nil && !mirror, true, true)
	need("tsa", c.TSA != nil, false, true)
	need("ra", c.RA != nil, false, true)
	return errors.Join(faults...)
}

func (c *adminConfig) Validate() error { return required(field{"listen", string(c.Listen)}) }

func (c *auditConfig) Validate() error {
	err := errors.Join(required(field{"path", string(c.Path)}, field{"origin", c.Origin}), keyURI("key", c.Key))
	if c.CheckpointEntries < 0 {
		err = errors.Join(err, config.Wrong("checkpoint_entries", "is negative"))
	}
	if c.CheckpointInterval < 0 {
		err = errors.Join(err, config.Wrong("checkpoint_interval", "is negative"))
	}
	return err
}

func (c *tlsConfig) Validate() error {
	return errors.Join(required(field{"certificate", string(c.Certificate)}, field{"peers", string(c.Peers)}), keyURI("key", c.Key))
}

func (c *serverTLSConfig) Validate() error {
	return errors.Join(required(field{"certificate", string(c.Certificate)}), keyURI("key", c.Key))
}

// field is a key and its value.
type field struct{ key, value string }

// required reports the keys that have no value.
func required(fields ...field) error {
	var faults []error
	for _, f := range fields {
		if f.value == "" {
			faults = append(faults, config.Missing(f.key))
		}
	}
	return errors.Join(faults...)
}

// keyURI reports a key's URI that is missing, or that no key can have.
func keyURI(key, uri string) error {
	if uri == "" {
		return config.Missing(key)
	}
	_, err := keys.Parse(uri)
	if err == nil {
		return nil
	}
	wrong := config.Wrong(key, "names no key: %w", err)
	if hinted, ok := errors.AsType[*keys.Error](err); ok {
		return wrong.WithHint(hinted.Hint())
	}
	return wrong
}

// distinct reports a list that is empty or names something twice.
func distinct(table, key string, values []string) error {
	if len(values) == 0 {
		return config.Missing(table)
	}
	var faults []error
	seen := map[string]bool{}
	for i, value := range values {
		if seen[value] {
			faults = append(faults, config.Wrong(fmt.Sprintf("%s[%d].%s", table, i, key), "%q stands twice", value))
		}
		seen[value] = true
	}
	return errors.Join(faults...)
}
