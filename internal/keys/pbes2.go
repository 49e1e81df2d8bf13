package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	encoding_asn1 "encoding/asn1"
	"errors"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// RFC 8018, Appendix A, its Appendix B, and NIST's AES identifiers.
var (
	oidPBES2          = encoding_asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2         = encoding_asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACWithSHA256 = encoding_asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidHMACWithSHA384 = encoding_asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 10}
	oidHMACWithSHA512 = encoding_asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}
	oidAES128CBC      = encoding_asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES192CBC      = encoding_asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}
	oidAES256CBC      = encoding_asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

const (
	// iterations of PBKDF2 in the keys that this package writes: about a tenth
	// of a second of one core for each guess at a passphrase, and once for each
	// start of a server.
	iterations = 600_000
	// RFC 8018, Section 4.2 asks for at least 1000 iterations; the upper bound
	// keeps a hostile file from stopping a server's start for minutes.
	minIterations, maxIterations = 1000, 10_000_000
)

// errPassphrase does not tell a wrong passphrase from a damaged file: CBC has
// no way to know.
var errPassphrase = errors.New("the passphrase does not open it")

// encrypt returns an EncryptedPrivateKeyInfo (RFC 5958, Section 3) of the
// encoded PrivateKeyInfo: PBES2 with PBKDF2, HMAC-SHA-256 and AES-256-CBC,
// which is also what openssl writes.
func encrypt(key []byte, passphrase string) ([]byte, error) {
	iv := make([]byte, aes.BlockSize)
	rand.Read(iv)
	salt, derived, err := derivations.own(passphrase)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	// RFC 8018, Section 6.1.1: padding of 1 to 16 octets, each their number.
	padding := aes.BlockSize - len(key)%aes.BlockSize
	padded := make([]byte, len(key)+padding)
	copy(padded, key)
	for i := len(key); i < len(padded); i++ {
		padded[i] = byte(padding)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)

	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidPBES2)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidPBKDF2)
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1OctetString(salt)
						b.AddASN1Int64(iterations)
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(oidHMACWithSHA256)
							der.AddNull(b)
						})
					})
				})
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidAES256CBC)
					b.AddASN1OctetString(iv)
				})
			})
		})
		b.AddASN1OctetString(padded)
	})
	return b.Bytes()
}

// sealed is a parsed EncryptedPrivateKeyInfo.
type sealed struct {
	salt       []byte
	iterations int
	hash       func() hash.Hash
	keyLength  int
	iv         []byte
	data       []byte
}

// decrypt returns the PrivateKeyInfo inside an EncryptedPrivateKeyInfo.
func decrypt(encoded []byte, passphrase string) ([]byte, error) {
	s, err := parseSealed(encoded)
	if err != nil {
		return nil, err
	}
	derived, err := derivations.derive(s, passphrase)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(s.data))
	cipher.NewCBCDecrypter(block, s.iv).CryptBlocks(plain, s.data)
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, errPassphrase
	}
	for _, octet := range plain[len(plain)-padding:] {
		if int(octet) != padding {
			return nil, errPassphrase
		}
	}
	plain = plain[:len(plain)-padding]
	// One wrong passphrase in 256 leaves a padding that looks right.
	if _, ok := der.Whole(plain, asn1.SEQUENCE); !ok {
		return nil, errPassphrase
	}
	return plain, nil
}

// parseSealed reads an EncryptedPrivateKeyInfo (RFC 5958, Section 3) that
// PBES2 made with PBKDF2 over a SHA-2 function and AES in CBC mode. The
// weaker functions of older files are refused.
func parseSealed(encoded []byte) (*sealed, error) {
	malformed := errors.New("it is not a well-formed EncryptedPrivateKeyInfo")
	info, ok := der.Whole(encoded, asn1.SEQUENCE)
	var scheme, kdf, cipherScheme pki.Algorithm
	var data cryptobyte.String
	if !ok || !pki.ReadAlgorithm(&info, &scheme) || !info.ReadASN1(&data, asn1.OCTET_STRING) || !info.Empty() {
		return nil, malformed
	}
	if !scheme.ID.Equal(oidPBES2) {
		return nil, errors.New("it is encrypted by another scheme than PBES2")
	}
	// RFC 8018, Appendix A.4.
	parameters, ok := der.Whole(scheme.Parameters, asn1.SEQUENCE)
	if !ok || !pki.ReadAlgorithm(&parameters, &kdf) || !pki.ReadAlgorithm(&parameters, &cipherScheme) || !parameters.Empty() {
		return nil, malformed
	}
	s := &sealed{data: data}
	if len(s.data) == 0 || len(s.data)%aes.BlockSize != 0 {
		return nil, malformed
	}
	switch {
	case cipherScheme.ID.Equal(oidAES128CBC):
		s.keyLength = 16
	case cipherScheme.ID.Equal(oidAES192CBC):
		s.keyLength = 24
	case cipherScheme.ID.Equal(oidAES256CBC):
		s.keyLength = 32
	default:
		return nil, errors.New("it is encrypted by another cipher than AES in CBC mode")
	}
	iv, ok := der.Whole(cipherScheme.Parameters, asn1.OCTET_STRING)
	if !ok || len(iv) != aes.BlockSize {
		return nil, malformed
	}
	s.iv = iv
	if !kdf.ID.Equal(oidPBKDF2) {
		return nil, errors.New("its key is derived by another function than PBKDF2")
	}
	if err := s.parseKDF(kdf.Parameters); err != nil {
		return nil, err
	}
	return s, nil
}

// parseKDF reads PBKDF2-params (RFC 8018, Appendix A.2).
func (s *sealed) parseKDF(encoded []byte) error {
	malformed := errors.New("its PBKDF2 parameters are malformed")
	parameters, ok := der.Whole(encoded, asn1.SEQUENCE)
	var salt cryptobyte.String
	if !ok || !parameters.ReadASN1(&salt, asn1.OCTET_STRING) || len(salt) == 0 || !parameters.ReadASN1Integer(&s.iterations) {
		return malformed
	}
	s.salt = salt
	if s.iterations < minIterations || s.iterations > maxIterations {
		return errors.New("its PBKDF2 iterations are not between 1000 and 10000000")
	}
	if parameters.PeekASN1Tag(asn1.INTEGER) {
		var length int
		if !parameters.ReadASN1Integer(&length) || length != s.keyLength {
			return malformed
		}
	}
	if parameters.Empty() {
		// The default function is HMAC-SHA-1.
		return errors.New("its key is derived with HMAC-SHA-1")
	}
	var prf pki.Algorithm
	if !pki.ReadAlgorithm(&parameters, &prf) || !parameters.Empty() {
		return malformed
	}
	switch {
	case prf.ID.Equal(oidHMACWithSHA256):
		s.hash = sha256.New
	case prf.ID.Equal(oidHMACWithSHA384):
		s.hash = sha512.New384
	case prf.ID.Equal(oidHMACWithSHA512):
		s.hash = sha512.New
	default:
		return errors.New("its key is derived with another function than HMAC over SHA-2")
	}
	return nil
}
