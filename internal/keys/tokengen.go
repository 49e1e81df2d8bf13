//go:build cgo

package keys

import (
	"crypto"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// writable opens a second session that may change the token, for as long as
// change runs. The pool's own may not; the login counts for both.
func writable(l library, s session, change func(pkcs11.SessionHandle) error) error {
	handle, err := l.OpenSession(s.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("opening session: %w", err)
	}
	defer l.CloseSession(handle)
	return change(handle)
}

// generatePair makes a key pair on the token under the URI's label and id; a
// random id when it names none, as id is what ties the two halves together.
func generatePair(l library, s session, t TokenURI, algorithm string) error {
	id := []byte(t.ID)
	if len(id) == 0 {
		id = make([]byte, 16)
		rand.Read(id)
	}
	mechanism, public, err := pairTemplate(algorithm)
	if err != nil {
		return err
	}
	public = append(public,
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.Object),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
	)
	private := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.Object),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		// Only with the PIN; never in the clear; never out, not even wrapped.
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		// It signs and does nothing else: a key that also decrypts or derives
		// could be made to sign by asking for that.
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_DERIVE, false),
	}
	return writable(l, s, func(handle pkcs11.SessionHandle) error {
		_, _, err := l.GenerateKeyPair(handle, []*pkcs11.Mechanism{mechanism}, public, private)
		if code, _ := errors.AsType[pkcs11.Error](err); code == pkcs11.CKR_MECHANISM_INVALID {
			return &Error{err: fmt.Errorf("generating key %s: the token does not make %s keys", t.objectName(), algorithm), hint: "choose another algorithm"}
		}
		if err != nil {
			return fmt.Errorf("generating key %s: %w", t.objectName(), err)
		}
		return nil
	})
}

// pairTemplate returns how a key pair of an algorithm is made.
func pairTemplate(algorithm string) (*pkcs11.Mechanism, []*pkcs11.Attribute, error) {
	switch algorithm {
	case "rsa3072", "rsa4096":
		bits := 3072
		if algorithm == "rsa4096" {
			bits = 4096
		}
		return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil), []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, bits),
			pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		}, nil
	case "ed25519":
		// PKCS #11 v3.0, Section 2.3.5 also allows the curve's name, which is what
		// tokens took before the identifier was registered.
		name, err := asn1.MarshalWithParams("edwards25519", "printable")
		return pkcs11.NewMechanism(ckmECEdwardsKeyPairGen, nil), []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, name)}, err
	}
	for _, c := range curves {
		if c.algorithm == algorithm {
			return pkcs11.NewMechanism(pkcs11.CKM_ECDSA_KEY_PAIR_GEN, nil), []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, c.encoded)}, nil
		}
	}
	return nil, nil, unknownAlgorithm(algorithm)
}

// destroyPair removes the private key of a URI and its public half, if ours
// says that it is the right one.
func destroyPair(l library, s session, t TokenURI, ours func(crypto.PublicKey) bool) error {
	private, err := findPrivate(l, s, t)
	if err != nil {
		return err
	}
	public, err := readPublic(l, s, private)
	if err != nil {
		return err
	}
	if !ours(public) {
		return fmt.Errorf("removing key %s: it is another one now", t.objectName())
	}
	id, err := attribute(l, s, private, pkcs11.CKA_ID)
	if err != nil {
		return err
	}
	objects := []pkcs11.ObjectHandle{private}
	if len(id) > 0 {
		beside, err := findObjects(l, s, pkcs11.CKO_PUBLIC_KEY, t.Object, string(id), 1)
		if err != nil {
			return err
		}
		objects = append(objects, beside...)
	}
	return writable(l, s, func(handle pkcs11.SessionHandle) error {
		for _, object := range objects {
			if err := l.DestroyObject(handle, object); err != nil {
				return fmt.Errorf("removing key %s: %w", t.objectName(), err)
			}
		}
		return nil
	})
}
