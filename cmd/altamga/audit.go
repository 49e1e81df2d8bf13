package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/register"
)

type auditCommands struct {
	Verify     auditVerify     `cmd:"" help:"Check an audit log, its journal or a proof, offline, with the public key alone."`
	Prove      auditProve      `cmd:"" help:"Write a proof that an entry is in the log, or that the log goes on from an earlier checkpoint."`
	Checkpoint auditCheckpoint `cmd:"" help:"Write the log's last checkpoint, to be kept elsewhere."`
	Cosign     auditCosign     `cmd:"" help:"Sign a partner's log as its witness, if it goes on from what was signed last."`
	Key        auditKey        `cmd:"" help:"Print the public key of a log or a witness."`
}

// publicKeys are the keys that a command checks with.
type publicKeys struct {
	Key     string   `required:"" help:"The log's public key (log.pub)." type:"existingfile" placeholder:"FILE"`
	Witness []string `help:"Public key of a witness that must have signed too; may be repeated." type:"existingfile" placeholder:"FILE"`
}

func (k publicKeys) read() (log audit.Verifier, witnesses []audit.Verifier, err error) {
	if log, err = readLogKey(k.Key); err != nil {
		return nil, nil, err
	}
	for _, file := range k.Witness {
		witness, err := readLogKey(file)
		if err != nil {
			return nil, nil, err
		}
		witnesses = append(witnesses, witness)
	}
	return log, witnesses, nil
}

func readLogKey(file string) (audit.Verifier, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := audit.ParseKey(string(text))
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", file, err), "`altamga init` writes log.pub; `altamga audit key` prints that of any key")
	}
	return key, nil
}

// readCheckpoints reads checkpoint files.
func (k publicKeys) readCheckpoints(files []string) ([]audit.Checkpoint, error) {
	key, witnesses, err := k.read()
	if err != nil {
		return nil, err
	}
	var checkpoints []audit.Checkpoint
	for _, file := range files {
		signed, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c, err := audit.ParseCheckpoint(signed, key, witnesses...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		checkpoints = append(checkpoints, c)
	}
	return checkpoints, nil
}

type auditVerify struct {
	Log string `arg:"" optional:"" help:"The audit log." type:"existingfile"`
	publicKeys
	Checkpoint []string `help:"A checkpoint that was kept elsewhere; may be repeated. The log must go on from it." type:"existingfile" placeholder:"FILE"`
	Journal    string   `help:"The register, a file or a postgres:// URL, whose journal and certificates are held against the log." placeholder:"REGISTER"`
	Closed     bool     `help:"The log is not being written: every entry must be signed, and every entry of the journal in it."`
	Proof      string   `help:"Check this proof instead of a log." type:"existingfile" placeholder:"FILE"`
}

func (c auditVerify) Run(ctx context.Context, std streams) error {
	check := c.verify
	switch {
	case c.Proof != "" && (c.Log != "" || c.Journal != ""):
		return errors.New("verifying: --proof is checked by itself, without a log or a journal")
	case c.Proof != "":
		check = c.proof
	case len(c.Witness) > 0 && len(c.Checkpoint) == 0:
		return withHint(errors.New("verifying: a witness signs a checkpoint, and none is named"), "name the file that the witness sent back with --checkpoint")
	case c.Log == "":
		return withHint(errors.New("verifying: neither a log nor a proof is named"), "altamga audit verify audit.log --key log.pub")
	}
	findings, err := check(ctx)
	for _, line := range findings {
		fmt.Fprintln(std.out, line)
	}
	return err
}

// verify checks the log and what belongs to it and returns what holds.
func (c auditVerify) verify(ctx context.Context) (findings []string, err error) {
	key, _, err := c.read()
	if err != nil {
		return nil, err
	}
	against, err := c.readCheckpoints(c.Checkpoint)
	if err != nil {
		return nil, err
	}
	report, seals, err := c.walk(key, against)
	if err != nil {
		return nil, withHint(fmt.Errorf("verifying %s: %d entries are whole: %w", c.Log, report.Entries, err),
			"keep the file as it is, and compare it with the copies and checkpoints that are kept elsewhere")
	}
	if report.Checkpoints == 0 {
		return nil, withHint(fmt.Errorf("verifying %s: it has no checkpoint, so nothing in it is signed", c.Log), "is it the whole log?")
	}
	findings = append(findings, fmt.Sprintf("%s: %d entries, unbroken, %d of them signed by %s, root %s",
		c.Log, report.Entries, report.Last.Size, report.Last.Origin, report.Last.Root))
	open := report.Entries - report.Last.Size
	if open > 0 && c.Closed {
		return findings, withHint(fmt.Errorf("verifying %s: its last %d entries are not signed", c.Log, open),
			"after a crash, the next start signs what it left; without a crash, the last checkpoint was taken away")
	}
	if open > 0 {
		findings = append(findings, fmt.Sprintf("%s: the last %d entries follow the last checkpoint and are not signed yet", c.Log, open))
	}
	for i, kept := range against {
		findings = append(findings, fmt.Sprintf("%s: the log goes on from its %d entries", c.Checkpoint[i], kept.Size))
	}
	if c.Journal != "" {
		journal, err := holdJournal(ctx, c.Journal, seals, c.Closed)
		if err != nil {
			return findings, err
		}
		findings = append(findings, journal)
	}
	return findings, nil
}

// walk reads the log. A server that is writing it may be in the middle of a line:
// then it is read again.
func (c auditVerify) walk(key audit.Verifier, against []audit.Checkpoint) (report audit.Report, seals *audit.Seals, err error) {
	size := int64(-1)
	for {
		file, err := os.Open(c.Log)
		if err != nil {
			return report, nil, err
		}
		seals = new(audit.Seals)
		report, err = audit.Check{Key: key, Against: against, Entry: seals.Add}.Verify(file)
		info, fault := file.Stat()
		file.Close()
		if fault != nil || !audit.Unfinished(err) || info.Size() == size {
			return report, seals, errors.Join(err, fault)
		}
		size = info.Size()
		time.Sleep(100 * time.Millisecond)
	}
}

// holdJournal holds a register against what the log says of its journal. closed
// says that both are whole.
func holdJournal(ctx context.Context, path string, seals *audit.Seals, closed bool) (finding string, err error) {
	opened, err := register.OpenExisting(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return holdRegister(ctx, register.Redacted(path), opened, seals, closed)
}

func holdRegister(ctx context.Context, path string, opened *register.Register, seals *audit.Seals, closed bool) (finding string, err error) {
	hint := "keep the register as it is; the entry that is named, or its certificate, is not what was written"
	further, err := seals.Hold(ctx, opened)
	if err != nil {
		return "", withHint(fmt.Errorf("%s: %w", path, err), hint)
	}
	if closed && further.Entries > 0 {
		return "", withHint(fmt.Errorf("%s: the last %d journal entries are not in the log", path, further.Entries),
			"after a crash, the next start puts them in; without a crash, the end of the log was cut off, and they may be altered")
	}
	// That every status is what the entries lead to, the log does not know.
	if err := opened.Check(ctx); err != nil {
		return "", withHint(fmt.Errorf("%s: %w", path, err), hint)
	}
	finding = fmt.Sprintf("%s: %d journal entries and their certificates are those of the log", path, seals.Entries())
	return finding + notYet(further, time.Now()), nil
}

// soon is how long an entry may be in the journal and not in the log of a server
// that runs: it takes a second, or some when the disk is busy.
const soon = time.Minute

// notYet says what the log does not vouch for.
func notYet(further audit.Further, now time.Time) string {
	if further.Entries == 0 {
		return ""
	}
	age := max(0, now.Sub(further.Since)).Truncate(time.Second)
	told := fmt.Sprintf("; %d newer ones are not in it yet, the oldest of which is %v old", further.Entries, age)
	if age > soon {
		told += "\nWARNING: a server that runs puts its entries into the log within seconds. No server ran since " + further.Since.UTC().Format(time.RFC3339) +
			", or the end of the log was cut off and these entries may be altered: stop the servers and verify with --closed, and with a checkpoint that was kept elsewhere"
	}
	return told
}

// proof checks a proof file.
func (c auditVerify) proof(context.Context) ([]string, error) {
	key, witnesses, err := c.read()
	if err != nil {
		return nil, err
	}
	var old *audit.Checkpoint
	if len(c.Checkpoint) > 0 {
		// The earlier checkpoint is one's own: no witness need have signed it.
		earlier, err := publicKeys{Key: c.Key}.readCheckpoints(c.Checkpoint[:1])
		if err != nil {
			return nil, err
		}
		old = &earlier[0]
	}
	file, err := os.ReadFile(c.Proof)
	if err != nil {
		return nil, err
	}
	p, err := audit.CheckProof(file, key, old, witnesses...)
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", c.Proof, err), "for a proof of consistency, give the earlier checkpoint with --checkpoint")
	}
	if p.Line == nil {
		return []string{fmt.Sprintf("%s: the %d entries of %s go on from the earlier %d", c.Proof, p.Checkpoint.Size, p.Checkpoint.Origin, p.Old)}, nil
	}
	return []string{
		fmt.Sprintf("%s: the entry is in the log of %s, as one of %d that are signed:", c.Proof, p.Checkpoint.Origin, p.Checkpoint.Size),
		string(p.Line[:len(p.Line)-1]),
	}, nil
}
