package ca

import (
	"encoding/asn1"
	"fmt"
	"net/url"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
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

// ETSI EN 319 412-5, Annex B: object identifiers of the statements.
var (
	oidQCCompliance  = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 1}
	oidQCLimit       = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 2}
	oidQCRetention   = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 3}
	oidQCSSCD        = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 4}
	oidQCPDS         = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 5}
	oidQCType        = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6}
	oidQCLegislation = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 7}
)

// qcTypes are the purposes of ETSI EN 319 412-5, Section 4.2.3.
var qcTypes = map[string]asn1.ObjectIdentifier{
	"esign": {0, 4, 0, 1862, 1, 6, 1},
	"eseal": {0, 4, 0, 1862, 1, 6, 2},
	"web":   {0, 4, 0, 1862, 1, 6, 3},
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
	for _, country := range q.Legislation {
		if len(country) != 2 || !isUpper(country) {
			add("qc.legislation", "%q is not an ISO 3166-1 alpha-2 code", country)
		}
	}
	if l := q.Limit; l != nil {
		// ETSI EN 319 412-5, Section 4.3.2.
		if len(l.Currency) != 3 || !isUpper(l.Currency) {
			add("qc.limit", "currency %q is not an alphabetic ISO 4217 code", l.Currency)
		}
		if l.Amount <= 0 || l.Exponent < 0 {
			add("qc.limit", "the amount is positive and the exponent not negative")
		}
	}
	if q.RetentionYears < 0 {
		add("qc.retention_years", "is negative")
	}
	// ETSI EN 319 412-5, Section 4.3.4: one statement is in English.
	if len(q.PDS) > 0 && !slices.ContainsFunc(q.PDS, func(d QCDisclosure) bool { return d.Language == "en" }) {
		add("qc.pds", "none of the disclosure statements is in English (ETSI EN 319 412-5, Section 4.3.4)")
	}
	for i, pds := range q.PDS {
		// ETSI EN 319 412-5, Section 4.3.4.
		u, err := url.Parse(pds.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || !isASCII(pds.URL) {
			faults = append(faults, fault{"qc.pds.url", i, "is not an https URL"})
		}
		if len(pds.Language) != 2 || !isLower(pds.Language) {
			faults = append(faults, fault{"qc.pds.language", i, "is not a lower-case ISO 639-1 code"})
		}
	}
	return faults
}

// add writes the QCStatements of the extension (RFC 3739, Section 3.2.6).
func (q *QCStatements) add(b *cryptobyte.Builder) {
	sequence := cryptobyte_asn1.SEQUENCE
	statement := func(b *cryptobyte.Builder, id asn1.ObjectIdentifier, info func(*cryptobyte.Builder)) {
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(id)
			if info != nil {
				info(b)
			}
		})
	}
	text := func(b *cryptobyte.Builder, tag cryptobyte_asn1.Tag, s string) {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	}
	b.AddASN1(sequence, func(b *cryptobyte.Builder) {
		if q.Compliance {
			statement(b, oidQCCompliance, nil)
		}
		if l := q.Limit; l != nil {
			statement(b, oidQCLimit, func(b *cryptobyte.Builder) {
				b.AddASN1(sequence, func(b *cryptobyte.Builder) {
					text(b, cryptobyte_asn1.PrintableString, l.Currency)
					b.AddASN1Int64(l.Amount)
					b.AddASN1Int64(l.Exponent)
				})
			})
		}
		if q.RetentionYears > 0 {
			statement(b, oidQCRetention, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(q.RetentionYears)) })
		}
		if q.SSCD {
			statement(b, oidQCSSCD, nil)
		}
		if len(q.PDS) > 0 {
			statement(b, oidQCPDS, func(b *cryptobyte.Builder) {
				b.AddASN1(sequence, func(b *cryptobyte.Builder) {
					for _, pds := range q.PDS {
						b.AddASN1(sequence, func(b *cryptobyte.Builder) {
							text(b, cryptobyte_asn1.IA5String, pds.URL)
							text(b, cryptobyte_asn1.PrintableString, pds.Language)
						})
					}
				})
			})
		}
		if q.Type != "" {
			statement(b, oidQCType, func(b *cryptobyte.Builder) {
				b.AddASN1(sequence, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(qcTypes[q.Type]) })
			})
		}
		if len(q.Legislation) > 0 {
			statement(b, oidQCLegislation, func(b *cryptobyte.Builder) {
				b.AddASN1(sequence, func(b *cryptobyte.Builder) {
					for _, country := range q.Legislation {
						text(b, cryptobyte_asn1.PrintableString, country)
					}
				})
			})
		}
	})
}

func isUpper(s string) bool { return all(s, 'A', 'Z') }
func isLower(s string) bool { return all(s, 'a', 'z') }
func isASCII(s string) bool { return all(s, '!', '~') }

func all(s string, low, high rune) bool {
	for _, r := range s {
		if r < low || r > high {
			return false
		}
	}
	return true
}
