package crl

import (
	"bytes"
	"crypto/x509"
	"fmt"
)

// maxSample is how many entries of a list the lints see at the most. Lints hold
// a list in memory several times over; what they look for is in the form of the
// list and of its entries and not in how many there are.
const maxSample = 1000

// sample is a list of the same form as a large one, with few of its entries:
// the first ones, and one of each kind.
type sample struct {
	entries bytes.Buffer
	tally
	// kinds are those that were kept of what came later: entries of one reason and
	// length, with or without an invalidity date, have one form.
	kinds [Removed + 3][2][128]bool
}

func (s *sample) keep(encoded []byte, e *Entry) {
	if s.tally.entries >= maxSample {
		dated := 0
		if !e.InvalidityDate.IsZero() {
			dated = 1
		}
		kind := &s.kinds[e.Reason][dated][min(len(encoded), 127)]
		if *kind {
			return
		}
		*kind = true
	}
	s.entries.Write(encoded)
	s.tally.add(e)
}

// judge signs the sample with a throw-away key and has it linted. Where the
// list is no longer than the sample, that is the list itself.
func (s *sample) judge(f *form, sign func(message []byte) ([]byte, error), lint func(*x509.RevocationList) error) error {
	tbs := append(f.head(int64(s.entries.Len())), s.entries.Bytes()...)
	tbs = append(tbs, f.tail()...)
	signature, err := sign(tbs)
	if err != nil {
		return because("sign", err)
	}
	behind := f.signatureFields(signature)
	encoded := append(appendHeader(nil, tagSequence, int64(len(tbs)+len(behind))), tbs...)
	encoded = append(encoded, behind...)
	parsed, err := x509.ParseRevocationList(encoded)
	if err != nil {
		return because("lint", fmt.Errorf("reading it back: %w", err))
	}
	if err := lint(parsed); err != nil {
		return because("lint", fmt.Errorf("linting it: %w", err))
	}
	return nil
}
