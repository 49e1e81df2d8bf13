//go:build cgo

package keys

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where systems keep PKCS #11 libraries, and where packages register them for
// p11-kit, later folders going before earlier ones.
var (
	moduleFolders = []string{
		"/usr/lib/*/pkcs11", "/usr/lib/*/softhsm", "/usr/lib/pkcs11", "/usr/lib/softhsm", "/usr/lib64/pkcs11", "/usr/lib64/softhsm",
		"/usr/local/lib/pkcs11", "/usr/local/lib/softhsm", "/usr/local/lib",
	}
	registryFolders = []string{"/usr/share/p11-kit/modules", "/etc/pkcs11/modules"}
)

// libraryPaths returns the libraries that may speak for a token, best first.
func libraryPaths(t TokenURI) ([]string, error) {
	if t.ModulePath != "" {
		info, err := os.Stat(t.ModulePath)
		if err == nil && info.IsDir() {
			// RFC 7512, Section 2.4: also "a system-specific absolute path to the
			// directory of where PKCS #11 modules are located".
			found, _ := filepath.Glob(filepath.Join(t.ModulePath, "*.so"))
			return resolved(found), nil
		}
		if err != nil {
			return nil, &Error{err: fmt.Errorf("opening PKCS #11 module: %w", err), hint: "module-path is the library that came with the HSM"}
		}
		return resolved([]string{t.ModulePath}), nil
	}
	found := registered()
	if t.ModuleName == "" {
		if len(found) == 0 {
			return nil, &Error{
				err:  errors.New("opening PKCS #11 module: the system has none registered"),
				hint: "name the library that came with the HSM: add ?module-path=/PATH to the key's URI",
			}
		}
		return found, nil
	}
	for _, folder := range moduleFolders {
		files, _ := filepath.Glob(filepath.Join(folder, "*.so"))
		found = append(found, files...)
	}
	found = slices.DeleteFunc(found, func(path string) bool {
		name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(path), ".so"), "lib")
		return !strings.EqualFold(name, t.ModuleName)
	})
	if found = resolved(found); len(found) == 0 {
		return nil, &Error{
			err:  fmt.Errorf("opening PKCS #11 module: no module %s in the system's folders", t.ModuleName),
			hint: "write module-path=/PATH instead of module-name",
		}
	}
	return found, nil
}

// registered returns the libraries that packages registered for p11-kit, but
// not those of certificates to trust, which hold no keys.
func registered() []string {
	configs := map[string]string{}
	for _, folder := range registryFolders {
		files, _ := filepath.Glob(filepath.Join(folder, "*.module"))
		for _, file := range files {
			configs[filepath.Base(file)] = file
		}
	}
	var found []string
	for _, file := range configs {
		settings := readSettings(file)
		path := settings["module"]
		if path == "" || settings["trust-policy"] == "yes" {
			continue
		}
		if filepath.IsAbs(path) {
			found = append(found, path)
			continue
		}
		for _, folder := range moduleFolders {
			files, _ := filepath.Glob(filepath.Join(folder, path))
			found = append(found, files...)
		}
	}
	slices.Sort(found)
	return resolved(found)
}

// readSettings reads "name: value" lines.
func readSettings(path string) map[string]string {
	settings := map[string]string{}
	f, err := os.Open(path)
	if err != nil {
		return settings
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return settings
}

// resolved follows links, so that a library has one name in this process, and
// drops doubles and what is not there.
func resolved(paths []string) []string {
	var found []string
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err == nil && !slices.Contains(found, real) {
			found = append(found, real)
		}
	}
	return found
}
