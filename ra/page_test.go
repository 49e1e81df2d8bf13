package ra_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
	"github.com/altamga/altamga/ra"
)

func (o *office) get(url string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", url, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w
}

func (o *office) upload(field string, data []byte) *httptest.ResponseRecorder {
	o.Helper()
	return o.uploadIn("en", field, data)
}

func (o *office) uploadIn(lang, field string, data []byte) *httptest.ResponseRecorder {
	o.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile(field, "certificate.cer")
	if err != nil {
		o.Fatal(err)
	}
	part.Write(data)
	form.Close()
	r := httptest.NewRequest("POST", "/?lang="+lang, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	o := newOffice(t)
	serial, authentication := o.pair("1ABC2D3")
	o.twice("/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "court", "document": "secret letter", "scope": "certificate", "note": "secret ground"})
	for lang, want := range map[string][]string{
		"az": {`<html lang="az">`, "Qüvvəsi dayandırılıb", "Verilib", "Elektron imza sertifikatı", "Gülnarə Əliyeva", "Vətəndaş", "Elektron Hökumət Mərkəzi"},
		"en": {`<html lang="en">`, "Suspended", "Issued", "Electronic signature certificate", "Citizen"},
		"ru": {`<html lang="ru">`, "Действие приостановлено", "Выдан", "Сертификат подписи", "Гражданин"},
	} {
		w := o.get("/?lang=" + lang + "&serial=" + serial)
		page := w.Body.String()
		for _, text := range append(want, time.Now().In(time.FixedZone("", 4*3600)).Format("02.01.2006 15:")) {
			if !strings.Contains(page, text) {
				t.Errorf("%s: no %q", lang, text)
			}
		}
		for _, text := range []string{"1ABC2D3", "gulnare@", "5012", "secret", "court", "holder\"", "<script", "<no value>", "ZgotmplZ"} {
			if strings.Contains(page, text) {
				t.Errorf("%s: the page holds %q", lang, text)
			}
		}
		if w.Code != 200 || w.Header().Get("Content-Language") != lang || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", lang, w.Code, w.Header())
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("CSP %q", csp)
		}
	}
	for _, spelling := range []string{strings.ToUpper(serial), "0x" + serial, "%20" + serial[:2] + ":" + serial[2:4] + "+" + serial[4:]} {
		if w := o.get("/?serial=" + spelling); w.Code != 200 {
			t.Errorf("%q: %d", spelling, w.Code)
		}
	}
	if page := o.get("/?lang=en&serial=" + authentication).Body.String(); !strings.Contains(page, "Authentication certificate") || !strings.Contains(page, "The certificate is valid") {
		t.Error("the authentication certificate is not shown as such")
	}
}

// A certificate is worth no more than the authorities over it.
func TestPageAbove(t *testing.T) {
	o := newOffice(t)
	serial, _ := o.pair("1ABC2D3")
	c := o.authority.certificates[journal.Serial(serial)]
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Second)
	good := ra.Above{Name: "Siyasət", State: journal.Valid, NotAfter: later}
	for name, row := range map[string]struct {
		above []ra.Above
		want  string
	}{
		"all stand":             {[]ra.Above{good, good}, "The certificate is valid"},
		"the root is elsewhere": {[]ra.Above{good, {Name: "Kök", NotAfter: later}}, "The certificate is valid"},
		"the issuer is revoked": {[]ra.Above{{Name: "Mərkəz", State: journal.Gone, NotAfter: later}, good}, "Not to be trusted"},
		"one above is held":     {[]ra.Above{good, {Name: "Siyasət", State: journal.OnHold, NotAfter: later}}, "Not to be trusted"},
		"the root has expired":  {[]ra.Above{good, {Name: "Kök", State: journal.Valid, NotAfter: past}}, "Not to be trusted"},
	} {
		c.Above = row.above
		if page := o.get("/?lang=en&serial=" + serial).Body.String(); !strings.Contains(page, row.want) {
			t.Errorf("%s: the page does not say %q", name, row.want)
		}
	}
}

func TestPageStatuses(t *testing.T) {
	o := newOffice(t)
	serial, _ := o.pair("1ABC2D3")
	c := o.authority.certificates[journal.Serial(serial)]
	at := time.Date(2026, 3, 1, 22, 30, 0, 0, time.UTC)
	for want, status := range map[string]journal.Status{
		"The certificate is valid":         {State: journal.Valid},
		"Suspended</h2>":                   {State: journal.OnHold, Since: at},
		"02.03.2026 02:30":                 {State: journal.Gone, Since: at},
		"Revoked</h2>":                     {State: journal.Gone, Since: at, Expired: true},
		"The validity period of the certi": {State: journal.Valid, Expired: true},
	} {
		c.Status = status
		if page := o.get("/?lang=en&serial=" + serial).Body.String(); !strings.Contains(page, want) {
			t.Errorf("%+v: no %q", status, want)
		}
	}
}

func TestPageConsent(t *testing.T) {
	t.Run("G8 no name without consent", func(t *testing.T) {
		o := newOffice(t)
		p := person("1ABC2D3")
		p["search_consent"] = false
		at := o.want(201, "desk", "POST", "/v1/applications", p).Header().Get("Location")
		o.want(200, "desk", "POST", at+"/verify", verified)
		o.want(200, "chief", "POST", at+"/approve", nil)
		serial := o.want(201, "desk", "POST", at+"/issue", o.csrs()).body["certificates"].([]any)[0].(map[string]any)["serial"].(string)
		page := o.get("/?lang=en&serial=" + serial).Body.String()
		if strings.Contains(page, "Gülnarə") || strings.Contains(page, "Əliyeva") || strings.Contains(page, "Citizen") || !strings.Contains(page, "is valid") {
			t.Error("the page names the holder, or does not tell the status")
		}
	})
}

func TestPageUpload(t *testing.T) {
	o := newOffice(t)
	serial, _ := o.pair("1ABC2D3")
	text := []byte(o.authority.certificates[journal.Serial(serial)].Certificate)
	block, _ := pem.Decode(text)
	for name, data := range map[string][]byte{"PEM": text, "DER": block.Bytes} {
		if w := o.upload("certificate", data); w.Code != 200 || !strings.Contains(w.Body.String(), "is valid") {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	number, _ := new(big.Int).SetString(serial, 16)
	key := newKey(t)
	forge := func(n *big.Int) []byte {
		template := &x509.Certificate{SerialNumber: n, NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	unknown := o.get("/?lang=en&serial=abcdef")
	if unknown.Code != 404 {
		t.Errorf("unknown serial: %d", unknown.Code)
	}
	plain := strings.NewReplacer("abcdef", "", "&amp;serial=", "").Replace(unknown.Body.String())
	for name, data := range map[string][]byte{"forged with our serial": forge(number), "foreign": forge(big.NewInt(77))} {
		w := o.upload("certificate", data)
		if w.Code != 404 || w.Body.String() != plain {
			t.Errorf("%s: %d, or not the answer to an unknown serial", name, w.Code)
		}
	}
	for _, c := range []struct {
		name, field string
		data        []byte
		want        int
	}{
		{"text", "certificate", []byte("hello"), 400},
		{"empty", "certificate", nil, 400},
		{"other PEM", "certificate", []byte(newCSR(t, key)), 400},
		{"other field", "file", text, 400},
		{"64 KiB of zeros", "certificate", make([]byte, 64<<10), 400},
		{"more", "certificate", make([]byte, 64<<10+1), 413},
		{"much more", "certificate", make([]byte, 1<<20), 413},
	} {
		if w := o.upload(c.field, c.data); w.Code != c.want || !strings.Contains(w.Body.String(), "could not be read") {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
	}
	for lang, words := range ra.Dictionary {
		for name, data := range map[string][]byte{"a chain": append(slices.Clone(text), text...), "a request beside": append(slices.Clone(text), newCSR(t, key)...)} {
			if w := o.uploadIn(lang, "certificate", data); w.Code != 400 || !strings.Contains(w.Body.String(), words.ManyInFileText) || strings.Contains(w.Body.String(), serial) {
				t.Errorf("%s in %s: %d, or no clear text", name, lang, w.Code)
			}
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader("certificate=x"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	if o.ServeHTTP(w, r); w.Code != 415 {
		t.Errorf("form without a file: %d", w.Code)
	}
}

func TestPageFaults(t *testing.T) {
	o := newOffice(t)
	for url, want := range map[string]int{"/?serial=": 400, "/?serial=xyz": 400, "/?serial=" + strings.Repeat("a", 41): 400, "/?serial=0": 400, "/nothing": 404, "/?serial=%ff": 400, "/?serial=ab%00": 400} {
		if w := o.get(url); w.Code != want || !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s: %d, want %d", url, w.Code, want)
		}
	}
	if page := o.get(`/?serial="><b>x`).Body.String(); strings.Contains(page, "<b>x") {
		t.Error("the page repeats markup")
	}
	r := httptest.NewRequest("DELETE", "/", nil)
	w := httptest.NewRecorder()
	if o.ServeHTTP(w, r); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("DELETE: %d %v", w.Code, w.Header())
	}
	for _, path := range []string{"/page.css", "/seal.svg", "/robots.txt"} {
		if w := o.get(path); w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	o.authority.fault = func(string, bool) error { return problem.New(500, "internal", "x") }
	if w := o.get("/?lang=ru&serial=ab"); w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "Служба временно недоступна") {
		t.Errorf("without authority: %d", w.Code)
	}
}

func TestPageLanguage(t *testing.T) {
	o := newOffice(t)
	for _, c := range []struct{ url, header, want string }{
		{"/", "", "az"}, {"/", "ru-RU,ru;q=0.9,en;q=0.8", "ru"}, {"/", "de, en;q=0.3, ru;q=0.2", "en"}, {"/", "fr", "az"},
		{"/", "en;q=0, ru;q=x", "az"}, {"/?lang=en", "ru", "en"}, {"/?lang=xx", "ru", "ru"}, {"/", strings.Repeat("de,", 1000) + "ru", "az"},
	} {
		if w := o.get(c.url, "Accept-Language", c.header); w.Header().Get("Content-Language") != c.want {
			t.Errorf("%s with %.40q: %s, want %s", c.url, c.header, w.Header().Get("Content-Language"), c.want)
		}
	}
}

func TestPageLimit(t *testing.T) {
	o := newOffice(t, func(c *ra.Config) { c.ChecksPerMinute = 8 })
	codes := make(map[int]int)
	for range 5 {
		codes[o.get("/?serial=ab").Code]++
	}
	if codes[404] != 2 || codes[429] != 3 {
		t.Errorf("codes = %v, want two answers and three refusals", codes)
	}
	if w := o.get("/"); w.Code != 200 {
		t.Errorf("the form itself: %d", w.Code)
	}
	r := httptest.NewRequest("GET", "/?serial=ab", nil)
	r.RemoteAddr = "[2001:db8::1]:5"
	w := httptest.NewRecorder()
	if o.ServeHTTP(w, r); w.Code != 404 {
		t.Errorf("another network: %d", w.Code)
	}
	for range 4 {
		w = httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/applications/app-x", nil)
		o.ServeHTTP(w, r)
	}
	if w.Code != 429 {
		t.Errorf("failed log-ins: %d, want 429", w.Code)
	}
	o.refused(404, "unknown_case", "desk", "GET", "/v1/applications/app-x", nil)
}

func TestEveryWordIsThere(t *testing.T) {
	for code, words := range ra.Dictionary {
		v := reflect.ValueOf(words).Elem()
		first := reflect.ValueOf(ra.Dictionary["en"]).Elem()
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if v.Field(i).IsZero() || v.Field(i).Kind() == reflect.Map && v.Field(i).Len() != first.Field(i).Len() {
				t.Errorf("%s: %s is missing or incomplete", code, name)
			}
		}
	}
}

func TestPersonalDataStaysIn(t *testing.T) {
	t.Run("G8 no personal data in files, logs, audit lines, metrics or errors", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1ABC2D3")
		p := person("2ABC2D3")
		p["category"], p["voen"] = "legal_person", "1400057421"
		at := o.want(201, "desk", "POST", "/v1/applications", p).Header().Get("Location")
		o.want(200, "chief", "POST", at+"/reject", map[string]any{"reason": "Əliyeva 2ABC2D3 gəlməyib"})
		o.want(201, "night", "POST", "/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "holder", "note": "gulnare@example.org", "document": "ƏM-4711"})
		o.want(200, "desk", "POST", "/v1/applications/find", map[string]any{"fin": "2ABC2D3"})
		wrong := person("3ABC2D3")
		wrong["phone"], wrong["category"] = "0501234567 x", "Əliyeva"
		o.application(ra.Submitted, "4ABC2D3")
		errs := o.refused(400, "invalid_request", "desk", "POST", "/v1/applications", wrong).Body.String()
		errs += o.refused(409, "already_open", "desk", "POST", "/v1/applications", person("4ABC2D3")).Body.String()
		errs += o.refused(403, "own_case", "desk", "POST", "/v1/applications", person("1DESK11")).Body.String()
		o.get("/?serial=" + serial)
		o.authority.fault = func(string, bool) error { return problem.New(502, "x", "away") }
		o.get("/?serial=" + serial)
		o.refused(503, "authority_unavailable", "night", "POST", "/v1/certificates/"+serial+"/restore", map[string]any{"owner": "holder"})

		places := map[string]string{"log": o.log.String(), "audit log": strings.Join(o.audit, "\n"), "metrics": strings.Join(o.reasons, "\n"), "errors": errs}
		files, _ := filepath.Glob(filepath.Join(o.dir, "*"))
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			places[filepath.Base(file)] = string(data)
		}
		for place, text := range places {
			if text == "" {
				t.Errorf("%s is empty, so that nothing was tested", place)
			}
			for _, secret := range []string{"1ABC2D3", "2ABC2D3", "3ABC2D3", "4ABC2D3", "1DESK11", "Gülnarə", "Əliyeva", "gulnare@", "501234567", "1400057421", "-token", "4711"} {
				if strings.Contains(text, secret) {
					t.Errorf("the %s holds %q", place, secret)
				}
			}
		}
	})
}
