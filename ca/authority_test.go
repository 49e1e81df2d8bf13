package ca_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
)

func TestConfiguration(t *testing.T) {
	centre := newCentre(t, p256)
	for name, spoil := range map[string]func(*ca.Config){
		"there is no lint":                   func(c *ca.Config) { c.Lint = nil },
		"there is no audit log":              func(c *ca.Config) { c.Audit = nil },
		"there is no register":               func(c *ca.Config) { c.Register = nil },
		"there are no profiles":              func(c *ca.Config) { c.Profiles = nil },
		"there is no issuer":                 func(c *ca.Config) { c.Issuers = nil },
		"does not belong to the certificate": func(c *ca.Config) { c.Issuers[0].Key = p256() },
		"stands twice":                       func(c *ca.Config) { c.Issuers[1].ID = "root" },
		"share a key": func(c *ca.Config) {
			c.Issuers[1].Key, c.Issuers[1].Certificate, c.Issuers[1].Chain = c.Issuers[0].Key, c.Issuers[0].Certificate, nil
		},
		`profile "x" is unknown`:              func(c *ca.Config) { c.Issuers[0].Profiles = []string{"x"} },
		"which the path length":               func(c *ca.Config) { c.Issuers[2].Profiles = []string{"issuing"} },
		"OCSP address is not":                 func(c *ca.Config) { c.Issuers[0].OCSP = "ldap://x" },
		"certificate 1 of the chain":          func(c *ca.Config) { c.Issuers[2].Chain = c.Issuers[1].Chain },
		"the id is not":                       func(c *ca.Config) { c.Issuers[0].ID = "Root CA" },
		"is not one of an authority":          func(c *ca.Config) { leaf(t, centre, &c.Issuers[2]) },
		"there is a chain but no certificate": func(c *ca.Config) { c.Issuers[2].Certificate = nil },
	} {
		t.Run(name, func(t *testing.T) {
			config := centre.config
			config.Issuers = slices.Clone(config.Issuers)
			spoil(&config)
			if _, err := ca.New(config); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// leaf gives the issuer the certificate of an end entity.
func leaf(t *testing.T, centre *centre, issuer *ca.Issuer) {
	issuer.Key = p256()
	issuer.Certificate = issue(t, centre.Authority, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, issuer.Key), Subject: citizen()}).Certificate
}
