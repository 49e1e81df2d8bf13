package tsa_test

import (
	"bytes"
	"encoding/hex"
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/tsa"
)

func TestSerials(t *testing.T) {
	t.Run("TSA-18 serial unique and growing", func(t *testing.T) {
		var s tsa.Serials
		last := new(big.Int)
		times := []time.Time{noon, noon, noon.Add(1), noon.Add(-time.Hour), noon.Add(time.Hour), time.Unix(0, 0), time.Unix(-1, 0)}
		for i := range 1000 {
			value := s.Next(times[i%len(times)])
			n := new(big.Int).SetBytes(value)
			if n.Cmp(last) <= 0 || value[0] >= 0x80 || (len(value) > 1 && value[0] == 0 && value[1] < 0x80) {
				t.Fatalf("%x after %x", value, last)
			}
			last = n
		}
	})
	t.Run("TSA-21 serial of at most 160 bits", func(t *testing.T) {
		for _, now := range []time.Time{noon, time.Date(2262, 4, 11, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
			var s tsa.Serials
			if value := s.Next(now); len(value) > 20 || value[0] >= 0x80 {
				t.Errorf("%v: got %x", now, value)
			}
		}
	})
	t.Run("TSA-18 serial unique after a crash at the same moment", func(t *testing.T) {
		// Ten thousand processes that start in the same nanosecond, as after
		// a clock that was set back: only the random half tells them apart.
		seen := map[string]bool{}
		for range 10000 {
			var s tsa.Serials
			seen[string(s.Next(noon))] = true
		}
		if len(seen) != 10000 {
			t.Errorf("%d different serial numbers, want 10000", len(seen))
		}
	})
}

func TestSerialsOfTokens(t *testing.T) {
	// In the bubble the clock stands still while the authorities work.
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		var mu sync.Mutex
		var wait sync.WaitGroup
		a, _, _ := newAuthority(t, nil)
		query := marshal(t, query())
		for range 200 {
			wait.Go(func() {
				token, err := tsa.ParseResponse(a.Respond(t.Context(), query))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				seen[hex.EncodeToString(token.Info.Serial)] = true
			})
		}
		wait.Wait()
		if len(seen) != 200 {
			t.Errorf("%d different serial numbers, want 200", len(seen))
		}
	})
}

func TestSerialNumber(t *testing.T) {
	for _, n := range []int64{0, 1, 127, 128, 255, 256, -1, -128, -129} {
		encoded := tsa.Info{Serial: twosComplement(n)}
		if got := encoded.SerialNumber(); got.Int64() != n {
			t.Errorf("%x: got %v, want %d", encoded.Serial, got, n)
		}
	}
}

// twosComplement returns n in eight octets.
func twosComplement(n int64) []byte {
	return new(big.Int).And(big.NewInt(n), new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, 8))).FillBytes(make([]byte, 8))
}
