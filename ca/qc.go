package ca

import (
	"encoding/asn1"
	"fmt"
	"net/url"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// QCStatements are the statements of ETSI EN 319 412-5 in a certificate.
type QCStatements struct {
	// Compliance claims that the certificate is qualified. Without Legislation
	// that claim would be made under the law of the European Union.
	Compliance bool `toml:"compliance"`
	// Type is the purpose: esign, eseal or web.
	Type string `toml:"type"`
	// Legislation lists the countries whose law makes the certificate
	// qualified, as ISO 3166-1 alpha-2 codes.
	Legislation []string `toml:"legislation"`
	// SSCD claims that the key is in a qualified signature creation device.
	SSCD bool `toml:"sscd"`
	// Limit bounds the value of transactions.
	Limit *QCLimit `toml:"limit"`
	// RetentionYears is how long the centre keeps documents after expiry; 0
	// leaves it out.
	RetentionYears int `toml:"retention_years"`
	// PDS are the places of the disclosure statement.
	PDS []QCDisclosure `toml:"pds"`
	// Semantics says by which rules the subject's identifier is read: natural
	// (serialNumber) or legal (organizationIdentifier), of ETSI EN 319 412-1,
	// Section 5.1. Empty leaves it out.
	Semantics string `toml:"semantics"`
	// NameRegistrationAuthorities are addresses that explain an identifier of a
	// national type, such as VP:.
	NameRegistrationAuthorities []string `toml:"name_registration_authorities"`
}

// QCLimit is Amount x 10^Exponent in an ISO 4217 currency.
type QCLimit struct {
	Currency string `toml:"currency"`
	Amount   int64  `toml:"amount"`
	Exponent int64  `toml:"exponent"`
}

// QCDisclosure is one language's disclosure statement.
type QCDisclosure struct {
	URL      string `toml:"url"`
	Language string `toml:"language"`
}

// qcTypes are the purposes of ETSI EN 319 412-5, Section 4.2.3.
var qcTypes = map[string]asn1.ObjectIdentifier{
	"esign": pki.OIDQCTypeESign,
	"eseal": pki.OIDQCTypeESeal,
	"web":   pki.OIDQCTypeWeb,
}

// qcSemantics are the identifiers of ETSI EN 319 412-1, Section 5.1.
var qcSemantics = map[string]asn1.ObjectIdentifier{
	"natural": pki.OIDSemanticsNatural,
	"legal":   pki.OIDSemanticsLegal,
}

func (q *QCStatements) check() (faults []fault) {
	add := func(key, format string, args ...any) {
		faults = append(faults, fault{key: key, detail: fmt.Sprintf(format, args...)})
	}
	if _, ok := qcTypes[q.Type]; q.Type != "" && !ok {
		add("qc.type", "is none of esign, eseal, web")
	}
	if q.Compliance {
		// ETSI EN 319 412-5, Section 4.2.4: QcCompliance alone claims to be
		// qualified under the law of the European Union, which no centre
		// outside it may do.
		if len(q.Legislation) == 0 {
			add("qc.legislation", "QcCompliance without QcCClegislation claims qualification in the European Union (ETSI EN 319 412-5, Section 4.2.4)")
		}
		// ETSI EN 319 412-5, Section 5: type and disclosure are mandatory.
		if q.Type == "" {
			add("qc.type", "a qualified certificate states its type (ETSI EN 319 412-5, Section 5)")
		}
		if len(q.PDS) == 0 {
			add("qc.pds", "a qualified certificate points to a disclosure statement (ETSI EN 319 412-5, Section 5)")
		}
	}
	for i, country := range q.Legislation {
		switch {
		case !pki.IsCountry(country):
			add("qc.legislation", "%q is not an ISO 3166-1 alpha-2 code (ETSI EN 319 412-5, Section 4.2.4)", country)
		case pki.IsEUMember(country):
			add("qc.legislation", "%q: qualification in the European Union is stated by leaving the statement out (ETSI EN 319 412-5, Section 4.2.4)", country)
		case slices.Contains(q.Legislation[:i], country):
			add("qc.legislation", "%q stands twice", country)
		}
	}
	if _, ok := qcSemantics[q.Semantics]; q.Semantics != "" && !ok {
		add("qc.semantics", "is none of natural, legal (ETSI EN 319 412-1, Section 5.1)")
	}
	if len(q.NameRegistrationAuthorities) > 0 && q.Semantics == "" {
		add("qc.name_registration_authorities", "explains identifiers whose semantics are not stated (RFC 3739, Section 3.2.6.1)")
	}
	for _, authority := range q.NameRegistrationAuthorities {
		if !validURI(authority) {
			add("qc.name_registration_authorities", "%q is not an absolute URI (RFC 5280, Section 4.2.1.6)", authority)
		}
	}
	return append(faults, q.checkTerms()...)
}

// checkTerms checks limit, retention and disclosure.
func (q *QCStatements) checkTerms() (faults []fault) {
	add := func(key, format string, args ...any) {
		faults = append(faults, fault{key: key, detail: fmt.Sprintf(format, args...)})
	}
	if l := q.Limit; l != nil {
		// ETSI EN 319 412-5, Section 4.3.2.
		if !pki.IsCurrency(l.Currency) {
			add("qc.limit", "currency %q is not an alphabetic ISO 4217 code (ETSI EN 319 412-5, Section 4.3.2)", l.Currency)
		}
		if l.Amount <= 0 || l.Exponent < 0 {
			add("qc.limit", "the amount is positive and the exponent not negative (ETSI EN 319 412-5, Section 4.3.2)")
		}
	}
	if q.RetentionYears < 0 {
		add("qc.retention_years", "is negative (ETSI EN 319 412-5, Section 4.3.3)")
	}
	// ETSI EN 319 412-5, Section 4.3.4: one statement is in English.
	if len(q.PDS) > 0 && !slices.ContainsFunc(q.PDS, func(d QCDisclosure) bool { return d.Language == "en" }) {
		add("qc.pds", "none of the disclosure statements is in English (ETSI EN 319 412-5, Section 4.3.4)")
	}
	for i, pds := range q.PDS {
		// ETSI EN 319 412-5, Section 4.3.4.
		u, err := url.Parse(pds.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || !isASCII(pds.URL) {
			faults = append(faults, fault{"qc.pds.url", i, "is not an https URL (ETSI EN 319 412-5, Section 4.3.4)"})
		}
		if !pki.IsLanguage(pds.Language) {
			faults = append(faults, fault{"qc.pds.language", i, "is not a lower-case ISO 639-1 code (ETSI EN 319 412-5, Section 4.3.4)"})
		}
	}
	return faults
}

// add writes the QCStatements of the extension (RFC 3739, Section 3.2.6).
func (q *QCStatements) add(b *cryptobyte.Builder) {
	statement := func(b *cryptobyte.Builder, id asn1.ObjectIdentifier, info func(*cryptobyte.Builder)) {
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(id)
			if info != nil {
				info(b)
			}
		})
	}
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if q.Semantics != "" {
			statement(b, pki.OIDQCSyntaxV2, q.addSemantics)
		}
		if q.Compliance {
			statement(b, pki.OIDQCCompliance, nil)
		}
		if q.Limit != nil {
			statement(b, pki.OIDQCLimitValue, q.Limit.add)
		}
		if q.RetentionYears > 0 {
			statement(b, pki.OIDQCRetention, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(q.RetentionYears)) })
		}
		if q.SSCD {
			statement(b, pki.OIDQCSSCD, nil)
		}
		if len(q.PDS) > 0 {
			statement(b, pki.OIDQCPDS, q.addDisclosures)
		}
		if q.Type != "" {
			statement(b, pki.OIDQCType, func(b *cryptobyte.Builder) {
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(qcTypes[q.Type]) })
			})
		}
		if len(q.Legislation) > 0 {
			statement(b, pki.OIDQCCLegislation, func(b *cryptobyte.Builder) {
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, country := range q.Legislation {
						addText(b, cryptobyte_asn1.PrintableString, country)
					}
				})
			})
		}
	})
}

// addSemantics writes SemanticsInformation (RFC 3739, Section 3.2.6.1).
func (q *QCStatements) addSemantics(b *cryptobyte.Builder) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(qcSemantics[q.Semantics])
		if len(q.NameRegistrationAuthorities) == 0 {
			return
		}
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, authority := range q.NameRegistrationAuthorities {
				addURI(b, authority)
			}
		})
	})
}

// add writes a MonetaryValue (ETSI EN 319 412-5, Section 4.3.2).
func (l *QCLimit) add(b *cryptobyte.Builder) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addText(b, cryptobyte_asn1.PrintableString, l.Currency)
		b.AddASN1Int64(l.Amount)
		b.AddASN1Int64(l.Exponent)
	})
}

// addDisclosures writes PdsLocations (ETSI EN 319 412-5, Section 4.3.4).
func (q *QCStatements) addDisclosures(b *cryptobyte.Builder) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, pds := range q.PDS {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addText(b, cryptobyte_asn1.IA5String, pds.URL)
				addText(b, cryptobyte_asn1.PrintableString, pds.Language)
			})
		}
	})
}

func addText(b *cryptobyte.Builder, tag cryptobyte_asn1.Tag, s string) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
}

func isASCII(s string) bool { return all(s, '!', '~') }

func all(s string, low, high rune) bool {
	for _, r := range s {
		if r < low || r > high {
			return false
		}
	}
	return true
}
