package ceremony

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// officer is an officer of the plan with the key that he signs by.
type officer struct {
	name   string
	public crypto.PublicKey
	spki   []byte
	// person is the serialNumber of the certificate's subject, which names a
	// human being across certificates (ETSI EN 319 412-1, Section 5.1.3); empty
	// for a bare key.
	person string
}

// loadOfficers reads the officers' keys, and refuses a plan in which one person
// could count twice. Their certificates are valid at now, unless that is zero.
func loadOfficers(plan *Plan, dir string, now time.Time) ([]officer, error) {
	var officers []officer
	for _, o := range plan.Officers {
		loaded, err := loadOfficer(o, dir, now)
		if err != nil {
			return nil, fmt.Errorf("officer %s: %w", o.Name, err)
		}
		for _, other := range officers {
			if string(other.spki) == string(loaded.spki) || loaded.person != "" && loaded.person == other.person {
				return nil, refuse("one person counts once: give each officer a key of his own", "officers %s and %s are the same person or share a key", other.name, loaded.name)
			}
		}
		officers = append(officers, loaded)
	}
	return officers, nil
}

func loadOfficer(o Officer, dir string, now time.Time) (officer, error) {
	loaded := officer{name: o.Name}
	data, err := readInput(dir, o.Certificate+o.Key) // one of the two is empty
	if err != nil {
		return loaded, err
	}
	if o.Key != "" {
		if loaded.spki, err = decodeOne(data, "PUBLIC KEY"); err != nil {
			return loaded, fmt.Errorf("reading %s: %w", o.Key, err)
		}
	} else {
		certificate, err := parseCertificate(data)
		if err != nil {
			return loaded, fmt.Errorf("reading %s: %w", o.Certificate, err)
		}
		if !now.IsZero() && (now.Before(certificate.NotBefore) || now.After(certificate.NotAfter)) {
			return loaded, refuse("the plan needs the officer's present certificate", "the certificate in %s is not valid now", o.Certificate)
		}
		loaded.spki, loaded.person = certificate.RawSubjectPublicKeyInfo, person(certificate)
	}
	loaded.public, err = parsePublic(loaded.spki)
	return loaded, err
}

func parseCertificate(data []byte) (*x509.Certificate, error) {
	encoded, err := decodeOne(data, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(encoded)
}

func person(certificate *x509.Certificate) string {
	for _, name := range certificate.Subject.Names {
		if text, ok := name.Value.(string); ok && asn1.ObjectIdentifier(name.Type).Equal(pki.OIDSerialNumber) {
			return text
		}
	}
	return ""
}

// Confirmation is an officer's word that the plan with this hash is the one to
// carry out.
type Confirmation struct {
	Ceremony string `json:"ceremony"`
	// Plan is the plan's hash ([Manifest.Hash]).
	Plan    string    `json:"plan"`
	Officer string    `json:"officer"`
	At      time.Time `json:"at"`
	// Signature is over the other fields.
	Signature []byte `json:"signature"`
}

func (c *Confirmation) statement() []byte {
	return statement("confirmation", c.Ceremony, c.Plan, c.Officer, c.At.UTC().Format(time.RFC3339))
}

// Confirm makes the confirmation of the officer whose key it is.
func Confirm(plan *Plan, dir, name string, text []byte, key crypto.Signer, now time.Time) (*Confirmation, error) {
	manifest, err := NewManifest(plan, dir, name, text)
	if err != nil {
		return nil, err
	}
	officers, err := loadOfficers(plan, dir, now)
	if err != nil {
		return nil, err
	}
	who, err := byKey(officers, key.Public())
	if err != nil {
		return nil, err
	}
	c := &Confirmation{Ceremony: plan.Ceremony, Plan: manifest.Hash(), Officer: who.name, At: now.UTC().Truncate(time.Second)}
	if c.Signature, err = signStatement(key, c.statement()); err != nil {
		return nil, fmt.Errorf("signing confirmation: %w", err)
	}
	return c, nil
}

func byKey(officers []officer, public crypto.PublicKey) (officer, error) {
	for _, o := range officers {
		if sameKey(o.public, public) {
			return o, nil
		}
	}
	return officer{}, refuse("the [[officer]] tables of the plan say who may sign, and by what key", "the key belongs to no officer of the plan")
}

// Encode writes the confirmation as a file holds it.
func (c *Confirmation) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(c, "", "  ")
	return append(data, '\n'), err
}

func decodeConfirmation(data []byte) (*Confirmation, error) {
	var c Confirmation
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return nil, fmt.Errorf("parsing confirmation: %w", err)
	}
	for _, word := range []string{c.Ceremony, c.Plan, c.Officer} {
		if strings.ContainsAny(word, "\r\n") {
			return nil, errors.New("parsing confirmation: a line's end is in a name")
		}
	}
	return &c, nil
}

// check verifies a confirmation against what is to be confirmed.
func (c *Confirmation) check(ceremony, planHash string, officers []officer) error {
	i := slices.IndexFunc(officers, func(o officer) bool { return o.name == c.Officer })
	switch {
	case i < 0:
		return fmt.Errorf("%q is not an officer of the plan", c.Officer)
	case c.Ceremony != ceremony:
		return fmt.Errorf("%s confirmed the ceremony %q, not %q", c.Officer, c.Ceremony, ceremony)
	case c.Plan != planHash:
		return fmt.Errorf("%s confirmed a plan with the hash %s, and this one has %s", c.Officer, c.Plan, planHash)
	}
	if err := pki.Verify(officers[i].public, c.statement(), c.Signature); err != nil {
		return fmt.Errorf("the confirmation of %s: %w", c.Officer, err)
	}
	return nil
}

// confirmed is a confirmation and the file it came in.
type confirmed struct {
	Confirmation
	file File
	data []byte
}

// readConfirmations reads and verifies every *.json file of the folder. One
// that does not fit is an error and not passed over: somebody wanted something
// else than what would be done.
func readConfirmations(plan *Plan, dir, planHash string, officers []officer) ([]confirmed, error) {
	folder := filepath.Join(dir, filepath.FromSlash(plan.Confirmations))
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading confirmations: %w", err)
	}
	var found []confirmed
	var failed []error
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".json" {
			continue
		}
		name := plan.Confirmations + "/" + entry.Name()
		data, err := readInput(dir, name)
		if err != nil {
			return nil, err
		}
		c, err := decodeConfirmation(data)
		if err == nil {
			err = c.check(plan.Ceremony, planHash, officers)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if slices.ContainsFunc(found, func(f confirmed) bool { return f.Officer == c.Officer }) {
			continue // the same person again, who counts once
		}
		found = append(found, confirmed{*c, File{name, hash(data)}, data})
	}
	if err := errors.Join(failed...); err != nil {
		return nil, &Refusal{err, "nothing was signed; officers confirm the very plan and files with `altamga ca ceremony confirm`, and files of another plan do not belong here"}
	}
	return found, nil
}

// enough says whether these officers may have the ceremony begun: as many as
// the plan requires, and not the operator of the machine alone.
func enough(required int, operator string, names []string) error {
	slices.Sort(names)
	names = slices.Compact(names)
	others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == operator })
	switch {
	case len(names) < required:
		return refuse("each of them runs `altamga ca ceremony confirm --plan FILE --key URI`", "%d of %d required officers have confirmed the plan", len(names), required)
	case len(others) == 0:
		return refuse("an officer who does not work the machine must confirm, too", "only the operator has confirmed the plan")
	}
	return nil
}
