package interop

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// maxPivots is how many changes of signers are followed.
const maxPivots = 16

// Pivots returns the addresses of the pivots of a list of lists: the versions
// of it that announced other signers, the newest first. Those that are older
// than the announcement that the pinned signers come from are left out.
func Pivots(l *List, announcement string) (addresses []string) {
	for _, u := range l.Scheme.InformationURI {
		if u.Value == announcement {
			break
		}
		if strings.HasSuffix(u.Value, ".xml") && !slices.Contains(addresses, u.Value) {
			addresses = append(addresses, u.Value)
		}
	}
	return addresses
}

// pivots walks from the pinned signers to those that the list was signed by:
// the oldest pivot has to be signed by a pinned signer, each further one by a
// signer that the one before it names. What the list itself says of its pivots
// is not trusted: it only says where to look.
func (f *Follower) pivots(ctx context.Context, data []byte, signers []*Certificate) ([]*Certificate, error) {
	unverified, err := Read(data)
	if err != nil {
		return nil, err
	}
	addresses := Pivots(unverified, f.config.Announcement)
	if len(addresses) == 0 {
		return nil, nil
	}
	if len(addresses) > maxPivots {
		return nil, fmt.Errorf("it has %d pivots; %d are followed: pin the signers of a newer announcement", len(addresses), maxPivots)
	}
	var terms Terms
	for _, address := range slices.Backward(addresses) {
		v, err := f.pivot(ctx, address, signers, terms)
		if err != nil {
			return nil, fmt.Errorf("pivot %s: %w", address, err)
		}
		next := selfSigners(v.List)
		if len(next) == 0 {
			return nil, fmt.Errorf("pivot %s names no signers of its successors", address)
		}
		signers, terms.MinSequence = next, v.Scheme.SequenceNumber
	}
	if unverified.Scheme.SequenceNumber < terms.MinSequence {
		return nil, refuse(ReasonReplayed, "it has the sequence number %d; its own pivot has %d", unverified.Scheme.SequenceNumber, terms.MinSequence)
	}
	return signers, nil
}

// pivot returns a pivot that verifies. Pivots never change, so that one is kept
// for good; what does not verify leaves nothing behind.
func (f *Follower) pivot(ctx context.Context, address string, signers []*Certificate, terms Terms) (*Verified, error) {
	if data, err := f.read(address, ".xml"); err == nil {
		if v, err := Verify(data, signers, terms); err == nil {
			return v, nil
		}
	}
	fetched, err := f.config.Get(ctx, address, Validators{})
	if err != nil {
		return nil, err
	}
	v, err := Verify(fetched.Body, signers, terms)
	if err != nil {
		return nil, err
	}
	return v, f.write(address, ".xml", fetched.Body)
}
