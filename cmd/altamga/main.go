// Command altamga runs a national certificate centre: certification authority,
// OCSP responder, CRL publisher, time-stamping authority and registration
// authority, each as a process of its own or all in one.
//
// This folder is wiring: one file per command builds the plumbing, plugs it
// into the protocol packages and runs the servers. It holds no protocol logic.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command table; each field's type is in the file of its name.
type commands struct {
	Demo     demoCommand      `cmd:"" help:"Run a whole centre on loopback and walk a citizen's certificates through their life."`
	Init     initCommand      `cmd:"" help:"Create the hierarchy, keys and configuration of a centre in a new folder."`
	Up       upCommand        `cmd:"" help:"Run all servers of one configuration file in one process."`
	CA       caCommands       `cmd:"" name:"ca" help:"The certification authority."`
	OCSP     ocspCommands     `cmd:"" name:"ocsp" help:"The OCSP responder (RFC 6960)."`
	CRL      crlCommands      `cmd:"" name:"crl" help:"The CRL publisher (RFC 5280, RFC 2585)."`
	TSA      tsaCommands      `cmd:"" name:"tsa" help:"The time-stamping authority (RFC 3161)."`
	RA       raCommands       `cmd:"" name:"ra" help:"The registration authority and its public page."`
	Interop  interopCommands  `cmd:"" help:"Trust lists (ETSI TS 119 612): read, verify, author, sign, publish, follow."`
	Register registerCommands `cmd:"" help:"The certificate register."`
	Conform  judgeCommands    `cmd:"" name:"conformance" help:"Judge any responder, list, time-stamping authority or file by the clauses of its standards."`
	Bench    benchCommands    `cmd:"" help:"Measure a server beside the limits of this machine."`
	Keys     keysCommands     `cmd:"" help:"Private keys in files and on tokens (PKCS #11)."`
	Audit    auditCommands    `cmd:"" help:"The audit log."`
	Version  versionCommand   `cmd:"" help:"Print the version."`
}

// streams are where a command reads and writes; tests hand in their own.
type streams struct {
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// run carries out one command line and returns the exit code: 0 done, 1 the
// command failed or found something wrong, 2 the command line was wrong.
func run(ctx context.Context, args []string, std streams) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("altamga"),
		kong.Description("Trust services of a national certificate centre."),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(std.err, "altamga:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		// --help was asked for and printed.
		return exited
	}
	if err != nil {
		report(std.err, withHint(err, "run `"+meant(err)+" --help` for the commands and flags"))
		return 2
	}
	return failed(std.err, command.Run())
}

// meant is the command that a wrong command line came as far as.
func meant(err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context != nil {
		if command := wrong.Context.Selected(); command != nil {
			for command.Type == kong.ArgumentNode {
				command = command.Parent
			}
			return command.FullPath()
		}
	}
	return "altamga"
}

// hinted is an error that knows what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

// withHint adds to err what its reader can do.
func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hinted{err, hint}
}

// failed reports what ended a command and returns its exit code.
func failed(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	// A command that judges has told what it found.
	if told, ok := errors.AsType[exitCode](err); ok {
		return int(told)
	}
	report(w, err)
	if coded, ok := errors.AsType[codedError](err); ok {
		return coded.code
	}
	return 1
}

// report prints an error and, as the last line, what to do about it.
func report(w io.Writer, err error) {
	fmt.Fprintln(w, "altamga:", err)
	var hint interface{ Hint() string }
	if errors.As(err, &hint) && hint.Hint() != "" {
		fmt.Fprintln(w, "hint:", hint.Hint())
	}
}
