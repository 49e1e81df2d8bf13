package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
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
}

type registerConfig struct {
	// Path of the SQLite database, for a centre on one host. `altamga init`
	// creates it; a server refuses to start on a register that does not exist.
	Path config.Path `toml:"path"`
	// URL of the PostgreSQL database, for a centre on several hosts:
	// "postgres://user@host/database?sslmode=verify-full&sslrootcert=/path", with
	// any other parameter of libpq; it takes the place of path. `altamga register
	// copy` fills it. A host that is not this one needs sslmode to be said.
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

type caConfig struct {
	// Listen is the address of the API; it speaks mutual TLS only.
	Listen config.Address `toml:"listen"`
	TLS    tlsConfig      `toml:"tls"`
	// Profiles is a folder of profile files. Default: the built-in profiles,
	// whose policies are examples.
	Profiles config.Path      `toml:"profiles"`
	Issuers  []caIssuerConfig `toml:"issuer"`
	// Clients may use the API; a certificate of the right root that is not
	// named here is not enough.
	Clients []caClientConfig `toml:"client"`
	// PendingFor is how long a request that takes two persons can be confirmed
	// by the second. Default 24h.
	PendingFor time.Duration `toml:"pending_for"`
	// CFSSL and EST are for clients that enrol by these protocols. Default:
	// neither is spoken.
	CFSSL *caCFSSLConfig `toml:"cfssl"`
	EST   *caESTConfig   `toml:"est"`
}

type caClientConfig struct {
	// Name is the common name of the client's TLS certificate, and the actor in
	// journal and audit log.
	Name string `toml:"name"`
	// Actions: issue, hold, release, revoke, read, list, journal; authority, which
	// asks for or confirms the certificate of an authority below an issuer.
	Actions []string `toml:"actions"`
	// Issuers and Profiles that the client may have certificates issued by.
	// Default: all that are configured.
	Issuers  []string `toml:"issuers"`
	Profiles []string `toml:"profiles"`
	// Person behind the client; two clients of one person count as one where
	// two persons must agree. Default: the name.
	Person string `toml:"person"`
	// Vouches: the client is a server that has had two of its staff agree
	// before it asks for what takes two, and names them. The ca takes its word
	// for it; it is never one of the two itself.
	Vouches bool `toml:"vouches"`
	// Rate bounds the requests of the client: so many a second, Burst of them
	// at once. Default 500 and 1000.
	Rate  float64 `toml:"rate"`
	Burst int     `toml:"burst"`
}

type caIssuerConfig struct {
	// ID is the issuer's short name in the register and the API. It never
	// changes.
	ID          string      `toml:"id"`
	Certificate config.Path `toml:"certificate"`
	Key         string      `toml:"key"`
	// Profiles that this issuer may issue by.
	Profiles []string `toml:"profiles"`
	// PSS makes an RSA key sign certificates with RSASSA-PSS. Default: PKCS #1
	// v1.5.
	PSS bool `toml:"rsa_pss"`
	// OCSP, CRL, FreshestCRL (the delta list) and CAIssuers are the addresses put
	// into what it issues; percent-encode what a URL must not hold.
	OCSP        config.URL `toml:"ocsp"`
	CRL         config.URL `toml:"crl"`
	FreshestCRL config.URL `toml:"freshest_crl"`
	CAIssuers   config.URL `toml:"ca_issuers"`
}

type ocspConfig struct {
	Listen config.Address `toml:"listen"`
	// Validity is how long an answer may be relied on: nextUpdate - thisUpdate.
	// Default 1h.
	Validity time.Duration `toml:"validity"`
	// MaxAge is how long HTTP caches may keep an answer, and so the longest
	// time that a change stays hidden behind one. Default 1m.
	MaxAge time.Duration `toml:"max_age"`
	// NonIssued is the answer for a serial that was never issued: "unknown"
	// (default), or "revoked" with the extended-revoke extension.
	NonIssued string `toml:"non_issued"`
	// Redis shares answers between responders and keeps them over a restart.
	// Default: answers are kept in memory alone.
	Redis   *redisConfig       `toml:"redis"`
	Issuers []ocspIssuerConfig `toml:"issuer"`
}

type redisConfig struct {
	// Addresses of the servers. One is a single server; with Master they are
	// Sentinels; several without it are a Cluster.
	Addresses []config.Address `toml:"addresses"`
	// Master is the name that the Sentinels know the primary by.
	Master string `toml:"master"`
	// User and PasswordFile are those of Redis's access control list. The user
	// needs +get +set +evalsha +eval on the keys ocsp:1:*.
	User         string      `toml:"user"`
	PasswordFile config.Path `toml:"password_file"`
	// Roots is the PEM file of the roots that the server's TLS certificate must
	// come from. Default: no TLS.
	Roots config.Path `toml:"roots"`
	// Budget is how long one look-up may take before the answer is signed
	// instead. Default 25ms.
	Budget time.Duration `toml:"budget"`
}

type ocspIssuerConfig struct {
	ID          string      `toml:"id"`
	Certificate config.Path `toml:"certificate"`
	// Signer is the certificate of the delegated responder, issued directly by
	// the issuer; SignerKey the URI of its key.
	Signer    config.Path `toml:"signer"`
	SignerKey string      `toml:"signer_key"`
	// Chain is the PEM file of further certificates that each answer carries,
	// so that a client that knows only the issuer and the root can build the
	// path between them. Default: none.
	Chain config.Path `toml:"chain"`
}

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

type raConfig struct {
	Listen config.Address `toml:"listen"`
	// TLS is how the server proves itself. Tokens and personal data cross the
	// connection, so without it the server listens on loopback only, or
	// BehindProxy says that a proxy in front of it speaks TLS.
	TLS         *serverTLSConfig `toml:"tls"`
	BehindProxy bool             `toml:"behind_proxy"`
	// Store is the SQLite database of applications.
	Store config.Path `toml:"store"`
	// DataKey is the file of the 32 octets, in hexadecimal, that encrypt
	// personal data in the store.
	DataKey config.Path `toml:"data_key"`
	// CA is the base URL of the certification authority's API; Client is how
	// the registration authority proves itself to it.
	CA     config.URL `toml:"ca"`
	Client tlsConfig  `toml:"client"`
	// Issuer and the two profiles are what an approved application is issued by.
	Issuer                string `toml:"issuer"`
	SignatureProfile      string `toml:"signature_profile"`
	AuthenticationProfile string `toml:"authentication_profile"`
	// Demonstration marks the public page as one that shows no real
	// certificates.
	Demonstration bool `toml:"demonstration"`
	// Staff may act; nobody else.
	Staff []staffConfig `toml:"staff"`
}

type staffConfig struct {
	// Name is the person's short name in the audit log, without spaces.
	Name string `toml:"name"`
	// Roles: operator, officer, revocation.
	Roles []string `toml:"roles"`
	// Token is the SHA-256 hash of the person's bearer token.
	Token tokenHash `toml:"token"`
	// FIN of the person, so that nobody handles his own case.
	FIN string `toml:"fin"`
}

// tokenHash is a SHA-256 hash, in the file in hexadecimal.
type tokenHash [32]byte

// UnmarshalText reads 64 hexadecimal digits.
func (h *tokenHash) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(h[:], text[:min(len(text), 64)]); err != nil || n != len(h) || len(text) != 64 {
		return errors.New("is not a SHA-256 hash of 64 hexadecimal digits")
	}
	return nil
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
	need("ocsp", c.OCSP != nil, true, false)
	need("crl", c.CRL != nil, true, true)
	need("tsa", c.TSA != nil, false, true)
	need("ra", c.RA != nil, false, true)
	return errors.Join(faults...)
}

func (c *adminConfig) Validate() error { return required(field{"listen", string(c.Listen)}) }

func (c *auditConfig) Validate() error {
	err := required(field{"path", string(c.Path)}, field{"key", c.Key}, field{"origin", c.Origin})
	if c.CheckpointEntries < 0 {
		err = errors.Join(err, config.Wrong("checkpoint_entries", "is negative"))
	}
	if c.CheckpointInterval < 0 {
		err = errors.Join(err, config.Wrong("checkpoint_interval", "is negative"))
	}
	return err
}

func (c *tlsConfig) Validate() error {
	return required(field{"certificate", string(c.Certificate)}, field{"key", c.Key}, field{"peers", string(c.Peers)})
}

func (c *caConfig) Validate() error {
	ids := make([]string, len(c.Issuers))
	for i, issuer := range c.Issuers {
		ids[i] = issuer.ID
	}
	names := make([]string, len(c.Clients))
	for i, client := range c.Clients {
		names[i] = client.Name
	}
	return errors.Join(required(field{"listen", string(c.Listen)}), distinct("issuer", "id", ids), distinct("client", "name", names))
}

func (c *caClientConfig) Validate() error {
	err := required(field{"name", c.Name})
	if len(c.Actions) == 0 {
		err = errors.Join(err, config.Missing("actions"))
	}
	if c.Rate < 0 || c.Burst < 0 {
		err = errors.Join(err, config.Wrong("rate", "rate and burst are not negative"))
	}
	for i, action := range c.Actions {
		if !slices.Contains(caActions, action) {
			err = errors.Join(err, config.Wrong(fmt.Sprintf("actions[%d]", i), "%q is none of %s", action, strings.Join(caActions, ", ")))
		}
	}
	return err
}

func (c *caIssuerConfig) Validate() error {
	return required(field{"id", c.ID}, field{"certificate", string(c.Certificate)}, field{"key", c.Key})
}

func (c *ocspConfig) Validate() error {
	ids := make([]string, len(c.Issuers))
	for i, issuer := range c.Issuers {
		ids[i] = issuer.ID
	}
	return errors.Join(required(field{"listen", string(c.Listen)}), distinct("issuer", "id", ids))
}

func (c *redisConfig) Validate() error {
	if len(c.Addresses) == 0 {
		return config.Missing("addresses")
	}
	return nil
}

func (c *ocspIssuerConfig) Validate() error {
	return required(field{"id", c.ID}, field{"certificate", string(c.Certificate)},
		field{"signer", string(c.Signer)}, field{"signer_key", c.SignerKey})
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

func (c *tsaConfig) Validate() error {
	err := required(field{"listen", string(c.Listen)}, field{"certificate", string(c.Certificate)}, field{"key", c.Key})
	if len(c.Policies) == 0 {
		err = errors.Join(err, config.Missing("policies"))
	}
	return err
}

func (c *raConfig) Validate() error {
	names := make([]string, len(c.Staff))
	for i, person := range c.Staff {
		names[i] = person.Name
	}
	var plain error
	if c.TLS == nil && !c.BehindProxy && c.Listen != "" && !loopback(c.Listen) {
		plain = config.Wrong("listen", "is not on loopback, and there is no tls").
			WithHint("give ra a `tls = { certificate = …, key = … }`, or set behind_proxy = true when a proxy speaks TLS for it")
	}
	return errors.Join(plain, distinct("staff", "name", names),
		required(field{"listen", string(c.Listen)}, field{"store", string(c.Store)}, field{"data_key", string(c.DataKey)},
			field{"ca", string(c.CA)}, field{"issuer", c.Issuer},
			field{"signature_profile", c.SignatureProfile}, field{"authentication_profile", c.AuthenticationProfile}))
}

func (c *serverTLSConfig) Validate() error {
	return required(field{"certificate", string(c.Certificate)}, field{"key", c.Key})
}

// loopback reports whether an address is reachable from its own machine alone.
func loopback(address config.Address) bool {
	host, _, err := net.SplitHostPort(string(address))
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
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
