package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/serve"
)

// caReconcile accounts for every serial that was ever reserved.
type caReconcile struct {
	Config      string        `short:"c" required:"" help:"The configuration file of the ca (TOML)." type:"existingfile" placeholder:"FILE"`
	Certificate []string      `help:"A certificate (PEM or DER) that was found elsewhere, such as at a client that received it. May be repeated." type:"existingfile" placeholder:"FILE"`
	AuditLog    []string      `help:"A further audit log that tells what keys were asked to sign: of another host, or an older one. May be repeated." type:"existingfile" placeholder:"FILE"`
	Grace       time.Duration `help:"Leave alone what was reserved less than this ago, since a running ca may be signing it." default:"1m"`
	DryRun      bool          `help:"Say what would be done and change nothing; may run beside the ca."`
}

func (c caReconcile) Run(ctx context.Context, std streams) (err error) {
	shown, err := readShown(c.Certificate)
	if err != nil {
		return err
	}
	p, logs, err := c.open(ctx, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	unfinished, err := p.register.Unfinished(ctx)
	if err != nil {
		return err
	}
	asked, err := keyWasAsked(append(logs, c.AuditLog...), unfinished)
	if err != nil {
		return err
	}
	r := ca.Reconciliation{
		Ledger: p.register, Issuers: map[string]*x509.Certificate{}, Asked: func(s journal.Serial) bool { return asked[s] },
		Shown: shown, Grace: c.Grace, DryRun: c.DryRun, Actor: "reconcile",
		Tell: func(f ca.Finding) {
			fmt.Fprintf(std.out, "%s  issuer %s, profile %s, reserved %s by %s: %s\n",
				f.Serial, f.Issuer, f.Profile, f.At.Format(time.RFC3339), f.Actor, f.Outcome)
		},
	}
	if p.audit != nil {
		r.Audit = p.audit.Append
	}
	for _, issuer := range p.config.CA.Issuers {
		if r.Issuers[issuer.ID], err = readCertificate(issuer.Certificate); err != nil {
			return err
		}
	}
	account, err := ca.Reconcile(ctx, r)
	if err != nil {
		return err
	}
	printAccount(std.out, account, c.DryRun)
	if n := account.Unexplained(); n > 0 {
		return withHint(fmt.Errorf("%d serials are younger than %s and may be in work", n, c.Grace),
			"run it again later, or with --grace 0s when no ca is running on this register")
	}
	return nil
}

// open opens register and audit log. The log has one writer, so that a dry run
// beside the ca only reads it.
func (c caReconcile) open(ctx context.Context, std streams) (*process, []string, error) {
	var file suiteConfig
	if err := config.Load(c.Config, &file); err != nil {
		return nil, nil, err
	}
	if file.CA == nil {
		return nil, nil, noSection("ca")
	}
	logs := []string{string(file.Audit.Path)}
	if c.DryRun {
		file.Audit = nil
	}
	p := &process{config: &file, dir: filepath.Dir(c.Config), log: slog.New(slog.NewTextHandler(std.err, nil)), admin: serve.NewAdmin(), listen: listenTCP}
	if err := p.open(ctx); err != nil {
		return nil, nil, errors.Join(withHint(err, "a running ca holds the audit log: stop it, or reconcile with --dry-run"), p.close())
	}
	return p, logs, nil
}

// readShown reads certificates in PEM or DER.
func readShown(files []string) ([][]byte, error) {
	var shown [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading certificate: %w", err)
		}
		if block, _ := pem.Decode(data); block == nil {
			shown = append(shown, data)
			continue
		}
		certificates, err := readCertificates(config.Path(file))
		if err != nil {
			return nil, err
		}
		for _, certificate := range certificates {
			shown = append(shown, certificate.Raw)
		}
	}
	return shown, nil
}

// keyWasAsked returns which of the intents the audit logs say that the key was
// asked to sign. The ca writes that line before it asks the key.
func keyWasAsked(logs []string, unfinished []journal.Intent) (map[journal.Serial]bool, error) {
	open := map[journal.Serial]bool{}
	for _, intent := range unfinished {
		open[intent.Serial] = true
	}
	asked := map[journal.Serial]bool{}
	for _, name := range logs {
		if err := scanAsked(name, open, asked); err != nil {
			return nil, fmt.Errorf("reading audit log %s: %w", name, err)
		}
	}
	return asked, nil
}

// scanAsked passes over all lines but entries of that action, checkpoints among
// them. It asks for no signature: a further log may be of another host, whose
// key is not at hand, and no serial's fate hangs on what a log says.
func scanAsked(name string, open, asked map[journal.Serial]bool) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReaderSize(file, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if bytes.Contains(line, []byte(`"ca.issue"`)) {
			var entry struct {
				Action string `json:"action"`
				Attrs  struct {
					Serial journal.Serial `json:"serial"`
				} `json:"attrs"`
			}
			// A last line that a crash cut short was not durable, so the key was not
			// asked; anything else is for `altamga audit verify`.
			if json.Unmarshal(line, &entry) == nil && entry.Action == "ca.issue" && open[entry.Attrs.Serial] {
				asked[entry.Attrs.Serial] = true
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func printAccount(w io.Writer, a *ca.Account, dryRun bool) {
	t := a.After
	fmt.Fprintf(w, "Serials reserved: %d\n", t.Issued+t.Abandoned+t.Unfinished)
	fmt.Fprintf(w, "  issued, certificate in the register: %d\n", t.Issued)
	fmt.Fprintf(w, "  closed as revoked, no certificate:   %d\n", t.Abandoned)
	fmt.Fprintf(w, "  without certificate and open:        %d\n", t.Unfinished)
	would := ""
	if dryRun {
		would = " (dry run: nothing was changed)"
	}
	fmt.Fprintf(w, "This run%s: %d recovered, %d never signed, %d perhaps signed, %d in work\n", would,
		a.Outcomes[ca.Recovered], a.Outcomes[ca.NeverSigned], a.Outcomes[ca.PerhapsSigned], a.Outcomes[ca.InWork])
	fmt.Fprintf(w, "Unexplained: %d\n", a.Unexplained())
}
