package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/cfssl"
	"github.com/altamga/altamga/ca/est"
	"github.com/altamga/altamga/internal/config"
)

// termsConfig says what a client of an enrolment protocol may get a
// certificate for: nothing of its name comes from its request alone.
type termsConfig struct {
	Issuer  string `toml:"issuer"`
	Profile string `toml:"profile"`
	// Subject fixes attributes of the subject.
	Subject map[string]string `toml:"subject"`
	// Choose lists the attributes that the client may choose, each with a
	// regular expression that the whole value must match.
	Choose map[string]string `toml:"choose"`
	// DNS, IP and Email list the alternative names that the client may choose:
	// "host.example", "*.example" for every name below; networks; mailboxes,
	// "@host.example" for every mailbox there.
	DNS   []string       `toml:"dns"`
	IP    []netip.Prefix `toml:"ip"`
	Email []string       `toml:"email"`
	// IgnoreOther passes over other attributes of the request's subject instead
	// of refusing it. cfssl's requests often have some.
	IgnoreOther bool `toml:"ignore_other"`
}

func (c *termsConfig) terms() ca.Terms {
	return ca.Terms{
		Issuer: c.Issuer, Profile: c.Profile, Subject: c.Subject, Choose: c.Choose,
		DNSNames: c.DNS, IPAddresses: c.IP, Emails: c.Email, IgnoreOther: c.IgnoreOther,
	}
}

type caCFSSLConfig struct {
	// Listen is an address of its own. Default: the interface is mounted on the
	// address of the ca, behind its mutual TLS.
	Listen config.Address `toml:"listen"`
	// TLS of the own address. Default: plain HTTP, where clients need keys:
	// their requests are authenticated, and hold nothing secret.
	TLS      *tlsConfig           `toml:"tls"`
	Profiles []cfsslProfileConfig `toml:"profile"`
	Clients  []cfsslClientConfig  `toml:"client"`
}

type cfsslProfileConfig struct {
	// Name is what cfssl's clients call the profile.
	Name string `toml:"name"`
	termsConfig
}

type cfsslClientConfig struct {
	// Name stands in journal and audit log, with "cfssl:" before it.
	Name string `toml:"name"`
	// KeyFile holds the client's authentication key in hexadecimal, at least 16
	// octets. Nobody else may read it. Default: none.
	KeyFile config.Path `toml:"key_file"`
	// CommonName of the client's TLS certificate. Default: none.
	CommonName string `toml:"common_name"`
	// ClientIssuer and ClientProfile are what that certificate was issued by.
	// Default: another authority issued it.
	ClientIssuer  string   `toml:"client_issuer"`
	ClientProfile string   `toml:"client_profile"`
	Profiles      []string `toml:"profiles"`
	// Revoke lets the client revoke certificates of its profiles.
	Revoke bool `toml:"revoke"`
	rateConfig
}

type caESTConfig struct {
	// Listen is an address of its own. Default: the interface is mounted on the
	// address of the ca, behind its mutual TLS, where only clients that have a
	// certificate of the suite reach it.
	Listen config.Address `toml:"listen"`
	// TLS of the own address; its peers are the roots of the clients'
	// certificates. A client without one may use HTTP Basic.
	TLS *tlsConfig `toml:"tls"`
	// TLS12 lets older devices in, by TLS 1.2. Default: TLS 1.3 alone.
	TLS12    bool               `toml:"tls12"`
	Labels   []estLabelConfig   `toml:"label"`
	Accounts []estAccountConfig `toml:"account"`
}

type estLabelConfig struct {
	// Name is the path segment after /.well-known/est/. The first label is also
	// what a path without one means.
	Name     string   `toml:"name"`
	Issuer   string   `toml:"issuer"`
	Profiles []string `toml:"profiles"`
	// RequireLink refuses requests that are not linked to their connection (RFC
	// 7030, Section 3.5).
	RequireLink bool `toml:"require_link"`
	// Approval makes enrolling wait until a client with the action approve has
	// agreed (`altamga ca pending`, `confirm`).
	Approval bool `toml:"approval"`
}

type estAccountConfig struct {
	// Name is the user name for HTTP Basic, and stands in journal and audit log
	// with "est:" before it.
	Name string `toml:"name"`
	// Secret is the bcrypt hash of the password: `altamga ca secret` makes
	// both. Default: none.
	Secret string `toml:"secret"`
	// CommonName of the client's TLS certificate. Default: none. With both, a
	// client needs both.
	CommonName string `toml:"common_name"`
	// ClientIssuer and ClientProfile are what that certificate was issued by.
	// Default: another authority issued it.
	ClientIssuer  string           `toml:"client_issuer"`
	ClientProfile string           `toml:"client_profile"`
	Terms         []estTermsConfig `toml:"terms"`
	rateConfig
}

type estTermsConfig struct {
	// Label that these terms are for.
	Label string `toml:"label"`
	termsConfig
}

func (c *caCFSSLConfig) Validate() error {
	names := make([]string, len(c.Profiles))
	for i, profile := range c.Profiles {
		names[i] = profile.Name
	}
	err := distinct("profile", "name", names)
	if c.Listen == "" && c.TLS != nil {
		err = errors.Join(err, config.Wrong("tls", "belongs to an address of its own: set listen, too"))
	}
	return err
}

func (c *cfsslProfileConfig) Validate() error {
	return required(field{"name", c.Name}, field{"issuer", c.Issuer}, field{"profile", c.Profile})
}

func (c *cfsslClientConfig) Validate() error {
	return errors.Join(required(field{"name", c.Name}), c.rateConfig.Validate())
}

func (c *caESTConfig) Validate() error {
	names := make([]string, len(c.Labels))
	for i, label := range c.Labels {
		names[i] = label.Name
	}
	err := distinct("label", "name", names)
	switch {
	case c.Listen == "" && (c.TLS != nil || c.TLS12):
		err = errors.Join(err, config.Wrong("tls", "belongs to an address of its own: set listen, too"))
	case c.Listen != "" && c.TLS == nil:
		err = errors.Join(err, config.Missing("tls"))
	}
	return err
}

func (c *estLabelConfig) Validate() error {
	return required(field{"name", c.Name}, field{"issuer", c.Issuer})
}

func (c *estAccountConfig) Validate() error {
	labels := make([]string, len(c.Terms))
	for i, terms := range c.Terms {
		labels[i] = terms.Label
	}
	return errors.Join(required(field{"name", c.Name}), distinct("terms", "label", labels), c.rateConfig.Validate())
}

func (c *estTermsConfig) Validate() error {
	return required(field{"label", c.Label}, field{"issuer", c.Issuer}, field{"profile", c.Profile})
}

// addEnrolment adds the enrolment protocols that the configuration asks for:
// on listeners of their own, or returned by path prefix for that of the ca.
func (p *process) addEnrolment(c *caConfig, authority *ca.Authority, apiRoots []*x509.Certificate) (map[string]http.Handler, error) {
	mounted := map[string]http.Handler{}
	g := &gate{authority: authority, roots: apiRoots}
	if c.CFSSL != nil {
		handler, err := p.cfssl(c.CFSSL, g)
		if err != nil {
			return nil, err
		}
		if c.CFSSL.Listen == "" {
			mounted[cfssl.Prefix] = handler
		} else if err := p.addDoor(authority, "cfssl", c.CFSSL.Listen, c.CFSSL.TLS, tls.VersionTLS12, handler); err != nil {
			return nil, err
		}
	}
	if c.EST != nil {
		handler, err := p.est(c.EST, g)
		if err != nil {
			return nil, err
		}
		lowest := uint16(tls.VersionTLS13)
		if c.EST.TLS12 {
			lowest = tls.VersionTLS12
		}
		if c.EST.Listen == "" {
			mounted[est.Prefix] = handler
		} else if err := p.addDoor(authority, "est", c.EST.Listen, c.EST.TLS, lowest, handler); err != nil {
			return nil, err
		}
	}
	return mounted, g.check()
}

// cfssl makes the interface of cfssl.
func (p *process) cfssl(c *caCFSSLConfig, g *gate) (http.Handler, error) {
	made := cfssl.Config{Authority: g.authority, Log: p.log.With("server", "cfssl"), Observe: p.admin.Observer("cfssl")}
	for _, profile := range c.Profiles {
		made.Profiles = append(made.Profiles, cfssl.Profile{Name: profile.Name, Terms: profile.terms()})
		g.grants = append(g.grants, named{"ca.cfssl profile " + profile.Name, profile.terms()})
	}
	for _, client := range c.Clients {
		key, err := readAuthenticationKey(string(client.KeyFile))
		if err != nil {
			return nil, fmt.Errorf("configuring ca.cfssl client %s: %w", client.Name, err)
		}
		made.Clients = append(made.Clients, cfssl.Client{Name: client.Name, Key: key, CommonName: client.CommonName,
			ClientIssuer: client.ClientIssuer, ClientProfile: client.ClientProfile, Profiles: client.Profiles, Revoke: client.Revoke})
		g.clients = append(g.clients, client.CommonName)
	}
	api, err := cfssl.New(made)
	if err != nil {
		return nil, err
	}
	return api.Handler(), nil
}

// est makes the EST interface.
func (p *process) est(c *caESTConfig, g *gate) (http.Handler, error) {
	made := est.Config{Authority: g.authority, Log: p.log.With("server", "est"), Observe: p.admin.Observer("est")}
	for _, label := range c.Labels {
		made.Labels = append(made.Labels, est.Label(label))
	}
	for _, given := range c.Accounts {
		account := est.Account{Name: given.Name, CommonName: given.CommonName, ClientIssuer: given.ClientIssuer, ClientProfile: given.ClientProfile, Terms: map[string]ca.Terms{}}
		if given.Secret != "" {
			account.Secret = []byte(given.Secret)
		}
		for _, terms := range given.Terms {
			account.Terms[terms.Label] = terms.terms()
			g.grants = append(g.grants, named{"ca.est account " + given.Name, terms.terms()})
		}
		made.Accounts = append(made.Accounts, account)
		g.clients = append(g.clients, given.CommonName)
	}
	api, err := est.New(made)
	if err != nil {
		return nil, err
	}
	return api.Handler(), nil
}

// addDoor adds a server that takes clients with and without a certificate, and
// verifies those that show one. Without TLS it is plain HTTP. Its certificate
// is renewed by the authority behind it.
func (p *process) addDoor(authority *ca.Authority, name string, address config.Address, c *tlsConfig, lowest uint16, handler http.Handler) error {
	var settings *tls.Config
	if c != nil {
		identity, peers, err := p.tls(*c)
		if err != nil {
			return fmt.Errorf("configuring ca.%s.tls: %w", name, err)
		}
		if name := "ca." + name + ".tls"; !c.External {
			p.renews("ca", &renewal{name: name, file: string(c.Certificate), identity: identity, issue: renewHere(authority, name)})
		}
		settings = identity.ServerTLS(peers...)
		settings.ClientAuth = tls.VerifyClientCertIfGiven
		settings.MinVersion = lowest
	}
	p.add(name, address, settings, handler)
	return nil
}

// readAuthenticationKey reads a key in hexadecimal from a file that nobody
// else may read; nil without a path.
func readAuthenticationKey(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readSecret("key", path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("reading key: %s does not hold hexadecimal digits", path)
	}
	return key, nil
}

// gate keeps enrolment from opening doors: to the ca's own interface, and from
// one enrolment protocol to the other.
type gate struct {
	authority *ca.Authority
	// roots are what the interface of the ca trusts its clients by.
	roots []*x509.Certificate
	// clients are the common names by which TLS clients are known.
	clients []string
	grants  []named
}

type named struct {
	name  string
	terms ca.Terms
}

// check reports what is wrong. The terms were checked before.
func (g *gate) check() error {
	var faults []error
	for _, granted := range g.grants {
		grant, err := g.authority.Grant(granted.terms)
		if err != nil {
			return fmt.Errorf("configuring %s: %w", granted.name, err)
		}
		for _, client := range g.clients {
			if client != "" && grant.Chooses("CN", client) {
				faults = append(faults, fmt.Errorf("%s: a client may choose %q, which is the common name of another client", granted.name, client))
			}
		}
		// Whoever has a client certificate below these roots may knock at the
		// interface of the ca, under whatever name stands in it.
		profile, _ := g.authority.Profile(granted.terms.Issuer, granted.terms.Profile)
		chain, _ := g.authority.Chain(granted.terms.Issuer)
		trusted := slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return slices.ContainsFunc(g.roots, c.Equal) })
		if trusted && (len(profile.ExtKeyUsage) == 0 || slices.Contains(profile.ExtKeyUsage, "clientAuth")) {
			faults = append(faults, withHint(
				fmt.Errorf("%s: profile %q of issuer %q makes clients of the ca's own interface, which trusts that issuer (ca.tls.peers)", granted.name, granted.terms.Profile, granted.terms.Issuer),
				"enrol by an issuer that is not below the suite's root"))
		}
	}
	return errors.Join(faults...)
}

// mount puts handlers in front of one, each for the paths that begin with its
// prefix.
func mount(handler http.Handler, mounted map[string]http.Handler) http.Handler {
	if len(mounted) == 0 {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for prefix, mounted := range mounted {
			if strings.HasPrefix(r.URL.Path, prefix) {
				mounted.ServeHTTP(w, r)
				return
			}
		}
		handler.ServeHTTP(w, r)
	})
}
