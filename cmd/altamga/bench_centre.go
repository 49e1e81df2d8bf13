package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/loopback"
)

// benchCentre makes a centre like that of the demonstration, on free ports. keys
// is the pkcs11: URI of its token, "" for files; database the address of an empty
// place in PostgreSQL, "" for SQLite.
func benchCentre(ctx context.Context, dir, token, database string) error {
	p, err := benchPlan()
	if err != nil {
		return err
	}
	if token != "" {
		p.Keys = token
		if err := p.resolveKeys(dir); err != nil {
			return err
		}
	}
	if err := found(ctx, p, dir); err != nil || database == "" {
		return err
	}
	move := registerCopy{From: filepath.Join(dir, "register.db"), To: database}
	if err := move.Run(ctx, streams{out: io.Discard, err: io.Discard}); err != nil {
		return err
	}
	return replaceIn(filepath.Join(dir, configFile), `path = "register.db"`, fmt.Sprintf("url = %q", database))
}

// replaceIn replaces a text that a file has.
func replaceIn(file, from, to string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), from) {
		return fmt.Errorf("%s has no %q", file, from)
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o600)
}

// benchPlan is a centre like that of the demonstration, on free ports.
func benchPlan() (*plan, error) {
	p, err := loadPlan("")
	if err != nil {
		return nil, err
	}
	for _, port := range ports(&p.Servers) {
		address, err := loopback.Address()
		if err != nil {
			return nil, err
		}
		scheme, _, _ := strings.Cut(string(port.server.URL), ":")
		port.server.Listen, port.server.URL = config.Address(address), config.URL(scheme+"://"+address+"/")
	}
	return p, nil
}

// softHSMLibrary is where Debian's package softhsm2 has its library.
const softHSMLibrary = "/usr/lib/softhsm/libsofthsm2.so"

// benchToken makes a token of SoftHSM below dir and returns its URI. All tokens
// of this process, and of those that it starts, are there from then on.
func benchToken(ctx context.Context, dir, label string) (string, error) {
	if _, err := exec.LookPath("softhsm2-util"); err != nil {
		return "", fmt.Errorf("SoftHSM %w (Debian: softhsm2)", errNotInstalled)
	}
	tokens, file, pin := filepath.Join(dir, "tokens"), filepath.Join(dir, "softhsm2.conf"), filepath.Join(dir, "pin")
	if err := errors.Join(os.MkdirAll(tokens, 0o700), os.WriteFile(file, []byte("directories.tokendir = "+tokens+"\n"), 0o600),
		os.WriteFile(pin, []byte("24680\n"), 0o600), os.Setenv("SOFTHSM2_CONF", file)); err != nil {
		return "", err
	}
	init := exec.CommandContext(ctx, "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", "24680", "--so-pin", "13579")
	if out, err := init.CombinedOutput(); err != nil {
		return "", fmt.Errorf("making a token: %w\n%s", err, out)
	}
	uri := "pkcs11:token=" + label + "?pin-source=" + pin + "&module-path=" + softHSMLibrary
	if _, err := keys.Tokens("pkcs11:?module-path="+softHSMLibrary, dir); err != nil {
		return "", fmt.Errorf("SoftHSM %w in this build: %v", errNotInstalled, err)
	}
	return uri, nil
}
