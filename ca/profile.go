package ca

import (
	"embed"
	"encoding/asn1"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Profile says what one kind of certificate holds. Every field is a key of the
// profile's TOML file.
type Profile struct {
	// Name is the file's name without ".toml".
	Name string `toml:"-"`
	// Description is one line for people.
	Description string `toml:"description"`
	// Validity is the longest time that a certificate is valid, cut to the
	// issuer's own end: "3y", "90d" or "12h".
	Validity Validity `toml:"validity"`
	// Keys are the kinds of subject key allowed: p256, p384, p521, rsa (3072
	// to 8192 bits), ed25519.
	Keys []string `toml:"keys"`
	// ExclusiveKey refuses a key that a certificate of another profile holds.
	ExclusiveKey bool `toml:"exclusive_key"`
	// Subject lists the attributes in the order in which they are written.
	Subject []SubjectRule `toml:"subject"`
	// SAN lists the kinds of subjectAltName that a request may ask for: dns,
	// ip, email.
	SAN []string `toml:"san"`
	// SelfSigned makes the certificate of the issuer itself.
	SelfSigned bool `toml:"self_signed"`
	// CA makes the certificate one of a certification authority. Such profiles
	// are issued in process only, never through the HTTP interface.
	CA bool `toml:"ca"`
	// Cross certifies the name and key of an authority as its own certificate
	// has them: another centre's, or the issuer's under its older or newer key
	// (recertify.go). Such profiles have no subject.
	Cross bool `toml:"cross"`
	// PathLength is the pathLenConstraint; nil leaves it out.
	PathLength *int `toml:"path_length"`
	// KeyUsage names bits as RFC 5280, Section 4.2.1.3 does. Always critical.
	KeyUsage []string `toml:"key_usage"`
	// ExtKeyUsage names purposes: serverAuth, clientAuth, timeStamping,
	// OCSPSigning.
	ExtKeyUsage         []string `toml:"ext_key_usage"`
	ExtKeyUsageCritical bool     `toml:"ext_key_usage_critical"`
	// Policies are certificate policy identifiers in dotted form.
	Policies []string `toml:"policies"`
	// Carries lists which of the issuer's addresses go into the certificate:
	// ocsp, crl, ca_issuers.
	Carries []string `toml:"carries"`
	// OCSPNoCheck adds id-pkix-ocsp-nocheck.
	OCSPNoCheck bool `toml:"ocsp_no_check"`
	// QC holds the statements of a qualified certificate; nil for none.
	QC *QCStatements `toml:"qc"`

	policies []asn1.ObjectIdentifier
}

// SubjectRule is one attribute of the subject.
type SubjectRule struct {
	// Attribute is its short key: C, O, OU, L, CN, surname, givenName,
	// serialNumber, organizationIdentifier, title, pseudonym.
	Attribute string `toml:"attribute"`
	// Value fixes the attribute; a request may at most repeat it.
	Value string `toml:"value"`
	// Required refuses a request without the attribute.
	Required bool `toml:"required"`
	// Default is used when the request has none; {key} stands for the value of
	// another attribute of this profile.
	Default string `toml:"default"`
	// Identifier derives the value from a national number instead of taking it
	// as it comes: PNO from the field fin, NTR from the field voen.
	Identifier string `toml:"identifier"`
}

// field is the request's name of the attribute.
func (r SubjectRule) field() string {
	switch r.Identifier {
	case "PNO":
		return "fin"
	case "NTR":
		return "voen"
	}
	return r.Attribute
}

// Validity is a length of time in calendar years or in days, hours or minutes.
type Validity struct {
	years    int
	duration time.Duration
}

// UnmarshalText reads "3y", "90d", "12h" or "30m".
func (v *Validity) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		return errors.New("validity is empty")
	}
	unit := s[len(s)-1]
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil || n <= 0 || n > 100_000 {
		return fmt.Errorf("validity %q is not a number with y, d, h or m behind it", s)
	}
	switch {
	case unit == 'y' && n <= 100:
		*v = Validity{years: n}
	case unit == 'd' && n <= 36_500:
		*v = Validity{duration: time.Duration(n) * 24 * time.Hour}
	case unit == 'h':
		*v = Validity{duration: time.Duration(n) * time.Hour}
	case unit == 'm':
		*v = Validity{duration: time.Duration(n) * time.Minute}
	default:
		return fmt.Errorf("validity %q is longer than 100 years or has no unit of y, d, h, m", s)
	}
	return nil
}

// end is the last second of the validity that begins at t.
//
// RFC 5280, Section 4.1.2.5: the period includes both of its ends.
func (v Validity) end(t time.Time) time.Time {
	return t.AddDate(v.years, 0, 0).Add(v.duration - time.Second)
}

// Profiles is a set of checked profiles by name. It never changes.
type Profiles struct{ byName map[string]*Profile }

//go:embed profiles/*.toml
var builtin embed.FS

// BuiltinProfiles returns the profiles that come with the package. Their
// policy identifiers are examples from the arc 2.999 and their addresses
// belong to nobody: they are for demonstrations and as a pattern to copy.
func BuiltinProfiles() (*Profiles, error) {
	fsys, err := fs.Sub(builtin, "profiles")
	if err != nil {
		return nil, fmt.Errorf("opening built-in profiles: %w", err)
	}
	return LoadProfiles(fsys)
}

// LoadProfiles reads every *.toml file in the root of fsys, each of which is
// one profile. Unknown keys and rules that contradict a standard are errors;
// all of them are returned at once, with file and line.
func LoadProfiles(fsys fs.FS) (*Profiles, error) {
	names, err := fs.Glob(fsys, "*.toml")
	if err != nil {
		return nil, fmt.Errorf("listing profiles: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("loading profiles: there is no .toml file")
	}
	profiles := &Profiles{byName: map[string]*Profile{}}
	var failed []error
	for _, name := range names {
		profile, err := loadProfile(fsys, name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		profiles.byName[profile.Name] = profile
	}
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("loading profiles: %w", err)
	}
	return profiles, nil
}

func loadProfile(fsys fs.FS, name string) (*Profile, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	profile := &Profile{Name: strings.TrimSuffix(path.Base(name), ".toml")}
	meta, err := toml.Decode(string(text), profile)
	if err != nil {
		if parse, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, fmt.Errorf("%s:%d: %s", name, parse.Position.Line, parse.Message)
		}
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	var failed []error
	for _, key := range meta.Undecoded() {
		failed = append(failed, fmt.Errorf("%s:%d: unknown key %s", name, lineOf(string(text), key.String(), 0), key))
	}
	for _, fault := range profile.check() {
		failed = append(failed, fmt.Errorf("%s:%d: %s: %s", name, lineOf(string(text), fault.key, fault.index), fault.key, fault.detail))
	}
	return profile, errors.Join(failed...)
}

// lineOf finds the line that sets a dotted key, in the index-th table of that
// name when there are several. It is 1 when nothing sets the key, which is
// where a missing key would go.
func lineOf(text, key string, index int) int {
	table, last, found := "", "", 1
	if dot := strings.LastIndexByte(key, '.'); dot >= 0 {
		table, last = key[:dot], key[dot+1:]
	} else {
		last = key
	}
	section, seen := "", -1
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[] ")
			if section == key {
				return i + 1
			}
			if section == table {
				seen++
				if seen == index {
					found = i + 1
				}
			}
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if ok && section == table && (table == "" || seen == index) && strings.Trim(name, " \t\"") == last {
			return i + 1
		}
	}
	return found
}

// Lookup returns the profile of that name.
func (p *Profiles) Lookup(name string) (*Profile, bool) {
	profile, ok := p.byName[name]
	return profile, ok
}

// Names returns the names of all profiles in alphabetical order.
func (p *Profiles) Names() []string { return slices.Sorted(maps.Keys(p.byName)) }
