package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/ntp"
	"github.com/altamga/altamga/tsa"
)

type tsaConfig struct {
	Listen config.Address `toml:"listen"`
	// TLS makes the server speak HTTPS. With peers, the PEM file of roots,
	// clients may show a certificate from below them.
	TLS *tsaTLSConfig `toml:"tls"`
	// Journal is the folder of the token journal: a record of every token, in a
	// Merkle tree whose root is signed every day and in between. `altamga tsa
	// prove` and `verify` read it.
	Journal config.Path `toml:"journal"`
	// JournalInterval is how long after a token a signed root covers it at the
	// latest. Default 1m.
	JournalInterval time.Duration `toml:"journal_interval"`
	// MaxInflight bounds the tokens in the making at once. Default 256.
	MaxInflight int `toml:"max_inflight"`
	// StandingInterval is how often the responders that the units' certificates
	// name are asked whether they are held or revoked. Default 1m. No token is made
	// before they were asked for the first time.
	StandingInterval time.Duration `toml:"standing_interval"`
	// StandingGrace is how long tokens are made while no responder says.
	// Default 24h. A certificate that is held or revoked makes no token.
	StandingGrace time.Duration `toml:"standing_grace"`
	// Clock says who proves the time. Without it nobody does: then every policy
	// must be one below 2.999, the arc of examples, whose tokens nobody relies on.
	Clock *tsaClockConfig `toml:"clock"`
	// Policies that tokens are had under, the default one first.
	Policies []tsaPolicyConfig `toml:"policy"`
	// Units are keys and their certificates. Those whose period of use has begun
	// and is not over share the load.
	Units []tsaUnitConfig `toml:"unit"`
	// CA certifies the units' next keys over its API, from a process without a ca.
	CA *tsaCAConfig `toml:"ca"`
	// Clients are those who may ask. Default: everybody.
	Clients []tsaClientConfig `toml:"client"`
}

type tsaTLSConfig struct {
	Certificate config.Path `toml:"certificate"`
	Key         string      `toml:"key"`
	Peers       config.Path `toml:"peers"`
}

type tsaPolicyConfig struct {
	ID string `toml:"id"`
	// Accuracy is what every token declares and the clock must be proven to
	// hold, at most 1s. Default 1s.
	Accuracy time.Duration `toml:"accuracy"`
	// Digits of a second in genTime, 0 to 6. Default 3: the cut then takes next
	// to nothing of the accuracy.
	Digits *int `toml:"digits"`
	// Ordering promises that tokens can be ordered by genTime alone. Only one
	// process may serve such a policy.
	Ordering bool `toml:"ordering"`
	// Name puts the unit's name into the token.
	Name bool `toml:"name"`
	// Qualified states that the token is a qualified electronic time stamp.
	Qualified bool `toml:"qualified"`
	// SHA1 accepts SHA-1 imprints, for clients that know nothing else.
	SHA1 bool `toml:"sha1"`
}

type tsaUnitConfig struct {
	Certificate config.Path `toml:"certificate"`
	// Key is the key's URI. max-uses and counter in it bound what the key signs.
	Key string `toml:"key"`
	// Chain is the PEM file of the certificates that a token carries beside the
	// signer's when the client asks for certificates; without the root.
	Chain config.Path `toml:"chain"`
	// VerifyEach says that one token in so many is verified before it is sent: 1
	// every one, -1 none. Default 1 for a key on a token, 64 for one in a file.
	VerifyEach int `toml:"verify_each"`
	// Issuer is the id of the authority that certifies the unit's next key, which
	// is made beside this one when three fifths of this one's period of use have
	// passed: both make tokens until that is over. Default: the next unit is added
	// to this file by hand.
	Issuer string `toml:"issuer"`
}

// tsaCAConfig is the authority's API. Client is how the server proves itself to
// it: a client with the right `issue` and the profile tsa-signer alone.
type tsaCAConfig struct {
	URL    config.URL `toml:"url"`
	Client tlsConfig  `toml:"client"`
}

func (c *tsaCAConfig) Validate() error { return required(field{"url", string(c.URL)}) }

type tsaClientConfig struct {
	Name string `toml:"name"`
	// Secret is the hash of its password: `altamga tsa secret` makes both. The
	// client's name is its user name. Certificate is the common name of its TLS
	// certificate. A client with neither is everybody else.
	Secret      string `toml:"secret"`
	Certificate string `toml:"certificate"`
	// Rate is how many tokens a second it may have, Burst how many at once, Daily
	// how many queries in a day of UTC. Default: no bound.
	Rate  float64 `toml:"rate"`
	Burst int     `toml:"burst"`
	Daily int     `toml:"daily"`
}

type tsaClockConfig struct {
	// Sources are NTP servers; more than half of them must agree. Take three or
	// more that do not depend on one another, and run a time daemon besides: this
	// proves the clock and does not set it.
	Sources []tsaSourceConfig `toml:"source"`
	// Keys is the file of the keys that servers share with us, in the form of
	// chrony's and ntpd's: number, algorithm, secret.
	Keys config.Path `toml:"keys"`
	// Poll is how often the sources are asked. Default 64s. A virtual machine that
	// is paused from outside finds out with the next poll only.
	Poll time.Duration `toml:"poll"`
	// MaxAge is how long a proof lasts without a new one. Default 5 polls.
	MaxAge time.Duration `toml:"max_age"`
	// Drift bounds the error of the machine's oscillator in parts per million.
	// Default 500.
	Drift int `toml:"drift"`
	// Step is the largest step of the clock that passes. Default 100ms.
	Step time.Duration `toml:"step"`
	// Record is how often the evidence goes into the audit log. Default 10m.
	Record time.Duration `toml:"record"`
}

type tsaSourceConfig struct {
	// Address is a host, or a host and a port other than 123.
	Address string `toml:"address"`
	// Key is the number of the key that authenticates it; 0 is none.
	Key uint32 `toml:"key"`
}

// exampleArc is where the policies of demonstrations are.
const exampleArc = "2.999"

func (c *tsaConfig) Validate() error {
	err := required(field{"listen", string(c.Listen)}, field{"journal", string(c.Journal)})
	ids := make([]string, len(c.Policies))
	for i, p := range c.Policies {
		ids[i] = p.ID
		if c.Clock == nil && p.ID != exampleArc && !strings.HasPrefix(p.ID, exampleArc+".") {
			err = errors.Join(err, config.Wrong(fmt.Sprintf("policy[%d].id", i), "needs a section [tsa.clock]: without time sources the clock is not attested, and only a policy below %s may say so", exampleArc))
		}
	}
	certificates := make([]string, len(c.Units))
	for i, u := range c.Units {
		certificates[i] = string(u.Certificate)
	}
	err = errors.Join(err, distinct("policy", "id", ids), distinct("unit", "certificate", certificates))
	if len(c.Clients) > 0 {
		names := make([]string, len(c.Clients))
		for i, client := range c.Clients {
			names[i] = client.Name
			if client.Certificate != "" && (c.TLS == nil || c.TLS.Peers == "") {
				err = errors.Join(err, config.Wrong(fmt.Sprintf("client[%d].certificate", i), "needs tls.peers: who has issued it"))
			}
		}
		err = errors.Join(err, distinct("client", "name", names))
	}
	return err
}

func (c *tsaTLSConfig) Validate() error {
	return errors.Join(required(field{"certificate", string(c.Certificate)}), keyURI("key", c.Key))
}

func (c *tsaPolicyConfig) Validate() error {
	err := required(field{"id", c.ID})
	if _, fault := parseOID(c.ID); err == nil && fault != nil {
		err = config.Wrong("id", "is wrong: %w", fault)
	}
	if c.Accuracy < 0 || c.Accuracy > time.Second {
		err = errors.Join(err, config.Wrong("accuracy", "is not between 1µs and 1s"))
	}
	if c.Digits != nil && (*c.Digits < 0 || *c.Digits > 6) {
		err = errors.Join(err, config.Wrong("digits", "is not between 0 and 6"))
	}
	return err
}

func (c *tsaUnitConfig) Validate() error {
	return errors.Join(required(field{"certificate", string(c.Certificate)}), keyURI("key", c.Key))
}

func (c *tsaClientConfig) Validate() error { return required(field{"name", c.Name}) }

func (c *tsaClockConfig) Validate() error {
	addresses := make([]string, len(c.Sources))
	var err error
	for i, s := range c.Sources {
		// One server under two spellings would be two votes.
		addresses[i] = ntp.WithPort(s.Address)
		if s.Key != 0 && c.Keys == "" {
			err = errors.Join(err, config.Wrong(fmt.Sprintf("source[%d].key", i), "needs keys, the file that the key is in"))
		}
	}
	if c.Poll != 0 && c.Poll < time.Second {
		err = errors.Join(err, config.Wrong("poll", "is less than a second, which no time server takes"))
	}
	if c.MaxAge != 0 && c.MaxAge < cmp.Or(c.Poll, tsa.DefaultPoll) {
		err = errors.Join(err, config.Wrong("max_age", "is less than poll: each proof would be over before the next"))
	}
	return errors.Join(err, distinct("source", "address", addresses))
}

func (c *tsaSourceConfig) Validate() error { return required(field{"address", c.Address}) }
