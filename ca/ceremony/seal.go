package ceremony

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/pki"
)

// close writes the last line that the ceremony has to say. Signatures are under
// its hash.
func (c *Ceremony) close() error {
	facts := []Fact{{"steps", strconv.Itoa(len(c.Plan.Steps))}}
	if c.Plan.Seal != "" {
		key, err := c.key(c.Plan.Seal)
		if err != nil {
			return err
		}
		encoded, err := spki(key.Public())
		if err != nil {
			return err
		}
		facts = append(facts, Fact{"seal", base64.StdEncoding.EncodeToString(encoded)})
	}
	return c.line(Line{Event: eventClosed, Text: "every step of the plan is done", Facts: facts})
}

// minutesStatement is what is signed for closed minutes.
func minutesStatement(ceremony, closed string) []byte { return statement("minutes", ceremony, closed) }

// seal signs the minutes with the plan's key, if it has one, and time-stamps
// them when they are signed.
func (c *Ceremony) seal() error {
	closed := find(c.minutes.lines, eventClosed, "")
	if c.Plan.Seal != "" && !signedBy(c.minutes.lines, "key "+c.Plan.Seal) {
		key, err := c.key(c.Plan.Seal)
		if err != nil {
			return err
		}
		if err := c.sign("key "+c.Plan.Seal, key, closed.Hash); err != nil {
			return err
		}
		c.say("the minutes are signed by the key %s", c.Plan.Seal)
	}
	missing := c.unsigned()
	if missing > 0 {
		c.say("the minutes are not signed yet: %d more officers run `altamga ca ceremony sign --plan FILE --key URI`", missing)
	}
	if c.Plan.Timestamp == nil || missing > 0 {
		return nil
	}
	return c.stamp()
}

// unsigned is how many officers' signatures are missing under the minutes.
func (c *Ceremony) unsigned() int {
	if c.Plan.Seal != "" {
		return 0
	}
	n := c.Plan.Required
	for _, o := range c.officers {
		if signedBy(c.minutes.lines, "officer "+o.name) {
			n--
		}
	}
	return max(n, 0)
}

func signedBy(lines []Line, by string) bool {
	for _, l := range lines {
		if l.Event == eventSignature && l.fact("by") == by {
			return true
		}
	}
	return false
}

func (c *Ceremony) sign(by string, key crypto.Signer, closed string) error {
	text := minutesStatement(c.Plan.Ceremony, closed)
	signature, err := signStatement(key, text)
	if err != nil {
		return fmt.Errorf("signing minutes: %w", err)
	}
	if err := pki.Verify(key.Public(), text, signature); err != nil {
		return fmt.Errorf("verifying own signature: %w", err)
	}
	return c.line(Line{Event: eventSignature, Text: "the minutes are signed by " + by, Facts: []Fact{{"by", by}, {"closed", closed}}, Data: signature})
}

// Sign puts an officer's signature under the closed minutes. Signing twice does
// nothing.
func (c *Ceremony) Sign(key crypto.Signer) (err error) {
	who, err := byKey(c.officers, key.Public())
	if err != nil {
		return err
	}
	path := MinutesFile(c.Plan, c.Dir)
	if there, err := exists(path); err != nil || !there {
		return refuse("the ceremony comes first: `altamga ca ceremony --plan FILE`", "there are no minutes %s", path)
	}
	if c.minutes, err = openMinutes(path); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.minutes.close()) }()
	closed := find(c.minutes.lines, eventClosed, "")
	if closed == nil {
		return refuse("run `altamga ca ceremony --plan FILE` until every step is done", "the minutes are not closed: the ceremony goes on")
	}
	if err := c.same(); err != nil {
		return err
	}
	if signedBy(c.minutes.lines, "officer "+who.name) {
		c.say("%s has signed the minutes before", who.name)
		return nil
	}
	if err := c.sign("officer "+who.name, key, closed.Hash); err != nil {
		return err
	}
	c.say("signed by %s", who.name)
	if err := c.seal(); err != nil {
		return err
	}
	return c.writeText()
}

// stamp writes the time-stamp request over the hash of the last line, once, and
// takes in the response when it is there.
func (c *Ceremony) stamp() error {
	t := c.Plan.Timestamp
	if find(c.minutes.lines, eventStamp, "") != nil {
		return nil
	}
	request := find(c.minutes.lines, eventRequest, "")
	if request == nil {
		head := c.minutes.last()
		var sum [32]byte
		if _, err := hex.Decode(sum[:], []byte(head.Hash)); err != nil {
			return err
		}
		encoded, err := c.Stamps.Request(sum)
		if err != nil {
			return fmt.Errorf("making time-stamp request: %w", err)
		}
		if err := c.line(Line{Event: eventRequest, Text: fmt.Sprintf("a time-stamp is asked for, over the hash of line %d", head.Seq),
			Facts: []Fact{{"of", strconv.Itoa(head.Seq)}, {"imprint", head.Hash}}, Outputs: []File{{t.Request, hash(encoded)}}, Data: encoded}); err != nil {
			return err
		}
		request = c.minutes.last()
	}
	if err := writeNew(c.path(t.Request), request.Data); err != nil {
		return err
	}
	response, err := readInput(c.Dir, t.Response)
	if errors.Is(err, fs.ErrNotExist) {
		c.say("carry %s to a time-stamping authority, put its answer into %s and run the ceremony again", t.Request, t.Response)
		return nil
	}
	if err != nil {
		return err
	}
	roots, err := readInput(c.Dir, t.Roots)
	if err != nil {
		return err
	}
	at, err := checkStamp(c.Stamps, request.Data, response, roots, request.fact("imprint"))
	if err != nil {
		return refuse("was the answer made for "+t.Request+"? ask again with that file", "the time-stamp in %s: %w", t.Response, err)
	}
	c.say("the minutes are time-stamped: %s", when(at))
	return c.line(Line{Event: eventStamp, Text: "the minutes existed at " + when(at), Facts: []Fact{{"time", at.UTC().Format("2006-01-02T15:04:05Z")}, {"of", request.fact("of")}, {"roots", hash(roots)}},
		Inputs: []File{{t.Response, hash(response)}, {t.Roots, hash(roots)}}, Data: response})
}

// checkStamp verifies that the response is a time-stamp over the hash of a line
// (hexadecimal), and answers the request.
func checkStamp(stamps Stamps, request, response, roots []byte, imprint string) (at time.Time, err error) {
	var sum [32]byte
	if n, err := hex.Decode(sum[:], []byte(imprint)); err != nil || n != len(sum) {
		return at, errors.New("the line's hash is not one")
	}
	trusted, err := parseCertificates(roots)
	if err != nil {
		return at, err
	}
	return stamps.Check(sum, request, response, trusted)
}

func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, errors.New("there is no root certificate in PEM")
	}
	return found, nil
}

// writeText writes the minutes for people beside the lines; they are made from
// the lines alone, so that anybody can make them again.
func (c *Ceremony) writeText() error {
	path := strings.TrimSuffix(MinutesFile(c.Plan, c.Dir), ".jsonl") + ".txt"
	if err := durable.Write(path, []byte(Text(c.minutes.lines)), 0o644); err != nil {
		return err
	}
	c.say("minutes: %s and %s", MinutesFile(c.Plan, c.Dir), path)
	return nil
}

// Text writes the minutes for people.
func Text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%d. %s  %s", l.Seq, l.At.UTC().Format("2006-01-02 15:04:05.000 UTC"), l.Event)
		if l.Step != "" {
			fmt.Fprintf(&b, " %s", l.Step)
		}
		fmt.Fprintf(&b, "\n    %s\n", strings.ReplaceAll(l.Text, "\n", "\n    "))
		for _, f := range l.Facts {
			fmt.Fprintf(&b, "    %s: %s\n", f.Name, f.Value)
		}
		for _, f := range l.Inputs {
			fmt.Fprintf(&b, "    read    %s  %s\n", f.SHA256, f.Path)
		}
		for _, f := range l.Outputs {
			fmt.Fprintf(&b, "    written %s  %s\n", f.SHA256, f.Path)
		}
		fmt.Fprintf(&b, "    line %s\n\n", l.Hash)
	}
	return b.String()
}
