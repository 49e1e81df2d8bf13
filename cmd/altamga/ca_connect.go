package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/problem"
	"github.com/altamga/altamga/internal/serve"
)

// caConnection are the flags of every command that speaks to a running ca.
type caConnection struct {
	Centre      string `help:"The folder of a centre: its operator's certificate and address are used." env:"ALTAMGA_CENTRE" placeholder:"DIR"`
	CA          string `name:"ca" help:"The address of the ca." env:"ALTAMGA_CA" placeholder:"URL"`
	Certificate string `help:"The own TLS certificate and its chain (PEM)." env:"ALTAMGA_CERTIFICATE" placeholder:"FILE"`
	Key         string `help:"The URI of its key." env:"ALTAMGA_KEY" placeholder:"URI"`
	Root        string `help:"The roots of the ca's TLS certificate (PEM)." env:"ALTAMGA_ROOT" placeholder:"FILE"`
}

// open returns a client of the ca.
func (c caConnection) open() (*ca.Client, error) {
	dir := "."
	if c.Centre != "" {
		var err error
		if dir = c.Centre; c.CA == "" {
			if c.CA, err = centreAddress(dir); err != nil {
				return nil, err
			}
		}
		c.Certificate = cmp.Or(c.Certificate, filepath.Join(dir, "tls/operator.pem"))
		c.Root = cmp.Or(c.Root, filepath.Join(dir, "tls/root.pem"))
		if c.Key == "" {
			c.Key = "file:keys/tls-operator.key"
			if _, err := os.Stat(filepath.Join(dir, passphraseFile)); err == nil {
				c.Key += "?passphrase-file=" + passphraseFile
			}
		}
	}
	for flag, value := range map[string]string{"--ca": c.CA, "--certificate": c.Certificate, "--key": c.Key, "--root": c.Root} {
		if value == "" {
			return nil, withHint(fmt.Errorf("connecting to the ca: %s is missing", flag), "name the folder of the centre with --centre, or all of --ca, --certificate, --key and --root")
		}
	}
	chain, err := readCertificates(config.Path(c.Certificate))
	if err != nil {
		return nil, err
	}
	roots, err := readCertificates(config.Path(c.Root))
	if err != nil {
		return nil, err
	}
	key, err := keys.Open(c.Key, dir)
	if err != nil {
		return nil, err
	}
	if err := checkPair(chain[0], key, c.Key); err != nil {
		return nil, err
	}
	mutual, err := serve.ClientTLS(chain, key, roots...)
	if err != nil {
		return nil, err
	}
	// No timeout for a whole answer: a list may take long, and Ctrl-C ends it.
	return ca.NewClient(strings.TrimSuffix(c.CA, "/"), &http.Client{Transport: &http.Transport{
		TLSClientConfig: mutual, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
	}})
}

// centreAddress reads the address of the ca's interface from a centre's
// configuration.
func centreAddress(dir string) (string, error) {
	var c suiteConfig
	if err := config.Load(filepath.Join(dir, configFile), &c); err != nil {
		return "", err
	}
	switch {
	case c.RA != nil && c.RA.CA != "":
		return string(c.RA.CA), nil
	case c.CA != nil:
		return "https://" + string(c.CA.Listen), nil
	}
	return "", withHint(errors.New("connecting to the ca: the centre's configuration has no section [ca] or [ra]"), "name the address with --ca")
}

// advise adds to what the ca answered what its reader can do.
func advise(ctx context.Context, client *ca.Client, err error) error {
	if err == nil {
		return nil
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return withHint(fmt.Errorf("%w (%v)", err, unknown), "is --root the root of the ca's TLS certificate?")
	}
	details, ok := errors.AsType[*problem.Details](err)
	// The other end's alert comes as text alone.
	if !ok && strings.Contains(err.Error(), "remote error: tls: ") {
		return withHint(err, "the ca does not take the TLS client certificate: see --certificate; nothing was done")
	}
	if !ok {
		return withHint(err, "is the ca up, and its address right? What was asked for may have been done all the same: look with `altamga ca list`")
	}
	switch details.Code {
	case "unknown_profile", "unknown_issuer":
		return withHint(err, offered(ctx, client))
	case "forbidden", "client_certificate_required":
		return withHint(err, "the TLS client certificate is not one that may do this: see --certificate")
	case "illegal_transition":
		return withHint(err, "`altamga ca show SERIAL` tells the status and its history")
	case "unknown_certificate":
		return withHint(err, "serial numbers are hexadecimal; `altamga ca list` shows those that were issued")
	case "revoked_key", "key_in_use", "weak_key":
		return withHint(err, "make a new key: `altamga ca request --new-key FILE`")
	case "bad_csr":
		return withHint(err, "`openssl req -in FILE -noout -text -verify` shows what is in the request")
	}
	if details.Status >= http.StatusInternalServerError {
		return withHint(err, "nothing was done; the ca's log says why. Try again later")
	}
	return withHint(err, "the named fields are what the profile does not allow")
}

// offered says what may be asked for.
func offered(ctx context.Context, client *ca.Client) string {
	issuers, err := client.Issuers(ctx)
	if err != nil {
		return "see the section [[ca.issuer]] of the configuration for issuers and their profiles"
	}
	var words []string
	for _, issuer := range issuers {
		if len(issuer.Profiles) > 0 {
			words = append(words, issuer.ID+" issues "+strings.Join(issuer.Profiles, ", "))
		}
	}
	slices.Sort(words)
	return strings.Join(words, "; ")
}
