package conformance_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/conformance"
)

var update = flag.Bool("update", false, "write requirements.md and the README's rows anew")

// places finds where ids stand in files: the first file of each id, and the ids
// of each file in their order.
func places(t *testing.T, pattern string, files ...string) (first map[string]string, of map[string][]string) {
	t.Helper()
	first, of = map[string]string{}, map[string][]string{}
	expression := regexp.MustCompile(pattern)
	for _, glob := range files {
		paths, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range expression.FindAllStringSubmatch(string(text), -1) {
				if id := match[1]; !slices.Contains(of[path], id) {
					of[path] = append(of[path], id)
					if first[id] == "" {
						first[id] = path
					}
				}
			}
		}
	}
	return first, of
}

const anID = `(?:OCSP|CRL|TSA|CERT|TL|EST|REV|HOLD|SLOW)-[0-9]+|ZLINT`

// TestTraceability holds requirements.md to the registry: each requirement with
// the code that tests it and the test that plants a fault against it.
func TestTraceability(t *testing.T) {
	code, _ := places(t, `[{(]"(`+anID+`)", "`, "rfc*.go", "en*.go", "ts*.go", "consistency.go", "load.go", "slow.go", "../internal/pki/lint/*.go")
	faults, _ := places(t, `"(`+anID+`) [^"]|\{"(?:`+anID+`)", "`, "*fault_test.go", "*_test.go")
	lints, _ := places(t, `\{"(`+anID+`)", "`, "../internal/pki/lint/linttest/fault.go")
	var b strings.Builder
	b.WriteString("# What is tested, where, and what proves the test\n\nGenerated from the registry by `go test ./conformance -run TestTraceability -update`; a test holds it to the code.\n" +
		"`altamga conformance list` prints the same without the files.\n\n" + figures(t) + "\n\n| id | level | clause | requirement | tested by | code | planted fault |\n|---|---|---|---|---|---|---|\n")
	link := func(path string) string {
		return fmt.Sprintf("[%s](%s)", filepath.Base(path), filepath.ToSlash(path))
	}
	for _, r := range conformance.Requirements() {
		where, fault := code[r.ID], faults[r.ID]
		if fault == "" {
			fault = lints[r.ID]
		}
		if where == "" || fault == "" {
			t.Errorf("%s: its code is %q and its planted fault in %q", r.ID, where, fault)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.ID, r.Level, r.Clause, r.Title, r.How, link(where), link(fault))
	}
	same(t, "requirements.md", b.String())
}

// figures returns the page's line about the switchboard, which TestMain holds to
// what ran.
func figures(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	return figuresLine.FindString(string(page))
}

var figuresLine = regexp.MustCompile(`(?m)^Switchboard: .*$`)

// same compares a file with what it should be, or writes it.
func same(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the registry says: write it anew with -update", path)
	}
}

// The README's rows about this package, one to a standard's file.
var readmeRows = []struct{ standard, what, file, tests string }{
	{"RFC 6960", "responders", "rfc6960.go", "ocspfault_test.go"},
	{"RFC 9654", "nonces", "rfc9654.go", "ocspfault_test.go"},
	{"RFC 9919", "OCSP for many clients", "rfc9919.go", "ocspfault_test.go"},
	{"RFC 9110", "OCSP over HTTP", "rfc9110.go", "ocspfault_test.go"},
	{"RFC 5280", "lists", "rfc5280crl.go", "list_test.go"},
	{"RFC 2585", "lists over HTTP", "rfc2585.go", "list_test.go"},
	{"RFC 3161", "time stamps", "rfc3161.go", "tsa_test.go"},
	{"RFC 5652", "signatures of time stamps", "rfc5652.go", "tsa_test.go"},
	{"RFC 5816", "names of their signers", "rfc5816.go", "tsa_test.go"},
	{"EN 319 422", "time stamps of trust services", "en319422.go", "tsa_test.go"},
	{"EN 319 411", "revocations until they are seen", "en319411.go", "change_test.go"},
	{"RFC 2986", "certification requests", "rfc2986.go", "request_test.go"},
	{"RFC 7030", "enrolment", "rfc7030.go", "enrolment_test.go"},
	{"TS 119 612", "trust lists", "ts119612.go", "trustlist_test.go"},
}

// TestReadmeRows holds the README's rows about this package to the registry.
func TestReadmeRows(t *testing.T) {
	_, code := places(t, `[{(]"(`+anID+`)", "`, "rfc*.go", "en*.go", "ts*.go")
	_, tests := places(t, `"(`+anID+`) [^"]`, "*_test.go")
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	for _, row := range readmeRows {
		var proven []string
		for _, id := range code[row.file] {
			if slices.Contains(tests[row.tests], id) {
				proven = append(proven, id)
			}
		}
		if len(proven) == 0 {
			t.Fatalf("%s proves nothing of %s", row.tests, row.file)
		}
		slices.Sort(proven)
		ids := proven[0]
		if last := proven[len(proven)-1]; last != ids {
			ids += ", " + last
		}
		fmt.Fprintf(&rows, "| %s | judged from outside: %s | [conformance/%s](conformance/%s) | [conformance/%s](conformance/%s) %s |\n", row.standard, row.what, row.file, row.file, row.tests, row.tests, ids)
	}
	old := regexp.MustCompile(`(?m)^\| [^|]+ \| judged from outside: .*\n`)
	text := string(readme)
	at := old.FindStringIndex(text)
	if at == nil {
		t.Fatal("the README has no row about this package")
	}
	without := old.ReplaceAllString(text, "")
	same(t, "../README.md", without[:at[0]]+rows.String()+without[at[0]:])
}
