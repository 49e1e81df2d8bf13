package main

import (
	"errors"
	"time"

	"github.com/altamga/altamga/internal/config"
)

type tsaConfig struct {
	Listen      config.Address `toml:"listen"`
	Certificate config.Path    `toml:"certificate"`
	Key         string         `toml:"key"`
	// Chain is the PEM file of the certificates that a token carries beside the
	// signer's when the client asks for certificates; without the root.
	Chain config.Path `toml:"chain"`
	// Policies are the accepted policy identifiers, the default first.
	Policies []string `toml:"policies"`
	// Accuracy is what every token declares and the clock must hold, at most
	// 1s. Default 1s.
	Accuracy time.Duration `toml:"accuracy"`
}

func (c *tsaConfig) Validate() error {
	err := required(field{"listen", string(c.Listen)}, field{"certificate", string(c.Certificate)}, field{"key", c.Key})
	if len(c.Policies) == 0 {
		err = errors.Join(err, config.Missing("policies"))
	}
	return err
}
