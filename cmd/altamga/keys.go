package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"

	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/pki"
)

type keysCommands struct {
	Generate keysGenerate `cmd:"" help:"Make a key in a file, or on a token that never gives it out."`
	List     keysList     `cmd:"" help:"List the keys on a token, or the tokens that are there."`
	Show     keysShow     `cmd:"" help:"Show a key's public half and how often it was used."`
	Attest   keysAttest   `cmd:"" help:"Report whether a key was made on its token and could never leave it."`
	Count    keysCount    `cmd:"" help:"Show how often a key was used, or begin to count."`
}

// keyFlags name a key.
type keyFlags struct {
	URI string `name:"uri" required:"" help:"The key: file:NAME.key or pkcs11:token=LABEL;object=LABEL?pin-source=FILE." placeholder:"URI"`
	Dir string `help:"The folder that relative paths in the URI count from." default:"." type:"existingdir"`
}

type keysGenerate struct {
	keyFlags
	keyAudit
	Algorithm string `default:"p256" help:"p256, p384, p521, rsa3072, rsa4096 or ed25519." placeholder:"NAME"`
}

func (c keysGenerate) Run(ctx context.Context, std streams) error {
	return c.audited(ctx, "keys.generate", func(tell tellKey) (err error) {
		key, err := keys.Generate(c.URI, c.Dir, c.Algorithm)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, keys.Close(key)) }()
		identifier, _, err := describePublic(key.Public())
		if err != nil {
			return err
		}
		return errors.Join(printPublic(std.out, key.Public()), tell("keys.generated", slog.String("identifier", identifier)))
	}, slog.String("key", c.URI), slog.String("algorithm", c.Algorithm))
}

type keysList struct {
	keyFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (c keysList) Run(std streams) error {
	u, err := keys.Parse(c.URI)
	if err != nil {
		return err
	}
	if u.PKCS11 && u.Token.Token == "" && u.Token.Serial == "" {
		return c.tokens(std.out)
	}
	list, err := keys.List(c.URI, c.Dir)
	if err != nil {
		return err
	}
	if c.JSON {
		reports := make([]keyReport, len(list))
		for i, info := range list {
			reports[i] = reportOf(info)
		}
		return printJSON(std.out, reports)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LABEL\tALGORITHM\tCAN LEAVE\tURI")
	for _, info := range list {
		algorithm, leave := info.Fault, "no"
		if info.Public != nil {
			algorithm = keys.Algorithm(info.Public)
		}
		if info.Attest() != nil {
			leave = "see attest"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", info.Label, algorithm, leave, info.URI)
	}
	return table.Flush()
}

func (c keysList) tokens(out io.Writer) error {
	list, err := keys.Tokens(c.URI, c.Dir)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, list)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TOKEN\tSERIAL\tMODEL\tMANUFACTURER\tPIN\tMODULE")
	for _, info := range list {
		pin := info.PIN
		if pin == "" {
			pin = "in order"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", info.Label, info.Serial, info.Model, info.Manufacturer, pin, info.Module)
	}
	return table.Flush()
}

type keysShow struct {
	keyFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (c keysShow) Run(std streams) error {
	info, err := keys.Inspect(c.URI, c.Dir)
	if err != nil {
		return err
	}
	report := reportOf(info)
	used, err := keys.Uses(c.URI, c.Dir)
	switch {
	case err == nil:
		report.Uses = &used
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if u, err := keys.Parse(c.URI); err == nil {
		report.MaxUses = u.MaxUses
	}
	if c.JSON {
		return printJSON(std.out, report)
	}
	fmt.Fprintln(std.out, "key:       ", report.URI)
	if report.Uses != nil && report.MaxUses > 0 {
		fmt.Fprintf(std.out, "signatures: %d of %d\n", used, report.MaxUses)
	} else if report.Uses != nil {
		fmt.Fprintf(std.out, "signatures: %d\n", used)
	}
	if info.Public == nil {
		return errors.New(info.Fault)
	}
	return printPublic(std.out, info.Public)
}

type keysAttest struct {
	keyFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the evidence in any case; the exit code is the verdict.
func (c keysAttest) Run(std streams) error {
	info, err := keys.Inspect(c.URI, c.Dir)
	if err != nil {
		return err
	}
	report, verdict := reportOf(info), info.Attest()
	if c.JSON {
		if err := printJSON(std.out, report); err != nil {
			return err
		}
		return verdict
	}
	fmt.Fprintln(std.out, "key:                  ", report.URI)
	if info.Token != nil {
		fmt.Fprintf(std.out, "token:                 %s (%s, %s, serial %s)\n", info.Token.Label, info.Token.Manufacturer, info.Token.Model, info.Token.Serial)
	}
	if info.Public != nil {
		fmt.Fprintln(std.out, "algorithm:            ", report.Algorithm)
		fmt.Fprintln(std.out, "key identifier:       ", report.KeyIdentifier)
	}
	if info.Token != nil {
		for _, a := range []struct {
			name  string
			value *bool
		}{
			{"CKA_SENSITIVE", info.Attributes.Sensitive}, {"CKA_EXTRACTABLE", info.Attributes.Extractable},
			{"CKA_ALWAYS_SENSITIVE", info.Attributes.AlwaysSensitive}, {"CKA_NEVER_EXTRACTABLE", info.Attributes.NeverExtractable},
			{"CKA_LOCAL", info.Attributes.Local},
		} {
			told := "not told"
			if a.value != nil {
				told = fmt.Sprint(*a.value)
			}
			fmt.Fprintf(std.out, "%-23s%s\n", a.name+":", told)
		}
	}
	if verdict == nil {
		fmt.Fprintln(std.out, "The token says that it made this key and never let it out.")
	}
	return verdict
}

type keysCount struct {
	keyFlags
	keyAudit
	Start *uint64 `help:"Begin to count a key that has made N signatures." placeholder:"N"`
}

func (c keysCount) Run(ctx context.Context, std streams) error {
	if c.Start != nil {
		err := c.audited(ctx, "keys.count", func(tellKey) error { return keys.StartUses(c.URI, c.Dir, *c.Start) },
			slog.String("key", c.URI), slog.Uint64("start", *c.Start))
		if err != nil {
			return err
		}
	}
	used, err := keys.Uses(c.URI, c.Dir)
	if err != nil {
		return err
	}
	fmt.Fprintln(std.out, used)
	return nil
}

// keyReport is what is printed of a key as JSON.
type keyReport struct {
	URI           string           `json:"uri"`
	Label         string           `json:"label,omitempty"`
	ID            string           `json:"id,omitempty"`
	Algorithm     string           `json:"algorithm,omitempty"`
	KeyIdentifier string           `json:"key_identifier,omitempty"`
	PublicKey     string           `json:"public_key,omitempty"`
	Fault         string           `json:"fault,omitempty"`
	Token         *keys.TokenInfo  `json:"token,omitempty"`
	Attributes    *keys.Attributes `json:"attributes,omitempty"`
	// Attested: see keys.Info.Attest.
	Attested bool    `json:"attested"`
	Uses     *uint64 `json:"uses,omitempty"`
	MaxUses  uint64  `json:"max_uses,omitempty"`
}

func reportOf(info keys.Info) keyReport {
	report := keyReport{URI: info.URI, Label: info.Label, ID: hex.EncodeToString(info.ID), Fault: info.Fault, Token: info.Token, Attested: info.Attest() == nil}
	if info.Token != nil {
		report.Attributes = &info.Attributes
	}
	if info.Public != nil {
		report.Algorithm = keys.Algorithm(info.Public)
		if identifier, encoded, err := describePublic(info.Public); err == nil {
			report.KeyIdentifier, report.PublicKey = identifier, string(encoded)
		}
	}
	return report
}

// describePublic returns a public key's identifier as certificates have it,
// and the key in PEM.
func describePublic(public crypto.PublicKey) (identifier string, encoded []byte, err error) {
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", nil, err
	}
	id, err := pki.KeyIdentifier(spki)
	if err != nil {
		return "", nil, err
	}
	return hex.EncodeToString(id), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), nil
}

func printPublic(out io.Writer, public crypto.PublicKey) error {
	identifier, encoded, err := describePublic(public)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "algorithm:  %s\nidentifier: %s\n%s", keys.Algorithm(public), identifier, encoded)
	return err
}

func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// keep makes the process give back what a key took when it ends, and tell when
// the key's token is away.
func (p *process) keep(key crypto.Signer) {
	p.keyMu.Lock()
	defer p.keyMu.Unlock()
	if c, ok := key.(io.Closer); ok {
		p.closers = append(p.closers, c)
	}
	if !keys.OnToken(key) {
		return
	}
	if len(p.onTokens) == 0 {
		p.admin.Add("keys", p.tokensReady)
	}
	p.onTokens = append(p.onTokens, key)
}

// tokensReady reports what is in the way of the keys on tokens, once for all
// keys that have the same in theirs.
func (p *process) tokensReady(ctx context.Context) error {
	var faults []error
	told := map[string]bool{}
	p.keyMu.Lock()
	onTokens := slices.Clone(p.onTokens)
	p.keyMu.Unlock()
	for _, key := range onTokens {
		if err := keys.Ready(ctx, key); err != nil && !told[err.Error()] {
			told[err.Error()] = true
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// retryPINs lets tokens be given their PINs again, after a refusal, whenever
// the process is sent SIGHUP: the operator's word that the PIN is right now.
func (p *process) retryPINs(ctx context.Context) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	defer signal.Stop(told)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-told:
			keys.RetryPINs()
			p.log.LogAttrs(ctx, slog.LevelInfo, "tokens that refused their PIN may be given it again")
		}
	}
}
