package main

import (
	"errors"
	"time"

	"github.com/altamga/altamga/internal/config"
)

type crlConfig struct {
	Listen config.Address `toml:"listen"`
	// Dir is the folder that lists and issuers' certificates are published in.
	Dir config.Path `toml:"dir"`
	// Validity is nextUpdate - thisUpdate. Default 25h.
	Validity time.Duration `toml:"validity"`
	// Interval is the longest time between two lists, within the 3 hours that
	// the national rules allow. Default 2h30m.
	Interval time.Duration `toml:"interval"`
	// Delay is how long after a change the next list waits for further
	// changes. Default 1s.
	Delay   time.Duration     `toml:"delay"`
	Issuers []crlIssuerConfig `toml:"issuer"`
}

type crlIssuerConfig struct {
	ID          string      `toml:"id"`
	Certificate config.Path `toml:"certificate"`
	Key         string      `toml:"key"`
	// Path and CertificatePath are the published names below the server's
	// root, such as "ehm.crl" and "ehm.cer".
	Path            string `toml:"path"`
	CertificatePath string `toml:"certificate_path"`
}

func (c *crlConfig) Validate() error {
	paths := make([]string, len(c.Issuers))
	for i, issuer := range c.Issuers {
		paths[i] = issuer.Path
	}
	return errors.Join(required(field{"listen", string(c.Listen)}, field{"dir", string(c.Dir)}), distinct("issuer", "path", paths))
}

func (c *crlIssuerConfig) Validate() error {
	return required(field{"id", c.ID}, field{"certificate", string(c.Certificate)}, field{"key", c.Key}, field{"path", c.Path})
}
