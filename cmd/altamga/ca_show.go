package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
)

// caShow prints one certificate with its status and history.
type caShow struct {
	caConnection
	Certificate string `arg:"" name:"serial" help:"The serial number in hexadecimal, or the file of the certificate (PEM)."`
	PEM         bool   `name:"pem" xor:"form" help:"Print the certificate alone."`
	JSON        bool   `name:"json" xor:"form" help:"Print what the ca answers."`
}

func (c caShow) Run(ctx context.Context, std streams) error {
	serial, err := serialArgument(c.Certificate)
	if err != nil {
		return err
	}
	client, err := c.open()
	if err != nil {
		return err
	}
	answer, err := client.Certificate(ctx, serial)
	if err != nil {
		return advise(ctx, client, err)
	}
	switch {
	case c.PEM:
		_, err = io.WriteString(std.out, answer.Certificate)
	case c.JSON:
		encoder := json.NewEncoder(std.out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(answer)
	default:
		err = show(std.out, answer)
	}
	return err
}

// serialArgument reads a serial number, or takes it from a file.
func serialArgument(text string) (journal.Serial, error) {
	serial, err := journal.ParseSerial(text)
	if err == nil {
		return serial, nil
	}
	if _, missing := os.Stat(text); missing != nil {
		return "", withHint(fmt.Errorf("%q is neither a serial number nor a file: %w", text, err), "serial numbers are hexadecimal, as `altamga ca list` shows them")
	}
	certificate, err := readCertificate(config.Path(text))
	if err != nil {
		return "", err
	}
	return journal.SerialOf(certificate.SerialNumber), nil
}

// minutes is how times are printed for people: in UTC, as the journal has them.
const minutes = "2006-01-02 15:04:05Z"

func show(w io.Writer, answer *ca.CertificateAnswer) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name, value)
		}
	}
	line("serial", string(answer.Serial))
	line("issuer", answer.Issuer)
	line("profile", answer.Profile)
	line("set", answer.Set)
	line("status", statusWords(answer.Status))
	line("not after", answer.NotAfter.UTC().Format(minutes))
	for _, entry := range answer.History {
		words := []string{entry.EffectiveAt.UTC().Format(minutes), string(entry.Kind)}
		if entry.Kind == journal.Revoked {
			words = append(words, "for "+entry.Reason.String())
		}
		if entry.Owner != "" {
			words = append(words, "in the right of "+string(entry.Owner))
		}
		if entry.Actor != "" {
			words = append(words, "by "+entry.Actor)
		}
		line("history", strings.Join(words, " "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// statusWords says what a status comes down to.
func statusWords(s journal.Status) string {
	words := string(s.State)
	switch s.State {
	case journal.OnHold:
		var owners []string
		for _, hold := range s.Holds {
			owners = append(owners, string(hold.Owner))
		}
		words += " by " + strings.Join(owners, ", ") + since(s.Since)
	case journal.Gone:
		words += " for " + s.Reason.String() + since(s.Since)
	}
	if s.Expired {
		words += ", expired"
	}
	return words
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + t.UTC().Format(minutes)
}
