package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/interop"
	"github.com/altamga/altamga/interop/truststore"
)

type interopCommands struct {
	Serve     interopServe     `cmd:"" help:"Serve the national trust list, its pages, and answers about followed lists."`
	Verify    interopVerify    `cmd:"" help:"Verify a trust list, in XML or JSON, by its pinned signers."`
	Show      interopShow      `cmd:"" help:"Show what a trust list says."`
	Diff      interopDiff      `cmd:"" help:"Tell what one trust list says that another one does not."`
	Trust     interopTrust     `cmd:"" help:"Ask trust lists about a certificate: which service vouches for it at a time, and why."`
	Recognise interopRecognise `cmd:"" help:"Judge a partner's certificate by the agreement in our list: equivalent to what, since when, because of what."`
	Package   interopPackage   `cmd:"" help:"Pack what verified lists vouch for: PEM, hashed folder, PKCS #7, PKCS #12, JKS, SST, a list of trusted entities (JSON), inventory; one zip with a signed manifest."`
	Partner   interopPartner   `cmd:"" help:"Bring another state into our list: proposed, tested, accepted by two officers, published, suspended."`
	Prepare   interopPrepare   `cmd:"" help:"Prepare the next national trust list from its plan, for another officer to sign."`
	Sign      interopSign      `cmd:"" help:"Look at what another officer prepared and, with --digest, sign it."`
	Publish   interopPublish   `cmd:"" help:"Put the signed trust list, its hash and its pages before the public, at once."`
}

type interopServe struct {
	serveFlags
}

func (c interopServe) Run(ctx context.Context, std streams) error {
	return c.serve(ctx, std, (*process).addInterop)
}

// addInterop adds the trust list's site, and the follower of others, to the
// process.
func (p *process) addInterop(context.Context) error {
	c := p.config.Interop
	if c == nil {
		return noSection("interop")
	}
	log := p.log.With("server", "interop")
	certificate, err := readCertificate(c.Certificate)
	if err != nil {
		return err
	}
	site := interop.SiteConfig{Dir: string(c.Dir), Signers: []*interop.Certificate{{Raw: certificate.Raw}}, Log: log, Observe: p.admin.Observer("interop")}
	if c.Successors != "" {
		successors, err := listCertificates(c.Successors)
		if err != nil {
			return err
		}
		site.Signers = append(site.Signers, successors...)
	}
	if c.Follow != nil {
		follower, err := p.followLists(c.Follow, log)
		if err != nil {
			return fmt.Errorf("configuring interop.follow: %w", err)
		}
		site.Trust = follower.Trust
		p.loops = append(p.loops, serve.Loop{Name: "interop follower", Run: follower.Run})
		p.admin.Add("interop", follower.Ready)
	}
	served, err := interop.NewSite(site)
	if err != nil {
		return fmt.Errorf("configuring interop: %w", err)
	}
	signer, err := p.packageSigner(c.Packages)
	if err != nil {
		return fmt.Errorf("configuring interop.packages: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/packages/", truststore.NewHandler(served.Trust, signer))
	mux.Handle("/", served)
	p.add("interop", c.Listen, nil, mux)
	p.loops = append(p.loops, serve.Loop{Name: "interop site", Run: served.Run})
	p.admin.Add("interop", served.Ready)
	return nil
}

// packageSigner opens what packages are signed with, nil when there is none.
func (p *process) packageSigner(c *packagesConfig) (*truststore.Signer, error) {
	if c == nil {
		return nil, nil
	}
	certificate, err := readCertificate(c.Certificate)
	if err != nil {
		return nil, err
	}
	s := &truststore.Signer{Certificate: certificate}
	if s.Key, err = p.key(c.Key, certificate); err != nil {
		return nil, err
	}
	if c.Chain != "" {
		s.Chain, err = readCertificates(c.Chain)
	}
	return s, err
}

func (p *process) followLists(c *followConfig, log *slog.Logger) (*interop.Follower, error) {
	signers, err := listCertificates(c.Signers)
	if err != nil {
		return nil, err
	}
	return interop.NewFollower(interop.FollowConfig{
		URL: string(c.URL), Signers: signers, Announcement: string(c.Announcement), Dir: string(c.Dir), Interval: c.Interval,
		Get: interop.NewWeb(interop.Policy{Allow: c.Allow}).Get, Log: log, Observe: p.admin.Observer("interop"),
		Alert: func(e interop.Event) {
			log.Warn("trust list", "event", e.Kind, "url", e.URL, "territory", e.Territory, "detail", e.Detail)
		},
	})
}

// listCertificates reads certificates of a file as lists carry them: whether
// this build understands their keys or not.
func listCertificates(path config.Path) ([]*interop.Certificate, error) {
	all, err := interop.ReadCertificates(string(path))
	if err != nil {
		return nil, withHint(err, "name a PEM or DER file of certificates")
	}
	return all, nil
}

// openDesk opens what officers need. The caller closes the log.
func openDesk(c *interopConfig, dir string) (*interop.Desk, func() error, error) {
	if len(c.Officers) == 0 {
		return nil, nil, withHint(errors.New("the configuration names no officers of the trust list"), "add [[interop.officer]], or use the file of the host that makes the list")
	}
	certificate, err := readCertificate(c.Certificate)
	if err != nil {
		return nil, nil, err
	}
	desk := interop.DeskConfig{Dir: string(c.Dir), Certificate: certificate, Key: func() (crypto.Signer, error) { return keys.Open(c.Key, dir) }}
	for _, o := range c.Officers {
		desk.Officers = append(desk.Officers, interop.Officer{Name: o.Name, TokenHash: o.Token})
	}
	for path, into := range map[config.Path]*[]*x509.Certificate{c.Chain: &desk.Chain, c.Successors: &desk.Successors} {
		if path == "" {
			continue
		}
		if *into, err = readCertificates(path); err != nil {
			return nil, nil, err
		}
	}
	log, err := openAudit(c.Audit, dir)
	if err != nil {
		return nil, nil, withHint(err, "if another officer's command is at work: "+busyHint)
	}
	desk.Audit = log.Append
	desk.Recorded = func(do func(interop.Deed)) error {
		return log.Replay(func(e audit.Entry) error {
			deed := interop.Deed{Action: e.Action, At: e.Time}
			if err := json.Unmarshal(e.Attrs, &deed); err != nil {
				return err
			}
			do(deed)
			return nil
		})
	}
	opened, err := interop.NewDesk(desk)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("configuring interop: %w", err), log.Close())
	}
	return opened, log.Close, nil
}
