package ca

import (
	"encoding/asn1"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// Constraints are what a certificate says about the certificates below an
// authority. They are all critical: a reader that does not understand one must
// not trust what is below.
type Constraints struct {
	// PolicyMappings say which policy of the other authority counts as which of
	// ours.
	PolicyMappings []PolicyMapping `toml:"policy_mapping"`
	// RequireExplicitPolicy and InhibitPolicyMapping are the two parts of
	// policyConstraints, and InhibitAnyPolicy is an extension of its own: after
	// how many further certificates each rule begins. nil leaves it out.
	RequireExplicitPolicy *int `toml:"require_explicit_policy"`
	InhibitPolicyMapping  *int `toml:"inhibit_policy_mapping"`
	InhibitAnyPolicy      *int `toml:"inhibit_any_policy"`
	// Names are the names that certificates below may have.
	Names *NameConstraints `toml:"name_constraints"`
}

// PolicyMapping makes one policy of the subject's domain worth one of the
// issuer's.
type PolicyMapping struct {
	Issuer  string `toml:"issuer"`
	Subject string `toml:"subject"`
}

// NameConstraints list the name spaces that are permitted or excluded. The
// first permitted one of a kind excludes all others of that kind.
type NameConstraints struct {
	Permitted Subtrees `toml:"permitted"`
	Excluded  Subtrees `toml:"excluded"`
}

// Subtrees are name spaces by kind.
type Subtrees struct {
	// Directory holds names such as "C=KZ, O=Some centre": everything that
	// begins with these attributes.
	Directory []string `toml:"directory"`
	// DNS holds domains such as "gov.kz": the domain and what is below it.
	DNS []string `toml:"dns"`
	// Email holds hosts ("gov.kz") or domains with a dot in front (".gov.kz").
	Email []string `toml:"email"`
}

// check says what is wrong with the constraints in a profile, where ca says
// whether it is one of an authority.
func (c *Constraints) check(ca bool) (faults []fault) {
	add := func(key string, index int, format string, args ...any) {
		faults = append(faults, fault{key, index, fmt.Sprintf(format, args...)})
	}
	skips := []struct {
		key  string
		skip *int
	}{{"require_explicit_policy", c.RequireExplicitPolicy}, {"inhibit_policy_mapping", c.InhibitPolicyMapping}, {"inhibit_any_policy", c.InhibitAnyPolicy}}
	for _, s := range skips {
		switch {
		case s.skip == nil:
		case !ca:
			// ETSI EN 319 412-2, Section 4.3: absent in end entities.
			add(s.key, 0, "belongs to authorities alone (RFC 5280, Section 4.2.1.11)")
		case *s.skip < 0 || *s.skip > 9:
			add(s.key, 0, "is not between 0 and 9 certificates (RFC 5280, Section 4.2.1.11)")
		}
	}
	if !ca && len(c.PolicyMappings) > 0 {
		add("policy_mapping", 0, "belongs to authorities alone (RFC 5280, Section 4.2.1.5)")
	}
	if !ca && c.Names != nil {
		add("name_constraints", 0, "belongs to authorities alone (RFC 5280, Section 4.2.1.10)")
	}
	for i, m := range c.PolicyMappings {
		for _, side := range []struct{ key, dotted string }{{"issuer", m.Issuer}, {"subject", m.Subject}} {
			oid, err := parseOID(side.dotted)
			switch {
			case err != nil:
				add("policy_mapping."+side.key, i, "%v", err)
			case oid.Equal(pki.OIDAnyPolicy):
				add("policy_mapping."+side.key, i, "anyPolicy is never mapped (RFC 5280, Section 4.2.1.5)")
			}
		}
	}
	if n := c.Names; n != nil {
		if n.Permitted.empty() && n.Excluded.empty() {
			add("name_constraints", 0, "is empty (RFC 5280, Section 4.2.1.10)")
		}
		faults = append(faults, n.Permitted.check("name_constraints.permitted")...)
		faults = append(faults, n.Excluded.check("name_constraints.excluded")...)
	}
	return faults
}

func (s *Subtrees) empty() bool { return len(s.Directory)+len(s.DNS)+len(s.Email) == 0 }

func (s *Subtrees) check(table string) (faults []fault) {
	add := func(key, format string, args ...any) {
		faults = append(faults, fault{key: table + "." + key, detail: fmt.Sprintf(format, args...)})
	}
	for _, name := range s.Directory {
		if _, err := directoryName(name); err != nil {
			add("directory", "%q: %v", name, err)
		}
	}
	for _, domain := range s.DNS {
		if !validHost(domain) {
			add("dns", "%q is not a domain of A-labels (RFC 5280, Section 4.2.1.10)", domain)
		}
	}
	for _, host := range s.Email {
		// RFC 9549, Section 2.2: hosts and domains, no single mailbox.
		if strings.Contains(host, "@") {
			add("email", "%q is one mailbox; name a host or a domain (RFC 9549, Section 2.2)", host)
		} else if !validHost(strings.TrimPrefix(host, ".")) {
			add("email", "%q is not a host or domain of A-labels (RFC 5280, Section 4.2.1.10)", host)
		}
	}
	return faults
}

// directoryName encodes a name written as "C=KZ, O=Some centre".
func directoryName(text string) ([]byte, error) {
	var attributes []pki.Attribute
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		oid, ok := pki.AttributeType(key)
		if !ok {
			return nil, fmt.Errorf("%q is not an attribute that names hold here", key)
		}
		attributes = append(attributes, pki.Attribute{Type: oid, Value: value})
	}
	return pki.MarshalName(attributes)
}

// add writes the extensions. The profile was checked: nothing here fails.
func (c *Constraints) add(b *cryptobyte.Builder) {
	sequence := cryptobyte_asn1.SEQUENCE
	if c.Names != nil {
		// RFC 5280, Section 4.2.1.10: critical, minimum zero (its default, left
		// out), no maximum.
		der.AddExtension(b, pki.OIDNameConstraints, true, func(b *cryptobyte.Builder) {
			b.AddASN1(sequence, func(b *cryptobyte.Builder) {
				c.Names.Permitted.add(b, 0)
				c.Names.Excluded.add(b, 1)
			})
		})
	}
	if len(c.PolicyMappings) > 0 {
		// RFC 5280, Section 4.2.1.5: should be critical.
		der.AddExtension(b, pki.OIDPolicyMappings, true, func(b *cryptobyte.Builder) {
			b.AddASN1(sequence, func(b *cryptobyte.Builder) {
				for _, m := range c.PolicyMappings {
					b.AddASN1(sequence, func(b *cryptobyte.Builder) {
						addDotted(b, m.Issuer)
						addDotted(b, m.Subject)
					})
				}
			})
		})
	}
	if c.RequireExplicitPolicy != nil || c.InhibitPolicyMapping != nil {
		// RFC 5280, Section 4.2.1.11: critical, never empty.
		der.AddExtension(b, pki.OIDPolicyConstraints, true, func(b *cryptobyte.Builder) {
			b.AddASN1(sequence, func(b *cryptobyte.Builder) {
				for tag, skip := range []*int{c.RequireExplicitPolicy, c.InhibitPolicyMapping} {
					if skip != nil {
						b.AddASN1Int64WithTag(int64(*skip), cryptobyte_asn1.Tag(tag).ContextSpecific())
					}
				}
			})
		})
	}
	if c.InhibitAnyPolicy != nil {
		// RFC 5280, Section 4.2.1.14: critical.
		der.AddExtension(b, pki.OIDInhibitAnyPolicy, true, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(*c.InhibitAnyPolicy)) })
	}
}

func addDotted(b *cryptobyte.Builder, dotted string) {
	oid, err := parseOID(dotted)
	if err != nil {
		b.SetError(err)
		return
	}
	b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier(oid))
}

// add writes GeneralSubtrees under a context tag, or nothing when there are
// none.
func (s *Subtrees) add(b *cryptobyte.Builder, tag uint8) {
	if s.empty() {
		return
	}
	b.AddASN1(cryptobyte_asn1.Tag(tag).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
		base := func(tag cryptobyte_asn1.Tag, value []byte) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
			})
		}
		for _, text := range s.Directory {
			name, err := directoryName(text)
			if err != nil {
				b.SetError(err)
				return
			}
			base(cryptobyte_asn1.Tag(4).Constructed().ContextSpecific(), name)
		}
		for _, domain := range s.DNS {
			base(sanTags["dns"], []byte(domain))
		}
		for _, host := range s.Email {
			base(sanTags["email"], []byte(host))
		}
	})
}
