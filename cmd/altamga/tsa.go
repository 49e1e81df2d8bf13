package main

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"github.com/altamga/altamga/tsa"
)

type tsaCommands struct {
	Serve tsaServe `cmd:"" help:"Serve time stamps over HTTP."`
}

type tsaServe struct {
	serveFlags
}

func (c tsaServe) Run(ctx context.Context, std streams) error {
	return c.serve(ctx, std, (*process).addTSA)
}

// addTSA adds the time-stamping authority to the process.
func (p *process) addTSA(ctx context.Context) error {
	c := p.config.TSA
	if c == nil {
		return noSection("tsa")
	}
	// With milliseconds in genTime, cutting the time takes next to nothing of
	// the accuracy.
	config := tsa.Config{Log: p.log.With("server", "tsa"), Observe: p.admin.Observer("tsa")}
	var unit tsa.Unit
	var err error
	if unit.Certificate, err = readCertificate(c.Certificate); err != nil {
		return err
	}
	if c.Chain != "" {
		if unit.Chain, err = readCertificates(c.Chain); err != nil {
			return err
		}
	}
	if unit.Key, err = p.key(c.Key, unit.Certificate); err != nil {
		return fmt.Errorf("opening key of tsa: %w", err)
	}
	config.Units = []tsa.Unit{unit}
	for _, policy := range c.Policies {
		oid, err := parseOID(policy)
		if err != nil {
			return fmt.Errorf("reading tsa.policies: %w", err)
		}
		config.Policies = append(config.Policies, tsa.Policy{ID: oid, Accuracy: c.Accuracy, Fraction: 3})
	}
	clock, err := tsa.NewSystemClock(0)
	if err != nil {
		return fmt.Errorf("reading clock: %w", err)
	}
	config.Clock = clock
	// Design rule G1: what is about to be signed is on the disk first.
	config.Audit = p.audit.Append
	p.admin.Add("tsa", p.audit.Ready)
	authority, err := tsa.New(config)
	if err != nil {
		return fmt.Errorf("configuring tsa: %w", err)
	}
	p.add("tsa", c.Listen, nil, authority)
	p.admin.Add("tsa", authority.Ready)
	return nil
}

// parseOID reads an object identifier in dotted form.
func parseOID(s string) (asn1.ObjectIdentifier, error) {
	checked, err := x509.ParseOID(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not an object identifier", s)
	}
	der, err := checked.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(append([]byte{6, byte(len(der))}, der...), &oid); err != nil {
		return nil, fmt.Errorf("%q has a number that is too large", s)
	}
	return oid, nil
}
