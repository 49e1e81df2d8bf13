package config_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/altamga/altamga/internal/config"
)

// seeds are files that are hard to pass over.
var seeds = []string{
	"", good,
	"a = \"# no comment ] } \\\" \\\\\" # [x]\nb.c . \"d e\" = 'lit\\'\n",
	"a = \"\"\"\nx = 1\n\\\"\"\"quoted\"\"\"\"\"\nb = '''\n[c]\n'' ''''\nd = 1\n",
	"a = [ [1, 2,], # ]\n  [\"x]\", { b = [{ c = 1 }], d = 2 }],\n]\ne = 1979-05-27 07:32:00Z\n",
	"[[a]]\nx=1\n[a.b]\ny=1\n[[a.c]]\nz=1\n[[a.c]]\nz=2\n[[a]]\nx=2\n[a.b]\ny=2\n[[a.c]]\nz=3\n",
	"[ \"q.uo\" . 'x[y' ]\r\nk\t=\ttrue\r\n",
	"\"\\u0061\" = 1\n\"\" = 2\nə = 1\n",
	"a = {}\nb = []\nc = inf\nd = -0x1F\n",
}

func TestLocate(t *testing.T) {
	got := config.Located(seeds[5])
	want := map[string]int{
		"a": 1, "a[0]": 1, "a[0].x": 2, "a[0].b": 3, "a[0].b.y": 4, "a[0].c": 5, "a[0].c[0]": 5, "a[0].c[0].z": 6, "a[0].c[1]": 7, "a[0].c[1].z": 8,
		"a[1]": 9, "a[1].x": 10, "a[1].b": 11, "a[1].b.y": 12, "a[1].c": 13, "a[1].c[0]": 13, "a[1].c[0].z": 14,
	}
	for path, line := range want {
		if got[path] != line {
			t.Errorf("%s: got line %d, want %d", path, got[path], line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d paths, want %d: %v", len(got), len(want), got)
	}
}

// FuzzLoad loads hostile files: it must not panic, and in each file that the
// parser accepts, locate must find exactly the key paths that the parser read.
func FuzzLoad(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, file string) {
		err := config.Parse(filepath.Join(dir, "fuzz.toml"), []byte(file), new(centre))
		if err != nil {
			_ = err.Error()
		}
		var raw map[string]any
		if _, err := toml.Decode(file, &raw); err != nil {
			return
		}
		paths := make(map[string]bool)
		walk(paths, "", raw)
		located := config.Located(file)
		for path := range paths {
			if located[path] == 0 {
				t.Errorf("%s is not located", path)
			}
		}
		for path := range located {
			if !paths[path] {
				t.Errorf("%s is located, but was not read", path)
			}
		}
	})
}

// walk collects the key paths below value.
func walk(paths map[string]bool, path string, value any) {
	if path != "" {
		paths[path] = true
	}
	switch value := value.(type) {
	case map[string]any:
		for key, v := range value {
			name := toml.Key{key}.String()
			if path != "" {
				name = path + "." + name
			}
			walk(paths, name, v)
		}
	case []any:
		for i, v := range value {
			walk(paths, fmt.Sprintf("%s[%d]", path, i), v)
		}
	case []map[string]any:
		for i, v := range value {
			walk(paths, fmt.Sprintf("%s[%d]", path, i), v)
		}
	}
}
