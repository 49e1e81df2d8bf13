package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/register"
)

type registerCommands struct {
	Copy     registerCopy     `cmd:"" help:"Copy the register of a SQLite file into an empty PostgreSQL database."`
	Snapshot registerSnapshot `cmd:"" help:"Write the statuses of all certificates, signed, for a responder on another host to begin with."`
}

type registerCopy struct {
	From         string `required:"" help:"The SQLite file. Stop the servers that use it first: meanwhile nobody can write to it, and what is written later is not in the copy." type:"existingfile" placeholder:"FILE"`
	To           string `required:"" help:"The PostgreSQL database: postgres://user@host/database?sslmode=verify-full. It must exist and hold no register." placeholder:"URL"`
	PasswordFile string `help:"The file with the user's password." type:"existingfile" placeholder:"FILE"`
}

func (c registerCopy) Run(ctx context.Context, std streams) (err error) {
	target := registerConfig{URL: c.To, PasswordFile: config.Path(c.PasswordFile)}
	if err := target.Validate(); err != nil {
		return withHint(fmt.Errorf("--to: %w", err), "see `altamga register copy --help`")
	}
	from, err := openRegister(ctx, &registerConfig{Path: config.Path(c.From)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	address, err := target.address()
	if err != nil {
		return err
	}
	to, err := register.Open(ctx, address)
	if err != nil {
		return explainRegister(err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	show, done := statusLine(std.err)
	copied, err := register.Copy(ctx, from, to, func(table string, rows int64) { show(fmt.Sprintf("%s: %d rows", table, rows)) })
	done()
	if errors.Is(err, fs.ErrExist) {
		return withHint(err, "copy into a new database, or into a new schema of this one with search_path=NAME in the URL")
	}
	if err != nil {
		return explainRegister(err)
	}
	head, err := to.Head(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "copied and compared: %d certificates, %d entries of the journal up to position %d, %d tickets, %d followers, %d requests of two persons; both registers are sound\n",
		copied.Certificates, copied.Entries, head, copied.Tickets, copied.Followers, copied.Pending)
	fmt.Fprintf(std.out, "\nIn the configuration, section [register], put in place of path:\n\n    url = %q\n", c.To)
	if c.PasswordFile != "" {
		absolute, err := filepath.Abs(c.PasswordFile)
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "    password_file = %q\n", absolute)
	}
	fmt.Fprintf(std.out, "\nThen keep %s away from the servers: it no longer follows.\n", c.From)
	return nil
}

// openRegister opens the register of a configuration. A typing error must not
// start an empty register beside the real one.
func openRegister(ctx context.Context, c *registerConfig) (*register.Register, error) {
	address, err := c.address()
	if err != nil {
		return nil, err
	}
	opened, err := register.OpenExisting(ctx, address)
	if errors.Is(err, fs.ErrNotExist) {
		if c.URL != "" {
			return nil, withHint(err, "`altamga register copy` fills the database from the register that `altamga init` creates; is register.url right?")
		}
		return nil, withHint(err, "`altamga init` creates the register; is register.path right?")
	}
	return opened, explainRegister(err)
}

// explainRegister adds what to do about a database that is not there.
func explainRegister(err error) error {
	if errors.Is(err, register.ErrUnavailable) {
		return withHint(err, "is the database running, and may this host and user reach it?")
	}
	return err
}

// address returns where the register is, password included.
func (c *registerConfig) address() (string, error) {
	if c.URL == "" {
		return string(c.Path), nil
	}
	if c.PasswordFile == "" {
		return c.URL, nil
	}
	password, err := readPassword(string(c.PasswordFile))
	if err != nil {
		return "", err
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String(), nil
}

// readPassword returns the first line of a file that nobody else may read.
func readPassword(path string) (string, error) {
	text, err := readSecret("password", path)
	if errors.Is(err, fs.ErrNotExist) {
		err = withHint(err, "is register.password_file right?")
	}
	if err != nil {
		return "", err
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	password := strings.TrimSuffix(string(first), "\r")
	if password == "" {
		return "", fmt.Errorf("reading password: the first line of %s is empty", path)
	}
	return password, nil
}

// Validate checks that there is one place for the register, and that nobody on
// the way to it can read the password or change what the servers believe.
func (c *registerConfig) Validate() error {
	if c.URL == "" {
		if c.PasswordFile != "" {
			return config.Wrong("password_file", "is for a url")
		}
		return required(field{"path", string(c.Path)})
	}
	var faults []error
	if c.Path != "" {
		faults = append(faults, config.Wrong("url", "stands beside path: a register is in one place"))
	}
	u, err := url.Parse(c.URL)
	if err != nil || !register.IsPostgres(c.URL) {
		return errors.Join(append(faults, config.Wrong("url", "is not of the form postgres://user@host/database"))...)
	}
	query := u.Query()
	if _, inURL := u.User.Password(); inURL || query.Has("password") {
		faults = append(faults, config.Wrong("url", "holds a password, which belongs into the file of password_file"))
	}
	if c.PasswordFile != "" && u.User.Username() == "" {
		faults = append(faults, config.Wrong("url", "names no user, whose password could be in password_file"))
	}
	hosts := strings.Split(u.Hostname(), ",")
	if query.Has("host") {
		hosts = strings.Split(query.Get("host"), ",")
	}
	for _, host := range hosts {
		switch mode := query.Get("sslmode"); {
		case local(host), mode == "verify-full", mode == "verify-ca":
		case mode == "":
			faults = append(faults, config.Wrong("url", "says nothing of sslmode for host %s: verify-full (with sslrootcert) proves the server and encrypts", host))
		default:
			faults = append(faults, config.Wrong("url", "says sslmode=%s for host %s, with which anybody on the way can be the database: take verify-full (with sslrootcert), or verify-ca", mode, host))
		}
	}
	return errors.Join(faults...)
}

// local reports whether a host of a database's URL is this one: a loopback
// address or the folder of a socket.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || ip != nil && ip.IsLoopback()
}
