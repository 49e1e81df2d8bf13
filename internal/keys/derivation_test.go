package keys_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/altamga/altamga/internal/keys"
)

// Keys of one passphrase cost one derivation to make and to open, and are
// encrypted apart all the same.
func TestOneDerivation(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "pass", "first passphrase", 0o600)
	write(t, dir, "other", "other passphrase", 0o600)
	before := keys.Derived()
	var sealed [][]byte
	for i := range 5 {
		uri := fmt.Sprintf("file:%d.key?passphrase-file=pass", i)
		if _, err := keys.Generate(uri, dir, "p256"); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(uri, dir); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i, ".key")))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		sealed = append(sealed, block.Bytes)
	}
	if n := keys.Derived() - before; n != 1 {
		t.Errorf("%d derivations for one passphrase", n)
	}
	salts, ivs := map[string]bool{}, map[string]bool{}
	for _, encoded := range sealed {
		salt, iv, err := keys.SaltAndIV(encoded)
		if err != nil {
			t.Fatal(err)
		}
		salts[string(salt)], ivs[string(iv)] = true, true
	}
	if len(salts) != 1 || len(ivs) != 5 {
		t.Errorf("%d salts, %d initialisation vectors", len(salts), len(ivs))
	}
	if _, err := keys.Generate("file:other.key?passphrase-file=other", dir, "p256"); err != nil {
		t.Fatal(err)
	}
	if n := keys.Derived() - before; n != 2 {
		t.Errorf("%d derivations for two passphrases", n)
	}
	data, err := os.ReadFile(filepath.Join(dir, "other.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	salt, _, err := keys.SaltAndIV(block.Bytes)
	if err != nil || salts[string(salt)] {
		t.Errorf("another passphrase has the same salt, or %v", err)
	}
	// What is remembered for one passphrase opens nothing for another.
	if _, err := keys.Open("file:0.key?passphrase-file=other", dir); err == nil {
		t.Error("the wrong passphrase opens a key")
	}
	if bytes.Contains(keys.Remembered(), []byte("first passphrase")) {
		t.Error("the passphrase is remembered")
	}
}
