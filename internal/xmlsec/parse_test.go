package xmlsec_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/xmlsec"
)

func TestParse(t *testing.T) {
	deep := strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65)
	var attributes strings.Builder
	for i := range 65 {
		fmt.Fprintf(&attributes, " a%d=''", i)
	}
	var namespaces strings.Builder
	for i := range 33 {
		fmt.Fprintf(&namespaces, " xmlns:a%d='urn:a'", i)
	}
	for _, row := range []struct{ name, document, want string }{
		{"too many namespaces", "<a" + namespaces.String() + "><b" + strings.ReplaceAll(namespaces.String(), ":a", ":b") + "/></a>", "more than 64 namespaces"},
		{"a document", "<?xml version='1.0' standalone=\"yes\" ?><a/>", ""},
		{"a byte order mark", "\uFEFF<a/>", ""},
		{"references", "<a>&lt;&#60;&#x3C;&amp;&apos;&quot;&gt;</a>", ""},
		{"names beyond ASCII", "<şəhadət.1 ə-ı='·'/>", ""},
		{"nothing", "", "line 1: there is no element"},
		{"text alone", "a", "text stands outside"},
		{"text behind", "<a/>a", "something follows"},
		{"two roots", "<a/><b/>", "something follows"},
		{"no end", "<a>", "ends inside of a"},
		{"another end", "<a>\n<b></a></b>", "line 2: this is not the end tag of a/b"},
		{"another prefix at the end", "<x:a xmlns:x='urn:a' xmlns:y='urn:a'></y:a>", "not the end tag"},
		{"an end alone", "</a>", "an end tag stands"},
		{"a document type", "<!DOCTYPE a><a/>", "document types are not taken"},
		{"an entity", "<a>&e;</a>", "this reference is not taken"},
		{"a reference without an end", "<a>&lt</a>", "this reference is not taken"},
		{"a character that is none", "<a>&#0;</a>", "this reference is not taken"},
		{"a surrogate", "<a>&#xD800;</a>", "this reference is not taken"},
		{"an underscore in a number", "<a>&#1_0;</a>", "this reference is not taken"},
		{"a processing instruction", "<?a b?><a/>", "processing instructions are not taken"},
		{"one inside", "<a><?a b?></a>", "processing instructions are not taken"},
		{"XML 1.1", "<?xml version='1.1'?><a/>", "not one of XML 1.0 in UTF-8"},
		{"another encoding", "<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "not one of XML 1.0 in UTF-8"},
		{"not UTF-8", "<a>\xff</a>", "not UTF-8"},
		{"UTF-16", "\xfe\xff\x00<", "not UTF-8"},
		{"a control character", "<a>\n\x01</a>", "line 2: XML has no character 0x01"},
		{"U+FFFE", "<a>\uFFFE</a>", "XML has no character"},
		{"]]> in text", "<a>]]></a>", "]]> stands in text"},
		{"-- in a comment", "<a><!-- -- --></a>", "the comment does not end"},
		{"a CDATA section without an end", "<a><![CDATA[</a>", "does not end"},
		{"< in a value", "<a b='<'/>", "< stands in the value"},
		{"no quotes", "<a b=c/>", "not quoted"},
		{"no value", "<a b/>", "has no value"},
		{"no space between", "<a b='1'c='2'/>", "not well-formed"},
		{"twice the attribute", "<a b='1' b='2'/>", "the attribute b twice"},
		{"twice by namespaces", "<a xmlns:x='urn:a' xmlns:y='urn:a' x:b='1' y:b='2'/>", "the attribute b twice"},
		{"an undeclared prefix", "<x:a/>", `the prefix "x" is not declared`},
		{"an undeclared prefix of an attribute", "<a x:b=''/>", `the prefix "x" is not declared`},
		{"a prefix out of scope", "<a><b xmlns:x='urn:x'/><x:b/></a>", `the prefix "x" is not declared`},
		{"a prefix declared as nothing", "<a xmlns:x=''/>", "declared as nothing"},
		{"xmlns declared", "<a xmlns:xmlns='urn:a'/>", "have their meaning"},
		{"xml declared anew", "<a xmlns:xml='urn:a'/>", "have their meaning"},
		{"a relative namespace", "<a xmlns='a'/>", "is relative"},
		{"twice a declaration", "<a xmlns:x='urn:a' xmlns:x='urn:b'/>", "declares the prefix"},
		{"two colons", "<a:b:c xmlns:a='urn:a'/>", "not well-formed"},
		{"too deep", deep, "more than 64 deep"},
		{"too many attributes", "<a" + attributes.String() + "/>", "more than 64 attributes"},
		{"too many elements", "<a>" + strings.Repeat("<b/>", 1000) + "</a>", "more than 1000 elements"},
		{"too long", "<a>" + strings.Repeat(" ", 10000) + "</a>", "10000 are taken"},
	} {
		_, err := xmlsec.Parse([]byte(row.document), xmlsec.Limits{Elements: 1000, Octets: 10000})
		if got := fmt.Sprint(err); (err == nil) != (row.want == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

// Text that comments cut into pieces costs what its length does, and not the
// square of it: a list is parsed before anybody knows whose it is.
func TestTextInPiecesIsLinear(t *testing.T) {
	const pieces = 20_000
	document := []byte("<a>" + strings.Repeat("x<!---->", pieces) + "<b/>" + strings.Repeat("<![CDATA[y]]>", pieces) + "</a>")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d, err := xmlsec.Parse(document, xmlsec.Limits{})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("x", pieces) + strings.Repeat("y", pieces); d.Root.Text() != want {
		t.Errorf("got %d octets of text, want %d", len(d.Root.Text()), len(want))
	}
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(20*len(document)); got > most {
		t.Errorf("parsing %d octets allocated %d; want at most %d", len(document), got, most)
	}
}

// documents are inputs of the canonicalisation that have a rule each.
var documents = []string{
	plain,
	`<a xmlns="urn:a" xmlns:b="urn:b"><b:c xmlns="" xmlns:b="urn:b"><d b:e="1" f="2"/></b:c></a>`,
	`<x:a xmlns:x="urn:1" xmlns:y="urn:2"><x:b xmlns:x="urn:3"><y:c z="" y:z="" xml:space="preserve"/></x:b></x:a>`,
	"<a>&#xD;&#x9;\n<b c='&#xD;&#xA;&#x9;&lt;&gt;&quot;&apos;'/>]]&gt;</a>",
	`<a xml:lang="az"><b xmlns="urn:b" xmlns:unused="urn:u"><c xmlns="urn:b"/></b></a>`,
	"<a><!-- gone --><b/><!-- gone -->text<!-- gone -->more</a>",
}

// The octets are those of libxml2, for the made documents and for real lists.
func TestCanonicalizeAsLibxml2(t *testing.T) {
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint is not installed (Debian: libxml2-utils)")
	}
	inputs := map[string][]byte{}
	for i, d := range documents {
		inputs[fmt.Sprint("document ", i)] = []byte(d)
	}
	if os.Getenv("ALTAMGA_CORPUS") != "" {
		for name, data := range corpus(t, "eu/*.xml") {
			inputs[name] = data
		}
	}
	for name, data := range inputs {
		d, err := xmlsec.Parse(data, xmlsec.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for flag, method := range map[string]xmlsec.Method{"--exc-c14n": {Exclusive: true}, "--c14n": {}} {
			// xmllint keeps comments.
			judge := exec.Command("xmllint", flag, "-")
			judge.Stdin = bytes.NewReader(stripComments(t, data))
			want, err := judge.Output()
			if err != nil {
				t.Fatalf("%s: xmllint: %v", name, err)
			}
			got := xmlsec.Canonicalize(nil, d.Root, method, nil)
			if strings.TrimSpace(string(want)) != string(got) {
				t.Errorf("%s %s:\n got %.300q\nwant %.300q", name, flag, got, want)
			}
		}
	}
}

func stripComments(t *testing.T, data []byte) []byte {
	t.Helper()
	for {
		start := bytes.Index(data, []byte("<!--"))
		if start < 0 {
			return data
		}
		end := bytes.Index(data[start:], []byte("-->"))
		data = append(append([]byte{}, data[:start]...), data[start+end+3:]...)
	}
}

// A part of a document in inclusive form carries what is in force around it.
func TestCanonicalizeApex(t *testing.T) {
	d, err := xmlsec.Parse([]byte(`<a xmlns="urn:a" xmlns:b="urn:b" xml:lang="az" xml:id="i"><c xmlns:b="urn:c" xmlns:d="urn:d"><e b:f="1"/></c></a>`), xmlsec.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	e := d.Root.Child("urn:a", "c").Child("urn:a", "e")
	for want, method := range map[string]xmlsec.Method{
		`<e xmlns="urn:a" xmlns:b="urn:c" xmlns:d="urn:d" xml:id="i" xml:lang="az" b:f="1"></e>`: {},
		`<e xmlns="urn:a" xmlns:b="urn:c" b:f="1"></e>`:                                          {Exclusive: true},
		`<e xmlns="urn:a" xmlns:b="urn:c" xmlns:d="urn:d" b:f="1"></e>`:                          {Exclusive: true, Prefixes: []string{"d", "#default"}},
	} {
		if got := string(xmlsec.Canonicalize(nil, e, method, nil)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// FuzzParse: no input makes the reader fail, and what it takes has a canonical
// form that is read as the same document.
func FuzzParse(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := xmlsec.Parse(data, xmlsec.Limits{Octets: 1 << 16})
		if err != nil {
			return
		}
		for _, method := range []xmlsec.Method{{}, {Exclusive: true}} {
			once := xmlsec.Canonicalize(nil, d.Root, method, nil)
			again, err := xmlsec.Parse(once, xmlsec.Limits{})
			if err != nil {
				t.Fatalf("the canonical form is not taken: %v\n%q", err, once)
			}
			if twice := xmlsec.Canonicalize(nil, again.Root, method, nil); !bytes.Equal(once, twice) {
				t.Fatalf("canonical twice:\n%q\n%q", once, twice)
			}
		}
	})
}

// FuzzVerify: nothing that differs from what was signed is taken.
func FuzzVerify(f *testing.F) {
	good, c := signed(f)
	signers := pin(c)
	v, err := xmlsec.Verify([]byte(good), root, signers, xmlsec.Limits{})
	if err != nil {
		f.Fatal(err)
	}
	want := xmlsec.Canonicalize(nil, v.Content.Root, xmlsec.Method{Exclusive: true}, nil)
	f.Add(0, 0, []byte(""))
	f.Add(strings.Index(good, "<empty/>"), 0, []byte("<empty/>"))
	f.Add(strings.Index(good, "<ds:Signature"), 0, []byte("<ds:Signature/>"))
	f.Fuzz(func(t *testing.T, at, cut int, insert []byte) {
		if at < 0 || cut < 0 || at > len(good) || cut > len(good)-at {
			return
		}
		v, err := xmlsec.Verify([]byte(good[:at]+string(insert)+good[at+cut:]), root, signers, xmlsec.Limits{})
		if err != nil {
			return
		}
		if got := xmlsec.Canonicalize(nil, v.Content.Root, xmlsec.Method{Exclusive: true}, nil); !bytes.Equal(got, want) {
			t.Fatalf("taken for signed:\n%s", got)
		}
	})
}
