package der_test

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// TestFaultReadsAsCryptobyte holds the elements that Fault finds to those that
// cryptobyte reads, on octets made mostly of headers.
func TestFaultReadsAsCryptobyte(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	few := []byte{0, 1, 2, 3, 4, 5, 0x1f, 0x3f, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0xff}
	good := 0
	for range 100_000 {
		in := make([]byte, random.IntN(12))
		for i := range in {
			in[i] = few[random.IntN(len(few))]
		}
		if len(in) > 0 {
			in[0] = []byte{4, 0x44, 0x1f, 0x5f, 0xc0}[random.IntN(5)] // a string: nothing in it is judged
		}
		if len(in) > 2 && random.IntN(2) == 0 {
			in = append(in, make([]byte, 0x80+random.IntN(0x100))...)
		}
		var element cryptobyte.String
		var tag asn1.Tag
		s := cryptobyte.String(in)
		want := s.ReadAnyASN1Element(&element, &tag)
		if want && !s.Empty() {
			in = element
		}
		if got := der.Fault(in) == ""; got != (want || len(in) == 0) {
			t.Fatalf("% x: got %v, want %v", in, got, want)
		}
		if want {
			good++
		}
	}
	if good < 1000 {
		t.Errorf("only %d were elements", good)
	}
}
