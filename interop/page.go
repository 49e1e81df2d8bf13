package interop

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"html/template"
	"net/url"
	"strings"
	"time"
)

//go:embed public/list.html
var pageTemplate string

//go:embed public/list.css
var pageStyle []byte

// view is what the template is filled with.
type view struct {
	*words
	Languages []*words
	Stem      string
	*Verified
	Digest string
}

// pagesOf renders a list for people, in every language: the same facts as in the
// XML, and nothing that is not in it.
func pagesOf(v *Verified, stem string) (map[string][]byte, error) {
	pages := map[string][]byte{stem + ".css": pageStyle}
	for _, w := range languages {
		parsed, err := template.New("list").Funcs(w.functions()).Parse(pageTemplate)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := parsed.Execute(&b, view{words: w, Languages: languages, Stem: stem, Verified: v, Digest: hex.EncodeToString(v.Digest[:])}); err != nil {
			return nil, err
		}
		pages[stem+"."+w.Code+".html"] = b.Bytes()
	}
	return pages, nil
}

func (w *words) functions() template.FuncMap {
	return template.FuncMap{
		"in":     func(texts []Text) string { return In(texts, w.Code) },
		"status": func(uri string) string { return say(w.statuses, uri) },
		"good":   Relied,
		"type":   func(uri string) string { return say(w.types, uri) },
		"uses": func(extensions []Extension) string {
			var all []string
			for _, uri := range uses(extensions) {
				all = append(all, say(w.uses, uri))
			}
			return strings.Join(all, ", ")
		},
		"day":    func(t time.Time) string { return t.UTC().Format("02.01.2006") },
		"moment": func(t time.Time) string { return t.UTC().Format("02.01.2006 15:04") + " UTC" },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"facts": func(c *Certificate) *Facts {
			f, err := c.Facts()
			if err != nil {
				return nil
			}
			return f
		},
		"until": func(s *Service, i int) time.Time {
			if i == 0 {
				return s.Since
			}
			return s.History[i-1].Since
		},
		"web": func(texts []Text) (all []string) {
			for _, t := range texts {
				if u, err := url.Parse(t.Value); err == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "mailto") && (t.Lang == w.Code || t.Lang == "en") {
					all = append(all, t.Value)
				}
			}
			return all
		},
		"name":  NameText,
		"plain": func(uri string) string { return strings.TrimPrefix(uri, "mailto:") },
	}
}
