//go:build unix

package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/audit"
)

// TestKill kills a process that appends without pause and looks at its log.
func TestKill(t *testing.T) {
	if path := os.Getenv("AUDIT_TEST_APPEND"); path != "" {
		l := open(t, path)
		for i := 0; ; i++ {
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { l.Append(context.Background(), "act", slog.String("pad", strings.Repeat("x", i%3000))) })
			}
			all.Wait()
			n, _ := l.Head()
			fmt.Printf("written %d\n", n)
		}
	}
	path := name(t)
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "AUDIT_TEST_APPEND="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged, lives := 0, 1+rand.IntN(20)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, _ := fmt.Sscanf(lines.Text(), "written %d", &acknowledged); n == 1 {
				if lives--; lives == 0 {
					time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { cmd.Process.Kill() })
				}
			}
		}
		cmd.Wait()
		l := open(t, path)
		n, _ := l.Head()
		l.Close()
		if got, err := verify(read(t, path)); got != n || err != nil || n < acknowledged || n == 0 {
			t.Errorf("%d lines (head %d) after %d were acknowledged: %v", got, n, acknowledged, err)
		}
	}
}

// child starts a test of this binary anew, with an environment variable, and
// returns the highest number that it said to be acknowledged and how it ended.
func child(t *testing.T, test string, environment ...string) (acknowledged int, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		fmt.Sscanf(line, "written %d", &acknowledged)
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return acknowledged, err
}

// TestKillAtEveryWrite kills a process before, in the middle of, and after each
// of its writes, and looks at its log.
func TestKillAtEveryWrite(t *testing.T) {
	const entries = 6
	if path := os.Getenv("AUDIT_TEST_KILL"); path != "" {
		left, err := strconv.Atoi(os.Getenv("AUDIT_TEST_STEP"))
		if err != nil {
			t.Fatal(err)
		}
		step := func() {
			if left--; left < 0 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		c := config(path)
		c.Entries = 2
		l, err := audit.Open(c.WithDisk(func(lines []byte, real func([]byte) error) error {
			step()
			if left == 0 {
				real(lines[:len(lines)/2])
			}
			step()
			err := real(lines)
			step()
			return err
		}))
		if err != nil {
			t.Fatal(err)
		}
		for range entries {
			if err := l.Append(t.Context(), "act"); err != nil {
				t.Fatal(err)
			}
			n, _ := l.Head()
			fmt.Printf("written %d\n", n)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	killed := 0
	for step := 0; ; step++ {
		path := name(t)
		acknowledged, died := child(t, "TestKillAtEveryWrite", "AUDIT_TEST_KILL="+path, "AUDIT_TEST_STEP="+strconv.Itoa(step))
		l := open(t, path)
		if err := l.Append(t.Context(), "afterwards"); err != nil {
			t.Fatal(err)
		}
		l.Close()
		contents := read(t, path)
		n, err := verify(contents)
		if err != nil || n <= acknowledged || lastSize(t, contents) != n {
			t.Errorf("step %d: %d entries after %d were acknowledged: %v\n%s", step, n, acknowledged, err, contents)
		}
		if died == nil {
			break
		}
		if !strings.Contains(died.Error(), "killed") {
			t.Fatalf("step %d: %v", step, died)
		}
		killed++
	}
	// The first checkpoint and the entries; checkpoints between go with them.
	if want := 3 * (1 + entries); killed != want {
		t.Errorf("killed %d times, want %d", killed, want)
	}
}

// TestDiskFull fills a real file system.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv("AUDIT_TEST_FULL"); dir != "" {
		fill(t, dir)
		return
	}
	if out, err := exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", t.TempDir()).CombinedOutput(); err != nil {
		t.Skipf("no private file system can be mounted here (unshare of util-linux): %v: %s", err, out)
	}
	cmd := exec.Command("unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size=256k none "$AUDIT_TEST_FULL" && exec "$0" -test.run='^TestDiskFull$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "AUDIT_TEST_FULL="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("acknowledged")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func fill(t *testing.T, dir string) {
	path, ballast := filepath.Join(dir, "audit.log"), filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, path)
	acknowledged, refused := 0, 0
	for refused < 3 {
		switch err := l.Append(t.Context(), "act", slog.String("pad", strings.Repeat("x", 700))); {
		case err == nil && refused > 0:
			t.Fatal("the log took an entry after it had failed")
		case err == nil:
			acknowledged++
		case !errors.Is(err, syscall.ENOSPC):
			t.Fatalf("error %v", err)
		default:
			refused++
		}
	}
	if err := l.Ready(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("ready: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	// There is room again, and the log goes on without being opened anew.
	if err := l.Append(t.Context(), "more"); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	contents := read(t, path)
	if n, err := verify(contents); n != acknowledged+1 || err != nil || lastSize(t, contents) != n {
		t.Errorf("%d entries, %d were acknowledged: %v", n, acknowledged+1, err)
	}
	t.Logf("%d entries were acknowledged before the disk was full", acknowledged)
}
