package ceremony

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

// actor is whom the register and journal name.
const actor = "ceremony"

// set ties a certificate's record in the register to its step.
func (c *Ceremony) set(s *Step) string { return c.Plan.Ceremony + "." + s.ID }

// encodeOutput is the form of an output's file.
func encodeOutput(name, do string, encoded []byte) []byte {
	switch path.Ext(name) {
	case ".cer", ".der", ".crl":
		return encoded
	}
	kind := "CERTIFICATE"
	switch do {
	case DoRequest:
		kind = "CERTIFICATE REQUEST"
	case DoList:
		kind = "X509 CRL"
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: encoded})
}

// generate makes a key. The intent is in the minutes and no key of that URI was
// there when the ceremony began: one that is there now is what an interrupted
// run of this very step made.
func (c *Ceremony) generate(s *Step) error {
	k := c.Plan.key(s.Key)
	again := find(c.minutes.lines, eventIntent, s.ID) != nil
	if err := c.intent(Line{Step: s.ID, Text: fmt.Sprintf("to generate the key %s (%s)", k.Name, k.Algorithm), Facts: []Fact{{"algorithm", k.Algorithm}}}); err != nil {
		return err
	}
	var key crypto.Signer
	err := error(fs.ErrNotExist)
	switch {
	case c.dry:
		key, err = keyOf(k.Algorithm)
		c.throwAway[k.Name] = true
	case again:
		key, err = c.Keys.Open(k.URI)
	}
	if errors.Is(err, fs.ErrNotExist) {
		key, err = c.Keys.Generate(k.URI, k.Algorithm)
		c.reached("generated " + s.ID)
	}
	if err != nil {
		return err
	}
	encoded, err := spki(key.Public())
	if err != nil {
		return err
	}
	c.keys[k.Name] = key
	return c.line(Line{Event: eventDone, Step: s.ID, Text: fmt.Sprintf("generated the key %s (%s)", k.Name, k.Algorithm),
		Facts: []Fact{{"key", k.Name}, {"public key sha256", hash(encoded)}}, Data: encoded})
}

// key opens a key of the plan. In a dry run a key that exists is there by its
// public half only.
func (c *Ceremony) key(name string) (crypto.Signer, error) {
	if key, ok := c.keys[name]; ok {
		return key, nil
	}
	k := c.Plan.key(name)
	if c.dry {
		// The certificate says what the key is, so that a plan can be rehearsed
		// on a machine that has no key.
		for _, a := range c.Plan.Authorities {
			if a.Key != name {
				continue
			}
			if certificate, err := c.certificate(a.Certificate); err == nil {
				c.keys[name] = publicHalf{certificate.PublicKey}
				return c.keys[name], nil
			}
		}
	}
	key, err := c.Keys.Open(k.URI)
	if err != nil {
		return nil, fmt.Errorf("opening key %s: %w", name, err)
	}
	if c.generatedAs(name) != "" {
		if encoded, err := spki(key.Public()); err != nil || hash(encoded) != c.generatedAs(name) {
			return nil, fmt.Errorf("opening key %s: it is not the key that this ceremony generated", name)
		}
	}
	if c.dry {
		key = publicHalf{key.Public()}
	}
	c.keys[name] = key
	return key, nil
}

// generatedAs is the hash of the public key that a step of this ceremony made,
// or "".
func (c *Ceremony) generatedAs(name string) string {
	for _, l := range c.minutes.lines {
		if l.Event == eventDone && l.fact("key") == name {
			return l.fact("public key sha256")
		}
	}
	return ""
}

func (c *Ceremony) certificate(name string) (*x509.Certificate, error) {
	data, err := c.read(name)
	if err != nil {
		return nil, err
	}
	certificate, err := parseCertificate(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return certificate, nil
}

// issuer returns an authority of the plan as package ca wants it.
func (c *Ceremony) issuer(a *Authority, certified bool, profiles ...string) (ca.Issuer, error) {
	i := ca.Issuer{ID: a.ID, Profiles: profiles, OCSP: a.OCSP, CRL: a.CRL, CAIssuers: a.CAIssuers}
	var err error
	if i.Key, err = c.key(a.Key); err != nil {
		return i, err
	}
	if certified {
		if i.Certificate, err = c.certificate(a.Certificate); err != nil {
			return i, err
		}
	}
	return i, nil
}

// authority returns the authority that signs by a profile. The plan's other
// authorities with a certificate and a key stand beside it, so that their keys
// are certified by mistake in no other role.
func (c *Ceremony) authority(by *Authority, certified bool, profiles ...string) (*ca.Authority, ca.Issuer, error) {
	signer, err := c.issuer(by, certified, profiles...)
	if err != nil {
		return nil, signer, err
	}
	issuers := []ca.Issuer{signer}
	used := map[string]bool{by.Key: true}
	for i := range c.Plan.Authorities {
		a := &c.Plan.Authorities[i]
		if _, made := c.outputs[a.Certificate]; a.Key == "" || used[a.Key] || c.Plan.made(a.Certificate) && !made {
			continue
		}
		used[a.Key] = true
		other, err := c.issuer(a, true)
		if err != nil {
			return nil, signer, err
		}
		issuers = append(issuers, other)
	}
	authority, err := ca.New(ca.Config{Issuers: issuers, Profiles: c.Profiles, Register: c.register, Lint: c.Lint, Audit: c.audit})
	return authority, signer, err
}

// certify issues the one certificate of a step. Its record in the register,
// found by the step's set, says how far an earlier run came:
//
//	no intent           prepare: lint, reserve the serial, durably
//	intent              sign those very bytes, again if need be
//	certificate         take it
func (c *Ceremony) certify(ctx context.Context, s *Step) error {
	by := c.Plan.authority(s.By)
	if s.Do == DoRoot {
		by = c.Plan.authority(s.For)
	}
	authority, signer, err := c.authority(by, s.Do != DoRoot, s.Profile)
	if err != nil {
		return err
	}
	if err := c.checkNames(s, signer.Certificate); err != nil {
		return err
	}
	prepared, inputs, err := c.prepare(ctx, authority, by, s)
	if err != nil {
		return err
	}
	record, err := c.register.Record(ctx, prepared.Serial())
	if err != nil {
		return fmt.Errorf("reading register: %w", err)
	}
	linted, err := prepared.Linted()
	if err != nil {
		return err
	}
	tbs := linted.RawTBSCertificate
	if err := c.intent(Line{Step: s.ID, Text: fmt.Sprintf("to sign a certificate for %s with the key of %s", linted.Subject, by.ID),
		Facts: []Fact{{"serial", string(prepared.Serial())}, {"to-be-signed sha256", hash(tbs)}}, Inputs: inputs, Data: tbs}); err != nil {
		return err
	}
	encoded := record.Certificate
	switch {
	case encoded != nil:
	case c.dry && !c.throwAway[by.Key]:
		// Later steps find the certificate as if it had been signed.
		encoded = linted.Raw
		if _, err := c.register.Complete(ctx, prepared.Serial(), encoded, nil); err != nil {
			return err
		}
	default:
		issued, err := authority.Issue(ctx, prepared)
		if err != nil {
			return err
		}
		c.reached("signed " + s.ID)
		encoded = issued.Raw
	}
	certificate, err := x509.ParseCertificate(encoded)
	if err != nil {
		return err
	}
	c.show(s, certificate.RawTBSCertificate, certificateText(certificate), c.changes(s, signer.Key, certificate))
	out := c.Plan.output(s)
	return c.line(Line{Event: eventDone, Step: s.ID, Text: fmt.Sprintf("certificate %s for %s, by %s", prepared.Serial(), certificate.Subject, by.ID),
		Facts:   []Fact{{"serial", string(prepared.Serial())}, {"issuer", by.ID}, {"profile", s.Profile}, {"certificate sha256", hash(encoded)}},
		Outputs: []File{{out, hash(encodeOutput(out, s.Do, encoded))}}, Data: encoded})
}

// checkNames tells links from cross-certificates: between a name's own keys, and
// between two names (RFC 5280, Section 3.2).
func (c *Ceremony) checkNames(s *Step, by *x509.Certificate) error {
	file := s.Certificate
	switch s.Do {
	default:
		return nil
	case DoLink:
		file = c.Plan.authority(s.For).Certificate
	case DoCross:
	}
	of, err := c.certificate(file)
	if err != nil {
		return err
	}
	same := string(of.RawSubject) == string(by.RawSubject)
	switch {
	case s.Do == DoLink && !same:
		return refuse("a certificate for another name is a cross-certificate: do = \"cross\"", "%s is for %s, and %s would sign: a link is between two keys of one name", file, of.Subject, by.Subject)
	case s.Do == DoCross && same:
		return refuse("a certificate between two keys of one name is a link: do = \"link\"", "%s has the name of the authority that would sign", file)
	}
	return nil
}

// prepare returns the token for the step's certificate, of an earlier run's
// intent if there is one, and the inputs that it was made from.
func (c *Ceremony) prepare(ctx context.Context, authority *ca.Authority, by *Authority, s *Step) (*ca.Prepared, []File, error) {
	request, inputs, err := c.requestOf(by, s)
	if err != nil {
		return nil, nil, err
	}
	intent, err := c.reserved(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if intent != nil {
		prepared, err := authority.Resume(ctx, *intent)
		return prepared, inputs, err
	}
	prepared, err := authority.Prepare(ctx, request)
	if _, refused := errors.AsType[*ca.RefusedError](err); refused {
		return nil, nil, &Refusal{err, "nothing was signed in this step; the plan must be put right and confirmed anew, as another ceremony"}
	}
	if err != nil {
		return nil, nil, err
	}
	c.reached("reserved " + s.ID)
	return prepared, inputs, nil
}

// reserved returns the intent that an earlier run of the step left in the
// register, or nil.
func (c *Ceremony) reserved(ctx context.Context, s *Step) (*journal.Intent, error) {
	if line := find(c.minutes.lines, eventIntent, s.ID); line != nil {
		record, err := c.register.Record(ctx, journal.Serial(line.fact("serial")))
		if err != nil {
			return nil, refuse("the register beside the minutes is not that of this ceremony, or it was restored from an old copy", "reading the intent of the minutes in the register: %w", err)
		}
		return &record.Intent, nil
	}
	unfinished, err := c.register.Unfinished(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading register: %w", err)
	}
	for i := range unfinished {
		if unfinished[i].Set == c.set(s) && unfinished[i].Actor == actor {
			return &unfinished[i], nil
		}
	}
	return nil, nil
}

// requestOf puts a step into the words of package ca.
func (c *Ceremony) requestOf(by *Authority, s *Step) (ca.Request, []File, error) {
	r := ca.Request{Issuer: by.ID, Profile: s.Profile, Subject: s.Subject, DNSNames: s.DNS, NotBefore: s.NotBefore, NotAfter: s.NotAfter,
		Set: c.set(s), Actor: actor}
	for _, text := range s.IP {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return r, nil, err
		}
		r.IPAddresses = append(r.IPAddresses, address)
	}
	input := s.CSR + s.Certificate // at most one is there
	if s.Do == DoLink {
		input = c.Plan.authority(s.For).Certificate
	}
	var inputs []File
	if input != "" {
		data, err := c.read(input)
		if err != nil {
			return r, nil, err
		}
		inputs = append(inputs, File{input, hash(data)})
		if s.CSR != "" {
			if r.CSR, err = decodeOne(data, "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"); err != nil {
				return r, nil, fmt.Errorf("reading %s: %w", input, err)
			}
		} else if r.Authority, err = parseCertificate(data); err != nil {
			return r, nil, fmt.Errorf("reading %s: %w", input, err)
		}
	}
	if s.Key != "" {
		key, err := c.key(s.Key)
		if err != nil {
			return r, nil, err
		}
		r.PublicKey = key.Public()
	}
	return r, inputs, nil
}
