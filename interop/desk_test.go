package interop_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// bureau is a desk with two officers, a plan and the certificates in it.
type bureau struct {
	*interop.Desk
	config interop.DeskConfig
	dir    string
	signer *identity
	ca     *identity
	plan   *interop.Plan
	audit  []string
	deeds  []interop.Deed
	broken error
	// meanwhile, if set, is done while the log takes something down.
	meanwhile func()
}

func (b *bureau) files(name string) ([]*interop.Certificate, error) {
	if name != "ca.pem" {
		return nil, fs.ErrNotExist
	}
	return []*interop.Certificate{b.ca.list()}, nil
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{dir: t.TempDir()}
	b.signer = made{name: "Etibarlı siyahı (TEST)", organisation: "Mərkəz (TEST)", signer: true}.make(t)
	b.ca = made{name: "EHM (TEST)", ca: true}.make(t)
	b.plan = testPlan()
	b.config = interop.DeskConfig{
		Dir: b.dir, Officers: []interop.Officer{{Name: "first", TokenHash: sha256.Sum256([]byte("one"))}, {Name: "second", TokenHash: sha256.Sum256([]byte("two"))}},
		Certificate: b.signer.cert, Key: func() (crypto.Signer, error) { return b.signer.key, nil },
		Audit: func(_ context.Context, action string, attrs ...slog.Attr) error {
			if b.broken != nil {
				return b.broken
			}
			if b.meanwhile != nil {
				b.meanwhile()
			}
			b.audit = append(b.audit, fmt.Sprint(action, " ", attrs))
			b.deeds = append(b.deeds, deedOf(action, attrs))
			return nil
		},
		Recorded: func(do func(interop.Deed)) error {
			for _, deed := range b.deeds {
				do(deed)
			}
			return b.broken
		},
	}
	var err error
	if b.Desk, err = interop.NewDesk(b.config); err != nil {
		t.Fatal(err)
	}
	return b
}

// deedOf is what the log reads back of what it was given.
func deedOf(action string, attrs []slog.Attr) interop.Deed {
	deed := interop.Deed{Action: action, At: time.Now()}
	fields := map[string]*string{"officer": &deed.Officer, "digest": &deed.Digest, "follows": &deed.Follows, "territory": &deed.Territory, "record": &deed.Record}
	for _, a := range attrs {
		if field, ok := fields[a.Key]; ok {
			*field = a.Value.String()
		}
	}
	return deed
}

func en(s string) map[string]string { return map[string]string{"en": s, "az": s + " (az)"} }

func testPlan() *interop.Plan {
	address := []interop.PlanAddress{{Lang: "en", Street: "1 Street", Locality: "Baku", Country: "AZ"}}
	contact := map[string][]string{"en": {"mailto:list@pki.example", "https://pki.example/"}}
	return &interop.Plan{
		Territory: "AZ", Location: "http://pki.example/AZ-TL.xml", Operator: map[string]string{"en": "Centre (TEST)", "az": "Mərkəz (TEST)"}, Name: en("Trust list (TEST)"),
		Address: address, Contact: contact, Information: map[string][]string{"en": {"https://pki.example/list"}}, LegalNotice: en("The law & practice."),
		Providers: []interop.PlanProvider{{
			Name: en("Provider (TEST)"), TradeName: en("NTRAZ-9900000011"), Address: address, Contact: contact, Information: contact,
			Services: []interop.PlanService{{
				Type: "CA/QC", Name: en("Citizens (TEST)"), Certificates: []string{"ca.pem"}, Status: "granted",
				Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Uses: []string{"ForeSignatures", "ForeSeals"},
				SupplyPoints: []interop.PlanSupplyPoint{{Type: "Certstatus/OCSP/QC", URI: "http://ocsp.pki.example/"}},
			}},
		}},
	}
}

// publish walks the plan through the desk.
func (b *bureau) publish(t *testing.T) *interop.Verified {
	t.Helper()
	draft, _, err := b.Prepare(t.Context(), "one", b.plan, b.files)
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

// later waits until lists have another second.
func later() {
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
}

func TestTwoOfficers(t *testing.T) {
	b := newBureau(t)
	ctx := t.Context()
	if _, err := b.Current(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before the first list: %v", err)
	}
	if _, _, err := b.Prepare(ctx, "three", b.plan, b.files); !errors.Is(err, interop.ErrToken) {
		t.Errorf("a stranger prepares: %v", err)
	}
	b.broken = errors.New("the log is full")
	if _, _, err := b.Prepare(ctx, "one", b.plan, b.files); err == nil {
		t.Error("a list is prepared without the log")
	}
	b.broken = nil
	draft, data, err := b.Prepare(ctx, "one", b.plan, b.files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(ctx, "two"); err == nil || !strings.Contains(err.Error(), "not signed yet") {
		t.Errorf("an unsigned list is published: %v", err)
	}
	if _, err := b.Sign(ctx, "one", draft.Digest); !errors.Is(err, interop.ErrSameOfficer) {
		t.Errorf("one officer does both: %v", err)
	}
	if _, err := b.Sign(ctx, "two", strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), "look at it again") {
		t.Errorf("another digest is signed: %v", err)
	}
	// Somebody changes the draft between the officers.
	unsigned := filepath.Join(b.dir, "draft", "unsigned.xml")
	if err := os.WriteFile(unsigned, []byte(strings.Replace(string(data), "granted", "withdrawn", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sign(ctx, "two", draft.Digest); err == nil || !strings.Contains(err.Error(), "changed since it was prepared") {
		t.Errorf("a changed draft is signed: %v", err)
	}
	if err := os.WriteFile(unsigned, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sign(ctx, "two", draft.Digest); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sign(ctx, "two", draft.Digest); err == nil {
		t.Error("a draft is signed twice")
	}
	// A signed draft in the place of which another list was put.
	other := newCountry(t, "AZ")
	signedFile := filepath.Join(b.dir, "draft", "signed.xml")
	signed, err := os.ReadFile(signedFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string][]byte{"another key's list": sign(t, other.list, other.signer), "another list of the signer's": sign(t, other.list, b.signer)} {
		if err := os.WriteFile(signedFile, put, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Publish(ctx, "one"); err == nil {
			t.Errorf("%s is published", name)
		}
	}
	if err := os.WriteFile(signedFile, signed, 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := b.Publish(ctx, "one")
	if err != nil || v.Scheme.SequenceNumber != 1 {
		t.Fatalf("publishing: %v", err)
	}
	if current, err := b.Current(); err != nil || current.Digest != v.Digest {
		t.Errorf("the published list: %v", err)
	}
	if want := []string{"list.prepare", "list.sign", "list.publish"}; len(b.audit) != 3 || !slices.EqualFunc(b.audit, want, strings.HasPrefix) || !strings.Contains(b.audit[1], "prepared_by=first") {
		t.Errorf("the log has %q", b.audit)
	}
	if _, _, err := b.Draft(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the draft is still there: %v", err)
	}
}

// One officer under two spellings of a name, or with one token, is one.
func TestOfficersAreDistinctPersons(t *testing.T) {
	b := newBureau(t)
	one, two := sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two"))
	desk := func(officers ...interop.Officer) error {
		_, err := interop.NewDesk(interop.DeskConfig{
			Dir: b.dir, Officers: officers, Certificate: b.signer.cert, Key: func() (crypto.Signer, error) { return b.signer.key, nil },
			Audit:    func(context.Context, string, ...slog.Attr) error { return nil },
			Recorded: func(func(interop.Deed)) error { return nil },
		})
		return err
	}
	if err := desk(interop.Officer{Name: "leyla", TokenHash: one}, interop.Officer{Name: "nigar", TokenHash: two}); err != nil {
		t.Error(err)
	}
	for _, second := range []interop.Officer{
		{Name: "leyla", TokenHash: two}, {Name: "Leyla", TokenHash: two}, {Name: "leyla ", TokenHash: two}, {Name: "l\u0435yla", TokenHash: two},
		{Name: "leyla\u200b", TokenHash: two}, {Name: "", TokenHash: two}, {Name: "nigar", TokenHash: one}, {Name: "nigar"},
	} {
		if desk(interop.Officer{Name: "leyla", TokenHash: one}, second) == nil {
			t.Errorf("%q counts as another officer than leyla", second.Name)
		}
	}
}

// What the second officer is shown of the changes is the list's own word, and
// not that of a file beside it.
func TestDraftTellsItsChangesItself(t *testing.T) {
	b := newBureau(t)
	b.publish(t)
	later()
	b.plan.Providers[0].Services[0].Status, b.plan.Providers[0].Services[0].Since = "withdrawn", time.Now().UTC().Truncate(time.Second)
	draft, _, err := b.Prepare(t.Context(), "one", b.plan, b.files)
	if err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(b.dir, "draft", "draft.json")
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range draft.Changes {
		quoted, err := json.Marshal(change)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.Replace(string(text), string(quoted), `"scheme: nothing to speak of"`, 1))
	}
	if !strings.Contains(string(text), "nothing to speak of") {
		t.Fatalf("the record has no change of %q: %s", draft.Changes, text)
	}
	if err := os.WriteFile(record, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if shown, _, err := b.Draft(); err != nil || !slices.Equal(shown.Changes, draft.Changes) {
		t.Errorf("the officer is shown %q, %v; want %q", shown.Changes, err, draft.Changes)
	}
}

// A status changes: the past stays, numbered and dated.
func TestHistory(t *testing.T) {
	b := newBureau(t)
	first := b.publish(t)
	later()
	s := &b.plan.Providers[0].Services[0]
	s.Status = "withdrawn"
	if _, _, err := b.Rehearse(b.plan, b.files); err == nil || !strings.Contains(err.Error(), "what changes begins after") {
		t.Errorf("a new status without a new date: %v", err)
	}
	s.Since = time.Now().UTC().Truncate(time.Second)
	draft, _, err := b.Rehearse(b.plan, b.files)
	if err != nil || !slices.Contains(draft.Changes, "Provider (TEST) / Citizens (TEST): status: granted → withdrawn") {
		t.Errorf("changes %q: %v", draft.Changes, err)
	}
	second := b.publish(t)
	now := &second.Providers[0].Services[0]
	if second.Scheme.SequenceNumber != 2 || now.Status != interop.Withdrawn || len(now.History) != 1 || now.History[0].Status != interop.Granted || !now.History[0].Since.Equal(first.Providers[0].Services[0].Since) {
		t.Errorf("the second list has %+v", now)
	}
	leaf := made{name: "Citizen (TEST)", issuer: b.ca}.make(t)
	trust := interop.NewTrust(second)
	if a := trust.TrustedAt(leaf.list(), s.Since.Add(-time.Hour)); !a.Trusted {
		t.Errorf("before the withdrawal: %s", a.Why)
	}
	if a := trust.TrustedAt(leaf.list(), s.Since.Add(time.Minute)); a.Trusted {
		t.Errorf("after the withdrawal: %s", a.Why)
	}
	later()
	plan := testPlan()
	plan.Providers[0].Services[0].Status = "withdrawn"
	if _, _, err := b.Rehearse(plan, b.files); err == nil || !strings.Contains(err.Error(), "the past is not rewritten") {
		t.Errorf("an earlier date for the same status: %v", err)
	}
	plan.Providers[0].Services = nil
	if _, _, err := b.Rehearse(plan, b.files); err == nil || !strings.Contains(err.Error(), "withdrawn, not removed") {
		t.Errorf("a service that is gone: %v", err)
	}
	// Two drafts after one list: the second to come is refused.
	draft, _, err = b.Prepare(t.Context(), "one", b.plan, b.files)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(b.dir, "current")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("releases/00000001", filepath.Join(b.dir, "current")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sign(t.Context(), "two", draft.Digest); err == nil || !strings.Contains(err.Error(), "another list was published") {
		t.Errorf("a draft after another list is signed: %v", err)
	}
}

// Each row breaks one rule of the list or of its signer.
func TestLint(t *testing.T) {
	b := newBureau(t)
	type change struct {
		name, clause string
		edit         func(*interop.List)
	}
	service := func(l *interop.List) *interop.Service { return &l.Providers[0].Services[0] }
	for _, row := range []change{
		{"nothing", "", func(*interop.List) {}},
		{"invalid_tsl_version_identifier", "5.3.1", func(l *interop.List) { l.Scheme.Version = 5 }},
		{"tag", "5.2.1", func(l *interop.List) { l.Tag = "x" }},
		{"scheme_name_without_territory", "5.3.6", func(l *interop.List) { l.Scheme.Name[0].Value = "List" }},
		{"missing_scheme_information_uri", "5.3.7", func(l *interop.List) { l.Scheme.InformationURI = nil }},
		{"missing_policy_or_legal_notice", "5.3.11", func(l *interop.List) { l.Scheme.LegalNotice = nil }},
		{"missing_operator_email", "5.3.5.2", func(l *interop.List) {
			l.Scheme.OperatorAddress.Electronic = []interop.Text{{Lang: "en", Value: "https://a.example/"}}
		}},
		{"missing_self_pointer", "5.3.13", func(l *interop.List) { l.Scheme.Pointers = nil }},
		{"no English", "5.1.4", func(l *interop.List) { l.Scheme.OperatorName = l.Scheme.OperatorName[:1] }},
		{"a language that is none", "5.1.4", func(l *interop.List) { l.Scheme.OperatorName[0].Lang = "AZ" }},
		{"territory", "5.3.10", func(l *interop.List) { l.Scheme.Territory = "QQ" }},
		{"history period", "5.3.12", func(l *interop.List) { l.Scheme.HistoricalPeriod = 10 }},
		{"non_strict_timestamps", "5.3.14", func(l *interop.List) { l.Scheme.IssuedAt = l.Scheme.IssuedAt.Add(time.Millisecond) }},
		{"time zone", "5.3.15", func(l *interop.List) {
			l.Scheme.NextUpdate = l.Scheme.NextUpdate.In(time.FixedZone("Baku", 4*3600))
		}},
		{"next update before the issue", "5.3.15", func(l *interop.List) { l.Scheme.NextUpdate = l.Scheme.IssuedAt }},
		{"next update after more than six months", "5.3.15", func(l *interop.List) { l.Scheme.NextUpdate = l.Scheme.IssuedAt.AddDate(0, 6, 1) }},
		{"distribution point", "5.3.16", func(l *interop.List) { l.Scheme.DistributionPoints = nil }},
		{"trade name", "5.4.2", func(l *interop.List) { l.Providers[0].TradeName = nil }},
		{"no service", "5.4.6", func(l *interop.List) { l.Providers[0].Services = nil }},
		{"incorrect_service_type", "5.5.1", func(l *interop.List) { service(l).Type = "http://a.example/CA" }},
		{"incorrect_service_status", "5.5.4", func(l *interop.List) { service(l).Status = "http://a.example/ok" }},
		{"pem_service_certificate", "5.5.3", func(l *interop.List) {
			service(l).Identity[0].Certificate = &interop.Certificate{Text: "-----BEGIN CERTIFICATE-----"}
		}},
		{"two keys in one service", "5.5.3", func(l *interop.List) {
			service(l).Identity = append(service(l).Identity, interop.DigitalID{Certificate: b.signer.list()})
		}},
		{"status in the future", "5.5.5", func(l *interop.List) { service(l).Since = time.Now().Add(time.Hour).UTC().Truncate(time.Second) }},
		{"invalid_service_history", "5.5.10", func(l *interop.List) {
			service(l).History = []interop.State{service(l).State}
		}},
		{"an empty extension", "5.5.9", func(l *interop.List) { service(l).Extensions = append(service(l).Extensions, interop.Extension{}) }},
		{"no use", "5.5.9.4", func(l *interop.List) { service(l).Extensions = nil }},
		{"signer_organisation_mismatch", "5.7.1", func(l *interop.List) { l.Scheme.OperatorName[0].Value = "Another" }},
		{"expired signer", "5.7.1", func(l *interop.List) {
			l.Scheme.IssuedAt, l.Scheme.NextUpdate = l.Scheme.IssuedAt.AddDate(3, 0, 0), l.Scheme.NextUpdate.AddDate(3, 0, 0)
		}},
	} {
		_, data, err := b.Rehearse(b.plan, b.files)
		if err != nil {
			t.Fatal(err)
		}
		l, err := interop.Read(data)
		if err != nil {
			t.Fatal(err)
		}
		row.edit(l)
		found := interop.Lint(l, b.signer.cert)
		if row.clause == "" && len(found) == 0 {
			continue
		}
		if !slices.ContainsFunc(found, func(f interop.Finding) bool { return f.Clause == row.clause }) {
			t.Errorf("%s: got %v, want a finding of Section %s", row.name, found, row.clause)
		}
	}
	_, data, err := b.Rehearse(b.plan, b.files)
	if err != nil {
		t.Fatal(err)
	}
	l, err := interop.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	authority := *b.signer.cert
	authority.IsCA, authority.KeyUsage, authority.UnknownExtKeyUsage = true, x509.KeyUsageCertSign, nil
	if found := interop.Lint(l, &authority); len(found) != 3 {
		t.Errorf("an authority as signer: %v", found)
	}
}

func TestPlanRefused(t *testing.T) {
	b := newBureau(t)
	for name, edit := range map[string]func(*interop.Plan){
		"cannot read": func(p *interop.Plan) { p.Providers[0].Services[0].Certificates = []string{"none.pem"} },
		"six months":  func(p *interop.Plan) { p.Validity = 200 * 24 * time.Hour },
		"names no":    func(p *interop.Plan) { p.Providers[0].Services[0].Certificates = nil },
	} {
		plan := testPlan()
		edit(plan)
		_, _, err := b.Rehearse(plan, b.files)
		if err == nil || name != "cannot read" && !strings.Contains(err.Error(), name) || name == "cannot read" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
