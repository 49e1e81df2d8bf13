package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/altamga/altamga/conformance"
)

type conformanceOCSP struct {
	judging
	URL     string `help:"The responder." required:"" placeholder:"URL"`
	Issuer  string `help:"The authority's certificate." required:"" type:"path" placeholder:"FILE"`
	Cert    string `help:"A good certificate that it issued." required:"" type:"path" placeholder:"FILE"`
	Revoked string `help:"A revoked one." type:"path" placeholder:"FILE"`
	Held    string `help:"One on hold." type:"path" placeholder:"FILE"`
	Expired string `help:"One that has expired." type:"path" placeholder:"FILE"`
	Unknown string `help:"A serial number that was never issued, in hexadecimal. Default: a random one." placeholder:"HEX"`
}

func (c conformanceOCSP) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		target := conformance.OCSPTarget{URL: c.URL}
		var err error
		if target.Missing, err = serialNumber(c.Unknown); err != nil {
			return err
		}
		for _, f := range []certificateFile{{c.Issuer, &target.Issuer}, {c.Cert, &target.Good}, {c.Revoked, &target.Revoked}, {c.Held, &target.Held}, {c.Expired, &target.Expired}} {
			if err := f.read(); err != nil {
				return err
			}
		}
		return t.OCSP(ctx, target)
	})
}

// certificateFile is a file and what its first certificate is wanted for; one
// without a name is not read.
type certificateFile struct {
	path string
	into *[]byte
}

func (f certificateFile) read() (err error) {
	if *f.into, err = readDER(f.path); err != nil {
		return withHint(err, "give a certificate in DER or PEM")
	}
	return nil
}

type conformanceTSA struct {
	judging
	URL    string   `help:"The authority." required:"" placeholder:"URL"`
	Policy string   `help:"A policy that it must accept. Default: that of its first token." placeholder:"OID"`
	Trust  []string `help:"Certificates of its issuers." type:"path" placeholder:"FILE,..."`
}

func (c conformanceTSA) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		trust, err := readTrust(c.Trust)
		if err != nil {
			return err
		}
		return t.Stamps(ctx, conformance.StampTarget{URL: c.URL, Policy: c.Policy, Trust: trust})
	})
}

func readTrust(paths []string) (trust [][]byte, err error) {
	for _, path := range paths {
		all, err := readAllDER(path)
		if err != nil {
			return nil, withHint(err, "give certificates in DER or PEM")
		}
		trust = append(trust, all...)
	}
	return trust, nil
}

type conformanceCRL struct {
	judging
	File    string `arg:"" optional:"" help:"A list in a file, in place of --url." type:"path"`
	URL     string `help:"The distribution point." placeholder:"URL"`
	Issuer  string `help:"The authority's certificate." required:"" type:"path" placeholder:"FILE"`
	Cert    string `help:"A good certificate whose distribution point this is." type:"path" placeholder:"FILE"`
	Revoked string `help:"One that must be on the list." type:"path" placeholder:"FILE"`
	Held    string `help:"One that must be on the list as held." type:"path" placeholder:"FILE"`
	Delta   string `help:"The URL, or with a file the file, of the delta list." placeholder:"URL|FILE"`
	Base    string `help:"The URL, or with a file the file, of an older complete list that the delta goes with." placeholder:"URL|FILE"`
}

func (c conformanceCRL) Run(ctx context.Context, std streams) error {
	if (c.URL == "") == (c.File == "") {
		return wrong(errors.New("there is neither a URL nor a file to judge, or both"), "give --url URL, or a file")
	}
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		target := conformance.ListTarget{URL: c.URL, Delta: c.Delta, Base: c.Base}
		for _, f := range []certificateFile{{c.Issuer, &target.Issuer}, {c.Cert, &target.Leaf}, {c.Revoked, &target.Revoked}, {c.Held, &target.Held}} {
			if err := f.read(); err != nil {
				return err
			}
		}
		if c.URL != "" {
			return t.List(ctx, target)
		}
		var raw [3][]byte
		for i, path := range []string{c.File, c.Delta, c.Base} {
			if path == "" {
				continue
			}
			var err error
			if raw[i], err = readObject(path, "X509 CRL"); err != nil {
				return err
			}
		}
		return t.ListFile(ctx, c.File, raw[0], raw[1], raw[2], target.Issuer)
	})
}

type conformanceCert struct {
	judging
	Files   []string `arg:"" help:"Certificates in DER or PEM; all of a PEM file are judged." type:"path"`
	Issuer  []string `help:"Certificates of issuers; those in the same file are looked at, too." type:"path" placeholder:"FILE,..."`
	Profile string   `help:"What they must be: natural, legal, seal, web, ocsp, tsu or ca." enum:",natural,legal,seal,web,ocsp,tsu,ca" default:""`
}

func (c conformanceCert) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		issuers, err := readTrust(c.Issuer)
		if err != nil {
			return err
		}
		for _, path := range c.Files {
			data, err := readBounded(path)
			if err != nil {
				return err
			}
			all, err := conformance.ParseCertificates(data)
			if err != nil {
				all = [][]byte{data} // what is no certificate is judged, too
			}
			for i, raw := range all {
				name := path
				if len(all) > 1 {
					name = fmt.Sprintf("%s, certificate %d", path, i+1)
				}
				above := conformance.IssuerOf(raw, slices.Concat(issuers, all)...)
				if above == nil && len(issuers) == 1 && len(all) == 1 {
					above = issuers[0] // the user's word: that it is not its issuer is a finding
				}
				if err := t.Certificate(ctx, name, raw, above, c.Profile); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

type conformanceCSR struct {
	judging
	File string `arg:"" help:"The request, in DER or PEM." type:"path"`
}

func (c conformanceCSR) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		raw, err := readObject(c.File, "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
		if err != nil {
			return err
		}
		return t.Request(ctx, c.File, raw)
	})
}

type conformanceToken struct {
	judging
	File  string   `arg:"" help:"The token or the whole reply, in DER or PEM." type:"path"`
	Trust []string `help:"Certificates of the authority's issuers, and of the unit when the token has none." type:"path" placeholder:"FILE,..."`
}

func (c conformanceToken) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		raw, err := readObject(c.File, "PKCS7", "CMS", "TIMESTAMP REPLY")
		if err != nil {
			return err
		}
		trust, err := readTrust(c.Trust)
		if err != nil {
			return err
		}
		return t.Token(ctx, c.File, raw, trust)
	})
}

type conformanceResponse struct {
	judging
	File   string `arg:"" help:"The response, in DER or PEM." type:"path"`
	Issuer string `help:"The authority's certificate." type:"path" placeholder:"FILE"`
}

func (c conformanceResponse) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		raw, err := readObject(c.File, "OCSP RESPONSE")
		if err != nil {
			return err
		}
		issuer, err := readDER(c.Issuer)
		if err != nil {
			return err
		}
		return t.Response(ctx, c.File, raw, issuer)
	})
}
