//go:build cgo

package keys

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/miekg/pkcs11"
)

// maxListed bounds a listing: a token with more keys is asked by label.
const maxListed = 10_000

// listTokens returns the tokens that a URI matches, in all modules that it
// does not rule out.
func listTokens(u URI) ([]TokenInfo, error) {
	paths, err := libraryPaths(u.Token)
	if err != nil {
		return nil, err
	}
	var found []TokenInfo
	var faults []error
	for _, path := range paths {
		m, err := openModule(path)
		if err == nil {
			err = m.list(func(info pkcs11.TokenInfo) {
				if u.Token.matches(info) {
					found = append(found, m.describe(info))
				}
			})
		}
		faults = append(faults, err)
	}
	if len(found) == 0 {
		return nil, errors.Join(faults...)
	}
	return found, nil
}

// list calls tell for each token.
func (m *module) list(tell func(pkcs11.TokenInfo)) error {
	defer m.leave()
	m.enter()
	return m.tokens(func(_ uint, info pkcs11.TokenInfo) bool {
		tell(info)
		return false
	})
}

// describe says what a token is.
func (m *module) describe(info pkcs11.TokenInfo) TokenInfo {
	return TokenInfo{
		Label: info.Label, Manufacturer: info.ManufacturerID, Model: info.Model, Serial: info.SerialNumber,
		Module: m.path, PIN: pinState(info.Flags),
	}
}

// listToken describes the keys on one token.
func listToken(u URI, baseDir string) ([]Info, error) {
	if u.Token.Token == "" && u.Token.Serial == "" {
		return nil, &Error{err: errors.New("listing keys: the URI names no token"), hint: "add token=LABEL or serial=NUMBER; altamga keys list --uri pkcs11: lists the tokens"}
	}
	p, err := tokenPool(u, baseDir)
	if err != nil {
		return nil, err
	}
	listed := make(chan []Info, 1)
	err = p.do(context.Background(), patience, func(l library, s session) error {
		objects, err := findObjects(l, s, pkcs11.CKO_PRIVATE_KEY, u.Token.Object, u.Token.ID, maxListed)
		if err != nil {
			return err
		}
		info, err := l.GetTokenInfo(s.slot)
		if err != nil {
			return err
		}
		found := make([]Info, len(objects))
		for i, object := range objects {
			if found[i], err = p.inspect(l, s, info, object); err != nil {
				return err
			}
		}
		listed <- found
		return nil
	})
	if err != nil {
		return nil, err
	}
	found := <-listed
	slices.SortFunc(found, func(a, b Info) int { return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.URI, b.URI)) })
	return found, nil
}

// inspectToken describes one key.
func inspectToken(u URI, baseDir string) (Info, error) {
	p, err := poolOf(u, baseDir)
	if err != nil {
		return Info{}, err
	}
	inspected := make(chan Info, 1)
	err = p.do(context.Background(), patience, func(l library, s session) error {
		object, err := findPrivate(l, s, u.Token)
		if err != nil {
			return err
		}
		token, err := l.GetTokenInfo(s.slot)
		if err != nil {
			return err
		}
		info, err := p.inspect(l, s, token, object)
		if err == nil {
			inspected <- info
		}
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return <-inspected, nil
}

// inspect reads what a token says of a key.
func (p *pool) inspect(l library, s session, info pkcs11.TokenInfo, object pkcs11.ObjectHandle) (Info, error) {
	token := p.module.describe(trimmed(info))
	i := Info{Token: &token}
	label, err := attribute(l, s, object, pkcs11.CKA_LABEL)
	if err != nil {
		return Info{}, err
	}
	i.Label = string(label)
	if i.ID, err = attribute(l, s, object, pkcs11.CKA_ID); err != nil {
		return Info{}, err
	}
	for _, told := range []struct {
		to   **bool
		kind uint
	}{
		{&i.Attributes.Sensitive, pkcs11.CKA_SENSITIVE}, {&i.Attributes.Extractable, pkcs11.CKA_EXTRACTABLE},
		{&i.Attributes.AlwaysSensitive, pkcs11.CKA_ALWAYS_SENSITIVE}, {&i.Attributes.NeverExtractable, pkcs11.CKA_NEVER_EXTRACTABLE},
		{&i.Attributes.Local, pkcs11.CKA_LOCAL},
	} {
		if *told.to, err = attributeBool(l, s, object, told.kind); err != nil {
			return Info{}, err
		}
	}
	i.URI = TokenURI{Token: token.Label, Serial: token.Serial, Object: i.Label, ID: string(i.ID)}.string(nil)
	public, err := readPublic(l, s, object)
	switch _, library := errors.AsType[pkcs11.Error](err); {
	case library:
		return Info{}, err
	case err != nil:
		// One odd key must not hide the others.
		i.Fault = err.Error()
	default:
		i.Public = public
	}
	return i, nil
}
