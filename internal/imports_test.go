package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/altamga/altamga"

// floors is the house: imports go down only. A folder below one that is named
// here stands on the same floor and may import it.
const floors = `
	roof      cmd/altamga
	protocol  ca ra ocsp crl tsa interop conformance
	plumbing  internal/register internal/keys internal/audit internal/serve internal/config internal/lint internal/dossier
	          internal/ntp
	          internal/replica ocsp/rediscache
	ground    internal/pki internal/der internal/journal internal/problem internal/http1 internal/xmlsec internal/jose internal/gost
	          internal/brainpool internal/weierstrass internal/loopback internal/durable
`

// doors says which floors each floor may import besides the standard library.
// No package imports a sibling on the protocol or plumbing floor. Tests of the
// protocol floor may use plumbing, so that they can judge with the real linter
// or keys.
const doors = `
	roof      protocol plumbing ground
	protocol  ground
	plumbing  ground
	ground    ground
	test:protocol  plumbing
`

// libraries says who may import what is not ours. A library that is not named
// here is imported by nobody; "every" is every package. The importers behind
// "test:" may use it in their tests only.
const libraries = `
	golang.org/x/crypto              every
	golang.org/x/crypto/ocsp         cmd/altamga conformance interop  test: every
	golang.org/x/mod                 internal/audit
	golang.org/x/sync                cmd/altamga
	github.com/BurntSushi/toml       internal/config ca conformance
	github.com/alecthomas/kong       cmd/altamga
	github.com/digitorus/timestamp   cmd/altamga conformance  test: tsa
	github.com/jackc/pgx             internal/register
	github.com/miekg/pkcs11          internal/keys
	github.com/prometheus            internal/serve
	github.com/redis/go-redis        ocsp/rediscache
	github.com/rogpeppe/go-internal  test: cmd/altamga
	github.com/zmap                  internal/lint
	modernc.org/sqlite               internal/register internal/dossier internal/replica
`

// emptyNames are package names that say nothing.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "types", "base", "misc", "lib"}

// rows reads one of the tables above: the first word of a line, or of a block
// whose further lines are indented deeper, and the words behind it.
func rows(table string) map[string][]string {
	r := make(map[string][]string)
	first := ""
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if !strings.HasPrefix(line, "\t ") {
			first, words = words[0], words[1:]
		}
		r[first] = append(r[first], words...)
	}
	return r
}

// below reports whether folder a is b or inside of it.
func below(a, b string) bool { return a == b || strings.HasPrefix(a, b+"/") }

// floorOf returns the floor that a folder stands on and the row's folder that
// puts it there, or "".
func floorOf(folder string) (floor, named string) {
	for f, folders := range rows(floors) {
		for _, n := range folders {
			if below(folder, n) && len(n) > len(named) {
				floor, named = f, n
			}
		}
	}
	return floor, named
}

// judge returns what is wrong when the package in folder imports target, or "".
func judge(folder, target string, inTest bool) string {
	if !strings.Contains(strings.Split(target, "/")[0], ".") {
		return "" // the standard library
	}
	if !below(target, module) {
		return judgeLibrary(folder, target, inTest)
	}
	target = strings.TrimPrefix(strings.TrimPrefix(target, module), "/")
	from, fromNamed := floorOf(folder)
	to, toNamed := floorOf(target)
	switch {
	case folder == target:
		return "" // an external test imports its package
	case from == "":
		return "stands on no floor: add it to the table"
	case to == "":
		return "imports " + target + ", which stands on no floor"
	case below(folder, target), inTest && below(target, folder):
		return "" // a folder inside of another builds on it
	case inTest && fromNamed == toNamed:
		return "" // the tests of one product folder share their fixtures
	case slices.Contains(rows(doors)[from], to) && (fromNamed != toNamed || from == "ground"):
		return ""
	case inTest && slices.Contains(rows(doors)["test:"+from], to):
		return ""
	}
	return fmt.Sprintf("on the %s floor imports %s on the %s floor", from, target, to)
}

func judgeLibrary(folder, target string, inTest bool) string {
	table := rows(libraries)
	named := ""
	for library := range table {
		if below(target, library) && len(library) > len(named) {
			named = library
		}
	}
	if named == "" {
		return "imports " + target + ", a library that is not in the table"
	}
	importers, tests := table[named], []string(nil)
	if i := slices.Index(importers, "test:"); i >= 0 {
		importers, tests = importers[:i], importers[i+1:]
	}
	allowed := func(list []string) bool {
		return slices.ContainsFunc(list, func(n string) bool { return n == "every" || below(folder, n) })
	}
	if allowed(importers) || inTest && allowed(tests) {
		return ""
	}
	return fmt.Sprintf("imports %s, which only %s may", target, strings.Join(table[named], " "))
}

// file is one Go file of the module.
type file struct {
	*ast.File
	path   string // from the module's root
	folder string
	lines  int
	inTest bool
	set    *token.FileSet
}

func (f file) line(p token.Pos) string {
	return fmt.Sprintf("%s:%d", f.path, f.set.Position(p).Line)
}

// root finds the folder with go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above this test")
	return ""
}

// walk calls do for each file of the module with one of the endings, except
// in testdata and hidden folders.
func walk(t *testing.T, do func(name string, data []byte), endings ...string) {
	t.Helper()
	tree := os.DirFS(root(t))
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !slices.Contains(endings, path.Ext(name)):
			return nil
		}
		data, err := fs.ReadFile(tree, name)
		if err == nil {
			do(name, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// files parses the module. It reads all files whatever their build tags say, so
// that the other build is judged too.
func files(t *testing.T) []file {
	t.Helper()
	set := token.NewFileSet()
	var all []file
	walk(t, func(name string, data []byte) {
		parsed, err := parser.ParseFile(set, name, data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file{File: parsed, path: name, folder: path.Dir(name), lines: strings.Count(string(data), "\n"),
			inTest: strings.HasSuffix(name, "_test.go"), set: set})
	}, ".go")
	return all
}

func TestFloors(t *testing.T) {
	for _, f := range files(t) {
		for _, spec := range f.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := judge(f.folder, target, f.inTest); wrong != "" {
				t.Errorf("%s: %s %s", f.line(spec.Pos()), f.folder, wrong)
			}
		}
		if floor, _ := floorOf(f.folder); floor == "" && !f.inTest {
			t.Errorf("%s: %s stands on no floor: add it to the table", f.path, f.folder)
		}
	}
}

// The rules themselves: what they let pass and what they stop.
func TestFloorsAreTight(t *testing.T) {
	for _, row := range []struct {
		folder, target string
		inTest, ok     bool
	}{
		{"ocsp", "net/http", false, true},
		{"ocsp", module + "/internal/der", false, true},
		{"ocsp", module + "/crl", false, false},
		{"ocsp", module + "/crl", true, false},
		{"ocsp", module + "/internal/register", false, false},
		{"ca", module + "/internal/lint", true, true},
		{"ca", module + "/cmd/altamga", true, false},
		{"ocsp", module + "/ocsp/rediscache", false, false},
		{"ocsp", module + "/ocsp/rediscache", true, true},
		{"ocsp/rediscache", module + "/ocsp", false, true},
		{"ocsp/rediscache", module + "/crl", false, false},
		{"ca/catest", module + "/ca", false, true},
		{"ca", module + "/ca/catest", false, false},
		{"ca/ceremony", module + "/ca", false, true},
		{"ca/ceremony", module + "/crl", false, false},
		{"ca/ceremony", module + "/internal/keys", false, false},
		{"ca/est", module + "/ca", false, true},
		{"ca/est", module + "/ca/catest", true, true},
		{"ca/est", module + "/ca/catest", false, false},
		{"ca/est", module + "/ca/cfssl", false, false},
		{"ca/est", module + "/internal/lint", true, true},
		{"ca/est", module + "/internal/lint", false, false},
		{"internal/register/registertest", module + "/internal/register", false, true},
		{"internal/dossier", module + "/ra", false, false},
		{"internal/dossier", module + "/internal/register", false, false},
		{"internal/register/postgrestest", "github.com/jackc/pgx/v5", false, true},
		{"cmd/altamga", "github.com/jackc/pgx/v5", true, false},
		{"internal/pki", module + "/internal/der", false, true},
		{"internal/pki", module + "/internal/register", false, false},
		{"internal/unheard", module + "/internal/der", false, false},
		{"cmd/altamga", module + "/internal/serve", false, true},
		{"cmd/altamga", module + "/internal/unheard", false, false},
		{"internal/lint", "github.com/zmap/zcrypto/x509", false, true},
		{"crl", "github.com/zmap/zlint/v3", true, false},
		{"ca", "github.com/BurntSushi/toml", false, true},
		{"ra", "github.com/BurntSushi/toml", false, false},
		{"conformance", "github.com/BurntSushi/toml", false, true},
		{"conformance", module + "/internal/pki/lint", false, true},
		{"conformance", module + "/internal/lint", false, false},
		{"conformance", module + "/ocsp", true, false},
		{"internal/serve", "github.com/prometheus/client_golang/prometheus", false, true},
		{"ocsp", "github.com/prometheus/client_golang/prometheus", false, false},
		{"ocsp", "golang.org/x/crypto/cryptobyte", false, true},
		{"ocsp", "golang.org/x/crypto/ocsp", false, false},
		{"ocsp", "golang.org/x/crypto/ocsp", true, true},
		{"tsa", "github.com/digitorus/timestamp", false, false},
		{"tsa", "github.com/digitorus/timestamp", true, true},
		{"internal/keys", "github.com/miekg/pkcs11", false, true},
		{"cmd/altamga", "github.com/miekg/pkcs11", true, false},
		{"ca", "github.com/stretchr/testify", true, false},
	} {
		wrong := judge(row.folder, row.target, row.inTest)
		if (wrong == "") != row.ok {
			t.Errorf("%s imports %s (in a test: %v): got %q", row.folder, row.target, row.inTest, wrong)
		}
	}
}

func TestPackageNames(t *testing.T) {
	for _, f := range files(t) {
		for _, name := range append(strings.Split(f.folder, "/"), strings.TrimSuffix(f.Name.Name, "_test")) {
			if slices.Contains(emptyNames, name) {
				t.Errorf("%s: package %s says nothing about what is in it", f.path, name)
			}
		}
	}
}

// A doc comment that does not begin with the identifier's name was written for
// another one, or its identifier was renamed since.
func TestDocComments(t *testing.T) {
	without := make(map[string]int)
	for _, f := range files(t) {
		if f.inTest {
			continue
		}
		judge := func(name *ast.Ident, doc *ast.CommentGroup) {
			text := doc.Text()
			switch {
			case !name.IsExported():
			case text == "":
				without[f.folder]++
			case !regexp.MustCompile(`^` + name.Name + `\b`).MatchString(text):
				line, _, _ := strings.Cut(text, "\n")
				t.Errorf("%s: the comment of %s begins with %q", f.line(doc.Pos()), name.Name, line)
			}
		}
		for _, decl := range f.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if exportedReceiver(decl) {
					judge(decl.Name, decl.Doc)
				}
			case *ast.GenDecl:
				for i, spec := range decl.Specs {
					if !heading(decl, i) {
						judgeSpec(decl, spec, judge)
					}
				}
			}
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(without)) {
		t.Logf("%s: %d exported identifiers without a doc comment", folder, without[folder])
	}
}

// exportedReceiver reports whether a method can be seen by other packages at
// its type; functions can.
func exportedReceiver(decl *ast.FuncDecl) bool {
	if decl.Recv == nil {
		return true
	}
	receiver := decl.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return true
		}
	}
}

// heading reports whether the comment above the spec is one for several: the
// next one in the same block has none.
func heading(decl *ast.GenDecl, i int) bool {
	if i+1 >= len(decl.Specs) {
		return false
	}
	next, ok := decl.Specs[i+1].(*ast.ValueSpec)
	return ok && next.Doc == nil
}

// judgeSpec judges a type, constant or variable, and the methods of an
// interface. Fields are left out: their comments often speak of several.
func judgeSpec(decl *ast.GenDecl, spec ast.Spec, judge func(*ast.Ident, *ast.CommentGroup)) {
	doc := func(own *ast.CommentGroup) *ast.CommentGroup {
		if own == nil && !decl.Lparen.IsValid() {
			return decl.Doc
		}
		return own
	}
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		judge(spec.Name, doc(spec.Doc))
		if i, ok := spec.Type.(*ast.InterfaceType); ok {
			for _, method := range i.Methods.List {
				if len(method.Names) == 1 && method.Doc != nil {
					judge(method.Names[0], method.Doc)
				}
			}
		}
	case *ast.ValueSpec:
		if d := doc(spec.Doc); d != nil {
			judge(spec.Names[0], d)
		}
	}
}

var (
	// reference finds whatever looks like the name of an RFC.
	reference = regexp.MustCompile(`(?i)\brfcs?[-_ ]*[0-9]{3,5}`)
	// foreign is what stands behind the names of files and identifiers, which
	// have their own spelling.
	foreign = regexp.MustCompile("^([.][a-z0-9]|[A-Za-z_/`-])")
	// right is the one spelling: a name, and for a part of it a comma and
	// Section or Appendix.
	right = regexp.MustCompile(`^RFC [0-9]+(, (Sections? [0-9]|Appendix(es)? [A-Z]))?`)
	// part is what follows a name when a part of the RFC is meant.
	part    = regexp.MustCompile(`(?i)^,? ?\(?(§|s(ect?(ion)?s?)?\.? ?[0-9]|clause|chapter|para|append|[0-9]+\.[0-9])`)
	reverse = regexp.MustCompile(`(?i)((sect(ion|\.)?s?|clause|appendix|§) ?[0-9A-Z.]+,? (of|in|from) )RFC`)
)

// misspelt returns the references in text that are not in the one spelling.
func misspelt(text string) []string {
	text = strings.Join(strings.Fields(text), " ")
	found := reverse.FindAllString(text, -1)
	for _, m := range reference.FindAllStringIndex(text, -1) {
		start, end := m[0], m[1]
		if start > 0 && strings.ContainsAny(text[start-1:start], "/._-`") || foreign.MatchString(text[end:]) {
			continue
		}
		spelled := right.FindString(text[start:])
		if spelled == "" || part.MatchString(text[start+len(spelled):]) && !strings.Contains(spelled, ",") {
			found = append(found, text[start:min(end+24, len(text))])
		}
	}
	return found
}

// Standards are cited in one spelling, so that one search finds them all.
func TestReferences(t *testing.T) {
	for _, f := range files(t) {
		if f.path == "internal/imports_test.go" {
			continue
		}
		for _, group := range f.Comments {
			for _, wrong := range misspelt(group.Text()) {
				t.Errorf("%s: %q: write RFC 6960, Section 4.2.1", f.line(group.Pos()), wrong)
			}
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			// A string that is one word is a name in somebody's program.
			if err == nil && strings.Contains(text, " ") {
				for _, wrong := range misspelt(text) {
					t.Errorf("%s: %q: write RFC 6960, Section 4.2.1", f.line(literal.Pos()), wrong)
				}
			}
			return true
		})
	}
	walk(t, func(name string, data []byte) {
		number := 0
		for line := range strings.Lines(string(data)) {
			number++
			for _, wrong := range misspelt(line) {
				t.Errorf("%s:%d: %q: write RFC 6960, Section 4.2.1", name, number, wrong)
			}
		}
	}, ".md", ".toml")
}

func TestReferencesAreTight(t *testing.T) {
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{"RFC 6960, Section 4.2.1 asks", true},
		{"by RFC 6960, Section 4.2.1.", true},
		{"RFC 9654 changed that. RFC 6960 did not", true},
		{"RFC\n6960, Sections 4.1 and 4.2", true},
		{"RFC 5280, Appendix B", true},
		{"see https://www.rfc-editor.org/rfc/rfc6960.html#section-4.2", true},
		{"the file rfc6960.go", true},
		{"zlint's lint.RFC5280 source and `RFC5280`", true},
		{"RFC 5280 4 times", true},
		{"RFC 5280 says so", true},
		{"RFC6960", false},
		{"(RFC6960)", false},
		{"ends with RFC6960.", false},
		{"rfc 6960", false},
		{"Rfc 6960", false},
		{"RFC-6960", false},
		{"RFC  6960 and RFC6961", false},
		{"RFC 6960 section 4.2.1", false},
		{"RFC 6960, section 4.2.1", false},
		{"RFC 6960 Section 4.2.1", false},
		{"RFC 6960 Sect. 4.2.1", false},
		{"RFC 6960 s4.2", false},
		{"RFC 6960 4.2.1", false},
		{"RFC 6960, 4.2.1", false},
		{"RFC 6960 (4.2.1)", false},
		{"RFC 6960 §4.2.1", false},
		{"RFC 6960, § 4.2.1", false},
		{"§4.2.1 of RFC 6960", false},
		{"Section 4.2.1 of RFC 6960", false},
		{"RFC 6960, clause 4.2", false},
	} {
		if got := misspelt(row.text); (len(got) == 0) != row.ok {
			t.Errorf("%q: got %q", row.text, got)
		}
	}
}

// TestSizes reports what has grown large. It is a habit and not a rule: read it
// with -v.
func TestSizes(t *testing.T) {
	const manyLines, longFunction, packages = 400, 60, 5
	imports := make(map[string]map[string]bool)
	for _, f := range files(t) {
		if f.lines > manyLines {
			t.Logf("%s has %d lines", f.path, f.lines)
		}
		if f.inTest {
			continue
		}
		for _, spec := range f.Imports {
			if imports[f.folder] == nil {
				imports[f.folder] = make(map[string]bool)
			}
			imports[f.folder][spec.Path.Value] = true
		}
		for _, decl := range f.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.set.Position(function.End()).Line - f.set.Position(function.Pos()).Line + 1; n > longFunction {
				t.Logf("%s: %s has %d lines", f.line(function.Pos()), function.Name.Name, n)
			}
		}
	}
	most := slices.SortedFunc(maps.Keys(imports), func(a, b string) int { return len(imports[b]) - len(imports[a]) })
	for _, folder := range most[:min(packages, len(most))] {
		t.Logf("%s imports %d packages", folder, len(imports[folder]))
	}
}
