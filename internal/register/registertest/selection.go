package registertest

import (
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// testSelection fills a store with certificates of two issuers in every state
// and pages through each selection of them.
func testSelection(t *testing.T, s Store) {
	ctx := t.Context()
	ehm, hom := NewIssuer(t, "ehm"), NewIssuer(t, "hom")
	var all []journal.Serial
	add := func(i *Issuer, notAfter time.Time) journal.Serial {
		intent, _ := issue(t, s, i, notAfter)
		all = append(all, intent.Serial)
		return intent.Serial
	}
	good := add(ehm, year())
	held := add(hom, year())
	revoked := add(ehm, year())
	lapsed := add(ehm, time.Now().Add(-time.Hour))
	other := add(hom, year())
	change(t, s, journal.Entry{Kind: journal.Held, Serial: held, Owner: journal.Court})
	change(t, s, journal.Entry{Kind: journal.Revoked, Serial: revoked, Reason: journal.KeyCompromise})
	if _, err := s.Expire(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	// A serial that is only reserved is no certificate.
	reserved, _ := ehm.Certificate(t, year(), nil)
	if err := s.Reserve(ctx, reserved); err != nil {
		t.Fatal(err)
	}
	profile := reserved.Profile
	for _, row := range []struct {
		selection journal.Selection
		want      []journal.Serial
	}{
		{journal.Selection{}, all},
		{journal.Selection{Issuer: "ehm"}, []journal.Serial{good, revoked, lapsed}},
		{journal.Selection{Issuer: "hom"}, []journal.Serial{held, other}},
		{journal.Selection{Issuer: "nobody"}, nil},
		{journal.Selection{Profile: profile}, all},
		{journal.Selection{Profile: "none"}, nil},
		{journal.Selection{State: journal.Valid}, []journal.Serial{good, other}},
		{journal.Selection{State: journal.OnHold}, []journal.Serial{held}},
		{journal.Selection{State: journal.Gone}, []journal.Serial{revoked}},
		{journal.Selection{State: journal.Lapsed}, []journal.Serial{lapsed}},
		{journal.Selection{Issuer: "ehm", State: journal.Valid}, []journal.Serial{good}},
	} {
		for limit := range 4 { // 0 is one page of everything
			var got []journal.Serial
			page := row.selection
			page.Limit = limit
			for {
				records, err := s.Certificates(ctx, page)
				if err != nil {
					t.Fatalf("%+v: %v", page, err)
				}
				for _, r := range records {
					if !row.selection.Selects(r) {
						t.Errorf("%+v holds %s, which it does not select", row.selection, r.Serial)
					}
					got = append(got, r.Serial)
				}
				if limit == 0 || len(records) < limit {
					break
				}
				page.After = records[len(records)-1].Serial
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("%+v in pages of %d: got %v, want %v", row.selection, limit, got, row.want)
			}
		}
	}
	// A page may follow a serial that its selection does not hold.
	records, err := s.Certificates(ctx, journal.Selection{Issuer: "hom", After: good})
	if err != nil || len(records) != 2 {
		t.Errorf("got %d records, error %v, want those of held and other", len(records), err)
	}
	_, err = s.Certificates(ctx, journal.Selection{After: "abcdef"})
	wantError(t, "page after an unknown serial", err, fs.ErrNotExist)
}
