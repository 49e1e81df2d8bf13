package est_test

import (
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/est"
)

func TestConfiguration(t *testing.T) {
	s := newServer(t)
	account := func(edit func(*est.Account)) func(*est.Config) {
		return func(c *est.Config) {
			changed := est.Account{Name: "a", CommonName: "a", Terms: map[string]ca.Terms{"devices": deviceTerms}}
			edit(&changed)
			c.Accounts = append(c.Accounts[:len(c.Accounts):len(c.Accounts)], changed)
		}
	}
	label := func(edit func(*est.Label)) func(*est.Config) {
		return func(c *est.Config) {
			changed := est.Label{Name: "more", Issuer: "devices", Profiles: []string{"device"}}
			edit(&changed)
			c.Labels = append(c.Labels[:len(c.Labels):len(c.Labels)], changed)
		}
	}
	terms := func(edit func(*ca.Terms)) func(*est.Config) {
		return account(func(a *est.Account) {
			changed := deviceTerms
			edit(&changed)
			a.Terms = map[string]ca.Terms{"devices": changed}
		})
	}
	for want, spoil := range map[string]func(*est.Config){
		"there is no authority":                 func(c *est.Config) { c.Authority = nil },
		"there is no label":                     func(c *est.Config) { c.Labels = nil },
		"is that of an operation":               label(func(l *est.Label) { l.Name = "cacerts" }),
		"label \"devices\": stands twice":       label(func(l *est.Label) { l.Name = "devices" }),
		"the name is not":                       label(func(l *est.Label) { l.Name = "a/b" }),
		`issuer "x" is unknown`:                 label(func(l *est.Label) { l.Issuer = "x" }),
		`profile "issuing" is not one`:          label(func(l *est.Label) { l.Issuer, l.Profiles = "root", []string{"issuing"} }),
		"there is no profile":                   label(func(l *est.Label) { l.Profiles = nil }),
		"has neither a secret":                  account(func(a *est.Account) { a.CommonName = "" }),
		"not a bcrypt hash":                     account(func(a *est.Account) { a.Secret = []byte("plain") }),
		"for its TLS certificate":               account(func(a *est.Account) { a.ClientIssuer, a.ClientProfile = "root", "issuing" }),
		"has no terms":                          account(func(a *est.Account) { a.Terms = nil }),
		`names the unknown label "x"`:           account(func(a *est.Account) { a.Terms = map[string]ca.Terms{"x": deviceTerms} }),
		`shares its common name with "gateway"`: account(func(a *est.Account) { a.CommonName = "gateway" }),
		"may choose the common name of account": account(func(a *est.Account) { a.CommonName = "device-77" }),
		`is not one of label "devices"`:         terms(func(t *ca.Terms) { t.Profile = "identity" }),
		"subject.title: is not an attribute":    terms(func(t *ca.Terms) { t.Subject = map[string]string{"title": "x"} }),
		"choose.CN: the pattern is not":         terms(func(t *ca.Terms) { t.Choose = map[string]string{"CN": "("} }),
		"choose.C: is fixed already":            terms(func(t *ca.Terms) { t.Choose = map[string]string{"C": ".*"} }),
		`dns: "*" is neither`:                   terms(func(t *ca.Terms) { t.DNSNames = []string{"*"} }),
		`email: "nobody" is neither`:            terms(func(t *ca.Terms) { t.Emails = []string{"nobody"} }),
		"choose.fin: is a national number": func(c *est.Config) {
			c.Accounts[2].Terms = map[string]ca.Terms{"people": {Issuer: "devices", Profile: "identity", Choose: map[string]string{"fin": ".*", "CN": "x"}}}
		},
		"subject.CN: profile \"identity\" requires": func(c *est.Config) {
			c.Accounts[2].Terms = map[string]ca.Terms{"people": {Issuer: "devices", Profile: "identity", Subject: map[string]string{"fin": "1ABC2D3"}}}
		},
	} {
		config := s.config
		config.Accounts = append([]est.Account(nil), config.Accounts...)
		spoil(&config)
		if _, err := est.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
