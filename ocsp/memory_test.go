package ocsp_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// madeAnswer is an answer of the size that answers have, about key.
func madeAnswer(key ocsp.Key, version uint64, thisUpdate time.Time, end []byte) *ocsp.Answer {
	own := binary.BigEndian.AppendUint64([]byte("the answer's own octets, of some length, as signed: "), version)
	own = append(append(own, key...), bytes.Repeat([]byte{byte(version)}, 190+int(version%3))...)
	return ocsp.NewAnswer(append(own, end...), version, version+7, thisUpdate, thisUpdate.Add(time.Hour)).Common(len(end))
}

func madeKey(i int) (key ocsp.Key, serial string) {
	serial = string(binary.BigEndian.AppendUint64([]byte("\x40serial"), uint64(i)))
	return ocsp.Key(fmt.Sprintf("%-89s", "a CertID") + serial), serial
}

func TestMemory(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	ends := [][]byte{bytes.Repeat([]byte("signer one "), 60), bytes.Repeat([]byte("signer two "), 70), nil}
	t.Run("newer version replaces, older does not", func(t *testing.T) {
		m := ocsp.NewMemory(1 << 20)
		key, serial := madeKey(1)
		for _, row := range []struct {
			version uint64
			after   time.Duration
			end     int
			kept    bool
		}{{5, 0, 0, true}, {4, time.Hour, 0, false}, {5, time.Second, 1, true}, {5, 0, 0, false}, {6, 0, 2, true}, {5, time.Hour, 0, false}, {1 << 40, 0, 0, true}} {
			before, _ := m.Get(key)
			a := madeAnswer(key, row.version, now.Add(row.after), ends[row.end])
			m.Put(key, "ehm", serial, a)
			want := before
			if row.kept {
				want = a
			}
			got, ok := m.Get(key)
			if !ok || !bytes.Equal(got.Response, want.Response) || got.Version != want.Version || got.Position != want.Position ||
				!got.ThisUpdate.Equal(want.ThisUpdate) || !got.NextUpdate.Equal(want.NextUpdate) {
				t.Errorf("version %d after %v: got version %d of %v", row.version, row.after, got.Version, got.ThisUpdate)
			}
		}
		if m.Len() != 1 {
			t.Errorf("%d answers are kept under one key", m.Len())
		}
	})
	t.Run("answer without its CertID is not kept", func(t *testing.T) {
		m := ocsp.NewMemory(1 << 20)
		key, serial := madeKey(1)
		other, _ := madeKey(2)
		m.Put(key, "ehm", serial, madeAnswer(other, 1, now, nil))
		if _, ok := m.Get(key); ok {
			t.Error("it is")
		}
	})
	t.Run("bounded, and what is there is right", func(t *testing.T) {
		const budget = 3 << 20
		m := ocsp.NewMemory(budget)
		const n = 60_000
		for i := range n {
			key, serial := madeKey(i)
			m.Put(key, "ehm", serial, madeAnswer(key, uint64(i%1000), now, ends[i%3]))
		}
		if size := m.Size(); size > budget*5/4 {
			t.Errorf("%d octets are taken, of %d", size, budget)
		}
		found := 0
		for i := range n {
			key, _ := madeKey(i)
			if got, ok := m.Get(key); ok {
				found++
				if want := madeAnswer(key, uint64(i%1000), now, ends[i%3]); !bytes.Equal(got.Response, want.Response) {
					t.Fatalf("answer %d is another one", i)
				}
			}
		}
		if found != m.Len() || found < budget/1024 {
			t.Errorf("%d answers are found, %d counted", found, m.Len())
		}
		if _, ok := m.Get(ocsp.Key("none")); ok {
			t.Error("an answer came of nothing")
		}
	})
	t.Run("no budget keeps nothing", func(t *testing.T) {
		m := ocsp.NewMemory(-1)
		key, serial := madeKey(1)
		m.Put(key, "ehm", serial, madeAnswer(key, 1, now, nil))
		if _, ok := m.Get(key); ok || m.Len() > 0 {
			t.Error("it does")
		}
	})
}

// Readers see whole answers while writers replace and evict them.
func TestMemoryConcurrent(t *testing.T) {
	m := ocsp.NewMemory(1 << 20)
	now := time.Now().Truncate(time.Second)
	end := bytes.Repeat([]byte("signer "), 90)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 4000 {
				key, serial := madeKey(rand.IntN(6000))
				m.Put(key, "ehm", serial, madeAnswer(key, rand.Uint64N(50), now, end))
			}
		})
		group.Go(func() {
			for range 8000 {
				key, _ := madeKey(rand.IntN(6000))
				if got, ok := m.Get(key); ok && !bytes.Equal(got.Response, madeAnswer(key, got.Version, now, end).Response) {
					t.Error("an answer is torn")
					return
				}
			}
		})
	}
	group.Wait()
}
