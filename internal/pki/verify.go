package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
)

// Verify checks a signature that [Sign] made over message, an RSA one in the
// scheme PKCS1.
func Verify(public crypto.PublicKey, message, signature []byte) error {
	var algorithm x509.SignatureAlgorithm
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			algorithm = x509.ECDSAWithSHA256
		case elliptic.P384():
			algorithm = x509.ECDSAWithSHA384
		case elliptic.P521():
			algorithm = x509.ECDSAWithSHA512
		}
	case *rsa.PublicKey:
		algorithm = x509.SHA256WithRSA
	case ed25519.PublicKey:
		algorithm = x509.PureEd25519
	}
	return (&x509.Certificate{PublicKey: public}).CheckSignature(algorithm, message, signature)
}
