package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// prepareStory gives a story free ports, $PORT0 to $PORT5, and the path of
// SoftHSM's library.
func prepareStory(t *testing.T) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		for i := range 6 {
			env.Setenv(fmt.Sprint("PORT", i), freePort(t))
		}
		env.Setenv("SOFTHSM", softHSM())
		return nil
	}
}

// storyCondition knows [softhsm]: SoftHSM is installed, and this build can use
// it.
func storyCondition(name string) (bool, error) {
	if name != "softhsm" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	cgo := false
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			cgo = cgo || s.Key == "CGO_ENABLED" && s.Value == "1"
		}
	}
	_, err := exec.LookPath("softhsm2-util")
	return cgo && err == nil && softHSM() != "", nil
}

// softHSM is the library of Debian's package softhsm2, or "".
func softHSM() string {
	const path = "/usr/lib/softhsm/libsofthsm2.so"
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// TestWithoutCgo builds the command without C, as for a static binary, and sees
// it say what it lacks.
func TestWithoutCgo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiling takes long")
	}
	binary := filepath.Join(t.TempDir(), "altamga")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("CGO_ENABLED=0 go build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), binary, "keys", "list", "--uri", "pkcs11:").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "need a build with PKCS #11") || !strings.Contains(string(out), "\nhint: build altamga with CGO_ENABLED=1") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err = exec.CommandContext(t.Context(), binary, "keys", "generate", "--uri", "file:"+filepath.Join(t.TempDir(), "a.key")).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
