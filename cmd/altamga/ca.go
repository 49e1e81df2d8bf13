package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/serve"
)

type caCommands struct {
	Serve     caServe          `cmd:"" help:"Serve the API: JSON over mutual TLS."`
	Ceremony  ceremonyCommands `cmd:"" help:"Carry out a key ceremony from one reviewed plan, on a machine without a network."`
	Relint    caRelint         `cmd:"" help:"Hold every certificate of the register to the lints of today."`
	Request   caRequest        `cmd:"" help:"Ask a running ca for a certificate."`
	Show      caShow           `cmd:"" help:"Show a certificate, its status and its history."`
	List      caList           `cmd:"" help:"List what was issued."`
	Export    caExport         `cmd:"" help:"Write what was issued for auditors, as CSV or JSON."`
	Hold      caHold           `cmd:"" help:"Put a hold on certificates."`
	Release   caRelease        `cmd:"" help:"Lift a hold on certificates."`
	Revoke    caRevoke         `cmd:"" help:"Revoke certificates for good."`
	Pending   caPending        `cmd:"" help:"List what waits for a second person."`
	Confirm   caConfirm        `cmd:"" help:"Agree to what another person asked for."`
	Refuse    caRefuse         `cmd:"" help:"Say no to what waits for a second person."`
	Secret    caSecret         `cmd:"" help:"Make a password for an EST account, and its hash for the configuration."`
	Reconcile caReconcile      `cmd:"" help:"Account for every serial that was ever reserved, as after a crash."`
}

type caServe struct {
	serveFlags
}

// collectAt is by how much of what lives the heap grows between collections, in
// percent.
const collectAt = 400

func (c caServe) Run(ctx context.Context, std streams) error {
	// What issuing allocates dies young, and little lives on: with the default
	// of 100 a fifth of the time goes into collecting. Whoever sets GOGC knows
	// better.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	// A thread that waits for the disk keeps Go's one processor for up to ten
	// milliseconds; with a second one the others go on.
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
	return c.serve(ctx, std, (*process).addCA)
}

// addCA adds the certification authority to the process.
func (p *process) addCA(ctx context.Context) error {
	c := p.config.CA
	if c == nil {
		return noSection("ca")
	}
	profiles, err := ca.BuiltinProfiles()
	if c.Profiles != "" {
		profiles, err = ca.LoadProfiles(os.DirFS(string(c.Profiles)))
	}
	if err != nil {
		return fmt.Errorf("reading profiles: %w", err)
	}
	issuers, err := p.caIssuers(c.Issuers)
	if err != nil {
		return err
	}
	c.trustOwn(issuers)
	snapshots, err := p.snapshots()
	if err != nil {
		return err
	}
	authority, err := ca.New(ca.Config{
		Issuers: issuers, Profiles: profiles, Register: p.register,
		Lint: lint.Certificate, Shape: c.shape(), Audit: p.audit.Append, Allow: allow(c.Clients),
		Access: access(p.register, c), Snapshot: snapshots,
		Log: p.log.With("server", "ca"), Observe: p.admin.Observer("ca"),
	})
	if err != nil {
		return fmt.Errorf("configuring ca: %w", err)
	}
	p.authority = authority
	identity, peers, err := p.tls(c.TLS)
	if err != nil {
		return fmt.Errorf("configuring ca.tls: %w", err)
	}
	if !c.TLS.External {
		p.renews("ca", &renewal{name: "ca.tls", file: string(c.TLS.Certificate), identity: identity, issue: renewHere(authority, "ca.tls")})
	}
	mounted, err := p.addEnrolment(c, authority, peers)
	if err != nil {
		return err
	}
	p.add("ca", c.Listen, identity.ServerTLS(peers...), mount(authority.Handler(), mounted), func(s *serve.Server) {
		s.LongPoll = func(r *http.Request) bool { return r.URL.Path == "/v1/journal" }
	})
	p.loops = append(p.loops, serve.Loop{Name: "ca expiry", Run: authority.Run})
	p.follow()
	unfinished, err := p.register.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("reading register: %w", err)
	}
	if len(unfinished) > 0 {
		p.log.WarnContext(ctx, "serials are reserved and have no certificate: account for them with `altamga ca reconcile`", "serials", len(unfinished))
	}
	p.admin.Add("ca", p.audit.Ready)
	p.admin.Add("ca", p.register.Ready)
	return nil
}

// shape tells which certificates zlint would judge alike; nil has it judge each.
func (c *caConfig) shape() func([]byte) ([sha256.Size]byte, bool) {
	if c.Zlint == "always" {
		return nil
	}
	return lint.Shape
}

// trustOwn leaves signatures unverified that this process itself has computed,
// unless the configuration wants them verified.
func (c *caConfig) trustOwn(issuers []ca.Issuer) {
	for i := range issuers {
		issuers[i].Unverified = c.Verify != "always" && strings.HasPrefix(c.Issuers[i].Key, "file:")
	}
}

// caActions are what a client may be allowed to do.
var caActions = []string{ca.ActionIssue, ca.ActionHold, ca.ActionRelease, ca.ActionRevoke, ca.ActionRead, ca.ActionList, ca.ActionJournal, ca.ActionAuthority, ca.ActionApprove}

// allow returns the rule of who may do what over the API: what the
// configuration does not name is forbidden.
func allow(clients []caClientConfig) func(actor, action, issuer, profile string) bool {
	among := func(list []string, value string) bool {
		return len(list) == 0 || value == "" || slices.Contains(list, value)
	}
	return func(actor, action, issuer, profile string) bool {
		i := slices.IndexFunc(clients, func(c caClientConfig) bool { return c.Name == actor })
		return i >= 0 && slices.Contains(clients[i].Actions, action) &&
			among(clients[i].Issuers, issuer) && among(clients[i].Profiles, profile)
	}
}

// caIssuers opens the issuers' certificates and keys. The chain above each is
// found among the others.
func (p *process) caIssuers(configured []caIssuerConfig) ([]ca.Issuer, error) {
	issuers := make([]ca.Issuer, len(configured))
	certificates := make([]*x509.Certificate, len(configured))
	for i, c := range configured {
		certificate, err := readCertificate(c.Certificate)
		if err != nil {
			return nil, err
		}
		key, err := p.key(c.Key, certificate)
		if err != nil {
			return nil, fmt.Errorf("opening key of issuer %s: %w", c.ID, err)
		}
		certificates[i] = certificate
		issuers[i] = ca.Issuer{
			ID: c.ID, Certificate: certificate, Key: key, Profiles: c.Profiles,
			OCSP: string(c.OCSP), CRL: string(c.CRL), FreshestCRL: string(c.FreshestCRL), CRLShards: c.CRLShards, CAIssuers: string(c.CAIssuers), PSS: c.PSS,
		}
		if c.CRLSigner != "" {
			if issuers[i].CRLSigner, err = readCertificate(c.CRLSigner); err != nil {
				return nil, err
			}
		}
	}
	for i := range issuers {
		issuers[i].Chain = chainAbove(certificates[i], certificates)
	}
	return issuers, nil
}

// chainAbove returns the certificates above one, from its issuer up to the
// root, as far as they are among the known.
func chainAbove(certificate *x509.Certificate, known []*x509.Certificate) []*x509.Certificate {
	var chain []*x509.Certificate
	for len(chain) < len(known) && !bytes.Equal(certificate.RawSubject, certificate.RawIssuer) {
		above := certificate
		for _, candidate := range known {
			if bytes.Equal(candidate.RawSubject, certificate.RawIssuer) && certificate.CheckSignatureFrom(candidate) == nil {
				above = candidate
			}
		}
		if above == certificate {
			break
		}
		chain = append(chain, above)
		certificate = above
	}
	return chain
}
