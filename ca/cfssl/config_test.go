package cfssl_test

import (
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/cfssl"
)

func TestConfiguration(t *testing.T) {
	s := newServer(t, false)
	for want, spoil := range map[string]func(*cfssl.Config){
		"there is no authority": func(c *cfssl.Config) { c.Authority = nil },
		"there is no profile":   func(c *cfssl.Config) { c.Profiles = nil },
		"cfssl's word for no profile": func(c *cfssl.Config) {
			c.Profiles = append(c.Profiles, cfssl.Profile{Name: "default", Terms: deviceTerms})
		},
		`profile "web" stands twice`:       func(c *cfssl.Config) { c.Profiles = append(c.Profiles, c.Profiles[0]) },
		`names the unknown profile "x"`:    func(c *cfssl.Config) { c.Clients = []cfssl.Client{{Name: "a", Key: key, Profiles: []string{"x"}}} },
		"has neither a key nor":            func(c *cfssl.Config) { c.Clients = []cfssl.Client{{Name: "a"}} },
		"has no name":                      func(c *cfssl.Config) { c.Clients = []cfssl.Client{{Key: key}} },
		"has a key shorter than 16 octets": func(c *cfssl.Config) { c.Clients = []cfssl.Client{{Name: "a", Key: key[:8]}} },
		"shares its key or common name":    func(c *cfssl.Config) { c.Clients = []cfssl.Client{{Name: "a", Key: key}, {Name: "b", Key: key}} },
		`anybody with profile "device"`:    func(c *cfssl.Config) { c.Clients = []cfssl.Client{{Name: "a", CommonName: "device-7"}} },
		"for its TLS certificate": func(c *cfssl.Config) {
			c.Clients = []cfssl.Client{{Name: "a", CommonName: "a", ClientIssuer: "x", ClientProfile: "y"}}
		},
		"is not one that issuer": func(c *cfssl.Config) {
			c.Profiles = []cfssl.Profile{{Name: "a", Terms: ca.Terms{Issuer: "root", Profile: "issuing"}}}
		},
	} {
		config := s.config
		spoil(&config)
		if _, err := cfssl.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
