package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// errNotInstalled says what a measurement lacks; it is left out.
var errNotInstalled = errors.New("is not installed")

// benchPostgres is a PostgreSQL server of the measurement's own: the installed
// one, in a folder and on a socket of its own, with durable commits. It ends
// with this process at the latest.
type benchPostgres struct {
	dir     string
	process *exec.Cmd
	stdin   io.Closer
}

// superviseServer runs a server until standard input ends, which it does with
// the process that started it.
const superviseServer = `exec 3<&0
"$@" 3<&- &
cat <&3 >/dev/null
kill -QUIT $! 2>/dev/null
wait $!`

func startBenchPostgres(ctx context.Context) (*benchPostgres, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return nil, fmt.Errorf("PostgreSQL %w (Debian: postgresql)", errNotInstalled)
	}
	programs := filepath.Dir(found[len(found)-1])
	as, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	// The path of a socket has at most 107 octets.
	s := &benchPostgres{}
	if s.dir, err = os.MkdirTemp("", "altamga-pg-"); err != nil {
		return nil, err
	}
	if as != nil {
		if err := os.Chown(s.dir, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
			return nil, errors.Join(err, s.stop())
		}
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(programs, "initdb"), "-D", data, "-U", "altamga", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = s.dir, as
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("making a PostgreSQL cluster: %w\n%s", err, out), s.stop())
	}
	server := exec.Command("sh", "-c", superviseServer, "sh", filepath.Join(programs, "postgres"), "-D", data,
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+s.dir, "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on")
	server.Dir, server.SysProcAttr = s.dir, as
	if s.stdin, err = server.StdinPipe(); err == nil {
		err = server.Start()
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.process = server
	if err := s.await(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// postgresAccount is how to run the server, which refuses to be root.
func postgresAccount() (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL's account %w (Debian: postgresql)", errNotInstalled)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

func (s *benchPostgres) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := s.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("starting PostgreSQL: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// exec runs statements in the database, by the driver that the register brings.
func (s *benchPostgres) exec(ctx context.Context, script string) error {
	db, err := sql.Open("pgx", s.address(""))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, script)
	return err
}

// address of a schema of the database.
func (s *benchPostgres) address(schema string) string {
	query := url.Values{"host": {s.dir}}
	if schema != "" {
		query.Set("search_path", schema)
	}
	return (&url.URL{Scheme: "postgres", User: url.User("altamga"), Path: "/postgres", RawQuery: query.Encode()}).String()
}

func (s *benchPostgres) stop() error {
	if s.process != nil {
		s.stdin.Close()
		// It ends with the exit code of a server that was told to go.
		_ = s.process.Wait()
	}
	return os.RemoveAll(s.dir)
}
