package crl_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/crl"
)

// truncating empties the file that it is to sign.
type truncating struct {
	crypto.Signer
	dir string
}

func (k *truncating) Sign(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	drafts, err := filepath.Glob(filepath.Join(k.dir, ".*"))
	for _, name := range drafts {
		err = os.Truncate(name, 0)
	}
	if err != nil || len(drafts) == 0 {
		return nil, err
	}
	return k.Signer.Sign(random, message, opts)
}

// TestWhole is about keys that sign messages and not hashes.
func TestWhole(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the list is not read into memory", func(t *testing.T) {
		hashed, size := memoryOf(t, p256(t))
		signed, _ := memoryOf(t, key)
		for i, when := range []string{"from the table", "from the list before", "at the start"} {
			if signed[i] > hashed[i]+size/4 {
				t.Errorf("%s: %d octets of memory for a list of %d, and %d with a key that signs hashes", when, signed[i], size, hashed[i])
			}
		}
	})
	t.Run("a file that shrinks is an error", func(t *testing.T) {
		c := newCentre(t, key)
		c.Issuers[0].Key = &truncating{key, c.Dir}
		if err := c.publisher(t).Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a list too long to be read from a stream does not verify", func(t *testing.T) {
		c := newCentre(t, key)
		// A signature over nothing is one of that key.
		signature, err := key.Sign(nil, nil, crypto.Hash(0))
		if err != nil {
			t.Fatal(err)
		}
		list := decode(t, c.publish(t, c.publisher(t)).Raw)
		r, err := crl.NewReader(lengthened(t, list, signature))
		if err == nil {
			err = r.Skip()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(c.ca); err == nil || !strings.Contains(err.Error(), "as long as this") {
			t.Errorf("error %v", err)
		}
	})
}

// lengthened reads as the list with so many entries that it has more than 64 MiB.
func lengthened(t *testing.T, list outer, signature []byte) io.Reader {
	t.Helper()
	encode := func(v any) []byte {
		encoded, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	head := func(length int) []byte {
		return binary.BigEndian.AppendUint32([]byte{0x30, 0x84}, uint32(length))
	}
	long := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, 60_000)}
	revoked := encode(struct {
		Serial     int
		Date       asn1.RawValue
		Extensions []pkix.Extension
	}{1, list.TBS.ThisUpdate, []pkix.Extension{long}})
	const times = 1200
	front := slices.Concat(encode(list.TBS.Version), encode(list.TBS.Algorithm), encode(list.TBS.Issuer), encode(list.TBS.ThisUpdate),
		encode(list.TBS.NextUpdate), head(times*len(revoked)))
	behind := append(encode(list.Algorithm), encode(asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)})...)
	front = append(head(len(front)+times*len(revoked)), front...)
	front = append(head(len(front)+times*len(revoked)+len(behind)), front...)
	parts := []io.Reader{bytes.NewReader(front)}
	for range times {
		parts = append(parts, bytes.NewReader(revoked))
	}
	return io.MultiReader(append(parts, bytes.NewReader(behind))...)
}

// memoryOf returns what it takes to make a list from the table, to make it from
// the list before, and to find it at the start; and its size.
func memoryOf(t *testing.T, key crypto.Signer) (took []uint64, size uint64) {
	t.Helper()
	c := newCentre(t, key)
	c.Source = &many{n: 50_000}
	p := c.publisher(t)
	publish := func() { c.publish2(t, p) }
	for _, do := range []func(){publish, publish, func() { p = c.publisher(t) }} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		took = append(took, after.TotalAlloc-before.TotalAlloc)
	}
	c.published(t)
	list, found := p.Current("ehm")
	if !found {
		t.Fatal("the list was not found")
	}
	return took, uint64(list.Size)
}
