package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
	"github.com/altamga/altamga/interop"
)

// identity is a key and its certificate.
type identity struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func (i *identity) list() *interop.Certificate { return &interop.Certificate{Raw: i.cert.Raw} }

// made says what certificate to make.
type made struct {
	name, country, organisation string
	issuer                      *identity
	ca                          bool
	from, to                    time.Time
	policy                      asn1.ObjectIdentifier
	signer                      bool // of trust lists
	usage                       x509.KeyUsage
	ski                         []byte
	extra                       []pkix.Extension
}

func (m made) make(t testing.TB) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if m.from.IsZero() {
		m.from, m.to = time.Now().Add(-24*365*time.Hour), time.Now().Add(24*365*time.Hour)
	}
	if m.country == "" {
		m.country = "AZ"
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: m.from, NotAfter: m.to, IsCA: m.ca, BasicConstraintsValid: true, KeyUsage: m.usage,
		Subject: pkix.Name{Country: []string{m.country}, CommonName: m.name},
	}
	if m.organisation != "" {
		template.Subject.Organization = []string{m.organisation}
	}
	if m.policy != nil {
		oid, err := x509.OIDFromInts([]uint64{2, 999, 1})
		if err != nil {
			t.Fatal(err)
		}
		template.Policies = []x509.OID{oid}
	}
	template.SubjectKeyId, template.ExtraExtensions = m.ski, m.extra
	if m.signer {
		template.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{0, 4, 0, 2231, 3, 0}}
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.SubjectKeyId = []byte{1, 2, 3, 4}
	}
	parent, by := template, crypto.Signer(key)
	if m.issuer != nil {
		parent, by = m.issuer.cert, m.issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{key, c}
}

// country is a made-up state with a list, a signer of it and one service.
type country struct {
	territory string
	signer    *identity
	ca        *identity
	list      *interop.List
}

func text(s string) []interop.Text { return []interop.Text{{Lang: "en", Value: s}} }

func newCountry(t testing.TB, territory string) *country {
	t.Helper()
	c := &country{territory: territory}
	c.signer = made{name: "Signer of " + territory + " (TEST)", country: territory, organisation: "Operator of " + territory, signer: true}.make(t)
	c.ca = made{name: "Authority of " + territory + " (TEST)", country: territory, ca: true}.make(t)
	address := interop.Address{
		Postal:     []interop.PostalAddress{{Lang: "en", Street: "1 Street", Locality: "City", Country: territory}},
		Electronic: []interop.Text{{Lang: "en", Value: "mailto:list@state.example"}, {Lang: "en", Value: "https://state.example/"}},
	}
	now := time.Now().Truncate(time.Second).UTC()
	c.list = &interop.List{
		Tag: "http://uri.etsi.org/19612/TSLTag",
		Scheme: interop.Scheme{
			Version: 6, SequenceNumber: 1, Type: "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/" + territory + "list",
			OperatorName: text("Operator of " + territory), OperatorAddress: address, Name: text(territory + ":Trust list"),
			InformationURI: text("https://state.example/list"), StatusDetermination: "http://uri.etsi.org/TrstSvc/TrustedList/StatusDetn/" + territory + "determination",
			CommunityRules: text("http://uri.etsi.org/TrstSvc/TrustedList/schemerules/" + territory), Territory: territory,
			LegalNotice: text("The law of " + territory + " applies."), HistoricalPeriod: 65535, IssuedAt: now.Add(-time.Minute), NextUpdate: now.Add(24 * time.Hour),
		},
		Providers: []interop.Provider{{
			Name: text("Provider of " + territory), Address: address, InformationURI: text("https://provider.example/"),
			Services: []interop.Service{{State: interop.State{
				Type: interop.ServiceCAQC, Name: text("Certificates of " + territory), Identity: interop.Identity{{Certificate: c.ca.list()}},
				Status: interop.Granted, Since: now.Add(-100 * 24 * time.Hour),
			}}},
		}},
	}
	return c
}

// sign writes and signs a list with the identity.
func sign(t testing.TB, l *interop.List, by *identity) []byte {
	t.Helper()
	out, err := xmlsec.Sign(xmlsec.Request{Document: interop.Write(l), Key: by.key, Certificate: by.cert, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// pointer leads to the country's list.
func (c *country) pointer(address string) interop.Pointer {
	return interop.Pointer{
		Identities: []interop.Identity{{{Certificate: c.signer.list()}}}, Location: address,
		Additional: []interop.Information{
			{Other: `<TSLType xmlns="http://uri.etsi.org/02231/v2#">` + interop.Fragment(c.list.Scheme.Type) + `</TSLType>`},
			{Other: `<SchemeTerritory xmlns="http://uri.etsi.org/02231/v2#">` + interop.Fragment(c.territory) + `</SchemeTerritory>`},
			{Other: `<a:MimeType xmlns:a="http://uri.etsi.org/02231/v2/additionaltypes#">application/vnd.etsi.tsl+xml</a:MimeType>`},
		},
	}
}
