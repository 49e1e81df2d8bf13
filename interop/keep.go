package interop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/internal/durable"
)

// kept is what stands beside the last good list in the folder. It is a memory
// and no proof: the list itself is verified again when it is recalled.
type kept struct {
	URL string `json:"url"`
	Validators
	SeenAt     time.Time `json:"seen_at"`
	VerifiedAt time.Time `json:"verified_at"`
	Sequence   uint64    `json:"sequence"`
}

// name of the file for an address.
func (f *Follower) name(address, extension string) string {
	sum := sha256.Sum256([]byte(address))
	return filepath.Join(f.config.Dir, hex.EncodeToString(sum[:16])+extension)
}

func (f *Follower) read(address, extension string) ([]byte, error) {
	return os.ReadFile(f.name(address, extension))
}

func (f *Follower) write(address, extension string, data []byte) error {
	if err := os.MkdirAll(f.config.Dir, 0o755); err != nil {
		return err
	}
	return durable.Write(f.name(address, extension), data, 0o644)
}

// keep writes the list in force and what is remembered of it.
func (f *Follower) keep(e *followed) error {
	memory, err := json.MarshalIndent(e.kept, "", "  ")
	if err != nil {
		return err
	}
	if there, err := f.read(e.URL, ".xml"); err != nil || sha256.Sum256(there) != e.good.Digest {
		if err := f.write(e.URL, ".xml", e.data); err != nil {
			return fmt.Errorf("keeping the list: %w", err)
		}
	}
	if err := f.write(e.URL, ".json", append(memory, '\n')); err != nil {
		return fmt.Errorf("keeping the list: %w", err)
	}
	return nil
}

// recall puts the list in force that was so when the process ended. It may have
// expired meanwhile: that is shown, and no reason to know nothing.
func (f *Follower) recall(ctx context.Context, e *followed, signers []*Certificate) {
	data, err := f.read(e.URL, ".xml")
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var memory kept
	if err == nil {
		var text []byte
		if text, err = f.read(e.URL, ".json"); err == nil {
			err = json.Unmarshal(text, &memory)
		}
	}
	var v *Verified
	if err == nil {
		v, err = f.judge(ctx, e, data, signers, Terms{MinSequence: memory.Sequence})
	}
	if err != nil {
		f.config.Log.WarnContext(ctx, "last good list is not recalled", "url", e.URL, "err", err)
		return
	}
	e.good, e.data, e.kept = v, data, memory
}
