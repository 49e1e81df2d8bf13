package keys

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// TokenURI is a pkcs11: URI (RFC 7512) in its parts. A part that is empty
// matches everything.
type TokenURI struct {
	// Token, Manufacturer, Model and Serial name the token. Slots are not named:
	// their numbers change when readers and tokens come and go.
	Token, Manufacturer, Model, Serial string
	// Object is the key's CKA_LABEL and ID its CKA_ID, which may be any octets.
	Object, ID string
	// PINSource is the path of the file whose first line is the user's PIN;
	// relative paths are relative to the configuration file.
	PINSource string
	// ModulePath is the absolute path of the library that speaks for the token;
	// ModuleName its name without "lib" and ".so". With neither, the modules that
	// the system has registered for p11-kit are asked for the token.
	ModulePath, ModuleName string
	// MaxSessions bounds the sessions that this process opens with the token.
	// Default 8. All keys of one token share them.
	MaxSessions int
}

// PKCS #11 v2.40, Section 3.2: the fixed sizes of CK_TOKEN_INFO, which RFC
// 7512, Section 2.3 makes the limits of a valid URI.
const maxLabel, maxManufacturer, maxModel, maxSerial = 32, 32, 16, 16

const maxSessions = 1024

// parseToken reads what follows "pkcs11:". Its errors quote no value: RFC
// 7512, Section 2.4 lets a URI hold a PIN.
func parseToken(rest string) (URI, error) {
	u := URI{PKCS11: true}
	path, query, hasQuery := strings.Cut(rest, "?")
	switch {
	case strings.Contains(rest, "#"):
		return URI{}, &Error{err: errors.New("it has a fragment"), hint: "write # as %23"}
	case strings.Contains(path, "/"):
		// RFC 7512, Section 2.3: "The general '/' delimiter MUST be
		// percent-encoded in the path component".
		return URI{}, &Error{err: errors.New("its path holds a slash"), hint: "write / as %2F; attributes are separated by semicolons"}
	}
	if path != "" {
		if err := attributes(path, ";", u.Token.pathAttribute); err != nil {
			return URI{}, err
		}
	}
	if hasQuery {
		err := attributes(query, "&", func(name, value string) error {
			if name == "max-uses" || name == "counter" {
				return u.limit(name, value)
			}
			return u.Token.queryAttribute(name, value)
		})
		if err != nil {
			return URI{}, err
		}
	}
	if u.Token.ModuleName != "" && u.Token.ModulePath != "" {
		return URI{}, errors.New("module-name and module-path are both given")
	}
	if u.MaxUses > 0 && u.Counter == "" {
		return URI{}, &Error{err: errors.New("max-uses is given without counter"), hint: "name the file that counts: counter=NAME.uses"}
	}
	return u, nil
}

// pathAttribute takes one attribute that names a token or an object.
func (t *TokenURI) pathAttribute(name, value string) (err error) {
	text := map[string]struct {
		part  *string
		limit int
	}{
		"token": {&t.Token, maxLabel}, "manufacturer": {&t.Manufacturer, maxManufacturer},
		"model": {&t.Model, maxModel}, "serial": {&t.Serial, maxSerial}, "object": {&t.Object, 255},
	}
	switch name {
	case "token", "manufacturer", "model", "serial", "object":
		*text[name].part, err = unescapeText(value, text[name].limit)
		return err
	case "id":
		t.ID, err = unescapeOctets(value)
		return err
	case "type":
		if value != "private" {
			return &Error{err: errors.New("type is not private"), hint: "a signing key is type=private; the attribute can be left out"}
		}
		return nil
	case "slot-id", "slot-description", "slot-manufacturer":
		return &Error{
			err:  fmt.Errorf("%s is not supported", name),
			hint: "slots change; name the token itself: token=LABEL or serial=NUMBER",
		}
	case "pin-value", "pin-source", "module-path", "module-name", "max-uses", "counter", "max-sessions":
		return &Error{err: fmt.Errorf("%s stands before the ?", name), hint: "pkcs11:token=...;object=...?pin-source=NAME.pin"}
	}
	return &Error{
		err:  fmt.Errorf("unknown attribute %.40q", name),
		hint: "before the ? stand token, serial, manufacturer, model, object, id and type",
	}
}

// queryAttribute takes one attribute that says how to reach the token.
func (t *TokenURI) queryAttribute(name, value string) (err error) {
	switch name {
	case "pin-value":
		// RFC 7512, Section 6: a PIN in a URI is seen by whoever sees the
		// configuration, a log or the list of processes.
		return &Error{
			err:  errors.New("pin-value is refused: a PIN does not belong into a configuration"),
			hint: "write the PIN into a file of mode 0600 and name it: pin-source=NAME.pin",
		}
	case "pin-source":
		value, _ = strings.CutPrefix(value, "file:")
		if strings.HasPrefix(value, "|") || strings.HasPrefix(value, "%7C") || strings.HasPrefix(value, "%7c") {
			return &Error{err: errors.New("pin-source is a command"), hint: "have the command write a file of mode 0600 and name that"}
		}
		if scheme, _, ok := strings.Cut(value, ":"); ok && !strings.ContainsAny(scheme, "/.%") {
			return &Error{err: errors.New("pin-source is a URI of another scheme than file"), hint: "name a file: pin-source=NAME.pin"}
		}
		if after, ok := strings.CutPrefix(value, "//"); ok {
			if value = after; !strings.HasPrefix(value, "/") {
				return &Error{err: errors.New("pin-source names a host"), hint: "write pin-source=/PATH for an absolute path"}
			}
		}
		t.PINSource, err = unescapePath(value)
		return err
	case "module-path":
		t.ModulePath, err = unescapePath(value)
		if err == nil && !filepath.IsAbs(t.ModulePath) {
			// RFC 7512, Section 2.4: "a URI with a relative path in this
			// attribute SHOULD be rejected".
			return errors.New("it is not an absolute path")
		}
		return err
	case "module-name":
		t.ModuleName, err = unescapeText(value, 64)
		if err == nil && strings.ContainsAny(t.ModuleName, "/\\.") {
			return &Error{err: errors.New("module-name is a file name"), hint: "write module-name=softhsm2 for libsofthsm2.so, or module-path=/PATH"}
		}
		return err
	case "max-sessions":
		t.MaxSessions, err = strconv.Atoi(value)
		if err != nil || t.MaxSessions < 1 || t.MaxSessions > maxSessions {
			return fmt.Errorf("it is not a number from 1 to %d", maxSessions)
		}
		return nil
	}
	return &Error{
		err:  fmt.Errorf("unknown attribute %.40q", name),
		hint: "behind the ? stand pin-source, module-path, module-name, max-sessions, max-uses and counter",
	}
}

// unescapeText decodes a value that a token holds as UTF-8 text of at most
// limit octets.
func unescapeText(s string, limit int) (string, error) {
	text, err := unescapeOctets(s)
	switch {
	case err != nil:
		return "", err
	case len(text) > limit:
		return "", fmt.Errorf("it is longer than the %d octets that PKCS #11 allows", limit)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", errors.New("it is not printable UTF-8 text")
	case strings.HasSuffix(text, " "):
		// Tokens pad with spaces, so that a space at the end says nothing.
		return "", errors.New("it ends in a space")
	}
	return text, nil
}

// unescapeOctets decodes percent signs.
func unescapeOctets(s string) (string, error) {
	octets, err := url.PathUnescape(s)
	switch {
	case err != nil:
		return "", errors.New("a % is not followed by two hexadecimal digits")
	case octets == "":
		return "", errors.New("it is empty")
	case len(octets) > 255:
		return "", errors.New("it is longer than 255 octets")
	}
	return octets, nil
}

// string writes the URI with further query attributes at its end.
func (t TokenURI) string(more []string) string {
	var path, query []string
	for _, p := range []struct{ name, value string }{
		{"token", t.Token}, {"manufacturer", t.Manufacturer}, {"model", t.Model}, {"serial", t.Serial}, {"object", t.Object},
	} {
		if p.value != "" {
			path = append(path, p.name+"="+escapeText(p.value))
		}
	}
	if t.ID != "" {
		// RFC 7512, Section 2.3: "the whole value of the "id" attribute SHOULD be
		// percent-encoded".
		path = append(path, "id="+percent(t.ID))
	}
	for _, q := range []struct{ name, value string }{
		{"pin-source", t.PINSource}, {"module-path", t.ModulePath}, {"module-name", t.ModuleName},
	} {
		if q.value != "" {
			query = append(query, q.name+"="+strings.ReplaceAll(escapePath(q.value), ":", "%3A"))
		}
	}
	if t.MaxSessions > 0 {
		query = append(query, "max-sessions="+strconv.Itoa(t.MaxSessions))
	}
	s := "pkcs11:" + strings.Join(path, ";")
	if query = slices.Concat(query, more); len(query) > 0 {
		s += "?" + strings.Join(query, "&")
	}
	return s
}

// escapeText escapes all but the characters that RFC 7512, Section 2.3 calls
// unreserved, and letters beyond ASCII, which people have to recognise.
func escapeText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 0x80, 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("-._~", r):
			b.WriteRune(r)
		default:
			b.WriteString(percent(string(r)))
		}
	}
	return b.String()
}

// percent writes every octet with a percent sign.
func percent(s string) string {
	var b strings.Builder
	for _, octet := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", octet)
	}
	return b.String()
}
