package ocsp

import (
	"context"
	"crypto"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

// Warm makes the answer to requests that name the certificate by hash, ahead of
// the first of them, and keeps it in memory and in Config.Cache. The octets of
// the answer are returned for those who keep within a budget; none when it was
// not kept, the certificate never having been issued.
func (r *Responder) Warm(ctx context.Context, issuer string, serial *big.Int, hash crypto.Hash) (int, error) {
	for key, taken := range r.byKey {
		of := taken.issuer.Load()
		if of.ID != issuer || key.hash != hash {
			continue
		}
		b := cryptobyte.NewBuilder(nil)
		CertID{Hash: pki.HashAlgorithm(hash), IssuerNameHash: []byte(key.name), IssuerKeyHash: []byte(key.key), Serial: integer(serial)}.add(b)
		raw, err := b.Bytes()
		if err != nil {
			return 0, fmt.Errorf("naming certificate: %w", err)
		}
		single, err := readCertID(raw)
		if err != nil {
			return 0, fmt.Errorf("naming certificate: %w", err)
		}
		began := time.Now()
		m, err := r.makeOnce(ctx, Key(single.CertID.Raw), of, single.CertID, missed)
		if err != nil {
			return 0, fmt.Errorf("making answer: %w", err)
		}
		r.observe(ReasonRefreshed, time.Since(began))
		if m.nonIssued {
			return 0, nil
		}
		return len(m.answer.Response), nil
	}
	return 0, fmt.Errorf("ocsp: no issuer %q, or no CertIDs by %v", issuer, hash)
}

// integer is the content of the INTEGER n, which is not negative.
func integer(n *big.Int) []byte {
	octets := n.Bytes()
	if len(octets) == 0 || octets[0]&0x80 != 0 {
		return append([]byte{0}, octets...)
	}
	return octets
}
