package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/xmlsec"
	"github.com/altamga/altamga/interop"
)

type conformanceList struct {
	judging
	List   string   `arg:"" optional:"" help:"A trust list: a file or an http address. Without one, the requirements are printed."`
	Signer []string `help:"Certificates that the trust list may be signed with: nothing in the list makes it trusted." type:"path" placeholder:"FILE,..."`
}

func (c conformanceList) Run(ctx context.Context, std streams) error {
	if c.List == "" {
		return c.requirements(std)
	}
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error {
		signers, err := readTrust(c.Signer)
		if err != nil {
			return err
		}
		if strings.HasPrefix(c.List, "http://") || strings.HasPrefix(c.List, "https://") {
			return t.TrustList(ctx, conformance.TrustListTarget{URL: c.List, Signers: signers})
		}
		raw, err := readBounded(c.List)
		if err != nil {
			return withHint(err, "name a file or an http address")
		}
		return t.TrustListFile(ctx, c.List, raw, signers)
	})
}

// requirements prints what is tested.
func (c conformanceList) requirements(std streams) error {
	all := conformance.Requirements()
	switch c.Format {
	case "json":
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		return e.Encode(all)
	case "junit", "html":
		return wrong(fmt.Errorf("requirements are not printed as %s", c.Format), "--format is text or json; or name a trust list to judge")
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	for _, r := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Level, r.Clause, r.Title, r.How)
	}
	return w.Flush()
}

// trustListFindings is what our own reader of trust lists says of one.
func trustListFindings(list []byte, signers [][]byte) (found []conformance.TrustListFinding) {
	add := func(clause string, level conformance.Level, detail string) {
		found = append(found, conformance.TrustListFinding{Clause: clause, Level: level, Detail: detail})
	}
	read, err := interop.Read(list)
	if err != nil {
		add("C", conformance.Must, err.Error())
	}
	pinned := make([]*interop.Certificate, len(signers))
	for i, raw := range signers {
		pinned[i] = &interop.Certificate{Raw: raw}
	}
	if len(pinned) == 0 {
		found = append(found, conformance.TrustListFinding{Clause: "5.7", Unknown: true, Detail: "no signer is named: see --signer"})
		return append(found, lintFindings(read, nil)...)
	}
	verified, err := interop.Verify(list, pinned, interop.Terms{})
	switch refused, _ := errors.AsType[*interop.Refusal](err); {
	case err == nil:
		for _, weak := range verified.Weak {
			add("5.7", conformance.Should, weak)
		}
	case refused.Reason == string(xmlsec.Key):
		found = append(found, conformance.TrustListFinding{Clause: "5.7", Unknown: true, Detail: err.Error()})
	case refused.Reason == interop.ReasonStructure && read == nil, refused.Reason == string(xmlsec.Malformed):
		// It is told already that it is no whole list.
		found = append(found, conformance.TrustListFinding{Clause: "5.7", Unknown: true, Detail: "it is not a whole list"})
	default:
		add("5.7", conformance.Must, err.Error())
	}
	var signer *x509.Certificate
	if verified != nil {
		if signer, err = x509.ParseCertificate(verified.Signer.Raw); err != nil {
			found = append(found, conformance.TrustListFinding{Clause: "5.7.1", Unknown: true, Detail: err.Error()})
		}
	} else {
		found = append(found, conformance.TrustListFinding{Clause: "5.7.1", Unknown: true, Detail: "it is not known who signed"})
	}
	return append(found, lintFindings(read, signer)...)
}

// lintFindings are those of the list's contents, at this moment.
func lintFindings(list *interop.List, signer *x509.Certificate) (found []conformance.TrustListFinding) {
	if list == nil {
		return nil
	}
	for _, f := range interop.Lint(list, signer) {
		level := conformance.Must
		if f.Clause == "5.3.1" && list.Scheme.Version == 5 {
			level = conformance.Should // it is in force still, and no more written
		}
		found = append(found, conformance.TrustListFinding{Clause: f.Clause, Level: level, Detail: f.Where + ": " + f.What})
	}
	const skew = 5 * time.Minute
	now, s := time.Now(), &list.Scheme
	late := conformance.TrustListFinding{Level: conformance.Must}
	switch {
	case s.IssuedAt.After(now.Add(skew)):
		late.Clause, late.Detail = "5.3.14", fmt.Sprintf("it was issued at %s, which is not yet", s.IssuedAt.Format(time.RFC3339))
	case s.Closed():
		late.Clause, late.Detail = "5.3.15", "it is closed: its operator publishes no more"
	case now.After(s.NextUpdate.Add(skew)):
		late.Clause, late.Detail = "5.3.15", fmt.Sprintf("its next update was due on %s", s.NextUpdate.Format(time.RFC3339))
	default:
		return found
	}
	return append(found, late)
}
