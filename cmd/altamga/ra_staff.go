package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/dossier"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/pki"
)

// raStaff makes what a new member of staff needs.
type raStaff struct {
	Config string   `short:"c" required:"" help:"The configuration file of the ra (TOML)." type:"existingfile" placeholder:"FILE"`
	Name   string   `required:"" help:"The person's short name in the audit log, without spaces." placeholder:"NAME"`
	Role   []string `required:"" help:"operator, officer or revocation; may be repeated." enum:"operator,officer,revocation" placeholder:"ROLE"`
	Token  string   `required:"" help:"The file to write the person's token into; it must not exist." type:"path" placeholder:"FILE"`
}

// Run reads the FİN from standard input: other users of the machine see the
// arguments of a command.
func (c raStaff) Run(std streams) error { return c.run(std, os.Stdin) }

func (c raStaff) run(std streams, in io.Reader) error {
	var file suiteConfig
	if err := config.Load(c.Config, &file); err != nil {
		return err
	}
	if file.RA == nil {
		return noSection("ra")
	}
	key, err := readDataKey(string(file.RA.DataKey))
	if err != nil {
		return err
	}
	line, err := bufio.NewReader(io.LimitReader(in, 64)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading FİN: %w", err)
	}
	token, hash, finHash, err := enlist(key, strings.TrimSpace(line))
	if err != nil {
		return withHint(err, "give the person's FİN on standard input")
	}
	if err := durable.Create(c.Token, []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("writing token: %w", err)
	}
	roles := make([]string, len(c.Role))
	for i, role := range c.Role {
		roles[i] = fmt.Sprintf("%q", role)
	}
	fmt.Fprintf(std.out, "[[ra.staff]]\nname = %q\nroles = [%s]\ntoken = %q\nfin_hash = %q\n", c.Name, strings.Join(roles, ", "), hash, finHash)
	return nil
}

// enlist makes a token, and the hashes of it and of a person's FİN under the
// data key, in hexadecimal.
func enlist(dataKey []byte, fin string) (token, tokenHash, finHash string, err error) {
	fin, err = pki.ParseFIN(fin)
	if err != nil {
		return "", "", "", fmt.Errorf("reading FİN: %w", err)
	}
	hashFIN, err := dossier.HashFIN(dataKey)
	if err != nil {
		return "", "", "", err
	}
	token = rand.Text()
	hash, blind := sha256.Sum256([]byte(token)), hashFIN(fin)
	return token, hex.EncodeToString(hash[:]), hex.EncodeToString(blind[:]), nil
}
