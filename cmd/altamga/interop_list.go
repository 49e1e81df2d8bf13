package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/interop"
)

// maxList bounds a list that is read from a file.
const maxList = 32 << 20

// anyAddress fetches from wherever the command line says: that is the operator's
// own word.
func anyAddress() *interop.Web {
	anywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	return interop.NewWeb(interop.Policy{Allow: anywhere})
}

// readList reads a list from a file or an address.
func readList(ctx context.Context, from string) ([]byte, error) {
	if strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://") {
		fetched, err := anyAddress().Get(ctx, from, interop.Validators{})
		return fetched.Body, err
	}
	file, err := os.Open(from)
	if err != nil {
		return nil, withHint(fmt.Errorf("reading list: %w", err), "name a file or an http address")
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxList+1))
}

// pinned are the signers that the operator trusts for a list.
type pinned struct {
	Signer []string `help:"PEM or DER file of certificates that the list may be signed with; may be repeated." type:"existingfile" placeholder:"FILE"`
}

func (p pinned) read() (all []*interop.Certificate, err error) {
	for _, file := range p.Signer {
		found, err := listCertificates(config.Path(file))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// interopVerify verifies a list.
type interopVerify struct {
	List string `arg:"" help:"The list: a file or an http address."`
	pinned
	By          string    `help:"A list of lists, verified by --signer, whose pointers name the signers of this list." placeholder:"LIST"`
	At          time.Time `help:"The moment that the list has to be in force at. Default: now." placeholder:"2026-01-31T12:00:00Z"`
	Archived    bool      `help:"Do not ask whether the list is in force."`
	MinSequence uint64    `help:"The sequence number that the list must not be older than." placeholder:"N"`
}

func (c interopVerify) Run(ctx context.Context, std streams) error {
	v, err := c.verify(ctx)
	if err != nil {
		return err
	}
	s := &v.Scheme
	fmt.Fprintf(std.out, "%s: verified\n", c.List)
	fmt.Fprintf(std.out, "    territory %s, sequence number %d, issued %s, next update %s\n", s.Territory, s.SequenceNumber, s.IssuedAt.Format(time.RFC3339), updateOf(s))
	fmt.Fprintf(std.out, "    signed at %s with %s\n", v.SignedAt.Format(time.RFC3339), v.Method)
	fmt.Fprintf(std.out, "    by %s\n", describe(v.Signer))
	fmt.Fprintf(std.out, "    sha256 %x\n", v.Digest)
	for _, weak := range v.Weak {
		fmt.Fprintf(std.out, "    weak: %s\n", weak)
	}
	return nil
}

func updateOf(s *interop.Scheme) string {
	if s.Closed() {
		return "none: the list is closed"
	}
	return s.NextUpdate.Format(time.RFC3339)
}

// describe names a certificate for people.
func describe(c *interop.Certificate) string {
	facts, err := c.Facts()
	if err != nil {
		return c.Fingerprint()
	}
	return interop.NameText(facts.Subject) + ", sha256 " + c.Fingerprint()
}

func (c interopVerify) verify(ctx context.Context) (*interop.Verified, error) {
	signers, err := c.read()
	if err != nil {
		return nil, err
	}
	if len(signers) == 0 {
		return nil, withHint(errors.New("no signer is pinned"), "name the certificate of the list's signer with --signer: nothing in the list itself makes it trusted")
	}
	terms := interop.Terms{At: c.At, MinSequence: c.MinSequence}
	if terms.At.IsZero() {
		terms.At = time.Now()
	}
	if c.Archived {
		terms.At = time.Time{}
	}
	data, err := readList(ctx, c.List)
	if err != nil {
		return nil, err
	}
	if c.By != "" {
		if signers, err = c.named(ctx, data, signers, terms); err != nil {
			return nil, err
		}
	}
	v, err := interop.Verify(data, signers, terms)
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: refused (%s): %w", c.List, interop.ReasonOf(err), err), hintFor(interop.ReasonOf(err)))
	}
	return v, nil
}

// named returns the signers that a verified list of lists names for lists of
// the territory that this list says is its own: what it says of itself only
// finds them, and they decide whether it is taken.
func (c interopVerify) named(ctx context.Context, list []byte, signers []*interop.Certificate, terms interop.Terms) (all []*interop.Certificate, err error) {
	unverified, err := interop.Read(list)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.List, err)
	}
	data, err := readList(ctx, c.By)
	if err != nil {
		return nil, err
	}
	terms.MinSequence = 0
	by, err := interop.Verify(data, signers, terms)
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: refused (%s): %w", c.By, interop.ReasonOf(err), err), hintFor(interop.ReasonOf(err)))
	}
	for i := range by.Scheme.Pointers {
		if p := &by.Scheme.Pointers[i]; p.About().Territory == unverified.Scheme.Territory {
			all = append(all, p.Signers()...)
		}
	}
	if len(all) == 0 {
		return nil, withHint(fmt.Errorf("%s: it is the list of %q, for which %s names no signer", c.List, unverified.Scheme.Territory, c.By), "is it the list that is meant?")
	}
	return all, nil
}

// hintFor says what can be done about a refusal.
func hintFor(reason string) string {
	switch reason {
	case "untrusted":
		return "is --signer the list's signer of today? see the scheme operator's announcement"
	case interop.ReasonExpired:
		return "fetch the newest list; --archived verifies one of the past"
	case "unreadable":
		return "verify it with a tool that knows the signer's kind of key"
	case interop.ReasonReplayed:
		return "somebody serves an old list: keep the one that is in force"
	}
	return "do not use it; tell its operator, who has to publish a better one"
}

// interopShow prints a list for people.
type interopShow struct {
	List string `arg:"" help:"The list: a file or an http address."`
	JSON bool   `help:"Print it as JSON."`
}

func (c interopShow) Run(ctx context.Context, std streams) error {
	data, err := readList(ctx, c.List)
	if err != nil {
		return err
	}
	l, err := interop.Read(data)
	if err != nil {
		return withHint(fmt.Errorf("%s: %w", c.List, err), "it is not a whole list")
	}
	if c.JSON {
		encoder := json.NewEncoder(std.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(l)
	}
	fmt.Fprintln(std.err, "the signature was not looked at: see `altamga interop verify`")
	s := &l.Scheme
	fmt.Fprintf(std.out, "%s\n%s\n", interop.In(s.Name), interop.In(s.OperatorName))
	fmt.Fprintf(std.out, "version %d, territory %s, sequence number %d, issued %s, next update %s\n", s.Version, s.Territory, s.SequenceNumber, s.IssuedAt.Format(time.RFC3339), updateOf(s))
	for i := range s.Pointers {
		p := &s.Pointers[i]
		about := p.About()
		fmt.Fprintf(std.out, "→ %s %s (%s), %d signers\n", about.Territory, p.Location, about.MediaType, len(p.Signers()))
	}
	for i := range l.Providers {
		showProvider(std.out, &l.Providers[i])
	}
	for _, note := range l.Notes {
		fmt.Fprintf(std.out, "note: %s\n", note)
	}
	return nil
}

func showProvider(w io.Writer, p *interop.Provider) {
	fmt.Fprintf(w, "\n%s\n", interop.In(p.Name))
	for i := range p.Services {
		s := &p.Services[i]
		fmt.Fprintf(w, "  %s\n", interop.In(s.Name))
		// Some lists of trusted entities have neither: to be there is to be trusted.
		if s.Status != "" {
			fmt.Fprintf(w, "    %s: %s since %s\n", short(s.Type), short(s.Status), s.Since.Format(time.DateOnly))
		}
		for _, c := range s.Identity.Certificates() {
			facts, err := c.Facts()
			switch {
			case err != nil:
				fmt.Fprintf(w, "    certificate %s: %v\n", c.Fingerprint(), err)
			case !facts.Verifiable():
				fmt.Fprintf(w, "    certificate %s: %s (not verifiable by this build: key %s)\n", c.Fingerprint(), interop.NameText(facts.Subject), facts.Algorithm())
			default:
				fmt.Fprintf(w, "    certificate %s: %s\n", c.Fingerprint(), interop.NameText(facts.Subject))
			}
		}
		for j := range s.History {
			fmt.Fprintf(w, "    before: %s since %s\n", short(s.History[j].Status), s.History[j].Since.Format(time.DateOnly))
		}
	}
}

// short is a URI without what all of its kind begin with.
func short(uri string) string {
	for _, prefix := range []string{"http://uri.etsi.org/TrstSvc/Svctype/", "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"} {
		if rest, ok := strings.CutPrefix(uri, prefix); ok {
			return rest
		}
	}
	return uri
}

// interopDiff tells two lists apart.
type interopDiff struct {
	Before string `arg:"" help:"The one list: a file or an http address."`
	After  string `arg:"" help:"The other one."`
}

func (c interopDiff) Run(ctx context.Context, std streams) error {
	var lists [2]*interop.List
	for i, from := range []string{c.Before, c.After} {
		data, err := readList(ctx, from)
		if err == nil {
			lists[i], err = interop.Read(data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	changes := interop.Diff(lists[0], lists[1])
	for _, change := range changes {
		fmt.Fprintln(std.out, change)
	}
	if len(changes) == 0 {
		fmt.Fprintln(std.err, "the lists say the same")
	}
	return nil
}

// interopTrust asks lists about a certificate.
type interopTrust struct {
	Certificate string   `arg:"" help:"The certificate: a PEM or DER file." type:"existingfile"`
	List        []string `required:"" help:"A list: a file or an http address; may be repeated." placeholder:"LIST"`
	pinned
	At time.Time `help:"The moment that is asked about. Default: now." placeholder:"2026-01-31T12:00:00Z"`
}

func (c interopTrust) Run(ctx context.Context, std streams) error {
	asked, err := listCertificates(config.Path(c.Certificate))
	if err != nil {
		return err
	}
	var lists []*interop.Verified
	for _, from := range c.List {
		v, err := interopVerify{List: from, pinned: c.pinned, Archived: true}.verify(ctx)
		if err != nil {
			return err
		}
		lists = append(lists, v)
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	answer := interop.NewTrust(lists...).TrustedAt(asked[0], c.At)
	for _, one := range append([]interop.Answer{answer}, answer.Others...) {
		word := "not trusted"
		if one.Trusted {
			word = "trusted"
		}
		fmt.Fprintf(std.out, "%s at %s: %s\n", word, c.At.Format(time.RFC3339), one.Why)
		for _, qualifier := range one.Qualifiers {
			fmt.Fprintf(std.out, "    qualifier %s\n", qualifier)
		}
		for _, use := range one.Uses {
			fmt.Fprintf(std.out, "    for %s\n", use)
		}
		if one.Stale {
			fmt.Fprintf(std.out, "    the list is past its next update: what it says may have changed\n")
		}
	}
	if !answer.Trusted {
		return withHint(errors.New("no list vouches for the certificate at that time"), "the reason is above")
	}
	return nil
}
