package interop_test

import (
	"crypto/x509"
	"encoding/asn1"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/interop"
)

func verified(t testing.TB, c *country) *interop.Verified {
	t.Helper()
	v, err := interop.Verify(sign(t, c.list, c.signer), []*interop.Certificate{c.signer.list()}, interop.Terms{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// keyIdentifier derives the identifier of a key from the key.
func keyIdentifier(t testing.TB, i *identity) []byte {
	t.Helper()
	id, err := pki.KeyIdentifier(i.cert.RawSubjectPublicKeyInfo)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTrustedAt(t *testing.T) {
	day := 24 * time.Hour
	now := time.Now().Truncate(time.Second).UTC()
	c := newCountry(t, "AZ")
	tsa := made{name: "TSU (TEST)", issuer: c.ca}.make(t)
	c.list.Providers[0].Services = append(c.list.Providers[0].Services, interop.Service{State: interop.State{
		Type: interop.ServiceTSAQ, Name: text("Time"), Identity: interop.Identity{{Certificate: tsa.list()}}, Status: interop.Granted, Since: now.Add(-10 * day),
	}})
	s := &c.list.Providers[0].Services[0]
	s.Since, s.Status = now.Add(-10*day), interop.Withdrawn
	s.History = []interop.State{
		{Type: s.Type, Name: s.Name, Identity: s.Identity, Status: interop.Granted, Since: now.Add(-50 * day), Extensions: []interop.Extension{
			{Critical: true, Content: `<AdditionalServiceInformation xmlns="http://uri.etsi.org/02231/v2#"><URI xml:lang="en">http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/ForeSignatures</URI></AdditionalServiceInformation>`},
			{Critical: true, Content: qualifications},
		}},
		{Type: s.Type, Name: s.Name, Identity: s.Identity, Status: interop.Withdrawn, Since: now.Add(-100 * day)},
	}
	leaf := made{name: "Signature (TEST)", issuer: c.ca, policy: asn1.ObjectIdentifier{2, 999, 1}, usage: x509.KeyUsageContentCommitment}.make(t)
	seal := made{name: "Other (TEST)", issuer: c.ca, usage: x509.KeyUsageDigitalSignature}.make(t)
	short := made{name: "Short (TEST)", issuer: c.ca, from: now.Add(-49 * day), to: now.Add(-40 * day)}.make(t)
	impostor := made{name: c.ca.cert.Subject.CommonName, ca: true}.make(t)
	impostor.cert.RawSubject, impostor.cert.SubjectKeyId = c.ca.cert.RawSubject, c.ca.cert.SubjectKeyId
	forged := made{name: "Forged (TEST)", issuer: impostor}.make(t)
	const qscd, stat = "http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/QCWithSSCD", "http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/QCForESig"
	claimed := made{name: "Claims another's key identifier (TEST)", ski: c.ca.cert.SubjectKeyId, ca: true}.make(t)
	byIdentifier := made{name: "Known by its key identifier (TEST)", ca: true}.make(t)
	c.list.Providers[0].Services = append(c.list.Providers[0].Services, interop.Service{State: interop.State{
		Type: interop.ServiceCAPKC, Name: text("Identifier alone"), Identity: interop.Identity{{SKI: keyIdentifier(t, byIdentifier)}}, Status: interop.Granted, Since: now.Add(-10 * day),
	}})
	claimedToo := made{name: "Claims that one (TEST)", ski: keyIdentifier(t, byIdentifier), ca: true}.make(t)
	trust := interop.NewTrust(verified(t, c))
	for _, row := range []struct {
		name       string
		who        *identity
		at         time.Time
		trusted    bool
		status     string
		why        string
		qualifiers []string
	}{
		{"granted then", leaf, now.Add(-30 * day), true, interop.Granted, "whose status is granted from", []string{qscd, stat}},
		{"granted then, other certificate", seal, now.Add(-30 * day), true, interop.Granted, "whose status is granted from", nil},
		{"withdrawn now", leaf, now, false, interop.Withdrawn, "status was withdrawn since", nil},
		{"withdrawn before", leaf, now.Add(-70 * day), false, interop.Withdrawn, "status was withdrawn from", nil},
		{"at the first moment", leaf, now.Add(-50 * day), true, interop.Granted, "granted from", []string{qscd, stat}},
		{"before the list knew it", leaf, now.Add(-101 * day), false, "", "was not on the list yet", nil},
		{"outside of the certificate's life", short, now.Add(-30 * day), false, interop.Granted, "is valid from", nil},
		{"the authority itself", c.ca, now.Add(-30 * day), true, interop.Granted, "is that of the service", nil},
		{"the time-stamping unit", tsa, now.Add(-day), true, interop.Granted, "TSA/QTST", nil},
		{"the listed key identifier, claimed", claimed, now.Add(-30 * day), false, "", "none of the 1 lists", nil},
		{"known by its key identifier", byIdentifier, now.Add(-day), true, interop.Granted, "is that of the service", nil},
		{"that identifier, claimed", claimedToo, now.Add(-day), false, "", "none of the 1 lists", nil},
		{"signed by another key", forged, now.Add(-30 * day), false, "", "none of the 1 lists", nil},
		{"nobody's", made{name: "Nobody (TEST)"}.make(t), now, false, "", "none of the 1 lists", nil},
	} {
		a := trust.TrustedAt(row.who.list(), row.at)
		if a.Trusted != row.trusted || a.Status != row.status || !strings.Contains(a.Why, row.why) || !slices.Equal(a.Qualifiers, row.qualifiers) {
			t.Errorf("%s: got %+v", row.name, a)
		}
	}
	if a := trust.TrustedAt(leaf.list(), now.Add(-30*day)); !slices.Equal(a.Uses, []string{"http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/ForeSignatures"}) {
		t.Errorf("uses: %q", a.Uses)
	}
	if a := trust.TrustedAt(&interop.Certificate{Raw: []byte("x")}, now); a.Trusted || !strings.Contains(a.Why, "not the DER") {
		t.Errorf("garbage: %+v", a)
	}
}

// qualifications give two qualifiers to signature certificates of a policy, and
// one to none.
const qualifications = `<q:Qualifications xmlns:q="http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#" xmlns:x="http://uri.etsi.org/01903/v1.3.2#">
<q:QualificationElement><q:Qualifiers><q:Qualifier uri="http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/QCWithSSCD"/><q:Qualifier uri="http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/QCForESig"/></q:Qualifiers>
<q:CriteriaList assert="all"><q:KeyUsage><q:KeyUsageBit name="nonRepudiation">true</q:KeyUsageBit><q:KeyUsageBit name="digitalSignature">false</q:KeyUsageBit></q:KeyUsage>
<q:PolicySet><q:PolicyIdentifier><x:Identifier Qualifier="OIDAsURN">urn:oid:2.999.1</x:Identifier></q:PolicyIdentifier></q:PolicySet></q:CriteriaList></q:QualificationElement>
<q:QualificationElement><q:Qualifiers><q:Qualifier uri="urn:never"/></q:Qualifiers><q:CriteriaList assert="atLeastOne"><q:PolicySet><q:PolicyIdentifier><x:Identifier>1.2.3</x:Identifier></q:PolicyIdentifier></q:PolicySet></q:CriteriaList></q:QualificationElement>
</q:Qualifications>`

// Real lists: every authority of the Czech list of 2019 is trusted by itself on
// a day that its service was granted.
func TestTrustedAtRealLists(t *testing.T) {
	data := corpus(t, "eu/*.xml")["CZ.xml"]
	v, err := interop.Verify(data, announced(t, "eu-lotl.xml"), interop.Terms{})
	if err != nil {
		t.Fatal(err)
	}
	trust := interop.NewTrust(v)
	at := time.Date(2019, 9, 1, 0, 0, 0, 0, time.UTC)
	granted := 0
	for i := range v.Providers {
		for j := range v.Providers[i].Services {
			s := &v.Providers[i].Services[j]
			for _, c := range s.Identity.Certificates() {
				facts, err := c.Facts()
				if err != nil {
					t.Fatal(err)
				}
				a := trust.TrustedAt(c, at)
				want := s.Status == interop.Granted && at.After(facts.NotBefore) && at.Before(facts.NotAfter)
				if want && !a.Trusted {
					t.Errorf("%s: %s", facts.Subject, a.Why)
				}
				if a.Trusted {
					granted++
				}
			}
		}
	}
	if granted < 20 {
		t.Errorf("%d certificates are trusted", granted)
	}
}

// Kazakhstan's own certificates, on a list that names their authority: a person's
// signature certificate of 2022, and one that was changed.
func TestTrustedAtKazakhstan(t *testing.T) {
	read := func(name string) *interop.Certificate {
		all, err := interop.ReadCertificates(filepath.Join(os.Getenv("ALTAMGA_CORPUS"), "interop/kz", name))
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	corpus(t, "kz/*.cer")
	leaf := read("test-gost1.cer")
	facts, err := leaf.Facts()
	if err != nil {
		t.Fatal(err)
	}
	at := facts.NotBefore.Add(time.Hour)
	kz := newCountry(t, "KZ")
	s := &kz.list.Providers[0].Services[0]
	s.Identity, s.Since = interop.Identity{{Certificate: read("nca_gost2022_test.cer")}}, at.AddDate(-1, 0, 0).UTC().Truncate(time.Second)
	trust := interop.NewTrust(verified(t, kz))
	if a := trust.TrustedAt(leaf, at); !a.Trusted || facts.Algorithm() != "gost3410-2012" {
		t.Errorf("%s: %s", facts.Algorithm(), a.Why)
	}
	changed := slices.Clone(leaf.Raw)
	changed[len(changed)-1] ^= 1
	if a := trust.TrustedAt(&interop.Certificate{Raw: changed}, at); a.Trusted {
		t.Errorf("a changed certificate: %s", a.Why)
	}
	// The authority of 2004 is carried, and shown as what this build cannot
	// verify.
	old, err := read("nca_gost_test.crt").Facts()
	if err != nil || old.Verifiable() || old.Algorithm() != "1.2.398.3.10.1.1.1.1" {
		t.Errorf("of 2004: %s, %v", old.Algorithm(), err)
	}
}

// The status of a moment is that which began last before it, in whatever order
// a list tells its history; a moment belongs to what begins with it.
func TestHistoryInAnyOrder(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	state := func(status string, since time.Time) interop.State {
		return interop.State{Status: status, Since: since}
	}
	history := []interop.State{state("c", day(15)), state("b", day(10)), state("a", day(5))}
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for _, order := range orders {
		s := interop.Service{State: state("d", day(20))}
		q := interop.Equivalence{EquivalenceState: interop.EquivalenceState{Status: "d", Since: day(20)}}
		for _, i := range order {
			s.History = append(s.History, history[i])
			q.History = append(q.History, interop.EquivalenceState{Status: history[i].Status, Since: history[i].Since})
		}
		for _, row := range []struct {
			at     time.Time
			status string
			until  time.Time
		}{
			{day(5).Add(-time.Second), "", day(5)}, {day(5), "a", day(10)}, {day(10).Add(-time.Nanosecond), "a", day(10)}, {day(10), "b", day(15)},
			{day(12), "b", day(15)}, {day(15), "c", day(20)}, {day(20).Add(-time.Second), "c", day(20)}, {day(20), "d", time.Time{}}, {day(28), "d", time.Time{}},
		} {
			got, until := s.At(row.at)
			agreed, ended := q.At(row.at)
			if (got == nil) != (row.status == "") || (agreed == nil) != (row.status == "") || !until.Equal(row.until) || !ended.Equal(row.until) {
				t.Fatalf("%v at %s: %v until %s, %v until %s", order, row.at, got, until, agreed, ended)
			}
			if got != nil && (got.Status != row.status || agreed.Status != row.status) {
				t.Errorf("%v at %s: %s and %s, want %s", order, row.at, got.Status, agreed.Status, row.status)
			}
		}
	}
}
