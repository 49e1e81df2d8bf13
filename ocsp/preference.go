package ocsp

import (
	"github.com/altamga/altamga/internal/pki"
)

// preferring returns the issuer with the signer whose algorithm the client
// likes best, or the issuer itself when that is its own signer or none of them.
//
// RFC 6960, Section 4.4.7.2: the responder should use the first algorithm of the
// client's list that it has, and what it chooses must be secure enough. The
// client chooses among the signers that the configuration gives, whose
// algorithms are strong by themselves: no preference makes an answer weak.
func (i *Issuer) preferring(preferred []pki.Algorithm) *Issuer {
	for _, algorithm := range preferred {
		if algorithm.ID.Equal(i.Signer.algorithm.ID) {
			return i
		}
		for _, other := range i.Others {
			if algorithm.ID.Equal(other.algorithm.ID) {
				with := *i
				with.Signer = other
				return &with
			}
		}
	}
	return i
}

// checkOthers checks the other signers and returns copies of them.
func (i *Issuer) checkOthers(check func(*Signer) error) ([]*Signer, error) {
	var out []*Signer
	for _, given := range i.Others {
		other := *given
		if err := check(&other); err != nil {
			return nil, err
		}
		out = append(out, &other)
	}
	return out, nil
}
