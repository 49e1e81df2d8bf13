package interop_test

import (
	"os"
	"path/filepath"
	"testing"
)

// corpus reads real lists and other material, which stands outside of the tree.
func corpus(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	dir := os.Getenv("ALTAMGA_CORPUS")
	if dir == "" {
		t.Skip("ALTAMGA_CORPUS does not name the folder of real lists")
	}
	names, err := filepath.Glob(filepath.Join(dir, "interop", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
