package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/journal"
)

// caSelection are the flags that say which certificates are meant.
type caSelection struct {
	Issuer  string `help:"Only those of this issuer." placeholder:"ID"`
	Profile string `help:"Only those of this profile." placeholder:"NAME"`
	State   string `help:"Only those in this state: valid, held, revoked or expired." enum:"valid,held,revoked,expired," default:"" placeholder:"STATE"`
	After   string `help:"Only those reserved after this serial number." placeholder:"SERIAL"`
}

func (s caSelection) selection(limit int) (journal.Selection, error) {
	selection := journal.Selection{Issuer: s.Issuer, Profile: s.Profile, State: journal.State(s.State), Limit: limit}
	if s.After != "" {
		var err error
		if selection.After, err = serialArgument(s.After); err != nil {
			return selection, err
		}
	}
	return selection, nil
}

// caList prints certificates for people.
type caList struct {
	caConnection
	caSelection
	Limit int `default:"50" help:"At most so many; 0 for all."`
}

func (c caList) Run(ctx context.Context, std streams) error {
	selection, err := c.selection(c.Limit)
	if err != nil {
		return err
	}
	client, err := c.open()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(std.out)
	var last journal.Serial
	n := 0
	for line, err := range client.Certificates(ctx, selection) {
		if err != nil {
			out.Flush()
			return advise(ctx, client, err)
		}
		n, last = n+1, line.Serial
		fmt.Fprintf(out, "%-40s  %-8s  %-24s  %s  %s\n", line.Serial, line.Issuer, line.Profile, line.NotAfter.UTC().Format(time.DateOnly), statusWords(line.Status))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	switch {
	case n == 0:
		fmt.Fprintln(std.err, "no certificate is like that")
	case n == c.Limit:
		fmt.Fprintf(std.err, "there may be more: --after %s, or --limit 0\n", last)
	}
	return nil
}

// caExport writes certificates for auditors and their programs.
type caExport struct {
	caConnection
	caSelection
	Format string `default:"csv" enum:"csv,json" help:"csv or json, which is one object to a line."`
	Out    string `short:"o" help:"Where to write. Default: standard output." placeholder:"FILE"`
}

func (c caExport) Run(ctx context.Context, std streams) error {
	selection, err := c.selection(0)
	if err != nil {
		return err
	}
	client, err := c.open()
	if err != nil {
		return err
	}
	write := func(to io.Writer) error { return c.write(ctx, client, selection, to, std.err) }
	if c.Out == "" {
		return write(std.out)
	}
	if err := keepOthers(c.Out, "export", "serial,issuer,profile,", `{"serial":"`); err != nil {
		return err
	}
	// The file appears when it is whole: half an export is no export.
	return durable.Stream(c.Out, 0o600, write)
}

// write writes what the authority lists, and shows how far it is.
func (c caExport) write(ctx context.Context, client *ca.Client, selection journal.Selection, to, show io.Writer) error {
	bar := newProgress(show, "exported", 0)
	defer bar.end()
	rows, err := newExport(to, c.Format)
	if err != nil {
		return err
	}
	for line, err := range client.Certificates(ctx, selection) {
		if err != nil {
			return errors.Join(advise(ctx, client, err), rows.flush())
		}
		if err := rows.write(line); err != nil {
			return fmt.Errorf("writing export: %w", err)
		}
		bar.step()
	}
	return rows.flush()
}

// export writes lines in one format.
type export struct {
	csv  *csv.Writer
	json *json.Encoder
	out  *bufio.Writer
}

func newExport(w io.Writer, format string) (*export, error) {
	out := bufio.NewWriter(w)
	if format == "json" {
		return &export{json: json.NewEncoder(out), out: out}, nil
	}
	e := &export{csv: csv.NewWriter(out), out: out}
	return e, e.csv.Write([]string{"serial", "issuer", "profile", "set", "state", "expired", "reason", "since", "holds", "actor",
		"reserved_at", "not_before", "not_after", "fingerprint", "key_hash"})
}

func (e *export) write(line ca.ListedCertificate) error {
	if e.json != nil {
		return e.json.Encode(line)
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	reason, holds := "", ""
	if line.Status.State != journal.Valid {
		reason = line.Status.Reason.String()
	}
	for i, hold := range line.Status.Holds {
		if i > 0 {
			holds += " "
		}
		holds += string(hold.Owner)
	}
	record := []string{string(line.Serial), line.Issuer, line.Profile, line.Set, string(line.Status.State), strconv.FormatBool(line.Status.Expired),
		reason, at(line.Status.Since), holds, line.Actor, at(line.ReservedAt), at(line.NotBefore), at(line.NotAfter), line.Fingerprint, line.KeyHash}
	for i, field := range record {
		record[i] = plain(field)
	}
	return e.csv.Write(record)
}

// plain keeps a spreadsheet from reading a field as a formula. Only the names
// of sets and clients could begin like one.
func plain(field string) string {
	if field != "" && (field[0] == '=' || field[0] == '+' || field[0] == '-' || field[0] == '@') {
		return "'" + field
	}
	return field
}

func (e *export) flush() error {
	if e.csv != nil {
		e.csv.Flush()
		if err := e.csv.Error(); err != nil {
			return fmt.Errorf("writing export: %w", err)
		}
	}
	if err := e.out.Flush(); err != nil {
		return fmt.Errorf("writing export: %w", err)
	}
	return nil
}
