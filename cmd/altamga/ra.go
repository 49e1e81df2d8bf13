package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/dossier"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/ra"
)

type raCommands struct {
	Serve raServe `cmd:"" help:"Serve the registration authority's API and the public page."`
	Staff raStaff `cmd:"" help:"Make the token and the section of the configuration for a member of staff."`
}

type raServe struct {
	serveFlags
}

func (c raServe) Run(ctx context.Context, std streams) error {
	return c.serve(ctx, std, (*process).addRA)
}

// addRA adds the registration authority to the process.
func (p *process) addRA(ctx context.Context) error {
	c := p.config.RA
	if c == nil {
		return noSection("ra")
	}
	key, err := readDataKey(string(c.DataKey))
	if err != nil {
		return err
	}
	store, err := dossier.Open(ctx, string(c.Store), key)
	if err != nil {
		return fmt.Errorf("opening applications: %w", err)
	}
	p.closers = append(p.closers, store)
	client, connection, err := p.connectCA("ra.client", string(c.CA), c.Client)
	if err != nil {
		return err
	}
	if !c.Client.External {
		p.renews("ra", &renewal{
			name: "ra.client", file: string(c.Client.Certificate), identity: connection.identity, issue: renewOverHTTP(client, connection.identity),
			// Connections that wait for work would go on under the old certificate.
			replaced: connection.transport.CloseIdleConnections,
		})
	}
	staff := make([]ra.Person, len(c.Staff))
	for i, person := range c.Staff {
		staff[i] = ra.Person{Name: person.Name, TokenHash: person.Token, FINHash: person.FINHash}
		for _, role := range person.Roles {
			staff[i].Roles = append(staff[i].Roles, ra.Role(role))
		}
	}
	hash, err := dossier.HashFIN(key)
	if err != nil {
		return err
	}
	var from func(*http.Request) netip.Addr
	if c.BehindProxy {
		from = ra.ForwardedAddress
	}
	office, err := ra.New(ra.Config{
		ClientAddress: from,
		Store:         store, Authority: authorityOverHTTP{client}, Staff: staff, HashFIN: hash,
		Issuer: c.Issuer, SignatureProfile: c.SignatureProfile, AuthenticationProfile: c.AuthenticationProfile,
		Demonstration: c.Demonstration, Audit: p.audit.Append,
		Log: p.log.With("server", "ra"), Observe: p.admin.Observer("ra"),
	})
	if err != nil {
		return fmt.Errorf("configuring ra: %w", err)
	}
	var own *tls.Config
	if c.TLS != nil {
		if own, err = p.serverTLS(*c.TLS); err != nil {
			return fmt.Errorf("configuring ra.tls: %w", err)
		}
	}
	p.add("ra", c.Listen, own, office)
	p.admin.Add("ra", office.Ready)
	p.admin.Add("ra", p.audit.Ready)
	return nil
}

// serverTLS opens what a server needs to prove itself.
func (p *process) serverTLS(c serverTLSConfig) (*tls.Config, error) {
	chain, err := readCertificates(c.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := p.key(c.Key, chain[0])
	if err != nil {
		return nil, err
	}
	return serve.ServerTLS(chain, key)
}

// readDataKey reads the key of the applications' store.
func readDataKey(path string) ([]byte, error) {
	text, err := readSecret("data key", path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != dossier.KeySize {
		return nil, fmt.Errorf("reading data key: %s does not hold %d octets in hexadecimal", path, dossier.KeySize)
	}
	return key, nil
}

// caClient makes a client of the certification authority's API.
func (p *process) caClient(base string, c tlsConfig) (*ca.Client, error) {
	client, _, err := p.connectCA("ra.client", base, c)
	return client, err
}

// caChannel is what a client of the authority's API connects by.
type caChannel struct {
	identity  *serve.Identity
	transport *http.Transport
}

func (p *process) connectCA(section, base string, c tlsConfig) (*ca.Client, caChannel, error) {
	identity, peers, err := p.tls(c)
	if err != nil {
		return nil, caChannel{}, fmt.Errorf("configuring %s: %w", section, err)
	}
	mutual, err := identity.ClientTLS(peers...)
	if err != nil {
		return nil, caChannel{}, fmt.Errorf("configuring %s: %w", section, err)
	}
	transport := &http.Transport{TLSClientConfig: mutual, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	client, err := ca.NewClient(base, &http.Client{Timeout: 90 * time.Second, Transport: transport})
	return client, caChannel{identity, transport}, err
}

// authorityOverHTTP is the certification authority as the registration
// authority knows it, reached over its API.
type authorityOverHTTP struct{ client *ca.Client }

func (a authorityOverHTTP) IssueSet(ctx context.Context, r ra.SetRequest) ([]ra.Issued, error) {
	request := ca.SetRequest{
		Issuer: r.Issuer, Set: r.Set,
		Subject: map[string]string{"givenName": r.GivenName, "surname": r.Surname, "CN": r.CommonName, "fin": r.FIN},
	}
	for _, c := range r.Certificates {
		request.Certificates = append(request.Certificates, ca.IssueRequest{Profile: c.Profile, CSR: c.CSR})
	}
	answer, err := a.client.IssueSet(ctx, request, r.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	var issued []ra.Issued
	for _, c := range answer.Certificates {
		issued = append(issued, ra.Issued{Serial: c.Serial, Certificate: c.Certificate, Chain: c.Chain})
	}
	return issued, nil
}

func (a authorityOverHTTP) Change(ctx context.Context, r ra.ChangeRequest) (ra.Changed, error) {
	change := ca.ChangeRequest{Owner: string(r.Owner), InvalidityDate: r.InvalidityDate, ReceivedAt: r.ReceivedAt, Persons: r.Persons}
	act := a.client.Hold
	switch r.Kind {
	case journal.Released:
		act = a.client.Release
	case journal.Revoked:
		act, change.Reason = a.client.Revoke, r.Reason.String()
	}
	answer, err := act(ctx, r.Serial, change, r.IdempotencyKey)
	if err != nil {
		return ra.Changed{}, err
	}
	return ra.Changed{Status: answer.Status, Entry: answer.Entry}, nil
}

func (a authorityOverHTTP) Certificate(ctx context.Context, serial journal.Serial) (ra.Certificate, error) {
	answer, err := a.client.Certificate(ctx, serial)
	if err != nil {
		return ra.Certificate{}, err
	}
	var above []ra.Above
	for _, a := range answer.Above {
		above = append(above, ra.Above(a))
	}
	return ra.Certificate{
		Above: above, Serial: answer.Serial, Issuer: answer.Issuer, Profile: answer.Profile, Set: answer.Set,
		Certificate: answer.Certificate, Status: answer.Status, History: answer.History,
	}, nil
}
