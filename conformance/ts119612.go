package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// trustListType is the media type that IANA has for lists of ETSI TS 102 231,
// which TS 119 612 continues; where that names it could not be read.
const trustListType = "application/vnd.etsi.tsl+xml"

// What is asked of trust lists. What is in them is read by whoever [Config] has
// for it; each finding is told under the deepest section here that it belongs to.
var ts119612 = []check[*trustList]{
	sectioned("TL-01", "5.7", "it is signed by a signer who was named beforehand"),
	sectioned("TL-02", "C", "it is a whole list by the schema of its version"),
	sectioned("TL-03", "5.1", "languages, English texts and times have the forms that all fields share"),
	sectioned("TL-04", "5.2", "its tag is that of ETSI's trust lists"),
	sectioned("TL-05", "5.3", "the scheme and its operator are described whole"),
	sectioned("TL-06", "5.3.13", "pointers say what they lead to, and one leads to the list itself"),
	sectioned("TL-07", "5.3.14", "it was issued, and not in the future"),
	sectioned("TL-08", "5.3.15", "its next update is due, and within six months of the issue"),
	sectioned("TL-09", "5.4", "providers are described whole"),
	sectioned("TL-10", "5.5", "services have type, key, status and its beginning"),
	sectioned("TL-11", "5.6", "the history of a service is of the same service, the newest first"),
	sectioned("TL-12", "5.7.1", "the signer's certificate is one for trust lists, of the territory and the operator"),
	{"TL-13", "TS 119 612, Section 6.1", Should, "the hash stands beside the list in a .sha2 file", "fetch it and compare", wire, func(t *trial, l *trustList) {
		body := l.body(t)
		beside := companion(l.url)
		if beside == "" {
			t.skip("the list's address does not end in .xml or .xtsl")
		}
		x := l.get(t, "the hash", beside)
		if x.Err != nil {
			t.couldNot("%v", x.Err)
		}
		if x.Status != http.StatusOK {
			t.miss("the server answers HTTP %d for %s", x.Status, path.Base(beside))
			return
		}
		sum := sha256.Sum256(body)
		if told := strings.TrimSpace(string(x.Response)); !strings.EqualFold(told, hex.EncodeToString(sum[:])) && string(x.Response) != string(sum[:]) {
			t.fail("the .sha2 file has another hash than that of the list")
		}
	}},
	{"TL-14", "RFC 9110, Section 8.3", Should, "the media type is " + trustListType, "fetch the list", wire, func(t *trial, l *trustList) {
		l.body(t)
		if got := l.x.Header.Get("Content-Type"); !sameMedia(got, trustListType) {
			t.miss("the media type is %q", clip(got))
		}
	}},
}

// sectioned is a check of what the reader of lists finds under a section.
func sectioned(id, section, title string) check[*trustList] {
	clause := "TS 119 612, Section " + section
	if section == "C" {
		clause = "TS 119 612, Annex C"
	}
	return check[*trustList]{id, clause, Must, title, "read the list", anywhere, func(t *trial, l *trustList) { l.told(t, section) }}
}

// sections are those that have a check of their own.
var sections = strings.Fields("5.7 C 5.1 5.2 5.3 5.3.13 5.3.14 5.3.15 5.4 5.5 5.6 5.7.1")

// sectionOf is the deepest of them that a clause lies in; what lies in none is a
// matter of the whole list.
func sectionOf(clause string) string {
	if clause == "5.5.10" {
		clause = "5.6" // what a service says of its history as a whole
	}
	deepest := ""
	for _, s := range sections {
		if (clause == s || strings.HasPrefix(clause, s+".")) && len(s) > len(deepest) {
			deepest = s
		}
	}
	if deepest == "" {
		return "C"
	}
	return deepest
}

// TrustListFinding is what a reader of trust lists says of one.
type TrustListFinding struct {
	// Clause is a section of TS 119 612, such as 5.3.15, or C for the schema.
	Clause string
	Level  Level
	Detail string
	// Unknown says that it could not be judged; Detail is then why.
	Unknown bool
}

// trustList is a list on trial, at an address or out of a file.
type trustList struct {
	client *client // nil: a file
	url    string
	read   func(list []byte) []TrustListFinding

	x        *Exchange
	findings []TrustListFinding
	known    bool
}

func (l *trustList) get(t *trial, name, address string) *Exchange {
	x := l.client.ask(t.ctx, question{name: name, method: http.MethodGet, url: address, limit: maxDownload})
	t.saw(x)
	return x
}

// body is the list as it was published.
func (l *trustList) body(t *trial) []byte {
	if l.x == nil {
		l.x = l.get(t, "the trust list", l.url)
	}
	t.saw(l.x)
	if l.x.Err != nil {
		t.couldNot("%v", l.x.Err)
	}
	if l.client != nil && l.x.Status != http.StatusOK {
		t.couldNot("the server answers HTTP %d", l.x.Status)
	}
	return l.x.Response
}

// told tells what is found under a section.
func (l *trustList) told(t *trial, section string) {
	body := l.body(t)
	if !l.known {
		l.findings, l.known = l.read(body), true
	}
	whole := true
	unknown := ""
	for _, f := range l.findings {
		at := sectionOf(f.Clause)
		switch {
		case at == section && f.Unknown:
			unknown = f.Detail
		case at == section:
			t.find(f.Level, "%s", f.Detail)
		}
		whole = whole && at != "C"
	}
	switch {
	case t.failed:
	case unknown != "":
		t.couldNot("%s", unknown)
	case !whole && section != "5.7" && section != "C":
		t.couldNot("it is not a whole list")
	}
}

// companion is the address of a list's .sha2 file, "" when it can have none.
func companion(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	extension := path.Ext(u.Path)
	if e := strings.ToLower(extension); e != ".xml" && e != ".xtsl" {
		return ""
	}
	u.Path, u.RawPath, u.RawQuery = strings.TrimSuffix(u.Path, extension)+".sha2", "", ""
	return u.String()
}
