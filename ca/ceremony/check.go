package ceremony

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/journal"
)

// Fault is something wrong with a plan: the path of the key that is at fault
// ("step[2].by") and why, in words that follow the key.
type Fault struct{ Key, Detail string }

var shortName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,29}$`)

// checker gathers faults.
type checker struct {
	*Plan
	faults []Fault
}

func (c *checker) add(key, format string, args ...any) {
	c.faults = append(c.faults, Fault{key, fmt.Sprintf(format, args...)})
}

// Check says everything that is wrong with the plan itself, before any file is
// looked at.
func (p *Plan) Check() []Fault {
	c := &checker{Plan: p}
	c.header()
	c.officers()
	c.names()
	made := map[string]bool{}
	for i := range p.Steps {
		c.step(i, made)
	}
	if len(p.Steps) == 0 {
		c.add("step", "is missing: the plan does nothing")
	}
	return c.faults
}

func (c *checker) header() {
	if !shortName.MatchString(c.Ceremony) {
		c.add("ceremony", "is not a name of 1 to 30 lower-case letters, digits and hyphens")
	}
	switch {
	case c.NotBefore.IsZero():
		c.add("not_before", "is missing: without the ceremony's days a wrong clock is not seen")
	case c.NotAfter.IsZero():
		c.add("not_after", "is missing: without the ceremony's days a wrong clock is not seen")
	case !c.NotAfter.After(c.NotBefore):
		c.add("not_after", "is not later than not_before")
	}
	for _, f := range []struct {
		key, value string
		required   bool
	}{{"register", c.Register, true}, {"confirmations", c.Confirmations, true}, {"minutes", c.Minutes, true}, {"profiles", c.Profiles, false}} {
		c.file(f.key, f.value, f.required)
	}
	if t := c.Timestamp; t != nil {
		c.file("timestamp.request", t.Request, true)
		c.file("timestamp.response", t.Response, true)
		c.file("timestamp.roots", t.Roots, true)
	}
	if c.Seal != "" && c.key(c.Seal) == nil {
		c.add("seal", "%q is not a [[key]] of the plan", c.Seal)
	}
}

// file checks a path of the plan: it stays below the plan's folder, so that the
// folder can be carried to another machine as it is.
func (c *checker) file(key, name string, required bool) {
	switch {
	case name == "" && required:
		c.add(key, "is missing")
	case name == "":
	case path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") || strings.ContainsAny(name, "\\\n\r"):
		c.add(key, "%q is not a plain path below the plan's folder", name)
	}
}

func (c *checker) officers() {
	names := map[string]bool{}
	for i, o := range c.Officers {
		at := fmt.Sprintf("officer[%d].", i)
		if !shortName.MatchString(o.Name) {
			c.add(at+"name", "is not a name of 1 to 30 lower-case letters, digits and hyphens")
		}
		if names[o.Name] {
			c.add(at+"name", "%q stands twice", o.Name)
		}
		names[o.Name] = true
		if (o.Certificate == "") == (o.Key == "") {
			c.add(at+"key", "or certificate, one of the two, says by what the officer signs")
		}
		c.file(at+"certificate", o.Certificate, false)
		c.file(at+"key", o.Key, false)
	}
	switch {
	case c.Required < 2:
		c.add("required", "is less than two: no one person begins a ceremony")
	case c.Required > len(c.Officers):
		c.add("required", "is more than the %d officers of the plan", len(c.Officers))
	}
	if !names[c.Operator] {
		c.add("operator", "%q is not an [[officer]] of the plan", c.Operator)
	}
}

// names checks that keys and authorities are there once.
func (c *checker) names() {
	seen, uris := map[string]bool{}, map[string]bool{}
	for i, k := range c.Keys {
		at := fmt.Sprintf("key[%d].", i)
		if !shortName.MatchString(k.Name) || seen[k.Name] {
			c.add(at+"name", "%q is used twice or not a name of 1 to 30 lower-case letters, digits and hyphens", k.Name)
		}
		if k.URI == "" || uris[k.URI] {
			c.add(at+"uri", "is missing or that of another key")
		}
		if made := c.generated(k.Name); made != (k.Algorithm != "") {
			c.add(at+"algorithm", "is there for keys that a step generates, and only for them")
		}
		seen[k.Name], uris[k.URI] = true, true
	}
	seen, files := map[string]bool{}, map[string]bool{}
	for i, a := range c.Authorities {
		at := fmt.Sprintf("authority[%d].", i)
		if !shortName.MatchString(a.ID) || seen[a.ID] {
			c.add(at+"id", "%q is used twice or not a name of 1 to 30 lower-case letters, digits and hyphens", a.ID)
		}
		if a.Key != "" && c.key(a.Key) == nil {
			c.add(at+"key", "%q is not a [[key]] of the plan", a.Key)
		}
		c.file(at+"certificate", a.Certificate, true)
		if files[a.Certificate] {
			c.add(at+"certificate", "is that of another authority")
		}
		seen[a.ID], files[a.Certificate] = true, true
	}
}

// fields says which fields each kind of step must and may have.
var fields = map[string]struct{ must, may string }{
	DoGenerate: {"key", ""},
	DoRequest:  {"key subject output", ""},
	DoRoot:     {"for profile subject", "not_after"},
	DoCertify:  {"by profile", "for key csr subject dns ip not_before not_after output"},
	DoCross:    {"by profile certificate output", "not_before not_after"},
	DoLink:     {"by profile for output", "not_after"},
	DoList:     {"by validity output", ""},
	DoRevoke:   {"by certificate reason", ""},
}

// present says which fields a step has.
func (s *Step) present() map[string]bool {
	return map[string]bool{
		"by": s.By != "", "for": s.For != "", "key": s.Key != "", "csr": s.CSR != "", "profile": s.Profile != "",
		"certificate": s.Certificate != "", "subject": len(s.Subject) > 0, "dns": len(s.DNS) > 0, "ip": len(s.IP) > 0,
		"not_before": !s.NotBefore.IsZero(), "not_after": !s.NotAfter.IsZero(), "validity": s.Validity != 0,
		"reason": s.Reason != "", "output": s.Output != "",
	}
}

// step checks a step against the plan and the steps before it; made gathers
// what those left: keys, files and authorities.
func (c *checker) step(i int, made map[string]bool) {
	s := &c.Steps[i]
	at := fmt.Sprintf("step[%d].", i)
	if !shortName.MatchString(s.ID) || made["step "+s.ID] {
		c.add(at+"id", "%q is used twice or not a name of 1 to 30 lower-case letters, digits and hyphens", s.ID)
	}
	made["step "+s.ID] = true
	rule, known := fields[s.Do]
	if !known {
		c.add(at+"do", "%q is none of generate, request, root, certify, cross, link, crl, revoke", s.Do)
		return
	}
	must, may := strings.Fields(rule.must), strings.Fields(rule.may)
	for field, there := range s.present() {
		if there && !slices.Contains(must, field) && !slices.Contains(may, field) {
			c.add(at+field, "does not belong to a step that does %s", s.Do)
		}
	}
	for _, field := range must {
		if !s.present()[field] {
			c.add(at+field, "is missing: a step that does %s needs it", s.Do)
		}
	}
	c.signer(at, s, made)
	c.subject(at, s, made)
	c.outputs(at, s, made)
	if s.Validity < 0 {
		c.add(at+"validity", "is negative")
	}
	if s.Reason != "" {
		if _, err := journal.ParseRevocationReason(s.Reason); err != nil {
			c.add(at+"reason", "%v", err)
		}
	}
	for n, text := range s.IP {
		if _, err := netip.ParseAddr(text); err != nil {
			c.add(fmt.Sprintf("%sip[%d]", at, n), "is not an IP address")
		}
	}
}

// signer checks that by can sign at this step.
func (c *checker) signer(at string, s *Step, made map[string]bool) {
	if s.By == "" {
		return
	}
	by := c.authority(s.By)
	switch {
	case by == nil:
		c.add(at+"by", "%q is not an [[authority]] of the plan", s.By)
	case by.Key == "":
		c.add(at+"by", "%q has no key on this machine", s.By)
	case c.made(by.Certificate) && !made["file "+by.Certificate]:
		c.add(at+"by", "%q has its certificate only from a later step", s.By)
	}
}

// subject checks what the step is about: a key, a request, an authority, a
// certificate.
func (c *checker) subject(at string, s *Step, made map[string]bool) {
	if s.Key != "" {
		switch {
		case c.key(s.Key) == nil:
			c.add(at+"key", "%q is not a [[key]] of the plan", s.Key)
		case s.Do == DoGenerate && made["key "+s.Key]:
			c.add(at+"key", "%q is generated twice", s.Key)
		case s.Do != DoGenerate && c.generated(s.Key) && !made["key "+s.Key]:
			c.add(at+"key", "%q is generated only in a later step", s.Key)
		}
		made["key "+s.Key] = true
	}
	if s.Do == DoCertify && (s.Key == "") == (s.CSR == "") {
		c.add(at+"key", "or csr, one of the two, says whose key is certified")
	}
	c.file(at+"csr", s.CSR, false)
	c.file(at+"certificate", s.Certificate, false)
	if s.Certificate != "" && c.made(s.Certificate) && !made["file "+s.Certificate] {
		c.add(at+"certificate", "comes only from a later step")
	}
	if s.For == "" {
		return
	}
	a := c.authority(s.For)
	switch {
	case a == nil:
		c.add(at+"for", "%q is not an [[authority]] of the plan", s.For)
		return
	case s.Do == DoLink && c.made(a.Certificate) && !made["file "+a.Certificate]:
		c.add(at+"for", "%q has its certificate only from a later step", s.For)
	case s.Do == DoRoot && a.Key == "":
		c.add(at+"for", "%q has no key on this machine", s.For)
	case s.Do == DoCertify && s.Key != a.Key:
		c.add(at+"key", "is not the key of %q", s.For)
	}
	if s.Do == DoRoot && a.Key != "" && c.generated(a.Key) && !made["key "+a.Key] {
		c.add(at+"for", "%q has its key only from a later step", s.For)
	}
}

// outputs checks the file that the step writes.
func (c *checker) outputs(at string, s *Step, made map[string]bool) {
	c.file(at+"output", s.Output, false)
	out := c.output(s)
	if out == "" {
		if s.Do == DoCertify {
			c.add(at+"output", "is missing, or the authority that the certificate is for")
		}
		return
	}
	if s.Do == DoCertify && s.For != "" && s.Output != "" {
		c.add(at+"output", "stands beside for, whose certificate file it would be")
	}
	if made["file "+out] {
		c.add(at+"output", "%q is written by an earlier step", out)
	}
	notes := c.Minutes + "/" + c.Ceremony
	if t := c.Timestamp; out == c.Register || out == notes+".jsonl" || out == notes+".txt" || t != nil && (out == t.Request || out == t.Response) {
		c.add(at+"output", "%q is another file of the ceremony", out)
	}
	made["file "+out] = true
}
