package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/altamga/altamga/interop"
)

// trustList reads the national trust list as another state does: it knows the
// list's signer and nothing else, and asks the list about the citizen's
// certificate.
func (t *tour) trustList(ctx context.Context, s *step) error {
	if t.at.TrustList == "" {
		// A folder of before there were trust lists is continued.
		s.check("this centre has no trust list: a new folder has one")
		return nil
	}
	data, err := t.party.exchange(ctx, t.at.TrustList, "", nil, interop.MediaType)
	if err != nil {
		return err
	}
	beside := strings.TrimSuffix(t.at.TrustList, ".xml") + ".sha2"
	hash, err := t.party.exchange(ctx, beside, "", nil, "text/plain; charset=utf-8")
	if err != nil {
		return err
	}
	if told, err := interop.Companion(hash); err != nil || told != sha256.Sum256(data) {
		return fmt.Errorf("%s is not the hash of the list", beside)
	}
	signer, err := interop.ReadCertificates(t.at.TrustListSigner)
	if err != nil {
		return err
	}
	now := time.Now()
	list, err := interop.Verify(data, signer, interop.Terms{At: now})
	if err != nil {
		return err
	}
	s.check("list %d of %s verifies by its pinned signer, and its .sha2 file is its hash", list.Scheme.SequenceNumber, list.Scheme.Territory)
	// One character more, and it is nobody's list.
	forged := bytes.Replace(data, []byte("Svcstatus/granted"), []byte("Svcstatus/withdrawn"), 1)
	if _, err := interop.Verify(forged, signer, interop.Terms{At: now}); interop.ReasonOf(err) != "digest" {
		return fmt.Errorf("a changed list was not refused as such, but: %v", err)
	}
	s.check("a list in which one status was changed is refused")
	trust := interop.NewTrust(list)
	answer := trust.TrustedAt(&interop.Certificate{Raw: t.citizen.signature.Raw}, now)
	if !answer.Trusted {
		return errors.New("the list does not vouch for the citizen's certificate: " + answer.Why)
	}
	s.check("it vouches for the citizen's certificate: %s", answer.Why)
	if answer := trust.TrustedAt(&interop.Certificate{Raw: t.citizen.signature.Raw}, now.AddDate(-1, 0, 0)); answer.Trusted {
		return errors.New("the list vouches for the citizen's certificate a year ago")
	}
	s.check("and not for a time before the service was there")
	s.try("altamga interop verify %s --signer %s", t.at.TrustList, quote(t.at.TrustListSigner))
	s.try("altamga interop trust %s --list %s --signer %s", quote(t.at.Leaf), t.at.TrustList, quote(t.at.TrustListSigner))
	return nil
}
