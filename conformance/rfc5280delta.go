package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"github.com/altamga/altamga/internal/pki"
)

func deltaFits(t *trial, s *lists) {
	d, full := s.delta(t), s.full(t)
	e := d.extensions.get(oidDeltaCRLIndicator)
	switch {
	case e == nil:
		t.fail("the delta list has no deltaCRLIndicator")
		return
	case !e.critical:
		t.fail("deltaCRLIndicator is not critical")
	case d.base() == nil:
		t.fail("deltaCRLIndicator is malformed")
		return
	}
	if full.delta() {
		t.fail("the complete list has a deltaCRLIndicator")
	}
	if d.extensions.get(pki.OIDFreshestCRL) != nil {
		t.fail("a delta list has freshestCRL")
	}
	if f := full.extensions.get(pki.OIDFreshestCRL); f != nil && f.critical {
		t.fail("freshestCRL is critical")
	}
	if !bytes.Equal(scopeOf(d), scopeOf(full)) {
		t.fail("the delta list has another issuingDistributionPoint than the complete one")
	}
	if d.number == nil || full.number == nil {
		t.couldNot("without numbers the two cannot be combined")
	}
	if d.number.Cmp(d.base()) < 0 {
		t.fail("the delta list has a lower number than its base")
	}
	if base := s.base(t); base != nil {
		if err := combine(base, d, full); err != nil {
			t.fail("%v", err)
		}
	} else if full.number.Cmp(d.base()) < 0 {
		t.fail("the delta list starts from number %v, and the complete list has only %v", d.base(), full.number)
	}
}

func scopeOf(l *list) []byte {
	if e := l.extensions.get(pki.OIDIssuingDistributionPoint); e != nil {
		return e.value
	}
	return nil
}

// base is an older complete list that the delta can be combined with, nil when
// there is none.
func (s *lists) base(t *trial) *list {
	switch {
	case s.baseFile != nil:
		t.saw(s.baseFile)
		return s.parsed(t, s.baseFile)
	case s.baseURL != "":
		return s.parsed(t, s.get(t, "the base list", http.MethodGet, s.baseURL, nil))
	}
	return nil
}

// combine applies a delta to its base and compares it with the complete list of
// the same number.
//
// RFC 5280, Section 5.2.4: the base's number lies between the indicator's and
// the delta's, and what comes out is the complete list.
func combine(base, delta, full *list) error {
	if base.number == nil || base.number.Cmp(delta.base()) < 0 {
		return fmt.Errorf("the base list has number %v, and the delta starts from %v", base.number, delta.base())
	}
	if full.number.Cmp(delta.number) != 0 {
		return nil // they are of different moments
	}
	state := map[string]int{}
	for _, e := range base.entries {
		state[string(e.serial)] = e.reason
	}
	for _, e := range delta.entries {
		if e.reason == removeFromCRL {
			delete(state, string(e.serial))
		} else {
			state[string(e.serial)] = e.reason
		}
	}
	for _, e := range full.entries {
		if reason, there := state[string(e.serial)]; !there || reason != e.reason {
			return fmt.Errorf("base and delta together do not have serial %x as the complete list of number %v has it", e.serial, full.number)
		}
	}
	if len(state) != len(full.entries) {
		return errors.New("base and delta together have entries that the complete list of the same number has not")
	}
	return nil
}

const removeFromCRL = 8

func removals(t *trial, s *lists) {
	full := s.full(t)
	for i := range full.entries {
		if full.entries[i].reason == removeFromCRL {
			t.fail("serial %x is on a complete list as removeFromCRL", full.entries[i].serial)
		}
	}
	if s.deltaFile == nil && s.deltaURL == "" {
		return
	}
	d := s.delta(t)
	// A complete list of the delta's number or later must agree with it.
	for i := range d.entries {
		e := &d.entries[i]
		if full.number == nil || d.number == nil || full.number.Cmp(d.number) != 0 {
			break
		}
		switch there := full.entry(e.serial) != nil; {
		case e.reason == removeFromCRL && there:
			t.fail("serial %x is removed by the delta list and on the complete list of the same number", e.serial)
		case e.reason != removeFromCRL && !there:
			t.fail("serial %x is on the delta list and not on the complete list of the same number", e.serial)
		}
	}
}
