package truststore

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sync"

	"github.com/altamga/altamga/interop"
)

// Bounds of what is remembered.
const (
	maxFiles  = 128
	maxOctets = 64 << 20
)

// memory has the files that were made of what the lists say now, each under its
// name and filter. What the lists said before is forgotten.
type memory struct {
	mu     sync.Mutex
	trust  *interop.Trust
	files  map[[sha256.Size]byte][]byte
	octets int
}

// keyOf is the same for filters that take the same.
func keyOf(name string, f Filter) [sha256.Size]byte {
	for _, values := range []*[]string{&f.Territories, &f.Types, &f.Statuses, &f.Algorithms} {
		*values = slices.Compact(slices.Sorted(slices.Values(*values)))
	}
	// Strings and lists of them: this cannot fail.
	data, err := json.Marshal([]any{name, f})
	if err != nil {
		panic(err)
	}
	return sha256.Sum256(data)
}

func (m *memory) get(trust *interop.Trust, key [sha256.Size]byte) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[key]
	return data, ok && m.trust == trust
}

// put remembers a file, in place of any others where there is no room.
func (m *memory) put(trust *interop.Trust, key [sha256.Size]byte, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trust != trust {
		m.trust, m.files, m.octets = trust, map[[sha256.Size]byte][]byte{}, 0
	}
	if len(data) > maxOctets {
		return
	}
	m.octets += len(data) - len(m.files[key])
	m.files[key] = data
	for old, file := range m.files {
		if len(m.files) <= maxFiles && m.octets <= maxOctets {
			return
		}
		if old != key {
			delete(m.files, old)
			m.octets -= len(file)
		}
	}
}
