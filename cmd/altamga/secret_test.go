package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// G8: what opens the personal data, and every other secret beside the
// configuration, is no use to a server when others on the host may read it.
func TestSecretsThatOthersMayReadAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(strings.Repeat("0f", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"the data key of the case files": func() error { _, err := readDataKey(path); return err },
		"the key of a client of cfssl":   func() error { _, err := readAuthenticationKey(path); return err },
		"the password of a database":     func() error { _, err := readPassword(path); return err },
		"any other secret":               func() error { _, err := readSecret("password", path); return err },
	} {
		t.Run(name, func(t *testing.T) {
			for mode, refused := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
				err := read()
				if (err != nil) != refused || refused && !strings.Contains(err.Error(), "others than its owner") {
					t.Errorf("mode %04o: %v", mode, err)
				}
			}
		})
	}
}
