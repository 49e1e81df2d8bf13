package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/audit/tokenlog"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/tsa"
)

// tokenOrigin is the name of a journal in its roots: that of the audit log of
// the same process, whose key signs it, and a word that tells them apart.
func tokenOrigin(c *auditConfig) string { return c.Origin + "/tokens" }

// tokenSigner opens the key that signs the journal's roots.
func tokenSigner(c *auditConfig, dir string) (*audit.Signer, error) {
	key, err := keys.Open(c.Key, dir)
	if err != nil {
		return nil, fmt.Errorf("opening key of token journal: %w", err)
	}
	return audit.NewSigner(tokenOrigin(c), key)
}

// journalOfTokens is the authority's journal.
type journalOfTokens struct {
	log *tokenlog.Log
	// authority's counts go into the audit log with each day's last root.
	authority *tsa.Authority
	audit     *audit.Log
	slog      *slog.Logger
}

// tokenJournal opens the journal.
func (p *process) tokenJournal(c *tsaConfig) (*journalOfTokens, error) {
	signer, err := tokenSigner(p.config.Audit, p.dir)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(string(c.Journal), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, withHint(fmt.Errorf("creating token journal: %w", err), "tsa.journal names a folder in one that is there and may be written to")
	}
	j := &journalOfTokens{audit: p.audit, slog: p.log.With("server", "tsa")}
	if j.log, err = tokenlog.Open(tokenlog.Config{Dir: string(c.Journal), Key: signer, Interval: c.JournalInterval, Sealed: j.sealed}); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, j.log)
	if cut := j.log.Cut(); cut > 0 {
		if err := p.audit.Append(context.Background(), "tsa.journal_cut", slog.Int64("octets", cut)); err != nil {
			return nil, err
		}
	}
	return j, p.audit.Append(context.Background(), journalOpened, rootAttrs(j.log.Began())...)
}

// append records a token before it is signed.
func (j *journalOfTokens) append(ctx context.Context, r tsa.Record) error {
	serial, ok := tokenlog.SerialOf(r.Serial)
	if !ok {
		return fmt.Errorf("serial number %x does not fit the journal", r.Serial)
	}
	return j.log.Append(ctx, tokenlog.Record{Serial: serial, Time: r.GenTime, Statement: r.Statement, Unit: [4]byte(r.Unit[:])})
}

// sealed writes a day's last root into the audit log, which others keep copies
// of and cosign, and how many tokens each client has had since the start.
func (j *journalOfTokens) sealed(day string, root audit.Checkpoint) {
	attrs := append([]slog.Attr{slog.String("day", day)}, rootAttrs(root)...)
	if j.authority != nil {
		for _, c := range j.authority.Counts() {
			attrs = append(attrs, slog.Group("client", slog.Group(c.Client, slog.Uint64("granted", c.Granted), slog.Uint64("refused", c.Refused))))
		}
	}
	if err := j.audit.Append(context.Background(), journalRoot, attrs...); err != nil {
		j.slog.Error("recording root of token journal", "day", day, "error", err)
	}
}

// readToken reads a time-stamp response, or a token alone.
func readToken(path string) (*tsa.Token, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	token, err := tsa.ParseResponse(data)
	if err != nil {
		if refused, ok := errors.AsType[*tsa.Rejection](err); ok {
			return nil, fmt.Errorf("%s is a refusal: %w", path, refused)
		}
		if token, err = tsa.ParseToken(data); err != nil {
			return nil, withHint(fmt.Errorf("%s: %w", path, err), "it reads responses and tokens as this program's authority makes them")
		}
	}
	return token, nil
}

// recordOf is what the journal has of a token.
func recordOf(token *tsa.Token) (tokenlog.Record, error) {
	serial, ok := tokenlog.SerialOf(token.Info.Serial)
	if !ok {
		return tokenlog.Record{}, errors.New("the token's serial number is none of this program's")
	}
	return tokenlog.Record{Serial: serial, Time: token.Info.GenTime, Statement: token.Statement()}, nil
}

type tsaProve struct {
	Token  string `arg:"" help:"The response or token (DER)." type:"existingfile" placeholder:"FILE.tsr"`
	Config string `short:"c" required:"" help:"The authority's configuration file, whose journal is read." type:"existingfile" placeholder:"FILE"`
	output
}

func (c tsaProve) Run(std streams) error {
	token, err := readToken(c.Token)
	if err != nil {
		return err
	}
	record, err := recordOf(token)
	if err != nil {
		return err
	}
	dir, key, err := journalOf(c.Config)
	if err != nil {
		return err
	}
	proof, err := tokenlog.Prove(dir, key, record)
	switch {
	case errors.Is(err, tokenlog.ErrUnsigned):
		return withHint(err, "wait for journal_interval (a minute unless configured) and try again")
	case errors.Is(err, fs.ErrNotExist):
		return withHint(err, "its time is "+record.Time.Format(time.RFC3339)+": is it the journal of the authority, and of the node, that made it?")
	case err != nil:
		return err
	}
	return c.write(std, proof)
}

// journalOf returns the folder of a configured journal and its key.
func journalOf(file string) (dir string, key audit.Verifier, err error) {
	var c suiteConfig
	if err := config.Load(file, &c); err != nil {
		return "", nil, err
	}
	if c.TSA == nil {
		return "", nil, noSection("tsa")
	}
	signer, err := tokenSigner(c.Audit, filepath.Dir(file))
	if err != nil {
		return "", nil, err
	}
	key, err = audit.ParseKey(signer.Public())
	return string(c.TSA.Journal), key, err
}

type tsaKey struct {
	Config string `short:"c" required:"" help:"The authority's configuration file." type:"existingfile" placeholder:"FILE"`
	output
}

func (c tsaKey) Run(std streams) error {
	var loaded suiteConfig
	if err := config.Load(c.Config, &loaded); err != nil {
		return err
	}
	if loaded.Audit == nil {
		return errors.New("the configuration has no section [audit], whose key signs the journal")
	}
	signer, err := tokenSigner(loaded.Audit, filepath.Dir(c.Config))
	if err != nil {
		return err
	}
	return c.write(std, []byte(signer.Public()+"\n"))
}

// tsaSecret makes a password for a client.
type tsaSecret struct{}

// Run prints the password for the client and its hash for the configuration.
// The password is random, so nobody guesses it.
func (c tsaSecret) Run(std streams) error {
	password := rand.Text()
	hash := sha256.Sum256([]byte(password))
	_, err := fmt.Fprintf(std.out, "password: %s\nsecret = %q\n", password, hex.EncodeToString(hash[:]))
	return err
}
