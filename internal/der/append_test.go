package der_test

import (
	"bytes"
	encoding_asn1 "encoding/asn1"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// TestAppend holds what is appended to what a cryptobyte.Builder, or the
// standard library, writes.
func TestAppend(t *testing.T) {
	before := []byte("before")
	same := func(t *testing.T, what any, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, append(before[:len(before):len(before)], want...)) {
			t.Errorf("%v: got %x, want %x behind %x", what, got, want, before)
		}
	}
	t.Run("elements of every length of length", func(t *testing.T) {
		for _, n := range []int{0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000} {
			contents := bytes.Repeat([]byte{7}, n)
			want := build(t, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1OctetString(contents)
					b.AddASN1OctetString(nil)
				})
			})
			got := der.Append(bytes.Clone(before), asn1.SEQUENCE, func(b []byte) []byte {
				b = der.Append(b, asn1.OCTET_STRING, func(b []byte) []byte { return append(b, contents...) })
				return der.AppendHeader(b, asn1.OCTET_STRING, 0)
			})
			same(t, n, got, want)
			if size := der.Size(der.Size(n) + 2); size != len(want) {
				t.Errorf("the size is %d, want %d", size, len(want))
			}
		}
	})
	t.Run("numbers", func(t *testing.T) {
		for _, text := range []string{"0", "1", "7f", "80", "ff", "100", "7fff", "8000", "40ffffffffffffffffffffffffffffff", "ff00000000000000000000000000000000"} {
			n, _ := new(big.Int).SetString(text, 16)
			same(t, text, der.AppendNatural(bytes.Clone(before), n), build(t, func(b *cryptobyte.Builder) { b.AddASN1BigInt(n) }))
		}
	})
	t.Run("identifiers in extensions", func(t *testing.T) {
		for _, id := range []encoding_asn1.ObjectIdentifier{{2, 5, 29, 14}, {0, 0}, {2, 999, 127, 128, 16383, 16384, 1<<31 - 1}, {1, 3, 6, 1, 5, 5, 7, 1, 3}} {
			for _, critical := range []bool{false, true} {
				want := build(t, func(b *cryptobyte.Builder) { der.AddExtension(b, id, critical, der.AddNull) })
				same(t, id, der.AppendExtension(bytes.Clone(before), id, critical, func(b []byte) []byte { return append(b, 5, 0) }), want)
			}
		}
	})
	t.Run("times", func(t *testing.T) {
		for _, at := range []time.Time{
			time.Date(1949, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC),
			time.Date(2050, 1, 1, 1, 0, 0, 0, time.FixedZone("", 2*60*60)), time.Date(2050, 1, 1, 0, 0, 0, 5, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		} {
			want, err := encoding_asn1.Marshal(at.UTC())
			if err != nil {
				t.Fatal(err)
			}
			same(t, at, der.AppendTime(bytes.Clone(before), at), want)
		}
	})
}
