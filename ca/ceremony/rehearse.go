package ceremony

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Rehearse is the dry run: every step by the same code, profiles and lints, on
// a register that is thrown away. Keys that the plan would generate are
// throw-away keys; those that exist stand by their public halves and sign
// nothing. It shows what would be signed and writes nothing.
func (c *Ceremony) Rehearse(ctx context.Context) (err error) {
	c.dry, c.minutes = true, &minutes{}
	if err := c.checkClock(time.Now()); err != nil {
		// The review is often on another day than the ceremony.
		c.say("note: %v; the ceremony would refuse now", err)
	}
	c.say("ceremony %s: %s", c.Plan.Ceremony, c.Plan.Title)
	c.say("the plan and what it brings in:\n%splan hash (sha256 of these lines): %s\n", c.manifest.Text(), c.manifest.Hash())
	found, err := readConfirmations(c.Plan, c.Dir, c.manifest.Hash(), c.officers)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Officer)
	}
	if err := enough(c.Plan.Required, c.Plan.Operator, names); err != nil {
		c.say("note: %v", err)
	}
	if err := c.clear(); err != nil {
		c.say("note: %v; the ceremony would refuse", err)
	}
	if c.register, err = c.Register(ctx); err != nil {
		return err
	}
	err = errors.Join(c.steps(ctx), c.register.Close())
	if err == nil {
		c.say("dry run: nothing was written, and no key of the plan has signed")
	}
	return err
}

// changes says what of a certificate shown in a dry run the ceremony will make
// anew.
func (c *Ceremony) changes(s *Step, key crypto.Signer, certificate *x509.Certificate) []string {
	differ := []string{"the serial number", "the times, if they are not in the plan"}
	for name, made := range c.keys {
		if !c.throwAway[name] {
			continue
		}
		if sameKey(made.Public(), certificate.PublicKey) {
			differ = append(differ, "the subject's key and its identifier: "+name+" is generated in the ceremony")
		}
		if s.Do != DoRoot && sameKey(made.Public(), key.Public()) {
			differ = append(differ, "the issuer's key identifier: "+name+" is generated in the ceremony")
		}
	}
	return differ
}

// show prints in a dry run what the step would sign.
func (c *Ceremony) show(s *Step, tbs []byte, text string, differ []string) {
	if !c.dry {
		return
	}
	c.say("step %s would sign:", s.ID)
	c.say("%s", strings.TrimSuffix(text, "\n"))
	if tbs != nil {
		c.say("    to be signed: %d octets, sha256 %s", len(tbs), hash(tbs))
	}
	for _, d := range differ {
		c.say("    will differ: %s", d)
	}
	if out := c.Plan.output(s); out != "" {
		c.say("    into the file %s", out)
	}
}

// octets writes octets as people compare them.
func octets(b []byte) string {
	parts := make([]string, len(b))
	for i, o := range b {
		parts[i] = hex.EncodeToString([]byte{o})
	}
	return strings.Join(parts, ":")
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func section(b *strings.Builder, name, format string, args ...any) {
	fmt.Fprintf(b, "    %s: %s\n", name, fmt.Sprintf(format, args...))
}
