package ceremony_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/ca/ceremony"
)

// Plans that say something wrong are refused with the line that says it.
func TestWrongPlans(t *testing.T) {
	for name, row := range map[string]struct{ from, to, want string }{
		"unknown key":             {`operator = "third"`, "operater = \"third\"", "plan.toml:10: unknown key operater (did you mean operator?)"},
		"one officer":             {"required = 2", "required = 1", "plan.toml:9: required is less than two"},
		"more than there are":     {"required = 2", "required = 4", "required is more than the 3 officers"},
		"no operator":             {`operator = "third"`, `operator = "fourth"`, "is not an [[officer]]"},
		"no window":               {"not_after = 2099-01-01T00:00:00Z", "", "not_after is missing"},
		"window inside out":       {"not_after = 2099", "not_after = 2019", "is not later than not_before"},
		"name":                    {`ceremony = "test"`, `ceremony = "Test 1"`, "ceremony is not a name"},
		"outside the folder":      {`register = "register.db"`, `register = "../register.db"`, "is not a plain path below"},
		"absolute":                {`minutes = "minutes"`, `minutes = "/minutes"`, "is not a plain path below"},
		"seal":                    {`seal = "seal"`, `seal = "sael"`, "is not a [[key]]"},
		"officer without key":     {`key = "officers/second.pem"`, "", "says by what the officer signs"},
		"officer twice":           {`name = "second"`, `name = "first"`, `"first" stands twice`},
		"key twice":               {`uri = "file:keys/policy.key"`, `uri = "file:keys/root.key"`, "that of another key"},
		"unknown step":            {`do = "revoke"`, `do = "rewoke"`, `step[7].do "rewoke" is none of`},
		"step twice":              {`id = "list-2"`, `id = "list"`, "is used twice"},
		"field of another step":   {`reason = "cessationOfOperation"`, "reason = \"cessationOfOperation\"\nvalidity = \"1h\"", "does not belong to a step that does revoke"},
		"missing field":           {`reason = "cessationOfOperation"`, "", "is missing: a step that does revoke needs it"},
		"reason":                  {`"cessationOfOperation"`, `"certificateHold"`, "reason"},
		"key generated twice":     {`id = "root-key"` + "\n" + `do = "generate"` + "\n" + `key = "root"`, `id = "root-key"` + "\n" + `do = "generate"` + "\n" + `key = "seal"`, `"seal" is generated twice`},
		"unknown authority":       {`by = "root"` + "\n" + `for`, `by = "rooot"` + "\n" + `for`, "is not an [[authority]]"},
		"output twice":            {`output = "out/root-2.crl"`, `output = "out/root.crl"`, "is written by an earlier step"},
		"output over the minutes": {`output = "out/root-2.crl"`, `output = "minutes/test.jsonl"`, "is another file of the ceremony"},
		"certificate of a later":  {`certificate = "out/policy.pem"` + "\n" + `reason`, `certificate = "out/root-2.crl"` + "\n" + `reason`, "comes only from a later step"},
		"algorithm not generated": {`algorithm = "p256"` + "\n" + `[[key]]` + "\n" + `name = "policy"`, `[[key]]` + "\n" + `name = "policy"`, "is there for keys that a step generates"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Count(founding, row.from) < 1 {
				t.Fatalf("%q is not in the plan", row.from)
			}
			b := newTable(t, strings.Replace(founding, row.from, row.to, 1))
			_, _, err := b.load()
			if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "plan.toml:") {
				t.Errorf("got %v, want %q with its line", err, row.want)
			}
		})
	}
}

// Whatever keeps a ceremony from beginning leaves nothing behind.
func TestRefusedBeginnings(t *testing.T) {
	two := func(b *table) { b.confirm("first", "second") }
	for name, row := range map[string]struct {
		plan   [2]string
		before func(*table)
		want   string
	}{
		"nobody confirmed":           {before: func(*table) {}, want: "0 of 2"},
		"one confirmed":              {before: func(b *table) { b.confirm("first") }, want: "1 of 2"},
		"one person twice":           {before: func(b *table) { b.confirm("first"); b.copy("confirmations/first.json", "confirmations/other.json") }, want: "1 of 2"},
		"before the days":            {[2]string{"2020-01-01", "2098-01-01"}, two, "before the plan's not_before"},
		"after the days":             {[2]string{"2099-01-01", "2021-01-01"}, two, "after the plan's not_after"},
		"an output exists":           {before: func(b *table) { two(b); os.Mkdir(b.path("out"), 0o755); b.write("out/root.crl", nil) }, want: "the output out/root.crl of step list exists"},
		"a key exists":               {before: func(b *table) { two(b); (keyFiles{b}).Generate("file:keys/policy.key", "p256") }, want: "the key policy that is to be generated exists"},
		"another plan was confirmed": {before: func(b *table) { two(b); b.write("plan.toml", append(b.read("plan.toml"), "\n# later"...)) }, want: "confirmed a plan with the hash"},
		"a changed confirmation": {before: func(b *table) {
			two(b)
			b.write("confirmations/first.json", []byte(strings.Replace(string(b.read("confirmations/first.json")), `"first"`, `"third"`, 1)))
		}, want: "the confirmation of third"},
		"an unknown word in one": {before: func(b *table) {
			two(b)
			b.write("confirmations/first.json", []byte(strings.Replace(string(b.read("confirmations/first.json")), `"officer"`, `"offizer"`, 1)))
		}, want: "parsing confirmation"},
		"officers with one key":    {before: func(b *table) { b.copy("officers/first.pem", "officers/second.pem") }, want: "are the same person or share a key"},
		"an officer without a key": {before: func(b *table) { b.write("officers/first.pem", []byte("none")) }, want: "officer first"},
		"a missing input":          {before: func(b *table) { os.Remove(b.path("officers/first.pem")) }, want: "officers/first.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			text := founding
			if row.plan[0] != "" {
				text = strings.Replace(text, row.plan[0], row.plan[1], 1)
			}
			b := newTable(t, text)
			row.before(b)
			err := b.run()
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
			for _, left := range []string{"minutes", "register.db", "keys/root.key", "out/root.pem"} {
				if _, err := os.Stat(b.path(left)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s was made (%v)", left, err)
				}
			}
		})
	}
}

func (b *table) copy(from, to string) { b.write(to, b.read(from)) }

// Two certificates of one human being are one person.
func TestOnePersonTwoCertificates(t *testing.T) {
	text := strings.NewReplacer(`key = "officers/first.pem"`, `certificate = "officers/first.pem"`, `key = "officers/second.pem"`, `certificate = "officers/second.pem"`).Replace(founding)
	b := newTable(t, text)
	person := func(name, identifier string, until time.Time) {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
			Subject: pkix.Name{CommonName: name, ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: identifier}}}}
		encoded, err := x509.CreateCertificate(rand.Reader, template, template, b.officers[name].Public(), b.officers[name])
		if err != nil {
			t.Fatal(err)
		}
		b.write("officers/"+name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encoded}))
	}
	later := time.Now().Add(time.Hour)
	person("first", "PNOAZ-1234567", later)
	person("second", "PNOAZ-1234567", later)
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "same person") {
		t.Errorf("got %v", err)
	}
	person("second", "PNOAZ-7654321", time.Now().Add(-time.Minute))
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "is not valid now") {
		t.Errorf("got %v", err)
	}
	person("second", "PNOAZ-7654321", later)
	b.confirm("first", "second")
	if err := b.run(); err != nil {
		t.Error(err)
	}
}

// What a profile or lint refuses stops the ceremony before the key signs, and
// the minutes say why.
func TestLintStops(t *testing.T) {
	for name, row := range map[string]struct{ from, to, want string }{
		"unknown profile":     {`profile = "policy"`, `profile = "polisy"`, "unknown"},
		"foreign attribute":   {`subject = { O = "Sınaq", CN = "Sınaq Siyasət" }`, `subject = { O = "Sınaq", CN = "Sınaq Siyasət", givenName = "x" }`, "is not an attribute of the profile"},
		"longer than allowed": {`profile = "policy"`, "profile = \"policy\"\nnot_after = 2098-01-01T00:00:00Z", "not_after is later"},
		"a lint":              {`crl = "http://crl.example/root.crl"`, `crl = "https://[::1"`, "CRL address"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTable(t, strings.Replace(founding, row.from, row.to, 1))
			b.confirm("first", "second")
			b.signed = b.path("signed")
			if err := b.run(); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got %v, want %q", err, row.want)
			}
			lines := b.lines()
			if last := lines[len(lines)-1]; last.Event != "stopped" || !strings.Contains(last.Text, row.want) {
				t.Errorf("the minutes end with %q: %s", last.Event, last.Text)
			}
			if faults := b.verify(); !strings.Contains(faults, "is not complete") {
				t.Errorf("a stopped ceremony verifies: %s", faults)
			}
			if _, err := os.Stat(b.path("out/policy.pem")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("the refused certificate is there")
			}
		})
	}
}

// Minutes that say that a ceremony had begun, written by whoever works the
// machine, do not take the place of the officers' signatures.
func TestForgedBeginning(t *testing.T) {
	b := newTable(t, founding)
	b.confirm("first", "second")
	c, err := b.config()
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	c.Reached(func(point string) {
		if strings.HasPrefix(point, "begun") {
			panic(stop)
		}
	})
	c.Register = func(context.Context) (ceremony.Register, error) { return nil, stop }
	begun, err := ceremony.New(c)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = begun.Run(t.Context())
	}()
	var forged []byte
	previous, n := "", 0
	for _, l := range b.lines() {
		if l.Event == "confirmed" && l.Facts[0].Value == "second" {
			continue // the forger leaves one out and links the rest anew
		}
		n++
		l.Seq, l.Previous, l.Hash = n, previous, ""
		l.Hash = ceremony.Digest(l)
		previous = l.Hash
		encoded, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		forged = append(append(forged, encoded...), '\n')
	}
	b.write("minutes/test.jsonl", forged)
	if len(b.lines()) != 3 {
		t.Fatalf("%d lines", len(b.lines()))
	}
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(b.path("keys/root.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the ceremony went on")
	}
}

// A link is between two keys of one name, a cross-certificate between two names.
func TestLinkAndCross(t *testing.T) {
	for name, row := range map[string]struct{ step, want string }{
		"link for another name":  {"do = \"link\"\nby = \"root\"\nfor = \"policy\"\nprofile = \"link\"\noutput = \"out/link.pem\"", "a link is between two keys of one name"},
		"cross for the own name": {"do = \"cross\"\nby = \"root\"\ncertificate = \"out/root.pem\"\nprofile = \"link\"\noutput = \"out/link.pem\"", "has the name of the authority that would sign"},
		"link to the same key":   {"do = \"link\"\nby = \"root\"\nfor = \"root\"\nprofile = \"link\"\noutput = \"out/link.pem\"", "has the issuer's own key"},
	} {
		b := newTable(t, founding+"[[step]]\nid = \"link\"\n"+row.step+"\n")
		b.confirm("first", "second")
		if err := b.run(); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
		if _, err := os.Stat(b.path("out/link.pem")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: was signed", name)
		}
	}
}
