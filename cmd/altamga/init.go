package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

// initCommand creates a centre: its hierarchy, keys, register, configuration
// and the tokens of its staff.
type initCommand struct {
	Dir  string `required:"" help:"The folder to create. It must not hold anything yet." type:"path" placeholder:"DIR"`
	Plan string `help:"The plan (TOML). Default: that of the demonstration." type:"existingfile" placeholder:"FILE"`
}

func (c initCommand) Run(ctx context.Context, std streams) error {
	p, err := loadPlan(c.Plan)
	if err != nil {
		return err
	}
	if err := found(ctx, p, c.Dir); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "Created %s: %d authorities, their keys and the configuration.\n", c.Dir, len(p.Issuing)+3)
	fmt.Fprintf(std.out, "Start it with: altamga up -c %s\n", filepath.Join(c.Dir, configFile))
	return nil
}

// configFile is the name of the configuration in a centre's folder.
const configFile = "altamga.toml"

//go:embed altamga.toml.tmpl
var configTemplate string

// found creates the centre of a plan in dir, which must be absent or empty. It
// appears whole or not at all: everything is made in a folder beside it that
// takes its name at the end.
func found(ctx context.Context, p *plan, dir string) (err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return withHint(fmt.Errorf("creating %s: the folder is not empty", dir), "name a new folder; nothing that exists is overwritten")
	}
	building, err := buildingSite(filepath.Clean(dir))
	if err != nil {
		return withHint(fmt.Errorf("creating %s: %w", dir, err), "is the folder above it there and writable?")
	}
	defer os.RemoveAll(building)
	f := &founder{plan: p, dir: building}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.undo())
		}
	}()
	if err := f.build(ctx); err != nil {
		return fmt.Errorf("creating %s: %w", dir, err)
	}
	// A plan may say what a server refuses; better now than at the first start.
	if err := checkCentre(ctx, filepath.Join(building, configFile)); err != nil {
		return fmt.Errorf("creating %s: the plan makes a centre that cannot start: %w", dir, err)
	}
	// An empty folder gives way; one that is not empty any more does not.
	err = os.Remove(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(building, dir)
	}
	if err != nil {
		return withHint(fmt.Errorf("creating %s: %w", dir, err), "did another process create it meanwhile? nothing that exists is overwritten")
	}
	return nil
}

// buildingSite makes the folder beside dir in which a centre is built, and
// clears away those that killed processes left behind: they hold keys.
func buildingSite(dir string) (string, error) {
	above, prefix := filepath.Split(dir)
	prefix = "." + prefix + ".building-"
	// Clean makes "." of nothing.
	if err := os.MkdirAll(filepath.Clean(above), 0o755); err != nil {
		return "", err
	}
	left, err := os.ReadDir(filepath.Clean(above))
	if err != nil {
		return "", err
	}
	for _, entry := range left {
		suffix, ok := strings.CutPrefix(entry.Name(), prefix)
		if !ok {
			continue
		}
		pid, _, _ := strings.Cut(suffix, "-")
		if n, err := strconv.Atoi(pid); err == nil && n != os.Getpid() && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			if err := os.RemoveAll(filepath.Join(above, entry.Name())); err != nil {
				return "", err
			}
		}
	}
	return os.MkdirTemp(above, prefix+strconv.Itoa(os.Getpid())+"-")
}

// checkCentre opens everything that the servers of a configuration need.
func checkCentre(ctx context.Context, file string) (err error) {
	p, err := newProcess(ctx, file, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return p.addAll(ctx)
}

// founder makes the files of a centre.
type founder struct {
	plan     *plan
	dir      string
	register *register.Register
	audit    *audit.Log
	profiles *ca.Profiles
	made     []crypto.Signer

	// Authorities, in order of creation, are those of the configuration; the
	// fields after it fill the configuration's template.
	Authorities    []*foundAuthority
	TLSKey, RAKey  string
	TSAKey, Issuer string
	Staff          []foundStaff
	CRLDelay       string
	// Key of the audit log, and its name in its checkpoints.
	AuditKey, Origin string
	// TrustList is what the trust list's section needs; nil for a centre
	// without one.
	TrustList *foundTrustList
}

// foundAuthority is an authority as the configuration has it.
type foundAuthority struct {
	ID                             string
	Certificate, Key               string
	Profiles                       []string
	OCSP, CRL, CAIssuers           string
	Signer, SignerKey, SignerChain string
	CRLPath, CertificatePath       string
	DeltaPath, DeltaURL            string // of issuing centres
	issuer                         ca.Issuer
	parent                         *foundAuthority
}

type foundStaff struct {
	planStaff
	// Token and FINHash are as in the configuration.
	Token, FINHash string
}

// The fields of the plan that the template needs.
func (f *founder) Centre() string       { return f.plan.Centre }
func (f *founder) Servers() planServers { return f.plan.Servers }
func (f *founder) TSA() planTSA         { return f.plan.TSA }
func (f *founder) Demonstration() bool  { return f.plan.Demonstration }

func (f *founder) build(ctx context.Context) (err error) {
	for _, folder := range []string{"certificates", "keys", "tls", "staff", "public"} {
		mode := os.FileMode(0o755)
		if folder == "keys" || folder == "staff" {
			mode = 0o700
		}
		if err := os.Mkdir(filepath.Join(f.dir, folder), mode); err != nil {
			return err
		}
	}
	if err := os.Chmod(f.dir, 0o755); err != nil {
		return err
	}
	if !f.plan.Demonstration {
		if err := os.WriteFile(filepath.Join(f.dir, passphraseFile), []byte(rand.Text()+"\n"), 0o600); err != nil {
			return err
		}
	}
	if f.register, err = register.Open(ctx, filepath.Join(f.dir, "register.db")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.register.Close()) }()
	if err := f.openAudit(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.audit.Close()) }()
	if f.profiles, err = ca.BuiltinProfiles(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{f.hierarchy, f.tls, f.responders, f.tsa, f.trustList, f.staff} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := (&audit.Follower{Log: f.audit, Journal: f.register}).CatchUp(ctx); err != nil {
		return err
	}
	if err := f.config(); err != nil {
		return err
	}
	return f.firstTrustList(ctx)
}

// openAudit makes the audit log, its key and log.pub, with which anybody
// verifies it.
func (f *founder) openAudit() error {
	f.AuditKey = f.keyURI(auditKeyName)
	_, host, _ := strings.Cut(string(f.plan.Servers.RA.URL), "://")
	f.Origin = host + "audit"
	if _, err := f.generate(f.AuditKey, "ed25519"); err != nil {
		return err
	}
	opened, err := openAudit(&auditConfig{Path: config.Path(filepath.Join(f.dir, "audit.log")), Key: f.AuditKey, Origin: f.Origin}, f.dir)
	if err != nil {
		return err
	}
	f.audit = opened
	return os.WriteFile(filepath.Join(f.dir, "log.pub"), []byte(opened.PublicKey()+"\n"), 0o644)
}

// hierarchy makes root, policy and issuing centres.
func (f *founder) hierarchy(ctx context.Context) error {
	root, err := f.authority(ctx, nil, planAuthority{ID: "root", Name: f.plan.Root.Name, Key: f.plan.Root.Key, Profiles: []string{"root", "policy", "cross", "ocsp-signer"}}, "root")
	if err != nil {
		return err
	}
	policy, err := f.authority(ctx, root, planAuthority{ID: "policy", Name: f.plan.Policy.Name, Key: f.plan.Policy.Key, Profiles: []string{"issuing", "ocsp-signer", "tsa-signer", "trust-list-signer", "package-signer"}}, "policy")
	if err != nil {
		return err
	}
	for _, issuing := range f.plan.Issuing {
		issuing.Profiles = append([]string{"ocsp-signer"}, issuing.Profiles...)
		if _, err := f.authority(ctx, policy, issuing, "issuing"); err != nil {
			return err
		}
	}
	f.Issuer = f.plan.Issuing[0].ID
	return nil
}

// authority makes one authority: its key, and its certificate from parent, or
// from itself when there is none.
func (f *founder) authority(ctx context.Context, parent *foundAuthority, p planAuthority, profile string) (*foundAuthority, error) {
	a := &foundAuthority{
		ID: p.ID, Profiles: p.Profiles, parent: parent,
		Certificate: "certificates/" + p.ID + ".pem", Key: f.keyURI(p.ID),
		CRL: string(f.plan.Servers.CRL.URL) + p.ID + ".crl", CAIssuers: string(f.plan.Servers.CRL.URL) + p.ID + ".cer",
		CRLPath: p.ID + ".crl", CertificatePath: p.ID + ".cer",
	}
	if profile == "issuing" {
		a.DeltaPath = p.ID + "-delta.crl"
		a.DeltaURL = string(f.plan.Servers.CRL.URL) + a.DeltaPath
	}
	subject := f.subject(p.Name)
	if profile == "suite-root" {
		// Known to the centre alone: no responder, no register of companies.
		delete(subject, "voen")
	} else {
		a.OCSP = string(f.plan.Servers.OCSP.URL)
	}
	key, err := f.generate(a.Key, p.Key)
	if err != nil {
		return nil, err
	}
	a.issuer = ca.Issuer{ID: a.ID, Key: key, Profiles: a.Profiles, OCSP: a.OCSP, CRL: a.CRL, FreshestCRL: a.DeltaURL, CAIssuers: a.CAIssuers}
	request := ca.Request{Issuer: a.ID, Profile: profile, Subject: subject}
	by := a
	if parent != nil {
		request.Issuer, request.PublicKey, by = parent.ID, key.Public(), parent
	}
	certificate, err := f.issue(ctx, by, request, a.Certificate)
	if err != nil {
		return nil, err
	}
	a.issuer.Certificate = certificate
	for up := parent; up != nil; up = up.parent {
		a.issuer.Chain = append(a.issuer.Chain, up.issuer.Certificate)
	}
	f.Authorities = append(f.Authorities, a)
	return a, nil
}

// subject of an authority or service of the centre.
func (f *founder) subject(name string) map[string]string {
	subject := map[string]string{"O": f.plan.Centre, "CN": name}
	if f.plan.VOEN != "" {
		subject["voen"] = f.plan.VOEN
	}
	return subject
}

// issue has a certificate issued and writes it to a file of the centre.
func (f *founder) issue(ctx context.Context, by *foundAuthority, request ca.Request, file string) (*x509.Certificate, error) {
	request.Actor = "init"
	authority, err := ca.New(ca.Config{
		Issuers: []ca.Issuer{by.issuer}, Profiles: f.profiles, Register: f.register,
		Lint: lint.Certificate, Audit: f.audit.Append,
	})
	if err != nil {
		return nil, err
	}
	prepared, err := authority.Prepare(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("issuing %s: %w", file, err)
	}
	issued, err := authority.Issue(ctx, prepared)
	if err != nil {
		return nil, fmt.Errorf("issuing %s: %w", file, err)
	}
	certificate, err := issued.Certificate()
	if err != nil {
		return nil, err
	}
	block := &pem.Block{Type: "CERTIFICATE", Bytes: issued.Raw}
	return certificate, os.WriteFile(filepath.Join(f.dir, file), pem.EncodeToMemory(block), 0o644)
}

// config writes the configuration.
func (f *founder) config() error {
	f.CRLDelay = "1s"
	if f.plan.Demonstration {
		f.CRLDelay = "20ms"
	}
	parsed, err := template.New(configFile).Funcs(template.FuncMap{"q": func(s any) string { return strconv.Quote(fmt.Sprint(s)) }}).Parse(configTemplate)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := parsed.Execute(&text, f); err != nil {
		return err
	}
	// It names the staff.
	return os.WriteFile(filepath.Join(f.dir, configFile), []byte(text.String()), 0o600)
}
