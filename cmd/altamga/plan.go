package main

import (
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
)

// builtinPlan is the plan of the demonstration and the example for real ones.
//
//go:embed national.toml
var builtinPlan []byte

// plan says what hierarchy, servers and staff `altamga init` creates.
// national.toml explains each field.
type plan struct {
	Centre  string `toml:"centre"`
	Country string `toml:"country"`
	VOEN    string `toml:"voen"`
	// Demonstration: see national.toml.
	Demonstration bool     `toml:"demonstration"`
	Hosts         []string `toml:"hosts"`
	// Keys is the pkcs11: URI of a token that the centre's keys are made on.
	// Default: files.
	Keys string `toml:"keys"`
	// token is Keys with absolute paths.
	token   keys.URI
	Root    planAuthority   `toml:"root"`
	Policy  planAuthority   `toml:"policy"`
	Issuing []planAuthority `toml:"issuing"`
	TSA     planTSA         `toml:"tsa"`
	Servers planServers     `toml:"servers"`
	Staff   []planStaff     `toml:"staff"`
	// TrustList is the national trust list. Default: the centre has none.
	TrustList *planTrustList `toml:"trust_list"`
}

type planAuthority struct {
	ID       string   `toml:"id"`
	Name     string   `toml:"name"`
	Key      string   `toml:"key"`
	Profiles []string `toml:"profiles"`
}

type planTSA struct {
	Name     string        `toml:"name"`
	Key      string        `toml:"key"`
	Policies []string      `toml:"policies"`
	Accuracy time.Duration `toml:"accuracy"`
	// Sources are the NTP servers that prove the clock.
	Sources []string `toml:"sources"`
}

// planServers are the servers that a plan gives addresses to.
type planServers struct {
	RA    planServer `toml:"ra"`
	CA    planServer `toml:"ca"`
	OCSP  planServer `toml:"ocsp"`
	TSA   planServer `toml:"tsa"`
	CRL   planServer `toml:"crl"`
	Admin planServer `toml:"admin"`
	// Interop serves the trust list.
	Interop *planServer `toml:"interop"`
}

type planServer struct {
	Listen config.Address `toml:"listen"`
	// URL ends in a slash.
	URL config.URL `toml:"url"`
}

type planStaff struct {
	Name  string   `toml:"name"`
	Roles []string `toml:"roles"`
	FIN   string   `toml:"fin"`
}

// loadPlan reads a plan; an empty path means the built-in one.
func loadPlan(path string) (*plan, error) {
	var p plan
	if path == "" {
		return &p, config.Parse("national.toml", builtinPlan, &p)
	}
	if err := config.Load(path, &p); err != nil {
		return nil, err
	}
	return &p, p.resolveKeys(path)
}

// resolveKeys reads the URI of the token and makes the PIN's path an absolute
// one, as the centre's configuration stands in another folder than the plan.
func (p *plan) resolveKeys(path string) error {
	if p.Keys == "" {
		return nil
	}
	u, err := keys.Parse(p.Keys)
	if err != nil {
		return fmt.Errorf("%s: keys: %w", path, err)
	}
	if source := u.Token.PINSource; source != "" && !filepath.IsAbs(source) {
		if u.Token.PINSource, err = filepath.Abs(filepath.Join(filepath.Dir(path), source)); err != nil {
			return err
		}
	}
	p.token = u
	return nil
}

// keyOnToken returns the URI of one of the centre's keys on its token. A label
// in the plan's URI is what the labels of the keys begin with.
func (p *plan) keyOnToken(name string) string {
	u := p.token
	u.Token.Object += name
	return u.String()
}

// Validate reports everything that the plan lacks.
func (p *plan) Validate() error {
	err := required(field{"centre", p.Centre}, field{"country", p.Country},
		field{"root.name", p.Root.Name}, field{"root.key", p.Root.Key},
		field{"policy.name", p.Policy.Name}, field{"policy.key", p.Policy.Key})
	if p.Keys != "" {
		u, parsed := keys.Parse(p.Keys)
		switch {
		case parsed != nil:
			// Told by resolveKeys: a fault that is told here is shown with its line,
			// and this one may be a PIN.
		case !u.PKCS11 || u.Token.Token == "" && u.Token.Serial == "":
			err = errors.Join(err, config.Wrong("keys", "names no token: write pkcs11:token=LABEL?pin-source=FILE, or leave it out for keys in files"))
		case u.Token.ID != "" || u.MaxUses != 0 || u.Counter != "":
			err = errors.Join(err, config.Wrong("keys", "id, max-uses and counter belong to one key, and this names the token of many"))
		}
	}
	if (p.TrustList == nil) != (p.Servers.Interop == nil) {
		err = errors.Join(err, config.Wrong("trust_list", "goes with servers.interop: name both or none"))
	}
	ids := make([]string, len(p.Issuing))
	for i, issuing := range p.Issuing {
		ids[i] = issuing.ID
		// The names that `init` gives to the authorities that every plan has.
		if slices.Contains([]string{"root", "policy", "suite"}, issuing.ID) {
			err = errors.Join(err, config.Wrong(fmt.Sprintf("issuing[%d].id", i), "%q is taken", issuing.ID))
		}
	}
	names := make([]string, len(p.Staff))
	for i, person := range p.Staff {
		names[i] = person.Name
	}
	return errors.Join(err, distinct("issuing", "id", ids), distinct("staff", "name", names))
}

func (p *planTSA) Validate() error {
	err := required(field{"name", p.Name}, field{"key", p.Key})
	if len(p.Policies) == 0 {
		err = errors.Join(err, config.Missing("policies"))
	}
	for _, policy := range p.Policies {
		if len(p.Sources) == 0 && policy != exampleArc && !strings.HasPrefix(policy, exampleArc+".") {
			err = errors.Join(err, config.Wrong("sources", "is missing: the clock of policy %s must be attested; only one below %s may be without time sources", policy, exampleArc))
		}
	}
	return err
}

func (p *planServer) Validate() error {
	err := required(field{"listen", string(p.Listen)}, field{"url", string(p.URL)})
	if p.URL != "" && p.URL[len(p.URL)-1] != '/' {
		err = errors.Join(err, config.Wrong("url", "does not end in a slash"))
	}
	return err
}
