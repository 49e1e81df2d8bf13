package main

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/keys"
)

// output is where a command writes its file.
type output struct {
	Out string `short:"o" help:"The file to write. Default: standard output." type:"path" placeholder:"FILE"`
}

func (o output) write(std streams, data []byte) error {
	if o.Out == "" {
		_, err := std.out.Write(data)
		return err
	}
	// The first line tells the kind and whose it is.
	first, _, _ := bytes.Cut(data, []byte("\n"))
	if err := keepOthers(o.Out, "output of this command", string(first)+"\n"); err != nil {
		return err
	}
	return durable.Write(o.Out, data, 0o644)
}

type auditProve struct {
	Log string `arg:"" help:"The audit log." type:"existingfile"`
	Seq int64  `arg:"" optional:"" help:"The number of the entry to prove."`
	publicKeys
	Since      *int64   `help:"Prove instead that the log goes on from its first N entries: what a witness asks for." placeholder:"N"`
	Checkpoint []string `help:"The checkpoint to lead to, such as one with cosignatures; may be repeated, to take in several witnesses' signatures. Default: the last in the log." type:"existingfile" placeholder:"FILE"`
	output
}

func (c auditProve) Run(std streams) error {
	if (c.Seq == 0) == (c.Since == nil) {
		return withHint(errors.New("proving: name either an entry or --since"), "altamga audit prove audit.log 12 --key log.pub")
	}
	key, witnesses, err := c.read()
	if err != nil {
		return err
	}
	at, err := mergedCheckpoint(c.Checkpoint, key, witnesses)
	if err != nil {
		return err
	}
	file, err := os.Open(c.Log)
	if err != nil {
		return err
	}
	defer file.Close()
	var proof []byte
	if c.Since != nil {
		proof, err = audit.ProveConsistency(file, key, *c.Since, at)
	} else {
		proof, err = audit.ProveEntry(file, key, c.Seq, at)
	}
	if err != nil {
		return err
	}
	return c.write(std, proof)
}

// mergedCheckpoint reads the files of one checkpoint that several witnesses
// signed; nil without files.
func mergedCheckpoint(files []string, key audit.Verifier, witnesses []audit.Verifier) (*audit.Checkpoint, error) {
	var signed [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		signed = append(signed, text)
	}
	if len(signed) == 0 {
		return nil, nil
	}
	merged, err := audit.MergeCheckpoints(signed...)
	if err != nil {
		return nil, err
	}
	c, err := audit.ParseCheckpoint(merged, key, witnesses...)
	return &c, err
}

type auditCheckpoint struct {
	Log string `arg:"" help:"The audit log." type:"existingfile"`
	publicKeys
	With []string `help:"A checkpoint that a witness sent back; may be repeated. Written is that checkpoint with all their signatures." type:"existingfile" placeholder:"FILE"`
	output
}

func (c auditCheckpoint) Run(std streams) error {
	key, witnesses, err := c.read()
	if err != nil {
		return err
	}
	merged, err := mergedCheckpoint(c.With, key, witnesses)
	if err != nil {
		return err
	}
	var against []audit.Checkpoint
	if merged != nil {
		against = append(against, *merged)
	}
	report, _, err := auditVerify{Log: c.Log}.walk(key, against)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", c.Log, err)
	case merged != nil:
		return c.write(std, merged.Note)
	case report.Checkpoints == 0:
		return fmt.Errorf("%s: it has no checkpoint", c.Log)
	}
	return c.write(std, report.Last.Note)
}

type auditCosign struct {
	Request string `arg:"" help:"What the partner sent: the output of altamga audit prove LOG --since N." type:"existingfile"`
	Log     string `required:"" help:"Public key of the partner's log." type:"existingfile" placeholder:"FILE"`
	Name    string `required:"" help:"The witness's name, such as pki.example/witness." placeholder:"NAME"`
	Signer  string `required:"" help:"URI of the witness's key." placeholder:"URI"`
	Memory  string `required:"" help:"The file that remembers what was signed. Made when it is not there; without it, a fork could be signed." type:"path" placeholder:"FILE"`
	output
}

func (c auditCosign) Run(std streams) error {
	log, err := readLogKey(c.Log)
	if err != nil {
		return err
	}
	key, err := keys.Open(c.Signer, ".")
	if err != nil {
		return err
	}
	signer, err := audit.NewCosigner(c.Name, key)
	if err != nil {
		return err
	}
	request, err := os.ReadFile(c.Request)
	if err != nil {
		return err
	}
	signed, err := audit.Witness{Log: log, Key: signer, Memory: c.Memory}.Cosign(request)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(c.Request), err)
	}
	return c.write(std, signed)
}

type auditKey struct {
	URI     string `arg:"" name:"uri" help:"URI of the key."`
	Name    string `required:"" help:"Origin of the log, or name of the witness." placeholder:"NAME"`
	Witness bool   `help:"The key is one of a witness."`
	New     bool   `help:"Make the key (Ed25519); one that exists is never overwritten."`
	output
}

func (c auditKey) Run(std streams) error {
	open := keys.Open
	if c.New {
		open = func(uri, dir string) (crypto.Signer, error) { return keys.Generate(uri, dir, "ed25519") }
	}
	key, err := open(c.URI, ".")
	if err != nil {
		return err
	}
	public := audit.NewSigner
	if c.Witness {
		public = audit.NewCosigner
	}
	signer, err := public(c.Name, key)
	if err != nil {
		return err
	}
	return c.write(std, []byte(signer.Public()+"\n"))
}
