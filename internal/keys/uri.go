package keys

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// URI is a file: key URI in its parts.
type URI struct {
	// Path of the key file, as written: relative paths are relative to the
	// configuration file.
	Path string
	// PassphraseFile is the path of the file whose first line encrypts the key;
	// empty for a key in the clear.
	PassphraseFile string
}

// maxURI bounds a key URI: two of the longest paths that Linux opens, with
// every octet escaped, would not be a configuration but an accident.
const maxURI = 8192

// Parse reads a file: URI. A pkcs11: URI is refused, as this build has no
// PKCS #11; so is any other scheme, any attribute but one passphrase-file, a
// host, and a fragment.
func Parse(uri string) (URI, error) {
	scheme, rest, found := strings.Cut(uri, ":")
	switch {
	case len(uri) > maxURI:
		return URI{}, &Error{err: fmt.Errorf("reading key URI: it is longer than %d octets", maxURI)}
	case !found || strings.ContainsAny(scheme, "/.?"):
		return URI{}, &Error{
			err:  errors.New("reading key URI: it has no scheme"),
			hint: "write file:NAME.key for a key in a file",
		}
	case strings.EqualFold(scheme, "pkcs11"):
		// The URI is not quoted: RFC 7512, Section 2.4 lets it hold a PIN.
		return URI{}, &Error{
			err:  errors.New("reading key URI: pkcs11 keys need a build with PKCS #11, and this one has none"),
			hint: "use a file: key, or a build of altamga that speaks PKCS #11",
		}
	case !strings.EqualFold(scheme, "file"):
		return URI{}, &Error{
			err:  fmt.Errorf("reading key URI: scheme %q is none of file, pkcs11", scheme),
			hint: "write file:NAME.key for a key in a file",
		}
	}
	if strings.Contains(rest, "#") {
		return URI{}, &Error{err: errors.New("reading key URI: it has a fragment"), hint: "write # in a file name as %23"}
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	if after, ok := strings.CutPrefix(path, "//"); ok {
		// RFC 8089, Section 2: file://host/path; only the empty host is ours.
		if !strings.HasPrefix(after, "/") || strings.HasPrefix(after, "//") {
			return URI{}, &Error{err: errors.New("reading key URI: it names a host"), hint: "write file:///PATH for an absolute path"}
		}
		path = after
	}
	var u URI
	var err error
	if u.Path, err = unescapePath(path); err != nil {
		return URI{}, &Error{err: fmt.Errorf("reading key URI: path: %w", err)}
	}
	if !hasQuery {
		return u, nil
	}
	for attribute := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(attribute, "=")
		switch {
		case name != "passphrase-file":
			return URI{}, &Error{
				err:  fmt.Errorf("reading key URI: unknown attribute %q", name),
				hint: "the only attribute of a file: key is passphrase-file",
			}
		case u.PassphraseFile != "":
			return URI{}, &Error{err: errors.New("reading key URI: passphrase-file is given twice")}
		}
		if u.PassphraseFile, err = unescapePath(value); err != nil {
			return URI{}, &Error{err: fmt.Errorf("reading key URI: passphrase-file: %w", err)}
		}
	}
	return u, nil
}

// unescapePath decodes percent signs and refuses what cannot name a file.
func unescapePath(s string) (string, error) {
	path, err := url.PathUnescape(s)
	switch {
	case err != nil:
		return "", errors.New("a % is not followed by two hexadecimal digits")
	case path == "":
		return "", errors.New("it is empty")
	case strings.HasPrefix(path, "//"):
		return "", errors.New("it begins with two slashes")
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", errors.New("it holds a control character")
	}
	return path, nil
}

// String returns the URI in the form that [Parse] reads.
func (u URI) String() string {
	s := "file:" + escapePath(u.Path)
	if u.PassphraseFile != "" {
		s += "?passphrase-file=" + escapePath(u.PassphraseFile)
	}
	return s
}

// escapePath escapes what [Parse] would take for its own punctuation, and
// spaces, which people would not find in a configuration.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23", "&", "%26", " ", "%20").Replace(path)
}

// in returns the path of a file named in a URI, counted from base.
func in(base, path string) string {
	path = filepath.FromSlash(path)
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}

// Error is what went wrong with a key. It quotes file names, never contents.
type Error struct {
	err  error
	hint string
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the cause, such as [io/fs.ErrNotExist].
func (e *Error) Unwrap() error { return e.err }

// Hint returns what the operator can do about the error, or nothing.
func (e *Error) Hint() string { return e.hint }
