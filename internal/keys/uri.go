package keys

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// URI is a key URI in its parts.
type URI struct {
	// Path of a file: key, as written: relative paths are relative to the
	// configuration file. Empty for a pkcs11: key.
	Path string
	// PassphraseFile is the path of the file whose first line encrypts the key;
	// empty for a key in the clear.
	PassphraseFile string
	// PKCS11 says that the key is on a token, and Token which one it is.
	PKCS11 bool
	Token  TokenURI
	// MaxUses is how many signatures the key may make in its life; 0 when there
	// is no limit.
	MaxUses uint64
	// Counter is the path of the file that counts signatures. A file: key with
	// max-uses and without counter counts in Path + ".uses".
	Counter string
}

// maxURI bounds a key URI: two of the longest paths that Linux opens, with
// every octet escaped, would not be a configuration but an accident.
const maxURI = 8192

// Parse reads a file: or pkcs11: URI. It refuses any other scheme, attributes
// that it does not know or that stand twice, a host, a fragment, and a PIN
// inside of the URI.
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
		u, err := parseToken(rest)
		if err != nil {
			return URI{}, explain("reading key URI", err)
		}
		return u, nil
	case !strings.EqualFold(scheme, "file"):
		return URI{}, &Error{
			err:  fmt.Errorf("reading key URI: scheme %q is none of file, pkcs11", scheme),
			hint: "write file:NAME.key for a key in a file",
		}
	}
	u, err := parseFile(rest)
	if err != nil {
		return URI{}, explain("reading key URI", err)
	}
	return u, nil
}

// parseFile reads what follows "file:".
func parseFile(rest string) (URI, error) {
	if strings.Contains(rest, "#") {
		return URI{}, &Error{err: errors.New("it has a fragment"), hint: "write # in a file name as %23"}
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	if after, ok := strings.CutPrefix(path, "//"); ok {
		// RFC 8089, Section 2: file://host/path; only the empty host is ours.
		if !strings.HasPrefix(after, "/") || strings.HasPrefix(after, "//") {
			return URI{}, &Error{err: errors.New("it names a host"), hint: "write file:///PATH for an absolute path"}
		}
		path = after
	}
	var u URI
	var err error
	if u.Path, err = unescapePath(path); err != nil {
		return URI{}, fmt.Errorf("path: %w", err)
	}
	if !hasQuery {
		return u, nil
	}
	err = attributes(query, "&", func(name, value string) (err error) {
		switch name {
		case "passphrase-file":
			u.PassphraseFile, err = unescapePath(value)
			return err
		case "max-uses", "counter":
			return u.limit(name, value)
		}
		return &Error{
			err:  fmt.Errorf("unknown attribute %q", name),
			hint: "the attributes of a file: key are passphrase-file, max-uses and counter",
		}
	})
	if err != nil {
		return URI{}, err
	}
	if u.MaxUses > 0 && u.Counter == "" {
		u.Counter = u.Path + ".uses"
	}
	return u, nil
}

// attributes calls take for each name=value of a list. A name that stands
// twice is refused: RFC 7512, Section 2.3 for paths, and in queries nobody
// could say which one counts.
func attributes(list, separator string, take func(name, value string) error) error {
	seen := map[string]bool{}
	for attribute := range strings.SplitSeq(list, separator) {
		name, value, _ := strings.Cut(attribute, "=")
		if seen[name] {
			return fmt.Errorf("%s is given twice", name)
		}
		seen[name] = true
		if err := take(name, value); err != nil {
			if _, ok := errors.AsType[*Error](err); ok {
				return err
			}
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// limit takes the attributes that count a key's signatures.
func (u *URI) limit(name, value string) (err error) {
	if name == "counter" {
		u.Counter, err = unescapePath(value)
		return err
	}
	u.MaxUses, err = strconv.ParseUint(value, 10, 63)
	if err != nil || u.MaxUses == 0 {
		return errors.New("it is not a whole number above 0")
	}
	return nil
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
	if u.PKCS11 {
		return u.Token.string(u.limits())
	}
	query := u.limits()
	if u.PassphraseFile != "" {
		query = append([]string{"passphrase-file=" + escapePath(u.PassphraseFile)}, query...)
	}
	s := "file:" + escapePath(u.Path)
	if len(query) > 0 {
		s += "?" + strings.Join(query, "&")
	}
	return s
}

// limits returns the attributes that count a key's signatures.
func (u URI) limits() []string {
	var query []string
	if u.MaxUses > 0 {
		query = append(query, "max-uses="+strconv.FormatUint(u.MaxUses, 10))
	}
	if u.Counter != "" {
		query = append(query, "counter="+escapePath(u.Counter))
	}
	return query
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
