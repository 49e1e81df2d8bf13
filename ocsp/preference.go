package ocsp

import (
	"time"

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
			// One that nobody has renewed in time signs no more.
			if algorithm.ID.Equal(other.algorithm.ID) && time.Now().Before(other.Certificate.NotAfter) {
				with := *i
				with.Signer = other
				return &with
			}
		}
	}
	return i
}
