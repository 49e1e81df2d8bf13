package interop

import (
	"encoding/asn1"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/xmlsec"
)

// Statements of ETSI EN 319 412-5 whose values matter.
const (
	oidQcType          = "0.4.0.1862.1.6"
	oidQcCClegislation = "0.4.0.1862.1.7"
)

// Statement is a qualified-certificate statement: its identifier, and the types
// or countries that it lists.
type Statement struct {
	ID        asn1.ObjectIdentifier
	Types     []asn1.ObjectIdentifier
	Countries []string
}

// readStatements reads QCStatements (RFC 3739, Section 3.2.6).
func readStatements(value cryptobyte.String) (all []Statement) {
	var sequence cryptobyte.String
	if !value.ReadASN1(&sequence, cryptobyte_asn1.SEQUENCE) {
		return nil
	}
	for !sequence.Empty() {
		var one, info cryptobyte.String
		var s Statement
		if !sequence.ReadASN1(&one, cryptobyte_asn1.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&s.ID) {
			return all
		}
		if one.PeekASN1Tag(cryptobyte_asn1.SEQUENCE) && one.ReadASN1(&info, cryptobyte_asn1.SEQUENCE) {
			s.readInfo(info)
		}
		all = append(all, s)
	}
	return all
}

// readInfo reads the value of a statement that is a list.
func (s *Statement) readInfo(info cryptobyte.String) {
	for !info.Empty() {
		var id asn1.ObjectIdentifier
		var text cryptobyte.String
		switch {
		case info.PeekASN1Tag(cryptobyte_asn1.OBJECT_IDENTIFIER) && info.ReadASN1ObjectIdentifier(&id):
			s.Types = append(s.Types, id)
		case info.PeekASN1Tag(cryptobyte_asn1.PrintableString) && info.ReadASN1(&text, cryptobyte_asn1.PrintableString):
			s.Countries = append(s.Countries, string(text))
		default:
			return
		}
	}
}

// statements holds the certificate against a QcStatementSet: all of it.
func statements(set *xmlsec.Element, leaf *Facts) bool {
	asked := false
	for q := range set.Children() {
		asked = true
		if !statement(q, leaf) {
			return false
		}
	}
	return asked
}

func statement(q *xmlsec.Element, leaf *Facts) bool {
	id := q.Child(spaceMRA, "QcStatementId")
	if id == nil {
		return false
	}
	return every(id, func(oid string) bool {
		return slices.ContainsFunc(leaf.Statements, func(s Statement) bool {
			return s.ID.String() == oid && s.says(q.Child(spaceMRA, "QcStatementInfo"))
		})
	})
}

// says reports whether the statement's value has what is asked for.
func (s *Statement) says(info *xmlsec.Element) bool {
	if info == nil {
		return true
	}
	if t := info.Child(spaceMRA, "QcType"); t != nil {
		return every(t, func(oid string) bool { return contains(s.Types, oid) })
	}
	if law := info.Child(spaceMRA, "QcCClegislation"); law != nil {
		return slices.Contains(s.Countries, strings.TrimSpace(law.Text()))
	}
	return false
}
