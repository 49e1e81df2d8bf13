package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
)

// planTrustList is the national trust list in a plan. national.toml explains
// each field.
type planTrustList struct {
	Name       string            `toml:"name"`
	Key        string            `toml:"key"`
	Operator   map[string]string `toml:"operator"`
	Street     string            `toml:"street"`
	Locality   string            `toml:"locality"`
	PostalCode string            `toml:"postal_code"`
	Email      string            `toml:"email"`
	Web        config.URL        `toml:"web"`
	Officers   []string          `toml:"officers"`
}

func (p *planTrustList) Validate() error {
	err := required(field{"name", p.Name}, field{"key", p.Key}, field{"street", p.Street}, field{"locality", p.Locality},
		field{"email", p.Email}, field{"web", string(p.Web)}, field{"operator.en", p.Operator["en"]})
	if len(p.Officers) < 2 {
		err = errors.Join(err, config.Wrong("officers", "a list is made by two officers at least"))
	}
	for i, name := range p.Officers {
		if name == "" || slices.Contains(p.Officers[:i], name) || strings.ContainsAny(name, "/ \t") {
			err = errors.Join(err, config.Wrong(fmt.Sprintf("officers[%d]", i), "%q is no name, or stands twice", name))
		}
	}
	return err
}

// trustListFile is the name of the list's file.
const trustListFile = "trust-list.xml"

// foundTrustList is the trust list as the configuration has it.
type foundTrustList struct {
	Listen                             config.Address
	Certificate, Key, AuditKey, Origin string
	PackagesCertificate, PackagesKey   string
	Officers                           []foundStaff
	signer                             *x509.Certificate
}

//go:embed trustlist.toml.tmpl
var trustListTemplate string

// trustList makes the list's signer and that of packages, the list's officers,
// the log of what they do and the plan of the list.
func (f *founder) trustList(ctx context.Context) (err error) {
	p := f.plan.TrustList
	if p == nil {
		return nil
	}
	t := &foundTrustList{
		Listen: f.plan.Servers.Interop.Listen, Certificate: "certificates/trust-list.pem", PackagesCertificate: "certificates/packages.pem",
		AuditKey: f.keyURI(auditKeyName + "-lists"), Origin: f.Origin + "/lists",
	}
	if t.Key, _, err = f.service(ctx, f.Authorities[1], "trust-list", p.Key, t.Certificate, ca.Request{Profile: "trust-list-signer", Subject: f.subject(p.Name)}); err != nil {
		return err
	}
	if t.PackagesKey, _, err = f.service(ctx, f.Authorities[1], "packages", p.Key, t.PackagesCertificate, ca.Request{Profile: "package-signer", Subject: f.subject("Packages of the trust list")}); err != nil {
		return err
	}
	if t.signer, err = readCertificate(config.Path(filepath.Join(f.dir, t.Certificate))); err != nil {
		return err
	}
	if err := f.listLog(t); err != nil {
		return err
	}
	for _, name := range p.Officers {
		token := rand.Text()
		hash := sha256.Sum256([]byte(token))
		t.Officers = append(t.Officers, foundStaff{planStaff: planStaff{Name: name}, Token: hex.EncodeToString(hash[:])})
		if err := os.WriteFile(filepath.Join(f.dir, "staff", name+".token"), []byte(token+"\n"), 0o600); err != nil {
			return err
		}
	}
	f.TrustList = t
	return f.listPlan(t)
}

// listLog makes the log of what officers do, its key and lists.pub, with which
// anybody verifies it.
func (f *founder) listLog(t *foundTrustList) error {
	if _, err := f.generate(t.AuditKey, "ed25519"); err != nil {
		return err
	}
	log, err := openAudit(&auditConfig{Path: config.Path(filepath.Join(f.dir, "audit-lists.log")), Key: t.AuditKey, Origin: t.Origin}, f.dir)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(f.dir, "lists.pub"), []byte(log.PublicKey()+"\n"), 0o644), log.Close())
}

// listPlan writes what the list is to say: the issuing centres and the
// time-stamping unit, granted from now on.
func (f *founder) listPlan(t *foundTrustList) error {
	p := f.plan.TrustList
	operator := maps.Clone(p.Operator)
	operator["az"] = f.plan.Centre
	text := func(byLanguage map[string]string) string {
		var all []string
		for _, lang := range slices.Sorted(maps.Keys(byLanguage)) {
			all = append(all, lang+" = "+strconv.Quote(byLanguage[lang]))
		}
		return "{ " + strings.Join(all, ", ") + " }"
	}
	parsed, err := template.New("trustlist.toml").Funcs(template.FuncMap{"q": func(s any) string { return strconv.Quote(fmt.Sprint(s)) }}).Parse(trustListTemplate)
	if err != nil {
		return err
	}
	var b strings.Builder
	err = parsed.Execute(&b, map[string]any{
		"Plan": p, "Centre": f.plan.Centre, "Country": f.plan.Country, "VOEN": f.plan.VOEN, "Operator": text(operator),
		"Location": string(f.plan.Servers.Interop.URL) + trustListFile, "Since": t.signer.NotBefore.UTC().Format(time.RFC3339),
		"OCSP": f.plan.Servers.OCSP.URL, "CRL": f.plan.Servers.CRL.URL, "TSA": f.plan.Servers.TSA.URL, "TSAName": f.plan.TSA.Name,
		"Issuing": f.plan.Issuing, "Demonstration": f.plan.Demonstration,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.dir, "trustlist.toml"), []byte(b.String()), 0o644)
}

// firstTrustList publishes the first list of a demonstration. A real centre's
// officers make theirs.
func (f *founder) firstTrustList(ctx context.Context) (err error) {
	if f.TrustList == nil || !f.plan.Demonstration {
		return nil
	}
	file := filepath.Join(f.dir, configFile)
	section, err := loadInterop(file)
	if err != nil {
		return err
	}
	desk, closing, err := openDesk(section, f.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	var tokens []string
	for _, officer := range f.plan.TrustList.Officers[:2] {
		token, err := os.ReadFile(filepath.Join(f.dir, "staff", officer+".token"))
		if err != nil {
			return err
		}
		tokens = append(tokens, strings.TrimSpace(string(token)))
	}
	plan, files, err := loadListPlan(string(section.Plan))
	if err != nil {
		return err
	}
	return publishList(ctx, desk, plan, files, tokens[0], tokens[1])
}
