package conformance_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/altamga/altamga/conformance"
)

// publication is a server with a trust list. What a reader of lists makes of
// real lists is judged where one is plugged in: in cmd/altamga.
type publication struct {
	media, hash string
	says        []conformance.TrustListFinding
}

func newPublication() *publication {
	sum := sha256.Sum256([]byte("<list/>"))
	return &publication{media: "application/vnd.etsi.tsl+xml", hash: fmt.Sprintf("%x\n", sum)}
}

func (p *publication) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/AZ-TL.xml":
		w.Header().Set("Content-Type", p.media)
		fmt.Fprint(w, "<list/>")
	case r.URL.Path == "/AZ-TL.sha2" && p.hash != "":
		fmt.Fprint(w, p.hash)
	default:
		http.NotFound(w, r)
	}
}

func (p *publication) judge(t *testing.T, path string) *conformance.Report {
	t.Helper()
	server := httptest.NewServer(p)
	defer server.Close()
	tester, err := conformance.New(conformance.Config{TrustList: func([]byte, [][]byte) []conformance.TrustListFinding { return p.says }})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.TrustList(t.Context(), conformance.TrustListTarget{URL: server.URL + path}); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}

func TestTrustLists(t *testing.T) {
	switchboard.sound(t, newPublication().judge(t, "/AZ-TL.xml"))
	says := func(clause string) func(*publication) {
		return func(p *publication) {
			p.says = []conformance.TrustListFinding{{Clause: clause, Level: conformance.Must, Detail: "it is wrong"}}
		}
	}
	for _, row := range []struct {
		name  string
		plant func(*publication)
	}{
		{"TL-01 signed by somebody else", says("5.7")},
		{"TL-02 not by the schema", says("C")},
		{"TL-02 a section that no check has", says("9.9")},
		{"TL-03 no English text", says("5.1.4")},
		{"TL-04 another tag", says("5.2.1")},
		{"TL-05 no postal address of the operator", says("5.3.5.1")},
		{"TL-06 no pointer to itself", says("5.3.13")},
		{"TL-07 issued in the future", says("5.3.14")},
		{"TL-08 past its next update", says("5.3.15")},
		{"TL-09 a provider without a service", says("5.4.6")},
		{"TL-10 a status of no service", says("5.5.4")},
		{"TL-11 a history of another service", says("5.6.1")},
		{"TL-11 a history that is not in order", says("5.5.10")},
		{"TL-12 a signer of another territory", says("5.7.1")},
		{"TL-13 no hash", func(p *publication) { p.hash = "" }},
		{"TL-13 the hash of another list", func(p *publication) { p.hash = fmt.Sprintf("%x", sha256.Sum256(nil)) }},
		{"TL-14 media type text/html", func(p *publication) { p.media = "text/html" }},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPublication()
			row.plant(p)
			switchboard.judged(t, planted{row.name, nil}, p.judge(t, "/AZ-TL.xml"))
		})
	}
	// What nobody can tell is no pass, and neither is a list that is not there.
	p := newPublication()
	p.says = []conformance.TrustListFinding{{Clause: "5.7", Detail: "a key of no known kind", Unknown: true}}
	if r := p.judge(t, "/AZ-TL.xml"); r.Conclusion(false) != conformance.Inconclusive || r.Counts().CouldNotTest != 1 {
		t.Errorf("a signature that cannot be judged: %s", r.Conclusion(false))
	}
	if r := newPublication().judge(t, "/none.xml"); r.Conclusion(false) != conformance.Inconclusive || r.Counts().Pass > 0 {
		t.Errorf("a list that is not there: %s%s", r.Conclusion(false), explain(r))
	}
}
