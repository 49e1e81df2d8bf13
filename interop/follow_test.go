package interop_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// site serves files on loopback and counts what is asked for.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked []string
}

func newSite(t *testing.T) *site {
	s := &site{files: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		data, ok := s.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256(data))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			s.asked = append(s.asked, r.URL.Path+" unchanged")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.asked = append(s.asked, r.URL.Path)
		w.Write(data)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) put(path string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = data
}

// took returns what was asked for since the last time.
func (s *site) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// union is a made-up list of lists with two members.
type union struct {
	*country
	site   *site
	az, kz *country
	events []interop.Event
	dir    string
}

func newUnion(t *testing.T) *union {
	u := &union{country: newCountry(t, "TU"), site: newSite(t), az: newCountry(t, "AZ"), kz: newCountry(t, "KZ"), dir: t.TempDir()}
	u.list.Providers = nil
	u.list.Scheme.Type = "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/TUlistofthelists"
	u.list.Scheme.Pointers = []interop.Pointer{u.pointer(u.URL("/lotl.xml")), u.az.pointer(u.URL("/az.xml")), u.kz.pointer(u.URL("/kz.xml"))}
	u.publish(t)
	u.site.put("/az.xml", sign(t, u.az.list, u.az.signer))
	u.site.put("/kz.xml", sign(t, u.kz.list, u.kz.signer))
	return u
}

func (u *union) URL(path string) string { return u.site.Server.URL + path }

func (u *union) publish(t *testing.T) { u.site.put("/lotl.xml", sign(t, u.list, u.signer)) }

func (u *union) follower(t *testing.T) *interop.Follower {
	t.Helper()
	f, err := interop.NewFollower(interop.FollowConfig{
		URL: u.URL("/lotl.xml"), Signers: []*interop.Certificate{u.signer.list()}, Dir: u.dir,
		Get:   interop.NewWeb(interop.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}).Get,
		Alert: func(e interop.Event) { u.events = append(u.events, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// told reports whether an event of the kind was told since the last time.
func (u *union) told(kind, detail string) bool {
	found := slices.ContainsFunc(u.events, func(e interop.Event) bool { return e.Kind == kind && strings.Contains(e.Detail, detail) })
	u.events = nil
	return found
}

func trusted(f *interop.Follower, leaf *identity) bool {
	return f.Trust().TrustedAt(leaf.list(), time.Now()).Trusted
}

func TestFollow(t *testing.T) {
	u := newUnion(t)
	f := u.follower(t)
	leaf := made{name: "Aygün (TEST)", issuer: u.kz.ca, country: "KZ"}.make(t)
	if trusted(f, leaf) || f.Ready(t.Context()) == nil {
		t.Fatal("trusted before any list was read")
	}
	if err := f.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !trusted(f, leaf) || len(f.Trust().States()) != 3 || f.Ready(t.Context()) != nil {
		t.Fatalf("after the first look: %+v", f.Trust().TrustedAt(leaf.list(), time.Now()))
	}
	u.events = nil

	t.Run("unchanged lists are not sent again", func(t *testing.T) {
		u.site.took()
		if err := f.Update(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := u.site.took(); !slices.Equal(got, []string{"/lotl.xml unchanged", "/az.xml unchanged", "/kz.xml unchanged"}) {
			t.Errorf("asked for %q", got)
		}
	})
	t.Run("a .sha2 file says that nothing changed", func(t *testing.T) {
		u.site.put("/kz.sha2", fmt.Appendf(nil, "%x\n", sha256.Sum256(u.site.files["/kz.xml"])))
		u.site.took()
		if err := f.Update(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := u.site.took(); !slices.Contains(got, "/kz.sha2") || slices.Contains(got, "/kz.xml unchanged") {
			t.Errorf("asked for %q", got)
		}
	})

	// refused puts something in place of the list of KZ, which is refused, and
	// the list that was there stays in force.
	refused := func(name, reason string, data []byte) {
		t.Run(name, func(t *testing.T) {
			u.site.put("/kz.xml", data)
			err := f.Update(t.Context())
			if interop.ReasonOf(err) != reason || !u.told("refused", "") {
				t.Errorf("got %v, want %q", err, reason)
			}
			if !trusted(f, leaf) {
				t.Error("the last good list is not in force any more")
			}
			for _, s := range f.Trust().States() {
				if s.Territory == "KZ" && (s.Err == nil || s.List == nil) {
					t.Errorf("the state does not show it: %+v", s)
				}
			}
		})
	}
	good := u.site.files["/kz.xml"]
	u.kz.list.Scheme.SequenceNumber = 5
	fifth := sign(t, u.kz.list, u.kz.signer)
	u.site.put("/kz.xml", fifth)
	u.site.put("/kz.sha2", nil)
	if err := f.Update(t.Context()); err != nil || !u.told("changed", "sequence number: 1 → 5") {
		t.Fatalf("the fifth list: %v", err)
	}
	refused("an older list is replayed", "replayed", good)
	refused("a list of another signer", "untrusted", sign(t, u.kz.list, u.az.signer))
	refused("a list that is cut off", "malformed", fifth[:len(fifth)/2])
	earlier := *u.kz.list
	earlier.Scheme.IssuedAt = earlier.Scheme.IssuedAt.Add(-time.Second)
	refused("an older list of the same number", "replayed", sign(t, &earlier, u.kz.signer))
	otherwise := *u.kz.list
	otherwise.Providers = slices.Clone(otherwise.Providers)
	otherwise.Providers[0].Name = text("Another provider")
	refused("another list of the same number and date", "replayed", sign(t, &otherwise, u.kz.signer))
	refused("a bomb of entities", "malformed", []byte(`<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>`+string(fifth)))
	refused("deeper than any list", "malformed", bytes.Repeat([]byte("<a>"), 1<<12))
	refused("wider than any list", "malformed", append(append([]byte("<a>"), bytes.Repeat([]byte("<b/>"), 300_000)...), "</a>"...))
	refused("attributes without end", "malformed", []byte("<a "+strings.Repeat("x='' ", 1<<12)+"/>"))
	refused("the signed list inside of another", "form", []byte(`<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#">`+string(fifth[bytes.Index(fifth, []byte("<TrustServiceStatusList")):])+`</TrustServiceStatusList>`))
	refused("a page of a network that wants a login", "malformed", []byte("<html><body>Log in<br></body></html>"))
	expired := *u.kz.list
	expired.Scheme.SequenceNumber, expired.Scheme.NextUpdate = 6, time.Now().Add(-time.Hour)
	refused("an expired list", "expired", sign(t, &expired, u.kz.signer))
	foreign := *u.kz.list
	foreign.Scheme.SequenceNumber, foreign.Scheme.Territory = 7, "UZ"
	refused("the list of another territory", "territory", sign(t, &foreign, u.kz.signer))

	t.Run("the same number and a later date", func(t *testing.T) {
		again := otherwise
		again.Scheme.IssuedAt = again.Scheme.IssuedAt.Add(time.Second)
		u.site.put("/kz.xml", sign(t, &again, u.kz.signer))
		if err := f.Update(t.Context()); err != nil || !u.told("changed", "kept its sequence number 5") {
			t.Errorf("%v", err)
		}
		refused("what it replaced", "replayed", fifth)
	})
	t.Run("a restart without the servers recalls the lists", func(t *testing.T) {
		u.site.mu.Lock()
		u.site.files = map[string][]byte{}
		u.site.mu.Unlock()
		again := u.follower(t)
		if err := again.Update(t.Context()); interop.ReasonOf(err) != "fetch" {
			t.Errorf("got %v", err)
		}
		if !trusted(again, leaf) {
			t.Error("nothing is recalled")
		}
	})
	u.publish(t)
	u.site.put("/az.xml", sign(t, u.az.list, u.az.signer))
	sixth := *u.kz.list
	sixth.Scheme.SequenceNumber = 6
	u.site.put("/kz.xml", sign(t, &sixth, u.kz.signer))

	t.Run("a signer that is not announced any more takes its list along", func(t *testing.T) {
		other := newCountry(t, "KZ")
		u.list.Scheme.Pointers[2] = other.pointer(u.URL("/kz.xml"))
		u.list.Scheme.SequenceNumber++
		u.publish(t)
		if err := f.Update(t.Context()); interop.ReasonOf(err) != "untrusted" {
			t.Errorf("got %v", err)
		}
		if trusted(f, leaf) || !u.told("signers", "other signers") {
			t.Error("the old signer's list is still in force, or nobody was told")
		}
	})
	t.Run("a list that is not pointed to any more is gone", func(t *testing.T) {
		u.list.Scheme.Pointers = u.list.Scheme.Pointers[:2]
		u.list.Scheme.SequenceNumber++
		u.publish(t)
		if err := f.Update(t.Context()); err != nil {
			t.Error(err)
		}
		if len(f.Trust().States()) != 2 || !u.told("gone", "") {
			t.Error("it is still followed")
		}
	})
}

// A list of lists whose signers changed twice since they were pinned.
func TestPivots(t *testing.T) {
	u := newUnion(t)
	second := made{name: "Second signer (TEST)", country: "TU", signer: true}.make(t)
	third := made{name: "Third signer (TEST)", country: "TU", signer: true}.make(t)
	names := func(l *interop.List, signer *identity) {
		p := u.pointer(u.URL("/lotl.xml"))
		p.Identities = []interop.Identity{{{Certificate: signer.list()}}}
		l.Scheme.Pointers = append([]interop.Pointer{p}, u.list.Scheme.Pointers[1:]...)
	}
	const law = "https://state.example/announcement"
	uris := []interop.Text{{Lang: "en", Value: u.URL("/pivot3.xml")}, {Lang: "en", Value: u.URL("/pivot2.xml")}, {Lang: "en", Value: law}, {Lang: "en", Value: u.URL("/pivot1.xml")}}
	version := func(sequence uint64, next, by *identity) []byte {
		l := *u.list
		l.Scheme.SequenceNumber, l.Scheme.InformationURI = sequence, uris
		names(&l, next)
		return sign(t, &l, by)
	}
	u.site.put("/pivot2.xml", version(2, second, u.signer))
	u.site.put("/pivot3.xml", version(3, third, second))
	u.site.put("/lotl.xml", version(4, third, third))
	follow := func(announcement string) error {
		f, err := interop.NewFollower(interop.FollowConfig{
			URL: u.URL("/lotl.xml"), Signers: []*interop.Certificate{u.signer.list()}, Dir: t.TempDir(), Announcement: announcement,
			Get:   interop.NewWeb(interop.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}).Get,
			Alert: func(e interop.Event) { u.events = append(u.events, e) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return f.Update(t.Context())
	}
	if err := follow(law); err != nil || !u.told("signers", third.list().Fingerprint()) {
		t.Errorf("two pivots: %v", err)
	}
	// Pivots beyond the announcement are not asked for: there is none.
	if err := follow(""); interop.ReasonOf(err) != "untrusted" || !strings.Contains(err.Error(), "pivot1.xml") {
		t.Errorf("without the announcement: %v", err)
	}
	u.site.put("/pivot3.xml", version(3, third, third))
	if err := follow(law); interop.ReasonOf(err) != "untrusted" || !strings.Contains(err.Error(), "pivot3.xml") {
		t.Errorf("a pivot that is signed by the signer it announces: %v", err)
	}
	u.site.put("/pivot3.xml", version(9, third, second))
	if err := follow(law); err == nil || !strings.Contains(err.Error(), "its own pivot has 9") {
		t.Errorf("a list that is older than its pivot: %v", err)
	}
}

// What somebody in between once gave for a pivot does not stay: a pivot is kept
// when it verifies.
func TestPivotsAreKeptWhenTheyVerify(t *testing.T) {
	u := newUnion(t)
	second := made{name: "Second signer (TEST)", country: "TU", signer: true}.make(t)
	version := func(sequence uint64, by *identity) []byte {
		l := *u.list
		p := u.pointer(u.URL("/lotl.xml"))
		p.Identities = []interop.Identity{{{Certificate: second.list()}}}
		l.Scheme.Pointers = append([]interop.Pointer{p}, u.list.Scheme.Pointers[1:]...)
		l.Scheme.SequenceNumber, l.Scheme.InformationURI = sequence, []interop.Text{{Lang: "en", Value: u.URL("/pivot.xml")}}
		return sign(t, &l, by)
	}
	u.site.put("/lotl.xml", version(3, second))
	for _, put := range [][]byte{[]byte("<html>Log in to this network</html>"), version(2, second)} {
		u.site.put("/pivot.xml", put)
		if err := u.follower(t).Update(t.Context()); interop.ReasonOf(err) != "untrusted" {
			t.Fatalf("a pivot that does not verify: %v", err)
		}
	}
	u.site.put("/pivot.xml", version(2, u.signer))
	if err := u.follower(t).Update(t.Context()); err != nil {
		t.Fatalf("the pivot itself: %v", err)
	}
	u.site.took()
	if err := u.follower(t).Update(t.Context()); err != nil || slices.Contains(u.site.took(), "/pivot.xml") {
		t.Errorf("a pivot that was kept is fetched again, %v", err)
	}
}

// Addresses inside of lists are other people's words.
func TestAddressPolicy(t *testing.T) {
	s := newSite(t)
	s.put("/list.xml", []byte("<a/>"))
	s.put("/large.xml", make([]byte, 2000))
	get := func(p interop.Policy, address string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := interop.NewWeb(p).Get(ctx, address, interop.Validators{})
		return fmt.Sprint(err)
	}
	loopback := interop.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, MaxOctets: 1000}
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	}))
	defer away.Close()
	packed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(make([]byte, 1<<20))
		z.Close()
	}))
	defer packed.Close()
	port := strings.TrimPrefix(s.Server.URL, "http://127.0.0.1")
	for _, row := range []struct {
		name    string
		policy  interop.Policy
		address string
		want    string
	}{
		{"allowed", loopback, s.URL + "/list.xml", "<nil>"},
		{"loopback", interop.Policy{}, s.URL + "/list.xml", "not a public address"},
		{"loopback by name", interop.Policy{}, "http://localhost" + port + "/", "not a public address"},
		{"loopback as a number", interop.Policy{}, "http://0177.1" + port + "/", "fetching"},
		{"IPv6 loopback", interop.Policy{}, "http://[::1]" + port + "/", "not a public address"},
		{"IPv4 in IPv6", interop.Policy{}, "http://[::ffff:127.0.0.1]" + port + "/", "not a public address"},
		{"IPv6 loopback in its zone", interop.Policy{}, "http://[::1%25lo]" + port + "/", "not a public address"},
		{"IPv4 compatible", interop.Policy{}, "http://[::127.0.0.1]" + port + "/", "not a public address"},
		{"IPv4 translated", interop.Policy{}, "http://[::ffff:0:127.0.0.1]" + port + "/", "not a public address"},
		{"IPv4 behind a translator", interop.Policy{}, "http://[64:ff9b::7f00:1]" + port + "/", "not a public address"},
		{"site-local", interop.Policy{}, "http://[fec0::1]/", "not a public address"},
		{"unique local", interop.Policy{}, "http://[fd00::1]/", "not a public address"},
		{"link-local, the clouds' metadata", interop.Policy{}, "http://169.254.169.254/", "not a public address"},
		{"private", interop.Policy{}, "http://10.0.0.1/", "not a public address"},
		{"a file", loopback, "file:///etc/passwd", "scheme"},
		{"ftp", loopback, "ftp://127.0.0.1/", "scheme"},
		{"no host", loopback, "http:///list.xml", "no host"},
		{"a user", loopback, "http://a:b@127.0.0.1/", "a user"},
		{"sent on to another scheme", loopback, away.URL + "?to=file:///etc/passwd", "scheme"},
		{"sent on to another network", loopback, away.URL + "?to=http://169.254.169.254/", "not a public address"},
		{"sent on for ever", loopback, away.URL + "?to=" + away.URL + "%3Fto%3D/%3Fto%3D/", "redirections"},
		{"too large", loopback, s.URL + "/large.xml", "more than 1000 octets"},
		{"too large when it is unpacked", loopback, packed.URL + "/list.xml", "more than 1000 octets"},
		{"not there", loopback, s.URL + "/none.xml", "404"},
	} {
		if got := get(row.policy, row.address); !strings.Contains(got, row.want) {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}
