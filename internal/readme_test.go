package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStandardsTable holds the README's table of standards to the tree: the
// code of a row cites its standard, and the tests of a row have subtests named
// by its requirements.
func TestStandardsTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)((?: [A-Z]+-[0-9]+)*)`)
	rows := 0
	for _, line := range strings.Split(string(readme), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !regexp.MustCompile(`^ (RFC|EN|TS) [0-9]`).MatchString(cells[1]) {
			continue
		}
		rows++
		standard := strings.TrimSpace(cells[1])
		for _, code := range link.FindAllStringSubmatch(cells[3], -1) {
			// "RFC 528" must not pass for "RFC 5280".
			if text := read(t, code[2]); !regexp.MustCompile(regexp.QuoteMeta(standard) + `\b`).MatchString(text) {
				t.Errorf("%s does not cite %s, as the README says", code[2], standard)
			}
		}
		tests := link.FindAllStringSubmatch(cells[4], -1)
		if len(tests) == 0 {
			t.Errorf("the README names no test for %s", standard)
		}
		for _, test := range tests {
			text := read(t, test[2])
			for _, id := range strings.Fields(strings.ReplaceAll(test[3], ",", "")) {
				if !strings.Contains(text, `"`+id+" ") && !strings.Contains(text, `"`+id+",") {
					t.Errorf("%s has no subtest %s, as the README says", test[2], id)
				}
			}
		}
	}
	if rows < 10 {
		t.Errorf("the README's table has %d rows", rows)
	}
	for _, target := range link.FindAllStringSubmatch(string(readme), -1) {
		if _, err := os.Stat(filepath.Join("..", target[2])); err != nil {
			t.Errorf("the README links to nothing: %v", err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
