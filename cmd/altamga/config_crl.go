package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/pki"
)

type crlConfig struct {
	Listen config.Address `toml:"listen"`
	// Dir is the folder that lists and issuers' certificates are published in.
	Dir config.Path `toml:"dir"`
	// Archive is a folder on the same disk that keeps every list; ArchiveFor
	// removes those that are older. Default: none, and for ever.
	Archive    config.Path   `toml:"archive"`
	ArchiveFor time.Duration `toml:"archive_for"`
	// Validity is nextUpdate - thisUpdate. Default 25h, as Kazakhstan's rules on
	// foreign centres ask for 24 to 27 hours.
	Validity time.Duration `toml:"validity"`
	// Interval is the longest time between two lists, and Deadline the age that
	// none may reach: the national rules allow 3 hours. Half way between the two
	// /readyz says that a list is late. Default 2h45m and 3h.
	Interval time.Duration `toml:"interval"`
	Deadline time.Duration `toml:"deadline"`
	// Delay is how long after a change the next list waits for further
	// changes. Default 1s. With delta lists it may be long.
	Delay time.Duration `toml:"delay"`
	// DeltaInterval, DeltaValidity and DeltaDelay are the same for delta lists.
	// Default 15m, 3h, and what Delay is.
	DeltaInterval time.Duration `toml:"delta_interval"`
	DeltaValidity time.Duration `toml:"delta_validity"`
	DeltaDelay    time.Duration `toml:"delta_delay"`
	// Recheck is how often a list is made from the register's table and compared
	// with what the journal says. Default 24h, and at the first list of a process.
	Recheck time.Duration `toml:"recheck"`
	// MaxAge is how long HTTP caches may keep a list. Default 1m.
	MaxAge time.Duration `toml:"max_age"`

	Issuers []crlIssuerConfig `toml:"issuer"`
	// Buckets of S3-compatible storage get every list, too.
	Buckets []crlBucketConfig `toml:"bucket"`
	// Pull, in place of issuers, makes a mirror: it fetches lists of others,
	// verifies and serves them, and needs no key, register or audit log.
	Pull []crlPullConfig `toml:"pull"`
	// PullInterval is how often they are asked for. Default 30s.
	PullInterval time.Duration `toml:"pull_interval"`
}

// crlPlaceConfig is where a list is published.
type crlPlaceConfig struct {
	// Path is the published name below the server's root, such as "ehm.crl".
	Path string `toml:"path"`
	// URL is the list's address as certificates name it. With it the list names
	// its distribution point; partitioned and indirect lists need it.
	URL config.URL `toml:"url"`
	// DeltaPath and DeltaURL are those of the delta list. Default: none.
	DeltaPath string     `toml:"delta_path"`
	DeltaURL  config.URL `toml:"delta_url"`
}

type crlIssuerConfig struct {
	ID          string      `toml:"id"`
	Certificate config.Path `toml:"certificate"`
	// Key signs the lists: that of the certificate, or of Signer.
	Key string `toml:"key"`
	// Signer makes the lists indirect: the certificate of another authority that
	// signs them.
	Signer config.Path `toml:"signer"`
	// Others are further authorities that the lists of Signer are about, too.
	Others []crlOtherConfig `toml:"other"`
	crlPlaceConfig
	// CertificatePath is the published name of the certificate, such as "ehm.cer".
	CertificatePath string `toml:"certificate_path"`
	// OnlyUsers says in the lists that the issuer has issued no authorities.
	OnlyUsers bool `toml:"only_users"`
	// ExpiredSince keeps certificates that expire after it on the lists for ever.
	// Default: a certificate leaves once it was on a list made after its end.
	ExpiredSince time.Time `toml:"expired_since"`
	// Last makes lists without an end, for an authority that ends.
	Last bool `toml:"last"`
	// Partitions spread the certificates over several lists each; {shard} in
	// paths and URLs stands for the number of the list. The one that the ca writes
	// into certificates has the shards and URL of its crl_shards and crl; those of
	// former times stay until the last certificate of theirs has expired.
	Partitions []crlPartitionConfig `toml:"partition"`
}

type crlOtherConfig struct {
	ID          string      `toml:"id"`
	Certificate config.Path `toml:"certificate"`
}

type crlPartitionConfig struct {
	Shards int `toml:"shards"`
	crlPlaceConfig
}

type crlBucketConfig struct {
	Endpoint config.URL `toml:"endpoint"`
	Bucket   string     `toml:"bucket"`
	Prefix   string     `toml:"prefix"`
	Region   string     `toml:"region"`
	// AccessKey names the client, and SecretKeyFile is the file with its secret.
	AccessKey     string      `toml:"access_key"`
	SecretKeyFile config.Path `toml:"secret_key_file"`
}

type crlPullConfig struct {
	URL config.URL `toml:"url"`
	// Certificate is that of who signs the list.
	Certificate config.Path `toml:"certificate"`
	Path        string      `toml:"path"`
	// Delta says that it is a delta list. Default: a complete one.
	Delta bool `toml:"delta"`
}

func (c *crlConfig) Validate() error {
	paths := make([]string, 0, len(c.Issuers)+len(c.Pull))
	for _, issuer := range c.Issuers {
		paths = append(paths, issuer.Path)
	}
	for _, pulled := range c.Pull {
		paths = append(paths, pulled.Path)
	}
	err := errors.Join(required(field{"listen", string(c.Listen)}, field{"dir", string(c.Dir)}), distinct("issuer", "path", paths))
	if len(c.Pull) > 0 && len(c.Issuers)+len(c.Buckets) > 0 {
		err = errors.Join(err, config.Wrong("pull", "a mirror of others' lists has no issuers or buckets of its own: run it as a process of its own"))
	}
	return err
}

func (c *crlIssuerConfig) Validate() error {
	return errors.Join(required(field{"id", c.ID}, field{"certificate", string(c.Certificate)}, field{"path", c.Path}), keyURI("key", c.Key))
}

func (c *crlOtherConfig) Validate() error {
	return required(field{"id", c.ID}, field{"certificate", string(c.Certificate)})
}

// covers reports whether the lists are about the authority.
func (c *crlIssuerConfig) covers(id string) bool {
	return c.ID == id || slices.ContainsFunc(c.Others, func(o crlOtherConfig) bool { return o.ID == id })
}

func (c *crlPartitionConfig) Validate() error {
	err := required(field{"path", c.Path}, field{"url", string(c.URL)})
	if c.Shards < 2 {
		err = errors.Join(err, config.Wrong("shards", "a partition has two lists or more"))
	}
	return err
}

func (c *crlBucketConfig) Validate() error {
	return required(field{"endpoint", string(c.Endpoint)}, field{"bucket", c.Bucket}, field{"region", c.Region},
		field{"access_key", c.AccessKey}, field{"secret_key_file", string(c.SecretKeyFile)})
}

func (c *crlPullConfig) Validate() error {
	return required(field{"url", string(c.URL)}, field{"certificate", string(c.Certificate)}, field{"path", c.Path})
}

// checkLists checks that lists of this process are published where its ca says
// in certificates that they are.
func (c *suiteConfig) checkLists() error {
	if c.CA == nil || c.CRL == nil || len(c.CRL.Pull) > 0 {
		return nil
	}
	var faults []error
	for _, issuing := range c.CA.Issuers {
		var unfit []error
		fits := false
		for _, issuer := range c.CRL.Issuers {
			if issuer.covers(issuing.ID) {
				err := issuer.checkAgainst(&issuing)
				fits, unfit = fits || err == nil, append(unfit, err)
			}
		}
		if !fits {
			faults = append(faults, unfit...)
		}
	}
	return errors.Join(faults...)
}

func (c *crlIssuerConfig) checkAgainst(issuing *caIssuerConfig) error {
	if c.Signer != issuing.CRLSigner {
		return withHint(fmt.Errorf("the ca's issuer %s writes another signer of its lists into certificates than signs them", issuing.ID),
			"let crl_signer of [[ca.issuer]] be signer of [[crl.issuer]], or leave out both")
	}
	places := []crlPartitionConfig{{crlPlaceConfig: c.crlPlaceConfig}}
	places = append(places, c.Partitions...)
	for _, place := range places {
		if place.Shards != issuing.CRLShards {
			continue
		}
		fits := func(published, written config.URL) bool {
			return written == "" || published == "" || published == written
		}
		if fits(place.URL, issuing.CRL) && fits(place.DeltaURL, issuing.FreshestCRL) {
			return nil
		}
	}
	return withHint(fmt.Errorf("the ca's issuer %s writes %s and %s into certificates, and the crl's issuer %[1]s publishes no list there",
		issuing.ID, orNothing(issuing.CRL), orNothing(issuing.FreshestCRL)),
		"let url and delta_url of [[crl.issuer]], or of one of its partitions with as many shards as crl_shards, be crl and freshest_crl of [[ca.issuer]], "+pki.ShardMark+" included")
}

func orNothing(u config.URL) string {
	if strings.TrimSpace(string(u)) == "" {
		return "no address"
	}
	return string(u)
}
