//go:build cgo

package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// PKCS #11 v3.0, Section 2.3, which the bindings do not name.
const (
	ckkECEdwards           = 0x40
	ckmECEdwardsKeyPairGen = 0x1055
	ckmEdDSA               = 0x1057
	unavailable            = ^uint64(0) // CK_UNAVAILABLE_INFORMATION
)

// findObjects returns up to most objects of a class that have the label and the
// identifier; empty ones match everything.
func findObjects(l library, s session, class uint, label, id string, most int) ([]pkcs11.ObjectHandle, error) {
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)}
	if label != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	}
	if id != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	}
	if err := l.FindObjectsInit(s.handle, template); err != nil {
		return nil, fmt.Errorf("looking for keys: %w", err)
	}
	var all []pkcs11.ObjectHandle
	for len(all) < most {
		some, _, err := l.FindObjects(s.handle, most-len(all))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("looking for keys: %w", err), l.FindObjectsFinal(s.handle))
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	if err := l.FindObjectsFinal(s.handle); err != nil {
		return nil, fmt.Errorf("looking for keys: %w", err)
	}
	return all, nil
}

// findPrivate returns the one private key that a URI names.
func findPrivate(l library, s session, t TokenURI) (pkcs11.ObjectHandle, error) {
	found, err := findObjects(l, s, pkcs11.CKO_PRIVATE_KEY, t.Object, t.ID, 2)
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		// Private keys are not seen by who is not logged in, which somebody else
		// in this process may have ended a moment ago.
		info, err := l.GetSessionInfo(s.handle)
		if err != nil {
			return 0, fmt.Errorf("looking for keys: %w", err)
		}
		if t.PINSource != "" && (info.State == pkcs11.CKS_RO_PUBLIC_SESSION || info.State == pkcs11.CKS_RW_PUBLIC_SESSION) {
			return 0, fmt.Errorf("looking for keys: %w", pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN))
		}
		return 0, &Error{
			err:  fmt.Errorf("opening key %s: %w", t.objectName(), errNoObject),
			hint: "altamga keys list --uri 'pkcs11:token=...?pin-source=...' lists the keys of a token",
		}
	case len(found) > 1:
		return 0, &Error{err: fmt.Errorf("opening key %s: several keys are called that", t.objectName()), hint: "name it by id=... as altamga keys list prints it"}
	}
	return found[0], nil
}

// objectName calls a key what its URI does.
func (t TokenURI) objectName() string {
	switch {
	case t.Object != "":
		return fmt.Sprintf("%q on %s", t.Object, t.name())
	case t.ID != "":
		return fmt.Sprintf("of id %x on %s", t.ID, t.name())
	}
	return "on " + t.name()
}

// attribute reads one attribute; nil when the token has none such or does not
// tell.
func attribute(l library, s session, object pkcs11.ObjectHandle, kind uint) ([]byte, error) {
	read, err := l.GetAttributeValue(s.handle, object, []*pkcs11.Attribute{pkcs11.NewAttribute(kind, nil)})
	switch code, _ := errors.AsType[pkcs11.Error](err); {
	case err == nil && len(read) == 1:
		return read[0].Value, nil
	case err == nil:
		return nil, nil
	case code == pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, code == pkcs11.CKR_ATTRIBUTE_SENSITIVE:
		return nil, nil
	}
	return nil, fmt.Errorf("reading key: %w", err)
}

// attributeBool reads a CK_BBOOL; nil when the token does not tell.
func attributeBool(l library, s session, object pkcs11.ObjectHandle, kind uint) (*bool, error) {
	value, err := attribute(l, s, object, kind)
	if err != nil || len(value) != 1 {
		return nil, err
	}
	told := value[0] != 0
	return &told, nil
}

// attributeNumber reads a CK_ULONG, which has the machine's size and order.
func attributeNumber(l library, s session, object pkcs11.ObjectHandle, kind uint) (uint64, error) {
	value, err := attribute(l, s, object, kind)
	switch {
	case err != nil:
		return 0, err
	case len(value) == 8:
		return binary.NativeEndian.Uint64(value), nil
	case len(value) == 4:
		return uint64(binary.NativeEndian.Uint32(value)), nil
	}
	return unavailable, nil
}

// readPublic reads the public half of a private key: from the public key
// object beside it, from the private key itself, or from a certificate beside
// it. That it is the right half, the first signature shows.
func readPublic(l library, s session, private pkcs11.ObjectHandle) (crypto.PublicKey, error) {
	kind, err := attributeNumber(l, s, private, pkcs11.CKA_KEY_TYPE)
	if err != nil {
		return nil, err
	}
	id, err := attribute(l, s, private, pkcs11.CKA_ID)
	if err != nil {
		return nil, err
	}
	label, err := attribute(l, s, private, pkcs11.CKA_LABEL)
	if err != nil {
		return nil, err
	}
	beside := func(class uint) ([]pkcs11.ObjectHandle, error) {
		if len(id) > 0 {
			return findObjects(l, s, class, "", string(id), 2)
		}
		if len(label) > 0 {
			return findObjects(l, s, class, string(label), "", 2)
		}
		return nil, nil
	}
	objects, err := beside(pkcs11.CKO_PUBLIC_KEY)
	if err != nil {
		return nil, err
	}
	if len(objects) != 1 {
		objects = nil // none, or nobody can say which
	}
	for _, object := range append(objects, private) {
		public, err := readPublicFrom(l, s, object, kind)
		if public != nil || err != nil {
			return public, err
		}
	}
	certificates, err := beside(pkcs11.CKO_CERTIFICATE)
	if err != nil {
		return nil, err
	}
	for _, object := range certificates {
		value, err := attribute(l, s, object, pkcs11.CKA_VALUE)
		if err != nil {
			return nil, err
		}
		if certificate, err := x509.ParseCertificate(value); err == nil {
			return certificate.PublicKey, nil
		}
	}
	return nil, &Error{
		err:  errors.New("reading key: the token has no public half of it"),
		hint: "put the public key or the certificate on the token under the same id (pkcs11-tool --write-object)",
	}
}

// readPublicFrom reads a public key from one object; nil when it is not there.
func readPublicFrom(l library, s session, object pkcs11.ObjectHandle, kind uint64) (crypto.PublicKey, error) {
	read := func(first, second uint) ([]byte, []byte, error) {
		a, err := attribute(l, s, object, first)
		if err != nil {
			return nil, nil, err
		}
		b, err := attribute(l, s, object, second)
		return a, b, err
	}
	switch kind {
	case pkcs11.CKK_RSA:
		modulus, exponent, err := read(pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT)
		if err != nil || len(modulus) == 0 || len(exponent) == 0 {
			return nil, err
		}
		return parseRSA(modulus, exponent)
	case pkcs11.CKK_EC:
		parameters, point, err := read(pkcs11.CKA_EC_PARAMS, pkcs11.CKA_EC_POINT)
		if err != nil || len(parameters) == 0 || len(point) == 0 {
			return nil, err
		}
		return parseEC(parameters, point)
	case ckkECEdwards:
		point, err := attribute(l, s, object, pkcs11.CKA_EC_POINT)
		if err != nil || len(point) == 0 {
			return nil, err
		}
		return parseEdwards(point)
	}
	return nil, fmt.Errorf("reading key: a key of PKCS #11 type 0x%x is not supported", kind)
}

func parseRSA(modulus, exponent []byte) (crypto.PublicKey, error) {
	e := new(big.Int).SetBytes(exponent)
	if !e.IsInt64() || e.Int64() > 1<<31-1 || e.Int64() < 3 {
		return nil, errors.New("reading key: its RSA exponent is not one of at most 31 bits")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(e.Int64())}, nil
}

// curves by their encoded OBJECT IDENTIFIER, which CKA_EC_PARAMS holds.
var curves = []struct {
	algorithm string
	curve     elliptic.Curve
	encoded   []byte
}{
	{"p256", elliptic.P256(), oid(1, 2, 840, 10045, 3, 1, 7)},
	{"p384", elliptic.P384(), oid(1, 3, 132, 0, 34)},
	{"p521", elliptic.P521(), oid(1, 3, 132, 0, 35)},
}

func oid(arcs ...int) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1ObjectIdentifier(encoding_asn1.ObjectIdentifier(arcs))
	return b.BytesOrPanic()
}

func parseEC(parameters, point []byte) (crypto.PublicKey, error) {
	for _, c := range curves {
		if !bytes.Equal(c.encoded, parameters) {
			continue
		}
		// PKCS #11 wraps the point into an OCTET STRING; some tokens do not.
		if inner, ok := der.Whole(point, asn1.OCTET_STRING); ok {
			point = inner
		}
		public, err := ecdsa.ParseUncompressedPublicKey(c.curve, point)
		if err != nil {
			return nil, errors.New("reading key: its point is not on its curve")
		}
		return public, nil
	}
	return nil, errors.New("reading key: its curve is none of P-256, P-384, P-521")
}

func parseEdwards(point []byte) (crypto.PublicKey, error) {
	if inner, ok := der.Whole(point, asn1.OCTET_STRING); ok {
		point = inner
	}
	if len(point) != ed25519.PublicKeySize {
		return nil, errors.New("reading key: its curve is not edwards25519")
	}
	return ed25519.PublicKey(bytes.Clone(point)), nil
}

// strong refuses keys too weak to sign with.
func strong(public crypto.PublicKey) error {
	_, _, err := pki.SignatureAlgorithm(public)
	return err
}
