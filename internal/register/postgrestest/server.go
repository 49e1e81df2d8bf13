// Package postgrestest runs a real PostgreSQL server for a test: the installed
// one, in a folder of its own, on a Unix socket in that folder, with everything
// that makes a commit durable switched on. It ends with the test, also when the
// test's process is killed.
//
// Where no server is installed, the test is skipped, with the name of the
// Debian package that it misses.
package postgrestest

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	role = "altamga"
	// Password is the role's, so that tests can look for where it must not be.
	Password = "sınaq parolu/@:1"
)

// Server is a PostgreSQL server.
type Server struct {
	dir      string // holds the socket, the log and the folder data
	programs string
	as       *syscall.SysProcAttr

	process *exec.Cmd
	stdin   io.Closer
	places  int
}

// Start makes an empty server and starts it.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{programs: programs(t), as: account(t)}
	var err error
	// Not t.TempDir: the server's account must be able to enter, and the path
	// of a socket has at most 107 octets.
	if s.dir, err = os.MkdirTemp("", "altamga-pg-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.as != nil {
		for _, path := range []string{s.dir, password} {
			if err := os.Chown(path, int(s.as.Credential.Uid), int(s.as.Credential.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	initdb := exec.Command(filepath.Join(s.programs, "initdb"), "-D", filepath.Join(s.dir, "data"), "-U", role, "--pwfile", password,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = s.dir, s.as
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("making a PostgreSQL database cluster: %v\n%s", err, out)
	}
	s.Resume(t)
	t.Cleanup(func() { s.end(t) })
	return s
}

// programs returns the folder of the newest installed server.
func programs(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		t.Fatal(err)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path)
	}
	if len(found) == 0 {
		t.Skip("no PostgreSQL server is installed: Debian package postgresql")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
}

// account returns how to run the server, which refuses to be root; nil when
// the caller is not root either.
func account(t testing.TB) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		t.Skipf("the account that PostgreSQL runs under is not there: Debian package postgresql (%v)", err)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// supervise runs the server until standard input ends, which it does at the
// latest with the process that started it, and then ends it at once.
const supervise = `exec 3<&0
"$@" 3<&- &
cat <&3 >/dev/null
kill -QUIT $! 2>/dev/null
wait $!`

// Resume starts the server, which was stopped or killed, and waits until it
// answers.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	logFile, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	s.process = exec.Command("sh", "-c", supervise, "sh", filepath.Join(s.programs, "postgres"), "-D", filepath.Join(s.dir, "data"),
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+s.dir, "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on")
	s.process.Dir, s.process.SysProcAttr = s.dir, s.as
	s.process.Stdout, s.process.Stderr = logFile, logFile
	if s.stdin, err = s.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.address(""))
		if err == nil {
			conn.Close(ctx)
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("starting PostgreSQL: %v\n%s", err, s.Log())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Restart ends the server, if it still runs, and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.end(t)
	s.Resume(t)
}

// Stop shuts the server down, whoever is connected, as at the end of a service.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGINT)
	s.end(t)
}

// Kill ends the server without giving it the chance to write anything more.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	// Its children notice that it is gone and end, too.
	s.signal(t, syscall.SIGKILL)
	s.end(t)
}

// signal sends a signal to the server and waits until it is gone.
func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
	for wait := 0; syscall.Kill(pid, 0) == nil; wait++ {
		// The supervisor is not told of the death of its child, which stays in the
		// table of processes until it is asked for.
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(state), ") Z ") {
			return
		}
		if wait > 3000 {
			t.Fatalf("PostgreSQL goes on after signal %v\n%s", signal, s.Log())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// end ends the supervisor and, if it still runs, the server.
func (s *Server) end(t testing.TB) {
	t.Helper()
	if s.process == nil {
		return
	}
	s.stdin.Close()
	// It ends with the server's exit code, whatever that is.
	if err := s.process.Wait(); err != nil && s.process.ProcessState == nil {
		t.Errorf("ending PostgreSQL: %v", err)
	}
	s.process = nil
}

// Address returns the address of an empty place for a register, in which the
// test is alone.
func (s *Server) Address(t testing.TB) string {
	t.Helper()
	s.places++
	place := fmt.Sprintf("register%d", s.places)
	s.Exec(t, s.address(""), "CREATE SCHEMA "+place)
	return s.address(place)
}

// Exec runs statements at an address, beside whoever uses it.
func (s *Server) Exec(t testing.TB, address, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, script); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

// Log returns what the server has logged.
func (s *Server) Log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *Server) address(schema string) string {
	query := url.Values{"host": {s.dir}}
	if schema != "" {
		query.Set("search_path", schema)
	}
	return (&url.URL{Scheme: "postgres", User: url.UserPassword(role, Password), Path: "/postgres", RawQuery: query.Encode()}).String()
}
