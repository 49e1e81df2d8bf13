package ntp

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// ReadKeys reads a key file as chrony and ntpd have it: a line for each key
// with its number, its algorithm and its secret, in hexadecimal behind "HEX:" or
// as text. A file that others may read is refused.
func ReadKeys(path string) (map[uint32]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading time keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading time keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("reading time keys: %s may be read by others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	keys, err := parseKeys(f)
	if err != nil {
		return nil, fmt.Errorf("reading time keys: %s%w", path, err)
	}
	return keys, nil
}

func parseKeys(r io.Reader) (map[uint32]Key, error) {
	keys := make(map[uint32]Key)
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		// The error never quotes the line, which holds a secret.
		if len(words) != 3 {
			return nil, fmt.Errorf(":%d: a line has a number, an algorithm and a secret", number)
		}
		id, err := strconv.ParseUint(words[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf(":%d: a key's number is missing", number)
		}
		key := Key{ID: uint32(id), Algorithm: strings.ToUpper(words[1]), Secret: []byte(strings.TrimPrefix(words[2], "ASCII:"))}
		if digits, ok := strings.CutPrefix(words[2], "HEX:"); ok {
			if key.Secret, err = hex.DecodeString(digits); err != nil {
				return nil, fmt.Errorf(":%d: the secret is not hexadecimal", number)
			}
		}
		if err := key.check(); err != nil {
			return nil, fmt.Errorf(":%d: %w", number, err)
		}
		if _, twice := keys[key.ID]; twice {
			return nil, fmt.Errorf(":%d: key %d stands twice", number, key.ID)
		}
		keys[key.ID] = key
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf(": %w", err)
	}
	return keys, nil
}
