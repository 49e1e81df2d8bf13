package ra_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/altamga/altamga/ra"
)

func toJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryRepeat sends every POST eight times at once and once more, all with
// one key: it is carried out once and every answer is the same.
func TestEveryRepeat(t *testing.T) {
	for _, c := range []struct {
		name, who string
		status    int
		// prepare returns the path and the body.
		prepare func(o *office) (string, any)
	}{
		{"submit", "desk", 201, func(o *office) (string, any) { return "/v1/applications", person("1ABC2D3") }},
		{"find", "desk", 200, func(o *office) (string, any) { return "/v1/applications/find", map[string]any{"fin": "1ABC2D3"} }},
		{"verify", "desk", 200, func(o *office) (string, any) {
			return "/v1/applications/" + o.application(ra.Submitted, "1ABC2D3") + "/verify", verified
		}},
		{"approve", "chief", 200, func(o *office) (string, any) {
			return "/v1/applications/" + o.application(ra.Verified, "1ABC2D3") + "/approve", nil
		}},
		{"reject", "chief", 200, func(o *office) (string, any) {
			return "/v1/applications/" + o.application(ra.Verified, "1ABC2D3") + "/reject", map[string]any{"reason": "no"}
		}},
		{"withdraw", "desk", 202, func(o *office) (string, any) {
			return "/v1/applications/" + o.application(ra.Approved, "1ABC2D3") + "/withdraw", nil
		}},
		{"confirm", "chief", 200, func(o *office) (string, any) {
			at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
			o.want(202, "desk", "POST", at+"/withdraw", nil)
			return at + "/confirm", nil
		}},
		{"keep", "desk", 200, func(o *office) (string, any) {
			at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
			o.want(202, "desk", "POST", at+"/withdraw", nil)
			return at + "/keep", nil
		}},
		{"issue", "desk", 201, func(o *office) (string, any) {
			return "/v1/applications/" + o.application(ra.Approved, "1ABC2D3") + "/issue", o.csrs()
		}},
		{"suspend", "night", 201, func(o *office) (string, any) {
			serial, _ := o.pair("1ABC2D3")
			return "/v1/certificates/" + serial + "/suspend", map[string]any{"owner": "holder"}
		}},
		{"confirm a change", "night2", 200, func(o *office) (string, any) {
			serial, _ := o.pair("1ABC2D3")
			r := o.want(202, "night", "POST", "/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "court", "document": "1"})
			return r.Header().Get("Location") + "/confirm", nil
		}},
		{"execute a change", "night", 200, func(o *office) (string, any) {
			serial, _ := o.pair("1ABC2D3")
			o.authority.fault = func(string, bool) error { return errAway }
			r := o.refused(503, "authority_unavailable", "night", "POST", "/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "holder"})
			o.authority.fault = nil
			return r.Header().Get("Location") + "/execute", nil
		}},
		{"refuse a change", "night2", 200, func(o *office) (string, any) {
			serial, _ := o.pair("1ABC2D3")
			r := o.want(202, "night", "POST", "/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "court", "document": "1"})
			return r.Header().Get("Location") + "/refuse", map[string]any{"reason": "no"}
		}},
		{"notified", "night", 200, func(o *office) (string, any) {
			serial, _ := o.pair("1ABC2D3")
			r := o.want(201, "night", "POST", "/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "holder"})
			return r.Header().Get("Location") + "/notified", nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t)
			path, body := c.prepare(o)
			answers := make([]string, 9)
			send := func(i int) {
				r := o.call(c.who, "POST", path, body, "Idempotency-Key", "k")
				answers[i] = fmt.Sprint(r.Code, " ", r.Body)
			}
			var group sync.WaitGroup
			for i := range 8 {
				group.Go(func() { send(i) })
			}
			group.Wait()
			send(8)
			if got := slices.Compact(slices.Clone(answers)); len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprint(c.status, " ")) {
				t.Errorf("answers %q, want one of %d", got, c.status)
			}
			if c.name == "find" {
				return
			}
			// The key stands for this request and no other.
			o.refused(409, "idempotency_conflict", c.who, "POST", path, otherBody(body), "Idempotency-Key", "k")
			other := o.call("all", "POST", "/v1/applications", person("7ABC2D3")).text("id")
			if c.who == "desk" {
				o.refused(409, "idempotency_conflict", "desk", "POST", "/v1/applications/"+other+"/verify", verified, "Idempotency-Key", "k")
			}
		})
	}
}

// otherBody is a body of the same meaning that is not the same octet for octet.
func otherBody(body any) any {
	if body == nil {
		return "{}"
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil
	}
	return string(text) + " "
}

// TestOneKeyOneStep: a key that brought a case in does not take it further.
func TestOneKeyOneStep(t *testing.T) {
	o := newOffice(t)
	at := o.want(201, "desk", "POST", "/v1/applications", person("1ABC2D3"), "Idempotency-Key", "k").Header().Get("Location")
	o.refused(409, "idempotency_conflict", "desk", "POST", at+"/verify", verified, "Idempotency-Key", "k")
	o.want(200, "desk", "POST", at+"/verify", verified, "Idempotency-Key", "k2")
	o.want(200, "chief", "POST", at+"/approve", nil)
	for _, used := range []string{"k", "k2"} {
		o.refused(409, "idempotency_conflict", "desk", "POST", at+"/issue", o.csrs(), "Idempotency-Key", used)
	}
	o.want(201, "desk", "POST", at+"/issue", o.csrs(), "Idempotency-Key", "k3")
	o.refused(409, "idempotency_conflict", "desk", "POST", "/v1/applications", person("2ABC2D3"), "Idempotency-Key", "k3")
}

func TestSearchLimit(t *testing.T) {
	t.Run("G8 one person does not try FİN after FİN", func(t *testing.T) {
		o := newOffice(t)
		codes := make(map[int]int)
		var last reply
		for i := range 12 {
			last = o.call("desk", "POST", "/v1/applications/find", map[string]any{"fin": fmt.Sprintf("%dABCD%02d", i%10, i)})
			codes[last.Code]++
		}
		if codes[200] != 10 || codes[429] != 2 || last.text("code") != "too_many_requests" || last.Header().Get("Retry-After") == "" {
			t.Errorf("codes = %v, last %s", codes, last.Body)
		}
		o.want(200, "desk2", "POST", "/v1/applications/find", map[string]any{"fin": "1ABC2D3"})
	})
}

// Each client of a proxy has a bound of its own, by what the proxy says of it
// and not by what it says itself.
func TestClientsOfAProxyAreBoundedEach(t *testing.T) {
	o := newOffice(t, func(c *ra.Config) { c.ChecksPerMinute, c.ClientAddress = 8, ra.ForwardedAddress })
	status := func(forwarded ...string) int {
		r := httptest.NewRequest("GET", "/?serial=1f", nil)
		for _, value := range forwarded {
			r.Header.Add("X-Forwarded-For", value)
		}
		w := httptest.NewRecorder()
		o.ServeHTTP(w, r)
		return w.Code
	}
	// Two at once are let through, whatever the client makes up before.
	for i, want := range []int{404, 404, 429, 429} {
		if got := status(fmt.Sprintf("203.0.113.%d, 198.51.100.1", i)); got != want {
			t.Errorf("request %d: %d, want %d", i, got, want)
		}
	}
	for _, same := range [][]string{{"203.0.113.1", "198.51.100.1"}, {"198.51.100.1:4711"}, {"::ffff:198.51.100.1"}} {
		if got := status(same...); got != 429 {
			t.Errorf("%q: %d", same, got)
		}
	}
	for _, other := range []string{"198.51.100.1, 198.51.100.2", "[2001:db8::1]:4711", "2001:db8:0:1::1", ""} {
		if got := status(other); got != 404 {
			t.Errorf("%q: %d", other, got)
		}
	}
}

// G5: what cannot be written to the audit log is not done, so strangers must
// not be able to fill it.
func TestFailedLoginsOfAllAreBounded(t *testing.T) {
	o := newOffice(t, func(c *ra.Config) { c.ChecksPerMinute, c.ClientAddress = 8, ra.ForwardedAddress })
	for i := range 1000 {
		o.call("nobody", "GET", "/v1/applications/app-1", nil, "X-Forwarded-For", fmt.Sprintf("192.0.%d.%d", i/250, i%250))
	}
	// A quarter of ten times eight at once, and what comes back meanwhile.
	if lines := len(o.audit); lines < 20 || lines > 100 {
		t.Errorf("a thousand addresses wrote %d audit lines", lines)
	}
	o.want(404, "desk", "GET", "/v1/applications/app-1", nil)
}

func TestReadsAreAudited(t *testing.T) {
	t.Run("G5 every read of a case or its history is in the audit log", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1ABC2D3")
		application := "/v1/applications/" + o.application(ra.Submitted, "2ABC2D3")
		request := o.want(201, "night", "POST", "/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "holder"}).Header().Get("Location")
		for path, action := range map[string]string{
			application: "application.read", application + "/history": "application.history.read",
			request: "status.read", request + "/history": "status.history.read",
			"/v1/certificates/" + serial + "/history": "certificate.read",
		} {
			before := len(o.audit)
			o.want(200, "chief", "GET", path, nil)
			if lines := o.audit[before:]; len(lines) != 1 || !strings.HasPrefix(lines[0], action+" ") || !strings.Contains(lines[0], "chief") {
				t.Errorf("%s: audit lines %q, want one of %s", path, lines, action)
			}
			o.auditFail = errAway
			o.refused(503, "audit_unavailable", "chief", "GET", path, nil)
			o.auditFail = nil
		}
	})
}

func TestMaskedView(t *testing.T) {
	t.Run("G8 the masked view of a case has no certificate and no request", func(t *testing.T) {
		o := newOffice(t)
		at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
		o.refuses("citizen-authentication")
		o.refused(400, "invalid_request", "desk", "POST", at+"/issue", o.csrs())
		o.authority.fault = nil
		o.want(201, "desk", "POST", at+"/issue", o.csrs())
		if r := o.want(200, "desk", "GET", at, nil); strings.Count(r.Body.String(), "BEGIN CERTIFICATE REQUEST") != 2 {
			t.Errorf("the desk sees %s", r.Body)
		}
		r := o.want(200, "night", "GET", at, nil)
		certificates := r.body["issuance"].(map[string]any)["certificates"].([]any)
		if len(certificates) != 2 || certificates[0].(map[string]any)["serial"] == "" {
			t.Errorf("night does not see which certificates there are: %s", r.Body)
		}
		text := r.Body.String()
		// The chain is the centre's own and holds nobody's data.
		chain := r.body["issuance"].(map[string]any)["chain"].(string)
		text = strings.Replace(text, strings.Trim(toJSON(t, chain), `"`), "", 1)
		if strings.Contains(text, "BEGIN CERTIFICATE") || strings.Contains(text, "1ABC2D3") {
			t.Errorf("night sees %s", text)
		}
	})
}

func TestUncleanPaths(t *testing.T) {
	o := newOffice(t)
	id := o.application(ra.Submitted, "1ABC2D3")
	for _, path := range []string{"/v1", "/v1/", "/v1//applications", "/v1/./applications", "/v1/x/../applications", "/v1/applications/", "/v1/applications//" + id, "/v1/applications/" + id + "/"} {
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, path, nil)
			w := httptest.NewRecorder()
			if o.ServeHTTP(w, r); w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Location") != "" {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Header().Get("Content-Type"))
			}
		}
	}
}

func TestNamesInBodies(t *testing.T) {
	o := newOffice(t)
	good := toJSON(t, person("1ABC2D3"))
	for _, body := range []string{
		strings.Replace(good, `"fin":`, `"fin":"2ABC2D3","fin":`, 1),
		strings.Replace(good, `"fin":`, `"FIN":`, 1),
		strings.Replace(good, `"fin":`, `"f\u0069n":"2ABC2D3","fin":`, 1),
	} {
		if r := o.refused(400, "invalid_request", "desk", "POST", "/v1/applications", body); len(r.fields()) == 0 {
			t.Errorf("%s names no field", r.Body)
		}
	}
}
