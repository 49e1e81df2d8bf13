//go:build cgo

package keys

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// readPIN reads the user's PIN: the first line of a file that nobody but its
// owner may read.
func readPIN(path string) (string, error) {
	pin, err := readLine(path, "opening PIN", "the PIN is the file's first line")
	if err == nil && len(pin) > 255 {
		return "", &Error{err: fmt.Errorf("opening PIN %s: it is longer than 255 octets", path)}
	}
	return pin, err
}

// logIn makes the user known to the token, for all sessions that this process
// has with it. A token locks itself after a few wrong PINs in a row, and opening
// it again may take a ceremony, so a PIN is given once: after a refusal the
// token is left alone until RetryPINs, and a token that says that the next wrong
// PIN is its last is not tried by a server at all. The caller is between enter
// and leave and holds opening.
func (p *pool) logIn(session pkcs11.SessionHandle) error {
	m := p.module
	m.login.Lock()
	defer m.login.Unlock()
	info, err := m.GetSessionInfo(session)
	if err != nil {
		return fmt.Errorf("opening session: %w", err)
	}
	if info.State == pkcs11.CKS_RO_USER_FUNCTIONS || info.State == pkcs11.CKS_RW_USER_FUNCTIONS {
		return nil
	}
	if p.pin == nil {
		if p.at.info.Flags&pkcs11.CKF_LOGIN_REQUIRED == 0 {
			return nil
		}
		return &Error{err: fmt.Errorf("using %s: it asks for a PIN and the key's URI names none", p.uri.name()), hint: "add ?pin-source=NAME.pin to the URI"}
	}
	// Asked now: what was seen when the token was found may be old.
	now, err := m.GetTokenInfo(p.at.slot)
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	return p.givePIN(session, pkcs11.CKU_USER, now)
}

// givePIN gives the token its PIN, unless it has refused one. The caller holds
// the module's login.
func (p *pool) givePIN(session pkcs11.SessionHandle, user uint, info pkcs11.TokenInfo) error {
	refused := p.module.refused
	info = trimmed(info)
	token := info.SerialNumber + " " + info.Label
	if err := refused[token]; err != nil {
		return err
	}
	switch state := pinState(info.Flags); state {
	case "locked", "not set", "final try":
		return &Error{
			err:  fmt.Errorf("using %s: %w: not tried, since the token says that its PIN is in state %q", p.uri.name(), ErrPIN, state),
			hint: "log in by hand with the right PIN (pkcs11-tool --login --test), or have the security officer set it anew",
		}
	}
	pin, err := p.pin()
	if err != nil {
		return err
	}
	if err = p.module.Login(session, user, pin); err == nil {
		return nil
	}
	switch code, _ := errors.AsType[pkcs11.Error](err); code {
	case pkcs11.CKR_USER_ALREADY_LOGGED_IN:
		return nil
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED,
		pkcs11.CKR_USER_PIN_NOT_INITIALIZED, pkcs11.CKR_USER_TYPE_INVALID, pkcs11.CKR_USER_ANOTHER_ALREADY_LOGGED_IN:
		refused[token] = &Error{
			err:  fmt.Errorf("using %s: %w: %v; it is not tried again", p.uri.name(), ErrPIN, err),
			hint: "put the right PIN into the file that pin-source names, then send the server SIGHUP or restart it",
		}
		return refused[token]
	}
	return fmt.Errorf("logging in: %w", err)
}

// confirm gives the PIN for one signature of a key that asks for it each time
// (CKA_ALWAYS_AUTHENTICATE).
func (p *pool) confirm(s session) error {
	if p.pin == nil {
		return &Error{err: fmt.Errorf("using %s: the key asks for a PIN each time and its URI names none", p.uri.name()), hint: "add ?pin-source=NAME.pin to the URI"}
	}
	m := p.module
	m.login.Lock()
	defer m.login.Unlock()
	info, err := m.GetTokenInfo(s.slot)
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	return p.givePIN(s.handle, pkcs11.CKU_CONTEXT_SPECIFIC, info)
}

// pinState tells what is out of order with the user's PIN, or "".
func pinState(flags uint) string {
	switch {
	case flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return "locked"
	case flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		return "final try"
	case flags&pkcs11.CKF_USER_PIN_COUNT_LOW != 0:
		return "low"
	case flags&pkcs11.CKF_USER_PIN_TO_BE_CHANGED != 0:
		return "to be changed"
	case flags&pkcs11.CKF_USER_PIN_INITIALIZED == 0:
		return "not set"
	}
	return ""
}
