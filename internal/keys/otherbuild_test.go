//go:build cgo

package keys_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestOtherBuild runs this package's tests once more in the build without cgo,
// so that it is tested wherever this one is.
func TestOtherBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling takes long")
	}
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("CGO_ENABLED=0 go test: %v\n%s", err, out)
	}
}
