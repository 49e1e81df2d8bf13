package lint

import (
	"testing"
)

// What readPlainURI takes, the general parser takes for the same.
func FuzzPlainURI(f *testing.F) {
	for _, seed := range []string{
		"http://ocsp.example.az/ehm", "https://pki.example/pds_en.pdf", "http://127.0.0.1:8080/a/b.crl", "http://[::1]/", "HTTP://a.example/", "http://a.example:/",
		"http://a.example:80:80/", "http://user@a.example/", "http://a.example?x", "http:///a", "ldap://a.example/", "http://a..example/", "http://1.2.3/", "http://a.example/%41",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if plain := readPlainURI(s); plain != noURI && plain != readAnyURI(s) {
			t.Errorf("%q is plainly %v and by its parts %v", s, plain, readAnyURI(s))
		}
	})
}
