package ra

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed public
var public embed.FS

// page is the public page, ready to be filled.
type page struct {
	template  *template.Template
	assets    map[string]asset
	languages []*words
}

type asset struct {
	media string
	body  []byte
}

func newPage(languages []string) (*page, error) {
	p := &page{assets: make(map[string]asset)}
	for i, code := range languages {
		w, ok := dictionary[code]
		if !ok {
			return nil, fmt.Errorf("language %q is none of az, en, ru", code)
		}
		if slices.Contains(languages[:i], code) {
			return nil, fmt.Errorf("language %q is there twice", code)
		}
		p.languages = append(p.languages, w)
	}
	var err error
	if p.template, err = template.ParseFS(public, "public/page.html"); err != nil {
		return nil, fmt.Errorf("parsing page: %w", err)
	}
	for path, media := range map[string]string{"page.css": "text/css; charset=utf-8", "seal.svg": "image/svg+xml", "robots.txt": "text/plain; charset=utf-8"} {
		body, err := public.ReadFile("public/" + path)
		if err != nil {
			return nil, fmt.Errorf("reading page: %w", err)
		}
		p.assets["/"+path] = asset{media, body}
	}
	return p, nil
}

// view is what the template is filled with.
type view struct {
	*words
	Languages []languageLink
	// Query is the serial number that was asked for, as the visitor wrote it.
	Query string
	// Fault is what is wrong with the request, with a heading.
	FaultTitle, Fault string
	// FaultField is the input that is at fault: "serial", "certificate" or "".
	FaultField    string
	Found         *finding
	Demonstration bool
}

type languageLink struct {
	Code, Name, URL string
	Current         bool
}

// servePage answers everything outside the API, in the visitor's language.
func (o *Office) servePage(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Robots-Tag", "noindex")
	// Nothing runs, nothing is loaded from elsewhere, nothing frames the page.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	if a, ok := o.page.assets[r.URL.Path]; ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		header.Set("Content-Type", a.media)
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
		header.Set("Cache-Control", "public, max-age=3600")
		w.Write(a.body)
		return
	}
	language := o.page.choose(r)
	header.Set("Content-Language", language.Code)
	header.Set("Vary", "Accept-Language")
	header.Set("Cache-Control", "no-store")
	v := &view{words: language, Demonstration: o.Demonstration}
	status, reason := o.fill(w, r, v)
	v.Languages = o.page.links(v)
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		header.Set("Retry-After", retryAfter)
	}
	var b bytes.Buffer
	if err := o.page.template.Execute(&b, v); err != nil {
		o.Log.ErrorContext(r.Context(), "page was not filled", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
	o.Observe("page_"+reason, time.Since(start))
}

// fill does what the request asks and returns the status, with the word that
// the metrics count it by.
func (o *Office) fill(w http.ResponseWriter, r *http.Request, v *view) (status int, reason string) {
	fault := func(status int, reason, field, title, text string) (int, string) {
		v.FaultField, v.FaultTitle, v.Fault = field, title, text
		return status, reason
	}
	if r.URL.Path != "/" {
		return fault(http.StatusNotFound, "unknown_path", "", v.PageMissing, v.PageMissingText)
	}
	var ask func() (*finding, error)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if !r.URL.Query().Has("serial") {
			return http.StatusOK, "form"
		}
		v.Query = strings.TrimSpace(r.URL.Query().Get("serial"))
		if len(v.Query) > 100 {
			v.Query = ""
		}
		ask = func() (*finding, error) { return o.checkSerial(r.Context(), v.Query) }
	case http.MethodPost:
		ask = func() (*finding, error) { return o.checkUpload(w, r) }
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		return fault(http.StatusMethodNotAllowed, "method_not_allowed", "", v.BadRequest, v.BadRequestText)
	}
	if !o.checks.allow(networkOf(o.ClientAddress(r)), time.Now()) {
		return fault(http.StatusTooManyRequests, "too_many_requests", "", v.TooMany, v.TooManyText)
	}
	found, err := ask()
	switch err {
	case nil:
		v.Found = found
		return http.StatusOK, "found"
	case errNotFound:
		return fault(http.StatusNotFound, "not_found", "", v.NotFound, v.NotFoundText)
	case errBadSerial:
		return fault(http.StatusBadRequest, "bad_serial", "serial", v.BadSerial, v.BadSerialText)
	case errBadFile:
		return fault(http.StatusBadRequest, "bad_file", "certificate", v.BadFile, v.BadFileText)
	case errManyInFile:
		return fault(http.StatusBadRequest, "many_in_file", "certificate", v.BadFile, v.ManyInFileText)
	case errBadMedia:
		return fault(http.StatusUnsupportedMediaType, "unsupported_media_type", "", v.BadRequest, v.BadRequestText)
	case errTooLarge:
		return fault(http.StatusRequestEntityTooLarge, "too_large", "certificate", v.BadFile, v.TooLargeText)
	}
	return fault(http.StatusServiceUnavailable, "unavailable", "", v.Unavailable, v.UnavailableText)
}

// choose returns the language of the answer: the one that the address asks for,
// else the one that the browser prefers, else the first.
func (p *page) choose(r *http.Request) *words {
	if asked := r.URL.Query().Get("lang"); asked != "" {
		for _, w := range p.languages {
			if w.Code == asked {
				return w
			}
		}
	}
	best, quality := p.languages[0], 0.0
	for i, part := range strings.Split(r.Header.Get("Accept-Language"), ",") {
		if i == 16 {
			break
		}
		// RFC 9110, Section 12.5.4: language ranges with weights.
		tag, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.TrimSpace(weight), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(value, 64); err != nil {
				continue
			}
		}
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		for _, w := range p.languages {
			if w.Code == primary && q > quality {
				best, quality = w, q
			}
		}
	}
	return best
}

// links lead to the same page in the other languages. What was uploaded does
// not travel in an address; a certificate that was found does, by its serial.
func (p *page) links(v *view) []languageLink {
	var links []languageLink
	for _, w := range p.languages {
		url := "/?lang=" + w.Code
		if v.Found != nil {
			url += "&serial=" + string(v.Found.Serial)
		} else if v.Query != "" {
			url += "&serial=" + template.URLQueryEscaper(v.Query)
		}
		links = append(links, languageLink{Code: w.Code, Name: w.Name, URL: url, Current: w == v.words})
	}
	return links
}
