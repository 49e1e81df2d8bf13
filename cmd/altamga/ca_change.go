package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// caChange are the flags of hold, release and revoke.
type caChange struct {
	caConnection
	Serials []string `arg:"" optional:"" name:"serial" help:"Serial numbers in hexadecimal, or files of certificates (PEM)."`
	File    string   `short:"f" help:"A file of serial numbers, one to a line, or an export in CSV; - for standard input." placeholder:"FILE"`
	Yes     bool     `help:"Carry it out. Without it, several certificates are only looked at."`
}

type caHold struct {
	caChange
	Owner string `required:"" enum:"holder,organisation,court,centre" help:"In whose right: holder, organisation, court or centre." placeholder:"OWNER"`
}

type caRelease struct {
	caChange
	Owner string `required:"" enum:"holder,organisation,court,centre" help:"Whose hold is lifted: holder, organisation, court or centre." placeholder:"OWNER"`
}

type caRevoke struct {
	caChange
	Reason     string    `default:"unspecified" help:"By its name in RFC 5280, Section 5.3.1: keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn, ..."`
	Owner      string    `help:"In whose right: holder, organisation, court or centre." placeholder:"OWNER"`
	Invalidity time.Time `help:"Since when the key must be thought compromised." format:"2006-01-02T15:04:05Z07:00" placeholder:"2026-01-31T12:00:00Z"`
}

func (c caHold) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, journal.Held, journal.Entry{Owner: journal.Owner(c.Owner)})
}

func (c caRelease) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, journal.Released, journal.Entry{Owner: journal.Owner(c.Owner)})
}

func (c caRevoke) Run(ctx context.Context, std streams) error {
	reason, err := journal.ParseRevocationReason(c.Reason)
	if err != nil {
		return withHint(err, "a hold is put on with `altamga ca hold`")
	}
	if c.Owner != "" {
		if _, err := journal.ParseOwner(c.Owner); err != nil {
			return err
		}
	}
	return c.run(ctx, std, journal.Revoked, journal.Entry{Reason: reason, Owner: journal.Owner(c.Owner), InvalidityDate: c.Invalidity})
}

// run carries out one change on every named certificate, or tells what it
// would come to.
func (c caChange) run(ctx context.Context, std streams, kind journal.Kind, change journal.Entry) error {
	serials, err := c.serials()
	if err != nil {
		return err
	}
	client, err := c.open()
	if err != nil {
		return err
	}
	change.Kind = kind
	act := &changing{client: client, change: change, std: std}
	// One certificate that is named on the command line is meant.
	dry := !c.Yes && (c.File != "" || len(serials) > 1)
	word := map[bool]string{true: "looked at", false: string(kind)}[dry]
	bar := newProgress(std.err, word, len(serials))
	for _, serial := range serials {
		if err := act.one(ctx, serial, dry); err != nil {
			bar.end()
			act.summary(dry, len(serials))
			return advise(ctx, client, err)
		}
		bar.step()
	}
	bar.end()
	act.summary(dry, len(serials))
	switch {
	case act.refused > 0 && !dry:
		return withHint(fmt.Errorf("%d of %d certificates could not be %s", act.refused, len(serials), kind), "the lines above say why; the others are done, and the command may be repeated")
	case dry:
		fmt.Fprintln(std.err, "nothing was changed; add --yes to carry it out")
	}
	return nil
}

// serials gathers what the command line and the file name, each once.
func (c caChange) serials() ([]journal.Serial, error) {
	var serials []journal.Serial
	for _, text := range c.Serials {
		serial, err := serialArgument(text)
		if err != nil {
			return nil, err
		}
		serials = append(serials, serial)
	}
	switch c.File {
	case "":
	case "-":
		listed, err := readSerials(os.Stdin)
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		serials = append(serials, listed...)
	default:
		file, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("reading serial numbers: %w", err)
		}
		defer file.Close()
		listed, err := readSerials(file)
		if err != nil {
			return nil, withHint(fmt.Errorf("reading %s: %w", c.File, err), "one serial number in hexadecimal to a line, # before remarks; nothing was changed")
		}
		serials = append(serials, listed...)
	}
	if len(serials) == 0 {
		return nil, withHint(errors.New("no certificate is named"), "give serial numbers, or a file of them with --file")
	}
	seen := map[journal.Serial]bool{}
	return slices.DeleteFunc(serials, func(s journal.Serial) bool {
		again := seen[s]
		seen[s] = true
		return again
	}), nil
}

// readSerials reads serial numbers, one to a line. Empty lines, remarks after
// # and a first line that is an export's heading are passed over; of a line
// with commas the first field counts. Every wrong line is reported.
func readSerials(r io.Reader) ([]journal.Serial, error) {
	var serials []journal.Serial
	var faults []error
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		text, _, _ = strings.Cut(text, ",")
		text = strings.Trim(strings.TrimSpace(text), `"`)
		if text == "" || number == 1 && text == "serial" {
			continue
		}
		serial, err := journal.ParseSerial(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %q: %w", number, text, err))
			continue
		}
		serials = append(serials, serial)
	}
	return serials, errors.Join(append(faults, lines.Err())...)
}

// changing is one run over several certificates.
type changing struct {
	client *ca.Client
	change journal.Entry
	std    streams
	// waiting are those that a second person has to confirm.
	done, already, refused, waiting int
}

// one changes a certificate, or tells whether it could be. What the ca refuses
// is printed and counted; an error ends the run.
func (c *changing) one(ctx context.Context, serial journal.Serial, dry bool) error {
	current, err := c.client.Certificate(ctx, serial)
	if refusal, ok := answered(err); ok {
		c.refuse(serial, refusal)
		return nil
	}
	if err != nil {
		return err
	}
	status := current.Status
	switch {
	case c.reached(status):
		c.already++
		fmt.Fprintf(c.std.out, "%s already %s\n", serial, statusWords(status))
		return nil
	case !slices.Contains(status.Legal(c.change.Owner), c.change.Kind):
		transition := &journal.TransitionError{From: status, Kind: c.change.Kind, Owner: c.change.Owner}
		c.refuse(serial, transition)
		return nil
	case dry:
		c.done++
		fmt.Fprintf(c.std.out, "%s %s, %s: would be %s\n", serial, current.Profile, statusWords(status), c.change.Kind)
		return nil
	}
	answer, err := c.send(ctx, serial)
	if refusal, ok := answered(err); ok {
		c.refuse(serial, refusal)
		return nil
	}
	if pending, ok := errors.AsType[*ca.PendingError](err); ok {
		c.waiting++
		fmt.Fprintf(c.std.out, "%s %v\n", serial, pending)
		return nil
	}
	if err != nil {
		return err
	}
	c.done++
	fmt.Fprintf(c.std.out, "%s %s\n", serial, statusWords(answer.Status))
	return nil
}

// reached reports whether the status is already what the change leads to.
func (c *changing) reached(status journal.Status) bool {
	owns := slices.ContainsFunc(status.Holds, func(h journal.Hold) bool { return h.Owner == c.change.Owner })
	return c.change.Kind == journal.Revoked && status.State == journal.Gone || c.change.Kind == journal.Held && owns
}

// answered tells a refusal of one certificate from a failure that others would
// meet, too.
func answered(err error) (*problem.Details, bool) {
	details, ok := errors.AsType[*problem.Details](err)
	return details, ok && (details.Code == "unknown_certificate" || details.Code == "illegal_transition")
}

func (c *changing) refuse(serial journal.Serial, why error) {
	c.refused++
	fmt.Fprintf(c.std.err, "%s: %v\n", serial, why)
}

// tries is how often a change is sent when nobody answers; the idempotency key
// sees to it that it happens once.
const tries = 3

func (c *changing) send(ctx context.Context, serial journal.Serial) (answer *ca.ChangeAnswer, err error) {
	body := ca.ChangeRequest{Owner: string(c.change.Owner), InvalidityDate: c.change.InvalidityDate}
	send := c.client.Hold
	switch c.change.Kind {
	case journal.Released:
		send = c.client.Release
	case journal.Revoked:
		send, body.Reason = c.client.Revoke, c.change.Reason.String()
	}
	key := rand.Text()
	for try := 1; ; try++ {
		answer, err = send(ctx, serial, body, key)
		_, spoken := errors.AsType[*problem.Details](err)
		if _, waits := errors.AsType[*ca.PendingError](err); err == nil || spoken || waits || try == tries || ctx.Err() != nil {
			return answer, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (c *changing) summary(dry bool, of int) {
	if of == 1 {
		return
	}
	would := map[bool]string{true: "would be ", false: ""}[dry]
	waiting := ""
	if c.waiting > 0 {
		waiting = fmt.Sprintf(", %d wait for a second person", c.waiting)
	}
	fmt.Fprintf(c.std.err, "%d certificates: %d %s%s, %d already were, %d refused%s\n", of, c.done, would, c.change.Kind, c.already, c.refused, waiting)
}
