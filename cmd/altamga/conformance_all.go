package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/config"
)

type conformanceAll struct {
	judging
	Endpoints string `help:"The URLs and certificates of a centre: endpoints.json as the demonstration writes it, or a target.toml of the same keys for any other centre." required:"" type:"path" placeholder:"FILE"`
}

// centreEndpoints is what a centre can be judged by. What it does not have is
// left out. Paths are relative to the file.
type centreEndpoints struct {
	// Root, Issuer and Chain are certificates of authorities; Leaf is a good
	// certificate of the issuer's, Revoked and Held are not.
	Root    string `json:"root" toml:"root"`
	Issuer  string `json:"issuer" toml:"issuer"`
	Chain   string `json:"chain" toml:"chain"`
	Leaf    string `json:"leaf" toml:"leaf"`
	Revoked string `json:"revoked" toml:"revoked"`
	Held    string `json:"held" toml:"held"`

	OCSP      string `json:"ocsp" toml:"ocsp"`
	CRL       string `json:"crl" toml:"crl"`
	RootCRL   string `json:"root_crl" toml:"root_crl"`
	DeltaCRL  string `json:"delta_crl" toml:"delta_crl"`
	TSA       string `json:"tsa" toml:"tsa"`
	TSAPolicy string `json:"tsa_policy" toml:"tsa_policy"`

	TrustList       string `json:"trust_list" toml:"trust_list"`
	TrustListSigner string `json:"trust_list_signer" toml:"trust_list_signer"`
	EST             string `json:"est" toml:"est"`
	// ESTTrust is what the EST server's certificate leads to. Default: what the
	// system trusts.
	ESTTrust string `json:"est_trust" toml:"est_trust"`
	estAccount

	// CAAPI is the interface of a ca of ours, with a client certificate, its key
	// and what the ca's own certificate leads to.
	CAAPI    string `json:"ca_api" toml:"ca_api"`
	CAClient string `json:"ca_client_cert" toml:"ca_client_cert"`
	CAKey    string `json:"ca_client_key" toml:"ca_client_key"`
	CARoot   string `json:"ca_tls_root" toml:"ca_tls_root"`

	// NTP are time servers that tokens are judged by.
	NTP []string `json:"ntp" toml:"ntp"`

	MayHold   mayHold   `json:"-" toml:"may_hold"`
	MayRevoke mayRevoke `json:"-" toml:"may_revoke"`
}

// Validate says what is missing beside what is there.
func (at *centreEndpoints) Validate() (err error) {
	needs := func(key, has, other, lacks string) {
		if has != "" && lacks == "" {
			err = errors.Join(err, config.Wrong(key, "cannot be judged without %s", other))
		}
	}
	needs("ocsp", at.OCSP, "issuer", at.Issuer)
	needs("ocsp", at.OCSP, "leaf, a good certificate", at.Leaf)
	needs("crl", at.CRL, "issuer", at.Issuer)
	needs("root_crl", at.RootCRL, "root", at.Root)
	needs("delta_crl", at.DeltaCRL, "crl", at.CRL)
	for key, may := range map[string]struct {
		certificate string
		wait        time.Duration
	}{"may_hold": {at.MayHold.Certificate, at.MayHold.Wait}, "may_revoke": {at.MayRevoke.Certificate, at.MayRevoke.Wait}} {
		needs(key+".certificate", may.certificate, "issuer", at.Issuer)
		needs(key+".certificate", may.certificate, "ocsp or crl", at.OCSP+at.CRL)
		if may.wait < 0 {
			err = errors.Join(err, config.Wrong(key+".wait", "is no time"))
		}
	}
	return err
}

func (c conformanceAll) Run(ctx context.Context, std streams) error {
	if c.Follow == "" {
		c.Follow = string(conformance.FollowGiven)
	}
	at, err := readEndpoints(c.Endpoints)
	if err != nil {
		return codedError{err, 2}
	}
	c.NTP = append(c.NTP, at.NTP...)
	c.Deadline += at.MayRevoke.Wait + 2*at.MayHold.Wait
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		in := beside(c.Endpoints)
		if err := judgeCentre(ctx, t, at, in); err != nil {
			return err
		}
		// What changes the centre comes last, and what cannot be undone last of all.
		if err := c.judgeHold(ctx, t, at, in); err != nil {
			return err
		}
		return c.judgeRevocation(ctx, std, t, at, in)
	})
}

// beside makes paths that stand in a file relative to its folder.
func beside(file string) func(string) string {
	return func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(filepath.Dir(file), path)
	}
}

// readEndpoints reads either form of the file.
func readEndpoints(path string) (at centreEndpoints, err error) {
	if strings.HasSuffix(path, ".toml") {
		if err := config.Load(path, &at); err != nil {
			return at, withHint(err, "it has URLs and the names of certificates' files, such as ocsp = \"http://…\" and issuer = \"issuer.pem\"")
		}
		return at, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return at, withHint(err, "`altamga demo --dir DIR` writes DIR/endpoints.json as soon as its servers are ready; for another centre write a target.toml")
	}
	if err := json.Unmarshal(data, &at); err != nil {
		return at, withHint(fmt.Errorf("reading %s: %w", path, err), "it is a JSON object with the keys that the demonstration writes")
	}
	return at, nil
}

// judgeCentre judges servers and certificates of one centre, and whether they
// agree.
func judgeCentre(ctx context.Context, t *conformance.Tester, at centreEndpoints, in func(string) string) error {
	var root, issuer, leaf, revoked, held []byte
	for _, f := range []certificateFile{{in(at.Root), &root}, {in(at.Issuer), &issuer}, {in(at.Leaf), &leaf}, {in(at.Revoked), &revoked}, {in(at.Held), &held}} {
		if err := f.read(); err != nil {
			return err
		}
	}
	responder := conformance.OCSPTarget{URL: at.OCSP, Issuer: issuer, Good: leaf, Revoked: revoked, Held: held}
	list := conformance.ListTarget{URL: at.CRL, Issuer: issuer, Leaf: leaf, Revoked: revoked, Held: held, Delta: at.DeltaCRL}
	chain, err := readChain(in(at.Chain))
	if err != nil {
		return err
	}
	if root != nil {
		chain = append(chain, root)
	}
	if at.OCSP != "" {
		if err := t.OCSP(ctx, responder); err != nil {
			return err
		}
	}
	if at.CRL != "" {
		if err := t.List(ctx, list); err != nil {
			return err
		}
	}
	if at.RootCRL != "" {
		if err := t.List(ctx, conformance.ListTarget{URL: at.RootCRL, Issuer: root}); err != nil {
			return err
		}
	}
	if at.OCSP != "" && at.CRL != "" {
		if err := t.Consistency(ctx, responder, list); err != nil {
			return err
		}
	}
	if err := judgeServices(ctx, t, at, chain, in); err != nil {
		return err
	}
	if err := judgeCertificates(ctx, t, at.Chain, chain); err != nil {
		return err
	}
	for _, one := range []struct {
		name string
		raw  []byte
	}{{at.Revoked, revoked}, {at.Held, held}} {
		if one.raw != nil {
			if err := t.Certificate(ctx, one.name, one.raw, issuer, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgeServices judges what a centre has beside its sources of status.
func judgeServices(ctx context.Context, t *conformance.Tester, at centreEndpoints, chain [][]byte, in func(string) string) error {
	if at.TSA != "" {
		if err := t.Stamps(ctx, conformance.StampTarget{URL: at.TSA, Policy: at.TSAPolicy, Trust: chain}); err != nil {
			return err
		}
	}
	if at.TrustList != "" {
		signers, err := readChain(in(at.TrustListSigner))
		if err != nil {
			return err
		}
		if err := t.TrustList(ctx, conformance.TrustListTarget{URL: at.TrustList, Signers: signers}); err != nil {
			return err
		}
	}
	return judgeEnrolment(ctx, t, at, in)
}

// judgeCertificates judges a chain, each certificate with the one above it.
func judgeCertificates(ctx context.Context, t *conformance.Tester, name string, chain [][]byte) error {
	for i, raw := range chain {
		var above []byte
		if i+1 < len(chain) {
			above = chain[i+1]
		}
		if err := t.Certificate(ctx, fmt.Sprintf("%s, certificate %d", name, i+1), raw, above, ""); err != nil {
			return err
		}
	}
	return nil
}

func readChain(path string) ([][]byte, error) {
	if path == "" {
		return nil, nil
	}
	return readAllDER(path)
}
