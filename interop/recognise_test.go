package interop_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// Real agreements are read, and written again as what they were.
func TestAgreements(t *testing.T) {
	found := 0
	for _, pattern := range []string{"mra/*.xml", "mra/specs/*.xml"} {
		for name, data := range corpus(t, pattern) {
			l, err := interop.Read(data)
			if err != nil {
				t.Fatal(err)
			}
			for i := range l.Scheme.Pointers {
				a, err := l.Scheme.Pointers[i].Agreement()
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if a == nil {
					continue
				}
				found++
				again := interop.Pointer{Additional: []interop.Information{{Other: a.Fragment()}}}
				b, err := again.Agreement()
				if err != nil || !reflect.DeepEqual(a, b) {
					t.Errorf("%s: written and read, the agreement differs: %v", name, err)
				}
				for _, q := range a.Equivalences {
					t.Logf("%s: %s %s since %s, %d in history, %d contexts, %d qualifiers", name, q.LegalID, q.Status, q.Since, len(q.History), len(q.Content), len(q.Qualifiers))
				}
			}
		}
	}
	if found < 3 {
		t.Errorf("%d agreements were read", found)
	}
}

// agreed is a plan that recognises the signatures of KZ.
func agreed(signer string) interop.PlanPointer {
	return interop.PlanPointer{
		Location: "http://list.kz.example/KZ-TL.xml", Territory: "KZ", Operator: en("Operator of KZ"), Signers: []string{signer},
		Agreement: &interop.PlanAgreement{Law: "https://law.example/az", PartnerLaw: "https://law.example/kz", Equivalences: []interop.PlanEquivalence{{
			ID: "QCForESig", Ours: interop.PlanTypeUse{Type: "CA/QC", Use: "ForeSignatures"}, Theirs: interop.PlanTypeUse{Type: "http://list.kz.example/Svctype/NCA"},
			Status: "enacted", Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
			Valid:   interop.PlanStatuses{Ours: []string{"granted"}, Theirs: []string{"http://list.kz.example/active"}},
			Invalid: interop.PlanStatuses{Ours: []string{"withdrawn"}, Theirs: []string{"http://list.kz.example/stopped"}},
			Content: []interop.PlanContent{
				{Context: "QcCompliance", Ours: []string{"0.4.0.1862.1.1"}, Theirs: []string{"0.4.0.1862.1.1"}, TheirCountry: "KZ"},
				{Context: "QcType", Ours: []string{"0.4.0.1862.1.6.1"}, Theirs: []string{"0.4.0.1862.1.6.1"}},
				{Context: "QcQSCD", Ours: []string{"0.4.0.1862.1.4"}, Theirs: []string{"0.4.0.1862.1.4"}},
			},
			Qualifiers: []interop.PlanQualifier{{Ours: "QCWithQSCD", Theirs: "http://list.kz.example/token"}},
		}}},
	}
}

// qcStatements encodes what the leaves of KZ say of themselves.
func qcStatements(t *testing.T, country string) []pkix.Extension {
	t.Helper()
	type statement struct {
		ID   asn1.ObjectIdentifier
		Info asn1.RawValue `asn1:"optional"`
	}
	value := func(v any) asn1.RawValue {
		der, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return asn1.RawValue{FullBytes: der}
	}
	country1 := []asn1.RawValue{{Tag: asn1.TagPrintableString, Bytes: []byte(country)}}
	der, err := asn1.Marshal([]statement{
		{ID: asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 1}},
		{asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6}, value([]asn1.ObjectIdentifier{{0, 4, 0, 1862, 1, 6, 1}})},
		{asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 7}, value(country1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}, Value: der}}
}

// kazakhstan is a made-up list with words of its own.
func kazakhstan(t *testing.T) *country {
	t.Helper()
	kz := newCountry(t, "KZ")
	s := &kz.list.Providers[0].Services[0]
	s.Type, s.Status, s.Since = "http://list.kz.example/Svctype/NCA", "http://list.kz.example/stopped", time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	before := s.State
	before.Status, before.Since = "http://list.kz.example/active", time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	s.History, s.HasHistory = []interop.State{before}, true
	return kz
}

func TestRecognise(t *testing.T) {
	b, kz := newBureau(t), kazakhstan(t)
	files := func(name string) ([]*interop.Certificate, error) {
		if name == "kz.pem" {
			return []*interop.Certificate{kz.signer.list()}, nil
		}
		return b.files(name)
	}
	b.plan.Pointers = []interop.PlanPointer{agreed("kz.pem")}
	publish := func() *interop.Verified {
		draft, _, err := b.Prepare(t.Context(), "one", b.plan, files)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Sign(t.Context(), "two", draft.Digest); err != nil {
			t.Fatal(err)
		}
		v, err := b.Publish(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	ours := publish()
	later()
	// In June the parties repealed what they had agreed in March.
	q := &b.plan.Pointers[0].Agreement.Equivalences[0]
	q.Status = "repealed"
	if _, _, err := b.Rehearse(b.plan, files); err == nil || !strings.Contains(err.Error(), "agreed from a later day") {
		t.Errorf("a repeal without a new date: %v", err)
	}
	q.Since = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	repealed := publish()
	t.Run("xmllint", func(t *testing.T) { validateAgreement(t, filepath.Join(b.dir, "current", "AZ-TL.xml")) })
	later()
	b.plan.Pointers[0].Agreement.Equivalences = nil
	if _, _, err := b.Rehearse(b.plan, files); err == nil || !strings.Contains(err.Error(), "repealed, not removed") {
		t.Errorf("an equivalence that is gone: %v", err)
	}

	partner := verified(t, kz)
	leaf := made{name: "Signature (TEST)", country: "KZ", issuer: kz.ca, extra: qcStatements(t, "KZ")}.make(t)
	other := made{name: "Another law's (TEST)", country: "KZ", issuer: kz.ca, extra: qcStatements(t, "RU")}.make(t)
	plain := made{name: "Not qualified (TEST)", country: "KZ", issuer: kz.ca}.make(t)
	foreign := made{name: "Nobody's (TEST)", country: "KZ"}.make(t)
	for _, row := range []struct {
		name       string
		ours       *interop.Verified
		leaf       *identity
		at         string
		equivalent bool
		why        string
	}{
		{"while both held", ours, leaf, "2026-05-01", true, "equivalent to CA/QC, status granted, since 2026-03-01, because QCForESig is enacted since 2026-03-01 and the service"},
		{"on the first day", ours, leaf, "2026-03-01", true, "equivalent to CA/QC"},
		{"before the agreement", ours, leaf, "2026-02-15", false, "is agreed from 2026-03-01 on, not before"},
		{"before the service", ours, leaf, "2026-01-15", false, "the service was not on the partner's list yet: its history begins on 2026-02-01"},
		{"after the service stopped", ours, leaf, "2026-09-02", false, "status was stopped since 2026-09-01, which counts as not valid"},
		{"another legislation", ours, other, "2026-05-01", false, "does not say what the parties agreed"},
		{"no statements", ours, plain, "2026-05-01", false, "does not say what the parties agreed"},
		{"nobody's", ours, foreign, "2026-05-01", false, "names neither"},
		{"before the repeal", repealed, leaf, "2026-05-01", true, "equivalent to CA/QC"},
		{"after the repeal", repealed, leaf, "2026-07-01", false, "QCForESig was repealed since 2026-06-01"},
	} {
		at, err := time.Parse(time.DateOnly, row.at)
		if err != nil {
			t.Fatal(err)
		}
		pointer, agreement, err := interop.PartnerOf(row.ours, partner.List)
		if err != nil {
			t.Fatal(err)
		}
		if !pinnedIn(pointer.Signers(), kz.signer) {
			t.Error("our list does not name the partner's signer")
		}
		r := interop.Recognise(agreement, partner, row.leaf.list(), at)
		if r.Equivalent != row.equivalent || !strings.Contains(r.Why, row.why) {
			t.Errorf("%s: got %+v", row.name, r)
		}
		if r.Equivalent && (r.Type != interop.ServiceCAQC || r.Status != interop.Granted || !strings.HasSuffix(r.Use, "ForeSignatures") || !slices.Equal(r.Content, []string{interop.ContentCompliance, interop.ContentType})) {
			t.Errorf("%s: got %+v", row.name, r)
		}
	}
	if _, _, err := interop.PartnerOf(ours, newCountry(t, "UZ").list); err == nil {
		t.Error("there is an agreement with everybody")
	}
}

func pinnedIn(all []*interop.Certificate, who *identity) bool {
	return slices.ContainsFunc(all, func(c *interop.Certificate) bool { return string(c.Raw) == string(who.cert.Raw) })
}

// validateAgreement holds a list with an agreement to the Commission's schema
// beside ETSI's.
func validateAgreement(t *testing.T, name string) {
	dir := os.Getenv("ALTAMGA_CORPUS")
	if _, err := exec.LookPath("xmllint"); err != nil || dir == "" {
		t.Skip("xmllint (Debian: libxml2-utils) or ALTAMGA_CORPUS with the schemas is missing")
	}
	schemas := t.TempDir()
	if err := os.CopyFS(schemas, os.DirFS(filepath.Join(dir, "interop/xsd/etsi-complete"))); err != nil {
		t.Fatal(err)
	}
	mra, err := os.ReadFile(filepath.Join(dir, "interop/xsd/mra/mra_schema_v2_19612v020401.xsd"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(filepath.Join(schemas, "all.xsd"))
	if err != nil {
		t.Fatal(err)
	}
	both := strings.Replace(string(all), "</xsd:schema>", `<xsd:import namespace="http://ec.europa.eu/tools/lotl/mra/schema/v2#" schemaLocation="mra.xsd"/></xsd:schema>`, 1)
	for file, data := range map[string]string{"mra.xsd": string(mra), "all.xsd": both} {
		if err := os.RemoveAll(filepath.Join(schemas, file)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(schemas, file), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	validate(t, schemas, name)
	// The schema is really asked: an agreement without its depth is not one.
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(schemas, "broken.xml")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(data), ` MRADepth="1"`, "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("xmllint", "--nonet", "--noout", "--schema", filepath.Join(schemas, "all.xsd"), broken)
	command.Env = append(os.Environ(), "XML_CATALOG_FILES="+filepath.Join(schemas, "catalog.xml"))
	if output, err := command.CombinedOutput(); err == nil || !strings.Contains(string(output), "MRADepth") {
		t.Errorf("a broken agreement validates: %v\n%s", err, output)
	}
}

// What an agreement is never stretched to.
func TestRecogniseNoMore(t *testing.T) {
	const typeTSA, own = interop.ServiceTSAQ, "http://list.kz.example/Svctype/TSU"
	since := time.Now().AddDate(0, -1, 0).UTC().Truncate(time.Second)
	kz := newCountry(t, "KZ")
	unit := made{name: "Time-stamping unit (TEST)", country: "KZ", issuer: kz.ca}.make(t)
	kz.list.Providers[0].Services = append(kz.list.Providers[0].Services, interop.Service{State: interop.State{
		Type: own, Name: text("Time"), Identity: interop.Identity{{Certificate: unit.list()}}, Status: interop.Granted, Since: since,
	}})
	agreement := &interop.Agreement{Equivalences: []interop.Equivalence{
		{LegalID: "QTST", EquivalenceState: interop.EquivalenceState{
			Pointing: []interop.TypeAndUse{{Type: typeTSA}}, Pointed: []interop.TypeAndUse{{Type: own}}, Status: interop.Enacted, Since: since,
			Valid: interop.Statuses{Pointing: []string{interop.Granted}, Pointed: []string{interop.Granted}},
		}},
		{LegalID: "QC", EquivalenceState: interop.EquivalenceState{
			Pointing: []interop.TypeAndUse{{Type: interop.ServiceCAQC}}, Pointed: []interop.TypeAndUse{{Type: interop.ServiceCAQC}}, Status: interop.Enacted, Since: since,
			Valid: interop.Statuses{Pointing: []string{interop.Granted}, Pointed: []string{interop.Granted}},
		}},
	}}
	judge := func(who *interop.Certificate) interop.Recognition {
		return interop.Recognise(agreement, &interop.Verified{List: kz.list}, who, time.Now())
	}
	if r := judge(unit.list()); !r.Equivalent || r.Type != typeTSA {
		t.Errorf("the unit itself: %+v", r)
	}
	// A time-stamping unit signs tokens; a certificate that it signs is nobody's.
	if r := judge(made{name: "Forged (TEST)", country: "KZ", issuer: unit}.make(t).list()); r.Equivalent || !strings.Contains(r.Why, "issues no certificates") {
		t.Errorf("a certificate by a time-stamping unit: %+v", r)
	}
	leaf := kz.leaf(t)
	if r := judge(leaf); !r.Equivalent || r.Type != interop.ServiceCAQC {
		t.Errorf("a citizen: %+v", r)
	}
	s := &kz.list.Providers[0].Services[0]
	s.Extensions = []interop.Extension{{Critical: true, Content: `<only xmlns="urn:kz">on weekdays</only>`}}
	if r := judge(leaf); r.Equivalent || !strings.Contains(r.Why, "critical") {
		t.Errorf("something critical that is not known: %+v", r)
	}
	s.Extensions = nil
	agreement.Equivalences[1].Invalid.Pointed = []string{interop.Granted}
	if r := judge(leaf); r.Equivalent || !strings.Contains(r.Why, "counts as not valid") {
		t.Errorf("a status that counts as valid and as not: %+v", r)
	}
}
