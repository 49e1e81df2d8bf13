package ocsp_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// readList reads a list with the standard library.
func readList(in io.Reader, issuer *x509.Certificate, each func(x509.RevocationListEntry) error) (ocsp.ListHead, error) {
	der, err := io.ReadAll(in)
	if err != nil {
		return ocsp.ListHead{}, err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return ocsp.ListHead{}, err
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return ocsp.ListHead{}, err
	}
	for _, e := range list.RevokedCertificateEntries {
		if err := each(e); err != nil {
			return ocsp.ListHead{}, err
		}
	}
	head := ocsp.ListHead{Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate}
	for _, x := range list.Extensions {
		switch {
		case x.Id.String() == "2.5.29.27":
			head.Delta = true
		case x.Id.String() == "2.5.29.28":
			head.Part = true
		case x.Critical:
			head.Unknown = append(head.Unknown, x.Id)
		}
	}
	return head, nil
}

// list signs a list of revoked serials.
func (a *authority) list(t testing.TB, number int64, change func(*x509.RevocationList), serials ...*big.Int) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(24 * time.Hour)}
	for _, serial := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now().Add(-time.Minute), ReasonCode: 1})
	}
	if change != nil {
		change(template)
	}
	out, err := x509.CreateRevocationList(rand.Reader, template, a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newList(t testing.TB, a *authority) *ocsp.List {
	t.Helper()
	l, err := ocsp.NewList(a.id, a.certificate, readList)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestList(t *testing.T) {
	t.Run("OCSP-23 good and revoked from revocation lists alone", func(t *testing.T) { synctest.Test(t, fromLists) })
}

func fromLists(t *testing.T) {
	a := newAuthority(t, "old")
	l := newList(t, a)
	r, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{a.issuer()}, Source: l})
	if err != nil {
		t.Fatal(err)
	}
	revokedSerial, other := nextSerial(), nextSerial()
	in, inOther := request(t, nil, a.certID(t, crypto.SHA256, revokedSerial)), request(t, nil, a.certID(t, crypto.SHA256, other))
	if got := ask(t, r, a, in); got.status != ocsp.TryLater || l.Ready(t.Context()) == nil {
		t.Errorf("without a list: %v, ready %v", got.status, l.Ready(t.Context()))
	}
	take := func(der []byte) {
		t.Helper()
		position, news, err := l.Take(bytes.NewReader(der))
		if err != nil {
			t.Fatal(err)
		}
		if news {
			r.InvalidateAll(a.id, position)
		}
	}
	expect := func(in []byte, want int) singleResponse {
		t.Helper()
		got := ask(t, r, a, in)
		if got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != want {
			t.Fatalf("got %v, want status %d", got.status, want)
		}
		return got.basic.Data.Responses[0]
	}
	first := time.Now()
	take(a.list(t, 1, nil, revokedSerial))
	time.Sleep(2 * time.Hour) // longer than an answer lasts that is certain now
	single := expect(in, revoked)
	if _, reason := single.revocation(t); reason != 1 {
		t.Errorf("reason %d", reason)
	}
	single = expect(inOther, good)
	if !single.ThisUpdate.Equal(first.UTC().Truncate(time.Second)) || single.NextUpdate.After(time.Now().Add(time.Hour)) {
		t.Errorf("certain from %v to %v, now %v", single.ThisUpdate, single.NextUpdate, time.Now())
	}
	// The next list counts at once, for kept answers too.
	take(a.list(t, 2, nil, revokedSerial))
	expect(inOther, good)
	take(a.list(t, 3, nil, revokedSerial, other)) // within the same second
	expect(inOther, revoked)
	take(a.list(t, 3, nil, revokedSerial, other)) // the same again
	time.Sleep(time.Second)
	take(a.list(t, 4, nil, revokedSerial)) // a hold that was lifted
	expect(inOther, good)

	// To the end of the last list, and not longer.
	if err := l.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	time.Sleep(23*time.Hour + 59*time.Minute)
	if single = expect(inOther, good); time.Until(single.NextUpdate) > time.Minute {
		t.Errorf("nextUpdate %v, now %v", single.NextUpdate, time.Now())
	}
	if err := l.Ready(t.Context()); err == nil {
		t.Error("ready, and the list is about to end")
	}
	time.Sleep(time.Minute)
	if got := ask(t, r, a, inOther); got.status != ocsp.TryLater {
		t.Errorf("past the list's nextUpdate: %v", got.status)
	}
}

// TestListRefused: a list that is not to be relied on changes nothing.
func TestListRefused(t *testing.T) {
	a, other := newAuthority(t, "old"), newAuthority(t, "new")
	serial, gone := nextSerial(), nextSerial()
	now := time.Now()
	l := newList(t, a)
	if _, _, err := l.Take(bytes.NewReader(a.list(t, 7, nil, gone))); err != nil {
		t.Fatal(err)
	}
	extension := func(critical bool, id ...int) func(*x509.RevocationList) {
		return func(list *x509.RevocationList) {
			list.ThisUpdate = now.Add(time.Second)
			list.ExtraExtensions = append(list.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: asn1.NullBytes})
		}
	}
	later := func(list *x509.RevocationList) { list.ThisUpdate = now.Add(time.Second) }
	damaged := a.list(t, 8, later, serial)
	damaged[len(damaged)-5] ^= 1
	for name, row := range map[string]struct {
		der  []byte
		want string
	}{
		"a number that goes back":      {a.list(t, 6, later), "goes back"},
		"the same number, later":       {a.list(t, 7, later, serial), "two lists have number 7"},
		"a greater number, earlier":    {a.list(t, 8, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(-time.Hour) }), "goes back"},
		"the same time, other entries": {a.list(t, 7, func(l *x509.RevocationList) { l.ThisUpdate = now }, serial, gone), "two lists have number 7"},
		"from the future":              {a.list(t, 8, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(time.Hour) }), "is to come"},
		"past its end":                 {a.list(t, 8, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = now.Add(-time.Hour), now.Add(-time.Second) }), "has passed"},
		"a delta":                      {a.list(t, 8, extension(true, 2, 5, 29, 27), serial), "delta"},
		"one distribution point's":     {a.list(t, 8, extension(true, 2, 5, 29, 28), serial), "distribution point"},
		"with an unknown extension":    {a.list(t, 8, extension(true, 2, 999, 3), serial), "critical extension"},
		"signed by another":            {other.list(t, 8, later, serial), ""},
		"damaged":                      {damaged, ""},
		"cut off":                      {damaged[:len(damaged)/2], ""},
		"empty":                        {nil, ""},
		"a page of HTML":               {[]byte("<html>not here</html>"), ""},
		"an entry of an indirect list": {a.list(t, 8, func(list *x509.RevocationList) {
			later(list)
			list.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 29}, Critical: true, Value: asn1.NullBytes}}
		}, serial), "critical extension 2.5.29.29"},
	} {
		_, news, err := l.Take(bytes.NewReader(row.der))
		if err == nil || news || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want an error about %q", name, err, row.want)
		}
		if strings.Contains(row.want, "goes back") && !errors.Is(err, ocsp.ErrListBack) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An old authority numbers its lists not at all.
	at := now.Add(-time.Minute)
	byTime, err := ocsp.NewList("old", a.certificate, func(io.Reader, *x509.Certificate, func(x509.RevocationListEntry) error) (ocsp.ListHead, error) {
		return ocsp.ListHead{ThisUpdate: at, NextUpdate: now.Add(time.Hour)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		news  bool
		err   error
	}{{0, true, nil}, {0, false, nil}, {time.Second, true, nil}, {-time.Second, false, ocsp.ErrListBack}, {3 * time.Second, true, nil}} {
		at = at.Add(step.after)
		if _, news, err := byTime.Take(nil); news != step.news || !errors.Is(err, step.err) {
			t.Errorf("without a number, %v later: %v, %v", step.after, news, err)
		}
	}
	if s, err := l.Status(t.Context(), "old", gone); err != nil || s.State != ocsp.Revoked {
		t.Errorf("the list before: %+v, %v", s, err)
	}
	if s, err := l.Status(t.Context(), "old", serial); err != nil || s.State != ocsp.Good {
		t.Errorf("one of the lists was taken: %+v, %v", s, err)
	}
	if _, err := l.Status(t.Context(), "new", serial); err == nil {
		t.Error("it answers for another issuer")
	}
}

// TestSourcesApart: the positions of one issuer's lists are no floor for the
// certificates of another, whose positions are a journal's.
func TestSourcesApart(t *testing.T) {
	f := ocsp.NewFloors(4)
	for i := range 20 {
		f.LeaveOf("old", string(rune('a'+i)), uint64(1_800_000_000+i))
	}
	if !f.Allow("x", 3, 5) {
		t.Error("the floors of a list's issuer keep a journal's from answering")
	}
	f.LeaveIssuer("old", 1_900_000_000)
	if f.AllowOf("old", "a", 1_800_000_019, 1_800_000_019) || !f.AllowOf("old", "a", 1_900_000_000, 1_900_000_000) || !f.Allow("x", 3, 5) {
		t.Error("a new list is not the floor of its issuer alone")
	}
}
