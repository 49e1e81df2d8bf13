package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/audit/tokenlog"
)

// The entries of the audit log that say which tokens the journal holds: at each
// start, and at each day's end. Whoever takes the end of the journal away, or all
// of it, contradicts them.
const (
	journalOpened = "tsa.journal_opened"
	journalRoot   = "tsa.journal_root"
)

// rootAttrs are the attributes of both.
func rootAttrs(root audit.Checkpoint) []slog.Attr {
	return []slog.Attr{slog.Int64("tokens", root.Size), slog.String("root", root.Root.String())}
}

type tsaJournal struct {
	Dir    string   `arg:"" help:"The journal's folder." type:"existingdir"`
	Key    string   `required:"" help:"The journal's public key, which 'altamga tsa key' prints." type:"existingfile" placeholder:"FILE"`
	Root   []string `help:"A signed root that was kept elsewhere; may be repeated. The journal must go on from it." type:"existingfile" placeholder:"FILE"`
	Log    string   `help:"The audit log of the authority, or a copy of it: the journal must hold what it says. Needs --log-key." type:"existingfile" placeholder:"FILE"`
	LogKey string   `help:"The audit log's public key (log.pub)." type:"existingfile" placeholder:"FILE"`
}

func (c tsaJournal) Run(std streams) error {
	key, err := readLogKey(c.Key)
	if err != nil {
		return err
	}
	if (c.Log == "") != (c.LogKey == "") {
		return withHint(errors.New("verifying: --log and --log-key go together"), "`altamga init` writes log.pub, the audit log's public key")
	}
	var kept heldRoots
	for _, file := range c.Root {
		line, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		root, _, err := audit.ParseSigned(line, key)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		kept.roots = append(kept.roots, root)
	}
	if c.Log != "" {
		if err := kept.read(c.Log, c.LogKey); err != nil {
			return err
		}
	}
	report, err := tokenlog.Verify(c.Dir, key, kept.roots...)
	if err != nil {
		return withHint(err, "keep the folder as it is, and compare it with the copies and roots that are kept elsewhere")
	}
	fmt.Fprintf(std.out, "unbroken: %d tokens on %d days, signed up to number %d, root %s\n", report.Records, report.Days, report.Root.Size, report.Root.Root)
	if report.Open > 0 {
		fmt.Fprintf(std.out, "%d tokens are not signed yet\n", report.Open)
	}
	if c.Log != "" {
		fmt.Fprintf(std.out, "%s: it holds what the log says at %d places\n", c.Log, kept.places)
	}
	for _, former := range kept.former {
		fmt.Fprintln(std.out, "WARNING: "+former)
	}
	return nil
}

// heldRoots are those that the journal must go on from.
type heldRoots struct {
	roots []audit.Checkpoint
	// places is how many of them the audit log holds, former what it says of
	// journals before this one.
	places int
	former []string
}

// read takes what an audit log says. Its last line may be in the making.
func (h *heldRoots) read(log, keyFile string) error {
	key, err := readLogKey(keyFile)
	if err != nil {
		return err
	}
	file, err := os.Open(log)
	if err != nil {
		return err
	}
	defer file.Close()
	var said []audit.Checkpoint
	_, err = audit.Check{Key: key, Entry: func(e audit.Entry) error {
		if e.Action != journalOpened && e.Action != journalRoot {
			return nil
		}
		root, err := readRootAttrs(e)
		if err != nil {
			return err
		}
		if n := len(said); root.Size == 0 && n > 0 && said[n-1].Size > 0 {
			h.former = append(h.former, fmt.Sprintf("the journal was begun anew at %s; one of %d tokens, root %s, came before it",
				e.Time.Format(time.RFC3339), said[n-1].Size, said[n-1].Root))
			said = nil
		}
		said = append(said, root)
		return nil
	}}.Verify(file)
	if err != nil && !audit.Unfinished(err) {
		return fmt.Errorf("verifying %s: %w", log, err)
	}
	h.roots, h.places = append(h.roots, said...), len(said)
	return nil
}

// readRootAttrs reads what [rootAttrs] wrote.
func readRootAttrs(e audit.Entry) (c audit.Checkpoint, err error) {
	var attrs struct {
		Tokens int64  `json:"tokens"`
		Root   []byte `json:"root"`
	}
	if err := json.Unmarshal(e.Attrs, &attrs); err != nil || len(attrs.Root) != len(c.Root) {
		return c, fmt.Errorf("entry %d: it does not say which tokens the journal holds", e.Seq)
	}
	return audit.Checkpoint{Size: attrs.Tokens, Root: [32]byte(attrs.Root)}, nil
}
