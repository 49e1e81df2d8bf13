package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/config"
)

// centre is a configuration with everything that the loader treats apart.
type centre struct {
	common
	Name    string      `toml:"name"`
	OCSP    ocspSection `toml:"ocsp"`
	TSA     *tsaSection `toml:"tsa"`
	Issuers []issuer    `toml:"issuers"`
	Labels  map[string]string
	Peers   map[string]peer `toml:"peers"`
	secret  string
	Ignored string `toml:"-"`
}

type common struct {
	State config.Path `toml:"state"`
}

type ocspSection struct {
	Listen   config.Address `toml:"listen"`
	URL      config.URL     `toml:"url"`
	Validity time.Duration  `toml:"validity"`
	Inflight int            `toml:"max_inflight"`
	Small    uint8          `toml:"small"`
	Share    float64        `toml:"share"`
	Strict   bool           `toml:"strict"`
	Admin    netip.AddrPort `toml:"admin"`
	Hosts    []string       `toml:"hosts"`
	Pair     [2]int         `toml:"pair"`
}

func (o ocspSection) Validate() error {
	if o.Validity < time.Minute {
		return config.Wrong("validity", "is shorter than a minute (%v)", o.Validity).WithHint("an hour is usual")
	}
	return nil
}

type tsaSection struct {
	Key string `toml:"key"`
}

func (t *tsaSection) Validate() error {
	if t.Key == "" {
		return config.Missing("key")
	}
	return nil
}

var errUnknownIssuer = errors.New("is not an issuer of the centre")

type issuer struct {
	ID   string        `toml:"id"`
	Key  string        `toml:"key"`
	CRL  []config.Path `toml:"crl"`
	Days int           `toml:"days"`
}

func (i issuer) Validate() error {
	var errs []error
	if i.Key == "" {
		errs = append(errs, config.Missing("key"))
	}
	if i.ID == "nobody" {
		errs = append(errs, config.Wrong("id", "%w", errUnknownIssuer))
	}
	return errors.Join(errs...)
}

type peer struct {
	Address config.Address `toml:"address"`
}

func (c *centre) Validate() error {
	if c.Name == "" {
		return config.Missing("name")
	}
	if c.Name == "odd" {
		return errors.New("the centre is odd")
	}
	return nil
}

func write(t *testing.T, file string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "altamga.toml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const good = `
name = "Hakimiyyət Orqanları Mərkəzi" # a comment
state = "state/register.db"

[ocsp]
listen = "127.0.0.1:8442"
url = "http://ocsp.example.az/"
validity = "1h30m"
max_inflight = 64
small = 255
share = 1
strict = true
admin = "[::1]:9000"
hosts = ["a", "b"]
pair = [1, 2]

[[issuers]]
id = "hom"
key = "file:hom.key"
crl = ["hom.crl", "/var/hom.crl"]

[[issuers]]
id = "ehm"
key = "file:ehm.key"

[labels]
"a b" = "c"

[peers.baku]
address = "baku.example.az:8441"
`

func TestLoad(t *testing.T) {
	path := write(t, good)
	c := centre{Ignored: "kept", OCSP: ocspSection{Hosts: []string{"x", "y", "z"}}}
	if err := config.Load(path, &c); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for _, row := range []struct{ name, got, want string }{
		{"string", c.Name, "Hakimiyyət Orqanları Mərkəzi"},
		{"embedded path", string(c.State), filepath.Join(dir, "state/register.db")},
		{"address", string(c.OCSP.Listen), "127.0.0.1:8442"},
		{"duration", c.OCSP.Validity.String(), "1h30m0s"},
		{"text of the standard library", c.OCSP.Admin.String(), "[::1]:9000"},
		{"a list replaces a default", strings.Join(c.OCSP.Hosts, " "), "a b"},
		{"array", fmt.Sprint(c.OCSP.Pair), "[1 2]"},
		{"number from an integer", fmt.Sprint(c.OCSP.Share), "1"},
		{"second of an array of tables", c.Issuers[1].ID, "ehm"},
		{"path in a list", string(c.Issuers[0].CRL[0]), filepath.Join(dir, "hom.crl")},
		{"absolute path", string(c.Issuers[0].CRL[1]), "/var/hom.crl"},
		{"map", c.Labels["a b"], "c"},
		{"map of tables", string(c.Peers["baku"].Address), "baku.example.az:8441"},
		{"field that no key reaches", c.Ignored, "kept"},
		{"field that is not exported", c.secret, ""},
	} {
		if row.got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, row.got, row.want)
		}
	}
	if c.TSA != nil {
		t.Error("a section that the file does not name came into being")
	}
}

func TestDefaultsAreKeptAndResolved(t *testing.T) {
	path := write(t, "name = \"x\"\n[ocsp]\nvalidity = \"1h\"\n")
	c := centre{common: common{State: "register.db"}, OCSP: ocspSection{Inflight: 7}}
	if err := config.Load(path, &c); err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.State), filepath.Join(filepath.Dir(path), "register.db"); got != want {
		t.Errorf("default path: got %q, want %q", got, want)
	}
	if c.OCSP.Inflight != 7 {
		t.Errorf("default: got %d, want 7", c.OCSP.Inflight)
	}
}

// Each row is a file and what its error must be, to the letter.
func TestProblems(t *testing.T) {
	const fine = "name = \"x\"\nocsp.validity = \"1h\"\n"
	for _, row := range []struct{ name, file, want, hint string }{
		{"unknown key of a section", "name = \"x\"\n[ocsp]\nvalidity = \"1h\"\nlisen = \"127.0.0.1:1\"\n",
			"F:4: unknown key ocsp.lisen (did you mean listen?)\n    4 | lisen = \"127.0.0.1:1\"\n      | ^^^^^",
			"the keys in [ocsp] are admin, hosts, listen, max_inflight, pair, share, small, strict, url, validity"},
		{"unknown key at the top, nothing alike", fine + "qwertz = 1\n",
			"F:3: unknown key qwertz\n    3 | qwertz = 1\n      | ^^^^^^",
			"the keys at the top of the file are issuers, labels, name, ocsp, peers, state, tsa"},
		{"key in another case", "Name = \"x\"\nname = \"x\"\nocsp.validity = \"1h\"\n",
			"F:1: unknown key Name (did you mean name?)\n    1 | Name = \"x\"\n      | ^^^^", ""},
		{"field that is not a key", fine + "secret = \"x\"\nIgnored = 1\n",
			"F:3: unknown key secret\n    3 | secret = \"x\"\n      | ^^^^^^\nF:4: unknown key Ignored\n    4 | Ignored = 1\n      | ^^^^^^^", ""},
		{"unknown section", fine + "[oscp]\nlisten = \"127.0.0.1:1\"\n",
			"F:3: unknown key oscp (did you mean ocsp?)\n    3 | [oscp]\n      | ^^^^^^", ""},
		{"wrong type", "name = 5\n[ocsp]\nvalidity = \"1h\"\n",
			"F:1: name is an integer where a string belongs\n    1 | name = 5\n      |        ^", "correct the file"},
		{"bare duration", "name = \"x\"\n[ocsp]\n\tvalidity = 3600\n",
			"F:3: ocsp.validity is an integer where a duration belongs\n    3 | \tvalidity = 3600\n      | \t           ^^^^", "write durations as"},
		{"duration without sense", "name = \"x\"\n[ocsp]\nvalidity = \"1 hour\"\n",
			"F:3: ocsp.validity is not a duration (\"1 hour\")\n    3 | validity = \"1 hour\"\n      |            ^^^^^^^^", "write durations as"},
		{"address without port", fine + "[peers.a]\naddress = \"localhost\"\n",
			"F:4: peers.a.address is not an address of the form host:port (\"localhost\")\n    4 | address = \"localhost\"\n      |           ^^^^^^^^^^^", ""},
		{"number out of range", fine + "ocsp.small = 256\n",
			"F:3: ocsp.small 256 is out of range for uint8\n    3 | ocsp.small = 256\n      |              ^^^", ""},
		{"negative number", fine + "ocsp.small = -1\n",
			"F:3: ocsp.small is negative\n    3 | ocsp.small = -1\n      |              ^^", ""},
		{"table where a value belongs", fine + "[state]\nx = 1\n",
			"F:3: state is a table where a string belongs\n    3 | [state]\n      | ^^^^^^^", ""},
		{"value where a table belongs", "name = \"x\"\nocsp = 5\n",
			"F:2: ocsp is an integer where a table belongs\n    2 | ocsp = 5\n      |        ^", ""},
		{"value where a list belongs", fine + "ocsp.hosts = \"a\"\n",
			"F:3: ocsp.hosts is a string where a list belongs\n    3 | ocsp.hosts = \"a\"\n      |              ^^^", ""},
		{"table where a text belongs", fine + "ocsp.listen = { a = 1 }\n",
			"F:3: ocsp.listen is a table where a single value belongs\n    3 | ocsp.listen = { a = 1 }\n      |               ^^^^^^^^^", ""},
		{"float where an integer belongs", fine + "ocsp.max_inflight = 1.5\n",
			"F:3: ocsp.max_inflight is a float where an integer belongs\n    3 | ocsp.max_inflight = 1.5\n      |                     ^^^", ""},
		{"boolean where a number belongs", fine + "ocsp.share = true\n",
			"F:3: ocsp.share is a boolean where a number belongs\n    3 | ocsp.share = true\n      |              ^^^^", ""},
		{"list where an address belongs", fine + "ocsp.listen = [\"127.0.0.1:1\"]\n",
			"F:3: ocsp.listen is a list where a single value belongs\n    3 | ocsp.listen = [\"127.0.0.1:1\"]\n      |               ^^^^^^^^^^^^^^^", ""},
		{"date where a string belongs", fine + "state = 1979-05-27\n",
			"F:3: state is a date or time where a string belongs\n    3 | state = 1979-05-27\n      |         ^^^^^^^^^^", ""},
		{"value where a map belongs", fine + "labels = 1\n",
			"F:3: labels is an integer where a table belongs\n    3 | labels = 1\n      |          ^", ""},
		{"two elements of a map", fine + "[peers.b]\naddress = \"x\"\n[peers.a]\naddress = \"y\"\n",
			"F:4: peers.b.address is not an address of the form host:port (\"x\")\n    4 | address = \"x\"\n      |           ^^^\nF:6: peers.a.address is not an address of the form host:port (\"y\")\n    6 | address = \"y\"\n      |           ^^^", ""},
		{"element of a list", fine + "ocsp.hosts = [\n  \"a\",\n  5,\n]\n",
			"F:5: ocsp.hosts[1] is an integer where a string belongs\n    5 |   5,\n      |   ^", ""},
		{"length of an array", fine + "ocsp.pair = [1]\n",
			"F:3: ocsp.pair has 1 elements where 2 belong\n    3 | ocsp.pair = [1]\n      |             ^^^", ""},
		{"first of two tables", fine + "[[issuers]]\nid = \"nobody\"\nkey = \"k\"\n[[issuers]]\nid = \"x\"\nkey = \"k\"\n",
			"F:4: issuers[0].id is not an issuer of the centre\n    4 | id = \"nobody\"\n      |      ^^^^^^^^", ""},
		{"missing in the second of two tables", fine + "[[issuers]]\nkey = \"k\"\n[[issuers]]\nid = \"x\"\n",
			"F:5: issuers[1].key is missing", ""},
		{"inline tables", fine + "issuers = [{ id = \"a\", key = \"k\" }, { id = \"b\", kye = \"k\" }]\n",
			"F:3: issuers[1].key is missing\nF:3: unknown key issuers[1].kye (did you mean key?)\n    3 | issuers = [{ id = \"a\", key = \"k\" }, { id = \"b\", kye = \"k\" }]\n      |                                                 ^^^", ""},
		{"optional section that is there", fine + "[tsa]\n", "F:3: tsa.key is missing", ""},
		{"missing at the top", "ocsp.validity = \"1h\"\n", "F: name is missing", ""},
		{"a rule with a hint", "name = \"x\"\n[ocsp]\nvalidity = \"5s\"\n",
			"F:3: ocsp.validity is shorter than a minute (5s)\n    3 | validity = \"5s\"\n      |            ^^^^", "an hour is usual"},
		{"a rule about no key", "name = \"odd\"\nocsp.validity = \"1h\"\n", "F: the centre is odd", ""},
		{"all at once, by line", "nam = \"x\"\nstate = 1\n[ocsp]\nvalidity = 5\nstrict = \"yes\"\n",
			"F: name is missing\nF:1: unknown key nam (did you mean name?)\n    1 | nam = \"x\"\n      | ^^^\nF:2: state is an integer where a string belongs\n    2 | state = 1\n      |         ^\n" +
				"F:4: ocsp.validity is an integer where a duration belongs\n    4 | validity = 5\n      |            ^\nF:5: ocsp.strict is a string where true or false belongs\n    5 | strict = \"yes\"\n      |          ^^^^^", ""},
		{"syntax", "name = \"x\nfoo = 1\n", "F:1: strings cannot contain newlines\n    1 | name = \"x\n      |          ^", "altamga.toml must be TOML"},
		{"the same key twice", "name = \"x\"\nname = \"y\"\n", "F:2: Key 'name' has already been defined.\n    2 | name = \"y\"\n      | ^^^^", "altamga.toml must be TOML"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := write(t, row.file)
			err := config.Load(path, new(centre))
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := strings.ReplaceAll(err.Error(), path+":", "F:"); got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
			e, ok := errors.AsType[*config.Error](err)
			if !ok {
				t.Fatalf("it is a %T", err)
			}
			if got := e.Hint(); got == "" || !strings.HasPrefix(got, row.hint) {
				t.Errorf("hint: got %q, want %q", got, row.hint)
			}
		})
	}
}

func TestCauseIsFound(t *testing.T) {
	err := config.Load(write(t, "name = \"x\"\nocsp.validity = \"1h\"\n[[issuers]]\nid = \"nobody\"\nkey = \"k\"\n"), new(centre))
	if !errors.Is(err, errUnknownIssuer) {
		t.Errorf("the cause is lost in %v", err)
	}
	p, ok := errors.AsType[*config.Problem](err)
	if !ok || p.Line != 4 || p.Column != 6 || p.Key != "issuers[0].id" {
		t.Errorf("got %+v", p)
	}
}

func TestUnreadable(t *testing.T) {
	t.Run("no such file", func(t *testing.T) {
		err := config.Load(filepath.Join(t.TempDir(), "none.toml"), new(centre))
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("got %v", err)
		}
		if e, ok := errors.AsType[*config.Error](err); !ok || !strings.Contains(e.Hint(), "-c FILE") {
			t.Errorf("no hint in %v", err)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		if err := config.Load(t.TempDir(), new(centre)); err == nil {
			t.Error("it was read")
		}
	})
	t.Run("too large", func(t *testing.T) {
		err := config.Load(write(t, good+strings.Repeat("#", 1<<20)), new(centre))
		if err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("not into a struct", func(t *testing.T) {
		if err := config.Load(write(t, ""), map[string]any{}); err == nil {
			t.Error("it was accepted")
		}
	})
}

func TestValues(t *testing.T) {
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{"127.0.0.1:8442", true}, {"[::1]:0", true}, {":8442", true}, {"ca.example.az:443", true},
		{"", false}, {"127.0.0.1", false}, {"127.0.0.1:65536", false}, {"127.0.0.1:http", false}, {"a b:1", false}, {"::1:80", false},
	} {
		var a config.Address
		if err := a.UnmarshalText([]byte(row.text)); (err == nil) != row.ok {
			t.Errorf("address %q: %v", row.text, err)
		}
	}
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{"http://127.0.0.1:8442/", true}, {"https://ca.example.az/a%20b.crl", true},
		{"", false}, {"/a.crl", false}, {"ldap://x/", false}, {"http://", false}, {"http://u:p@x/", false}, {"http://x/#f", false}, {"http://x/%zz", false},
	} {
		var u config.URL
		if err := u.UnmarshalText([]byte(row.text)); (err == nil) != row.ok {
			t.Errorf("URL %q: %v", row.text, err)
		}
		if err := u.UnmarshalText([]byte("http://u:hunter2@x/")); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is shown: %v", err)
		}
	}
}
