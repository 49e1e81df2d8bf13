package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"strings"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
)

type conformanceEST struct {
	judging
	URL   string   `help:"The server, with or without /.well-known/est and a label." required:"" placeholder:"URL"`
	Trust []string `help:"Certificates that the server's own leads to. Default: what the system trusts." type:"path" placeholder:"FILE,..."`
	estAccount
}

// estAccount is an account on an EST server. That it is named is the consent to
// certificates being issued to it.
type estAccount struct {
	User         string `name:"user" help:"The name of an account, which certificates are then ISSUED to." json:"est_user" toml:"est_user"`
	PasswordFile string `name:"password-file" help:"The file with its password." type:"path" placeholder:"FILE" json:"est_password_file" toml:"est_password_file"`
	ClientCert   string `name:"client-cert" help:"The TLS client certificate of the account, with its chain." type:"path" placeholder:"FILE" json:"est_client_cert" toml:"est_client_cert"`
	ClientKey    string `name:"client-key" help:"The URI of its key." placeholder:"URI" json:"est_client_key" toml:"est_client_key"`
	Like         string `name:"like" help:"A certification request with the names to ask for; the keys are others." type:"path" placeholder:"FILE" json:"est_like" toml:"est_like"`
}

// account reads what is named; nil when there is no account. Paths go through
// in, keys are beside dir.
func (a estAccount) account(dir string, in func(string) string) (*conformance.EnrolAccount, error) {
	if a.User == "" && a.ClientCert == "" {
		return nil, nil
	}
	if a.User != "" && a.PasswordFile == "" || a.ClientCert != "" && a.ClientKey == "" {
		return nil, wrong(errors.New("an account is named without its secret"), "a user has a password file, and a client certificate a key")
	}
	account := &conformance.EnrolAccount{User: a.User}
	if a.PasswordFile != "" {
		password, err := readBounded(in(a.PasswordFile))
		if err != nil {
			return nil, err
		}
		account.Password = strings.TrimRight(string(password), "\r\n")
	}
	if a.ClientCert != "" {
		chain, err := readCertificates(config.Path(in(a.ClientCert)))
		if err != nil {
			return nil, err
		}
		key, err := keys.Open(a.ClientKey, dir)
		if err != nil {
			return nil, err
		}
		account.Certificate = &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
		for _, one := range chain {
			account.Certificate.Certificate = append(account.Certificate.Certificate, one.Raw)
		}
	}
	var err error
	if a.Like != "" {
		account.Like, err = readObject(in(a.Like), "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
	}
	return account, err
}

func (c conformanceEST) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		trust, err := readTrust(c.Trust)
		if err != nil {
			return err
		}
		account, err := c.account(".", func(path string) string { return path })
		if err != nil {
			return err
		}
		return t.Enrolment(ctx, conformance.EnrolTarget{URL: c.URL, Trust: trust, Account: account})
	})
}

// judgeEnrolment judges the EST server of a centre.
func judgeEnrolment(ctx context.Context, t *conformance.Tester, at centreEndpoints, in func(string) string) error {
	if at.EST == "" {
		return nil
	}
	trust, err := readChain(in(at.ESTTrust))
	if err != nil {
		return err
	}
	account, err := at.account(cmp.Or(in("."), "."), in)
	if err != nil {
		return err
	}
	return t.Enrolment(ctx, conformance.EnrolTarget{URL: at.EST, Trust: trust, Account: account})
}
