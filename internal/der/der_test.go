package der_test

import (
	"bytes"
	encoding_asn1 "encoding/asn1"
	"encoding/hex"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// unhex decodes octets written in hexadecimal with spaces.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	out, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// build returns what write writes.
func build(t testing.TB, write func(*cryptobyte.Builder)) []byte {
	t.Helper()
	b := cryptobyte.NewBuilder(nil)
	write(b)
	out, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhole(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		ok             bool
	}{
		{"one element", "30 03 02 01 05", "02 01 05", true},
		{"empty element", "30 00", "", true},
		{"something behind it", "30 00 00", "", false},
		{"another tag", "31 00", "", false},
		{"too short", "30 03 02 01", "", false},
		{"nothing", "", "", false},
		{"indefinite length", "30 80 02 01 05 00 00", "", false},
		{"length not minimal", "30 81 03 02 01 05", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := der.Whole(unhex(t, test.in), asn1.SEQUENCE)
			if ok != test.ok || ok && !bytes.Equal(got, unhex(t, test.want)) {
				t.Errorf("got % x, %v", got, ok)
			}
		})
	}
}

func TestReadTime(t *testing.T) {
	for _, test := range []struct {
		value string
		want  time.Time
		ok    bool
	}{
		{"20261122104500Z", time.Date(2026, 11, 22, 10, 45, 0, 0, time.UTC), true},
		{"20240229235959Z", time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC), true},
		{"20230229235959Z", time.Time{}, false},
		{"202611221045Z", time.Time{}, false},
		{"20261122104500.5Z", time.Time{}, false},
		{"20261122104500", time.Time{}, false},
		{"20261122104500+0400", time.Time{}, false},
		{"2026112210450 Z", time.Time{}, false},
		{"20261122104560Z", time.Time{}, false},
		{"", time.Time{}, false},
	} {
		t.Run(test.value, func(t *testing.T) {
			s := cryptobyte.String(append([]byte{0x18, byte(len(test.value))}, test.value...))
			var got time.Time
			if ok := der.ReadTime(&s, &got); ok != test.ok || !got.Equal(test.want) {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
	utc := cryptobyte.String(append([]byte{0x17, 13}, "261122104500Z"...))
	if der.ReadTime(&utc, new(time.Time)) {
		t.Error("UTCTime was read as GeneralizedTime")
	}
}

func TestAddTime(t *testing.T) {
	baku := time.FixedZone("+04", 4*60*60)
	for _, test := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 11, 22, 14, 45, 0, 999, baku), "\x17\x0d261122104500Z"},
		{time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), "\x17\x0d500101000000Z"},
		{time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), "\x17\x0d491231235959Z"},
		{time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), "\x18\x0f20500101000000Z"},
		{time.Date(2050, 1, 1, 3, 59, 59, 0, baku), "\x17\x0d491231235959Z"},
		{time.Date(1949, 12, 31, 23, 59, 59, 0, time.UTC), "\x18\x0f19491231235959Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "\x18\x0f99991231235959Z"},
	} {
		if got := build(t, func(b *cryptobyte.Builder) { der.AddTime(b, test.at) }); string(got) != test.want {
			t.Errorf("%v became %q, want %q", test.at, got, test.want)
		}
	}
	at := time.Date(2026, 11, 22, 10, 45, 1, 987, time.UTC)
	s := cryptobyte.String(build(t, func(b *cryptobyte.Builder) { der.AddGeneralizedTime(b, at) }))
	var got time.Time
	if !der.ReadTime(&s, &got) || !got.Equal(at.Truncate(time.Second)) {
		t.Errorf("%v was read again as %v", at, got)
	}
}

func TestAddNamedBits(t *testing.T) {
	for _, test := range []struct {
		bits []int
		want string
	}{
		{nil, "03 01 00"},
		{[]int{0}, "03 02 07 80"},
		{[]int{1}, "03 02 06 40"},
		{[]int{5, 6}, "03 02 01 06"},
		{[]int{7}, "03 02 00 01"},
		{[]int{8}, "03 03 07 00 80"},
		{[]int{15}, "03 03 00 00 01"},
		{[]int{25, 0}, "03 05 06 80 00 00 40"},
	} {
		if got := build(t, func(b *cryptobyte.Builder) { der.AddNamedBits(b, test.bits...) }); !bytes.Equal(got, unhex(t, test.want)) {
			t.Errorf("%v became % x, want %s", test.bits, got, test.want)
		}
	}
}

func TestAddSetOf(t *testing.T) {
	got := build(t, func(b *cryptobyte.Builder) {
		der.AddSetOf(b, [][]byte{{4, 1, 9}, {2, 1, 5}, {4, 1, 1}, {2, 1, 5}})
	})
	if want := unhex(t, "31 0c 02 01 05 02 01 05 04 01 01 04 01 09"); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
	if got := build(t, func(b *cryptobyte.Builder) { der.AddSetOf(b, nil) }); !bytes.Equal(got, []byte{0x31, 0}) {
		t.Errorf("the empty set became % x", got)
	}
}

func TestAddExtension(t *testing.T) {
	id := encoding_asn1.ObjectIdentifier{2, 5, 29, 19}
	for critical, want := range map[bool]string{
		false: "30 09 06 03 55 1d 13 04 02 05 00",
		true:  "30 0c 06 03 55 1d 13 01 01 ff 04 02 05 00",
	} {
		if got := build(t, func(b *cryptobyte.Builder) { der.AddExtension(b, id, critical, der.AddNull) }); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("critical %v became % x, want %s", critical, got, want)
		}
	}
}

func TestReadExtensions(t *testing.T) {
	one, two := "30 09 06 03 55 1d 13 04 02 05 00", "30 0c 06 03 55 1d 0f 01 01 ff 04 02 05 00"
	t.Run("two extensions", func(t *testing.T) {
		s := cryptobyte.String(unhex(t, "30 19"+one+two+"aa"))
		got, ok := der.ReadExtensions(&s)
		if !ok || len(got) != 2 || got[0].Critical || !got[1].Critical || !got[1].ID.Equal(encoding_asn1.ObjectIdentifier{2, 5, 29, 15}) || !bytes.Equal(got[0].Value, []byte{5, 0}) {
			t.Errorf("got %+v, %v", got, ok)
		}
		if len(s) != 1 {
			t.Errorf("%d octets are left, want 1", len(s))
		}
	})
	for _, test := range []struct{ name, in string }{
		{"no sequence", "31 0b" + one},
		{"empty list", "30 00"},
		{"the same twice", "30 16" + one + one},
		{"critical FALSE encoded", "30 0e 30 0c 06 03 55 1d 13 01 01 00 04 02 05 00"},
		{"critical neither 00 nor FF", "30 0e 30 0c 06 03 55 1d 13 01 01 01 04 02 05 00"},
		{"no value", "30 07 30 05 06 03 55 1d 13"},
		{"something behind the value", "30 0d 30 0b 06 03 55 1d 13 04 02 05 00 05 00"},
		{"value no OCTET STRING", "30 0b 30 09 06 03 55 1d 13 03 02 05 00"},
		{"no identifier", "30 06 30 04 04 02 05 00"},
		{"cut off", "30 0b 30 09 06 03 55 1d 13 04 02 05"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := cryptobyte.String(unhex(t, test.in))
			if got, ok := der.ReadExtensions(&s); ok {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("at most 64", func(t *testing.T) {
		for n, want := range map[int]bool{64: true, 65: false} {
			in := build(t, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for i := range n {
						der.AddExtension(b, encoding_asn1.ObjectIdentifier{2, 999, i}, false, der.AddNull)
					}
				})
			})
			s := cryptobyte.String(in)
			if _, ok := der.ReadExtensions(&s); ok != want {
				t.Errorf("%d extensions: got %v", n, ok)
			}
		}
	})
}

// FuzzReadExtensions: what is read is written as the same octets.
func FuzzReadExtensions(f *testing.F) {
	f.Add(unhex(f, "30 19 30 09 06 03 55 1d 13 04 02 05 00 30 0c 06 03 55 1d 0f 01 01 ff 04 02 05 00"))
	f.Add(unhex(f, "30 0e 30 0c 06 03 55 1d 13 01 01 00 04 02 05 00"))
	f.Add(unhex(f, "30 0b 30 09 06 03 88 37 01 04 02 05 00"))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		s := cryptobyte.String(in)
		list, ok := der.ReadExtensions(&s)
		if !ok {
			return
		}
		out := build(t, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range list {
					der.AddExtension(b, e.ID, e.Critical, func(b *cryptobyte.Builder) { b.AddBytes(e.Value) })
				}
			})
		})
		if read := in[:len(in)-len(s)]; !bytes.Equal(out, read) {
			t.Errorf("% x was read but became % x", read, out)
		}
	})
}

func TestFault(t *testing.T) {
	for _, test := range []struct {
		name, in string
		sound    bool
	}{
		{"a sequence of everything", "30 0e 01 01 ff 02 01 80 31 06 02 01 01 02 01 05", true},
		{"nothing", "", true},
		{"TRUE as 01", "30 03 01 01 01", false},
		{"padded integer", "02 02 00 01", false},
		{"padded negative integer", "02 02 ff 80", false},
		{"empty integer", "02 00", false},
		{"unsorted set", "31 06 02 01 05 02 01 01", false},
		{"long form of a short length", "04 81 01 00", false},
		{"indefinite length", "30 80 00 00", false},
		{"torn", "30 05 02 01", false},
		{"in a context tag", "a0 03 01 01 02", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := der.Fault(unhex(t, test.in)); (got == "") != test.sound {
				t.Errorf("got %q", got)
			}
		})
	}
	deep := []byte{5, 0}
	for range 60 {
		deep = append([]byte{0x30, byte(len(deep))}, deep...)
	}
	if der.Fault(deep) == "" {
		t.Error("60 levels passed")
	}
}
