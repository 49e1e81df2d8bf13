package interop

import (
	"strings"

	"github.com/altamga/altamga/internal/xmlsec"
)

// About is what a pointer says of the list it leads to (ETSI TS 119 612,
// Section 5.3.13).
type About struct {
	Type         string
	Territory    string
	MediaType    string
	OperatorName []Text
}

// About reads the pointer's additional information.
func (p *Pointer) About() (a About) {
	r := &reader{version: 3}
	for _, i := range p.Additional {
		if i.Textual != nil {
			continue
		}
		for _, e := range i.Other.elements() {
			switch {
			case e.Is(spaceList, "TSLType"):
				a.Type = strings.TrimSpace(e.Text())
			case e.Is(spaceList, "SchemeTerritory"):
				a.Territory = strings.TrimSpace(e.Text())
			case e.Is(spaceAdditional, "MimeType"):
				a.MediaType = strings.TrimSpace(e.Text())
			case e.Is(spaceList, "SchemeOperatorName"):
				a.OperatorName = r.names(e)
			}
		}
	}
	return a
}

// Signers returns the certificates that the list may be signed with.
func (p *Pointer) Signers() (all []*Certificate) {
	for _, id := range p.Identities {
		all = append(all, id.Certificates()...)
	}
	return all
}

// IsListOfLists reports whether the type is that of a list of lists.
func IsListOfLists(listType string) bool { return strings.HasSuffix(listType, suffixOfLists) }

// information is the additional information of a pointer.
func (a About) information() (all []Information) {
	add := func(space, local, text string) {
		if text == "" {
			return
		}
		prefix, open := "", local+` xmlns="`+space+`"`
		if space == spaceAdditional {
			prefix, open = "add:", "add:"+local+` xmlns:add="`+space+`"`
		}
		all = append(all, Information{Other: Fragment("<" + open + ">" + string(xmlsec.EscapeText(nil, text)) + "</" + prefix + local + ">")})
	}
	add(spaceList, "TSLType", a.Type)
	add(spaceList, "SchemeTerritory", a.Territory)
	add(spaceAdditional, "MimeType", a.MediaType)
	if len(a.OperatorName) > 0 {
		var b []byte
		b = append(b, `<SchemeOperatorName xmlns="`+spaceList+`">`...)
		for _, t := range a.OperatorName {
			b = append(xmlsec.EscapeValue(append(b, `<Name xml:lang="`...), t.Lang), `">`...)
			b = append(xmlsec.EscapeText(b, t.Value), `</Name>`...)
		}
		all = append(all, Information{Other: Fragment(append(b, `</SchemeOperatorName>`...))})
	}
	return all
}
