package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/interop"
)

// interopRecognise judges a partner's certificate.
type interopRecognise struct {
	Certificate string `arg:"" help:"The certificate: a PEM or DER file." type:"existingfile"`
	List        string `help:"The partner's list: a file or an http address. Its signers are those that our list names. Without it, our list itself has to name the partner's authority." placeholder:"LIST"`
	By          string `required:"" help:"Our list, or the list of lists, that has the agreement." placeholder:"LIST"`
	pinned
	At time.Time `help:"The moment that is asked about. Default: now." placeholder:"2026-01-31T12:00:00Z"`
}

func (c interopRecognise) Run(ctx context.Context, std streams) error {
	asked, err := listCertificates(config.Path(c.Certificate))
	if err != nil {
		return err
	}
	ours, err := interopVerify{List: c.By, pinned: c.pinned, Archived: true}.verify(ctx)
	if err != nil {
		return err
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	if c.List == "" {
		return c.tell(std, interop.RecogniseListed(ours, asked[0], c.At))
	}
	data, err := readList(ctx, c.List)
	if err != nil {
		return err
	}
	unverified, err := interop.Read(data)
	if err != nil {
		return fmt.Errorf("%s: %w", c.List, err)
	}
	// What the list says of itself only finds the pointer; the pointer's signers
	// decide whether it is taken.
	pointer, agreement, err := interop.PartnerOf(ours, unverified)
	if err != nil {
		return withHint(err, "partners are the [[pointer]]s with an agreement in the plan of our list")
	}
	partner, err := interop.Verify(data, pointer.Signers(), interop.Terms{})
	if err != nil {
		return withHint(fmt.Errorf("%s: refused (%s): %w", c.List, interop.ReasonOf(err), err), hintFor(interop.ReasonOf(err)))
	}
	return c.tell(std, interop.Recognise(agreement, partner, asked[0], c.At))
}

// tell writes the answer down.
func (c interopRecognise) tell(std streams, r interop.Recognition) error {
	if !r.Equivalent {
		fmt.Fprintf(std.out, "not recognised at %s: %s\n", c.At.Format(time.RFC3339), r.Why)
		return withHint(errors.New("the certificate is not recognised at that time"), "the reason is above")
	}
	fmt.Fprintf(std.out, "recognised at %s: %s\n", c.At.Format(time.RFC3339), r.Why)
	for _, content := range r.Content {
		fmt.Fprintf(std.out, "    content %s\n", content)
	}
	for _, qualifier := range r.Qualifiers {
		fmt.Fprintf(std.out, "    qualifier %s\n", qualifier)
	}
	return nil
}
