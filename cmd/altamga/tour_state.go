package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/xmlsec"
	"github.com/altamga/altamga/interop"
)

// partnerState is the code of the state that the tour recognises: one of ISO
// 3166-1 under which there is no state.
const partnerState = "AQ"

//go:embed partner-state.toml.tmpl
var partnerStateTemplate string

// stateMaker makes the partner state of the demonstration: an authority, two
// citizens' certificates, and its list, in words of its own. The certificates
// are made by the standard library, as those of somebody else's software.
type stateMaker struct {
	dir  string
	made time.Time
}

// stateFolder is the partner state's folder, made if it is not there. It appears
// whole.
func (t *tour) stateFolder() (string, error) {
	dir := t.file("partner")
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	building, err := os.MkdirTemp(t.dir, ".partner-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(building)
	m := &stateMaker{dir: building, made: time.Now().UTC().Truncate(24 * time.Hour)}
	if err := m.make(); err != nil {
		return "", err
	}
	return dir, os.Rename(building, dir)
}

func (m *stateMaker) make() error {
	ca, caKey, err := m.certificate("ca", "Authority of an imaginary state (DEMONSTRATION)", nil, nil, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	})
	if err != nil {
		return err
	}
	qualified, err := statementsOf(partnerState)
	if err != nil {
		return err
	}
	if _, _, err = m.certificate("citizen", "Citizen of an imaginary state (DEMONSTRATION)", ca, caKey, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{qualified}
	}); err != nil {
		return err
	}
	if _, _, err = m.certificate("plain", "Not qualified (DEMONSTRATION)", ca, caKey, func(*x509.Certificate) {}); err != nil {
		return err
	}
	signer, signerKey, err := m.certificate("list-signer", "Trust list of an imaginary state (DEMONSTRATION)", ca, caKey, func(c *x509.Certificate) {
		c.KeyUsage, c.UnknownExtKeyUsage = x509.KeyUsageDigitalSignature, []asn1.ObjectIdentifier{pki.OIDTSLSigning}
		key := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		c.SubjectKeyId = key[:20]
	})
	if err != nil {
		return err
	}
	if err := m.list(signer, signerKey); err != nil {
		return err
	}
	return m.proposal()
}

// certificate makes a key and its certificate, and writes the latter.
func (m *stateMaker) certificate(file, name string, issuer *x509.Certificate, issuerKey crypto.Signer, shape func(*x509.Certificate)) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: serial, NotBefore: m.made.AddDate(0, 0, -1), NotAfter: m.made.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageContentCommitment,
		Subject: pkix.Name{Country: []string{partnerState}, Organization: []string{"Operator of an imaginary state (DEMONSTRATION)"}, CommonName: name},
	}
	if c.RawSubjectPublicKeyInfo, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return nil, nil, err
	}
	shape(c)
	if issuer == nil {
		issuer, issuerKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), issuerKey)
	if err != nil {
		return nil, nil, err
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		return nil, nil, err
	}
	return c, key, os.WriteFile(filepath.Join(m.dir, file+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// statementsOf says that a certificate is qualified by the law of a country
// (ETSI EN 319 412-5, Sections 4.2.1 and 4.2.4).
func statementsOf(country string) (pkix.Extension, error) {
	type statement struct {
		ID   asn1.ObjectIdentifier
		Info []string `asn1:"optional,omitempty"`
	}
	value, err := asn1.Marshal([]statement{
		{ID: asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 1}}, {ID: asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 7}, Info: []string{country}},
	})
	return pkix.Extension{Id: pki.OIDQCStatements, Value: value}, err
}

// list signs the state's own list. Its types and statuses are not those of
// ETSI: the agreement says what they are equivalent to.
func (m *stateMaker) list(signer *x509.Certificate, key crypto.Signer) error {
	en := func(s string) map[string]string { return map[string]string{"en": s} }
	web := map[string][]string{"en": {"mailto:lists@partner.example", "https://lists.partner.example/"}}
	information := map[string][]string{"en": {"https://lists.partner.example/"}}
	address := []interop.PlanAddress{{Lang: "en", Street: "1 Street", Locality: "City", Country: partnerState}}
	operator := en("Operator of an imaginary state (DEMONSTRATION)")
	plan := &interop.Plan{
		Territory: partnerState, Location: "https://lists.partner.example/AQ-TL.xml", Operator: operator, Name: en("Services of an imaginary state (DEMONSTRATION)"),
		Address: address, Contact: web, Information: information, LegalNotice: en("Demonstration: this list has no legal effect."),
		Providers: []interop.PlanProvider{{
			Name: operator, TradeName: en("NTRAQ-990000000001"), Address: address, Contact: web, Information: information,
			Services: []interop.PlanService{{
				Type: "https://lists.partner.example/type/signatures", Name: en("Signatures of citizens (DEMONSTRATION)"), Certificates: []string{"ca.pem"},
				Status: "https://lists.partner.example/status/active", Since: m.made.AddDate(0, 0, -1),
			}},
		}},
	}
	l, err := plan.Author(func(name string) ([]*interop.Certificate, error) {
		return interop.ReadCertificates(filepath.Join(m.dir, name))
	}, nil, []*interop.Certificate{{Raw: signer.Raw}}, time.Now())
	if err != nil {
		return err
	}
	signed, err := xmlsec.Sign(xmlsec.Request{Document: interop.Write(l), Key: key, Certificate: signer, Time: time.Now()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.dir, "AQ-TL.xml"), signed, 0o644)
}

// proposal writes what our officers propose of the state.
func (m *stateMaker) proposal() error {
	parsed, err := template.New("partner.toml").Parse(partnerStateTemplate)
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(m.dir, "partner.toml"))
	if err != nil {
		return err
	}
	return errors.Join(parsed.Execute(file, m.made.Format(time.RFC3339)), file.Close())
}

// publishList walks a plan through the desk: one officer prepares it, the other
// one signs and publishes.
func publishList(ctx context.Context, desk *interop.Desk, plan *interop.Plan, files interop.CertificateFiles, one, other string) error {
	draft, _, err := desk.Prepare(ctx, one, plan, files)
	if err != nil {
		return err
	}
	if _, err := desk.Sign(ctx, other, draft.Digest); err != nil {
		return err
	}
	_, err = desk.Publish(ctx, other)
	return err
}
