package crl

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// hashOf returns the hash that a signature algorithm is over; 0 for one that
// has none or is unknown or broken.
func hashOf(algorithm x509.SignatureAlgorithm) crypto.Hash {
	switch algorithm {
	case x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		return crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		return crypto.SHA512
	}
	return 0
}

// algorithmOf lets the standard library name an AlgorithmIdentifier, and judge
// the encoded Name beside it as it judges those of certificates, by having it
// read the shortest list that has them.
func algorithmOf(identifier, name []byte) (x509.SignatureAlgorithm, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddBytes(identifier)
			b.AddBytes(name)
			b.AddASN1(asn1.UTCTime, func(b *cryptobyte.Builder) { b.AddBytes([]byte("700101000000Z")) })
		})
		b.AddBytes(identifier)
		b.AddASN1BitString(nil)
	})
	encoded, err := b.Bytes()
	if err != nil {
		return 0, err
	}
	list, err := x509.ParseRevocationList(encoded)
	if err != nil {
		return 0, fmt.Errorf("an issuer or a signature algorithm that is malformed: %w", err)
	}
	return list.SignatureAlgorithm, nil
}

// digest returns what the list's signature is over: the hash of TBSCertList, or
// TBSCertList itself for algorithms that take it whole. The list must have been
// read to its end.
func (r *Reader) digest() ([]byte, error) {
	switch {
	case r.message != nil:
		return r.message.Bytes(), nil
	case r.whole != nil && r.Algorithm == x509.PureEd25519:
		return r.whole.octets(r.begin, r.tbs)
	case hashOf(r.Algorithm) == 0:
		return nil, fmt.Errorf("the signature algorithm %v is unknown or broken, or takes no list as long as this", r.Algorithm)
	}
	return r.scan.hash.Sum(nil), nil
}

// Verify checks that the issuer has signed the list, all of which must have
// been read: name, key identifier, the right to sign lists, and the signature.
// It does not ask whether the list is current or whether the issuer's
// certificate is to be trusted.
func (r *Reader) Verify(issuer *x509.Certificate) error {
	switch {
	case r.err != io.EOF:
		return errors.New("verifying list: it was not read to its end")
	case !bytes.Equal(r.RawIssuer, issuer.RawSubject):
		return errors.New("verifying list: another authority has issued it")
	case r.AuthorityKeyID != nil && issuer.SubjectKeyId != nil && !bytes.Equal(r.AuthorityKeyID, issuer.SubjectKeyId):
		return errors.New("verifying list: another key of the authority has signed it")
	// RFC 5280, Section 4.2.1.3: with a keyUsage, cRLSign is in it.
	case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("verifying list: the certificate's keyUsage has no cRLSign")
	}
	digest, err := r.digest()
	if err == nil {
		err = checkDigest(r.Algorithm, issuer.PublicKey, digest, r.Signature)
	}
	if err != nil {
		return fmt.Errorf("verifying list: %w", err)
	}
	return nil
}

// checkDigest checks a signature over a digest.
func checkDigest(algorithm x509.SignatureAlgorithm, public crypto.PublicKey, digest, signature []byte) error {
	wrong := errors.New("the signature is wrong")
	h := hashOf(algorithm)
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch algorithm {
		case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
			if !ecdsa.VerifyASN1(key, digest, signature) {
				return wrong
			}
			return nil
		}
	case *rsa.PublicKey:
		switch algorithm {
		case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA:
			if rsa.VerifyPKCS1v15(key, h, digest, signature) != nil {
				return wrong
			}
			return nil
		case x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
			if rsa.VerifyPSS(key, h, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) != nil {
				return wrong
			}
			return nil
		}
	case ed25519.PublicKey:
		if algorithm == x509.PureEd25519 {
			if !ed25519.Verify(key, digest, signature) {
				return wrong
			}
			return nil
		}
	}
	return fmt.Errorf("the signature algorithm %v is unknown, broken, or does not fit the key", algorithm)
}

// keeper lets a writer stand where a hash does.
type keeper struct{ io.Writer }

func (keeper) Sum(b []byte) []byte { return b }
func (keeper) Reset()              {}
func (keeper) Size() int           { return 0 }
func (keeper) BlockSize() int      { return 1 }

var _ hash.Hash = keeper{}

// nothing takes what is not wanted.
type nothing struct{}

func (*nothing) Write(p []byte) (int, error) { return len(p), nil }
