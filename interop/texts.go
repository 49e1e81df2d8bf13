package interop

import (
	"maps"
	"slices"

	"github.com/altamga/altamga/internal/xmlsec"
)

// textsOf orders texts by language.
func textsOf(byLanguage map[string]string) (all []Text) {
	for _, lang := range slices.Sorted(maps.Keys(byLanguage)) {
		all = append(all, Text{lang, byLanguage[lang]})
	}
	return all
}

// urisOf orders URIs by language.
func urisOf(byLanguage map[string][]string) (all []Text) {
	for _, lang := range slices.Sorted(maps.Keys(byLanguage)) {
		for _, uri := range byLanguage[lang] {
			all = append(all, Text{lang, uri})
		}
	}
	return all
}

func addressOf(postal []PlanAddress, contact map[string][]string) (a Address) {
	for _, p := range postal {
		a.Postal = append(a.Postal, PostalAddress(p))
	}
	a.Electronic = urisOf(contact)
	return a
}

func escaped(text string) string { return string(xmlsec.EscapeText(nil, text)) }
