package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/user"
	"path/filepath"

	"github.com/altamga/altamga/internal/config"
)

// keyAudit lets what is done to a key stand in an audit log.
type keyAudit struct {
	Audit string `help:"A configuration file whose audit log tells of this; it must not be in use. Where it cannot be written, nothing is done." type:"existingfile" placeholder:"FILE"`
}

// tellKey writes a further line about what is being done.
type tellKey func(action string, attrs ...slog.Attr) error

// audited does something to a key after the audit log, if one is named, has a
// line about it. Whoever runs the command is known by the account.
func (k keyAudit) audited(ctx context.Context, action string, do func(tellKey) error, attrs ...slog.Attr) (err error) {
	if k.Audit == "" {
		return do(func(string, ...slog.Attr) error { return nil })
	}
	var file suiteConfig
	if err := config.Load(k.Audit, &file); err != nil {
		return err
	}
	if file.Audit == nil {
		return withHint(fmt.Errorf("%s has no section [audit]", k.Audit), "name the configuration that `altamga init` wrote")
	}
	log, err := openAudit(file.Audit, filepath.Dir(k.Audit))
	if err != nil {
		return withHint(err, "a running server holds its audit log: stop it, or name a configuration with a log of its own")
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	account, err := user.Current()
	if err != nil {
		return fmt.Errorf("asking who runs the command: %w", err)
	}
	tell := func(action string, more ...slog.Attr) error {
		return log.Append(ctx, action, append(append([]slog.Attr{slog.String("actor", account.Username)}, attrs...), more...)...)
	}
	if err := tell(action); err != nil {
		return err
	}
	return do(tell)
}
