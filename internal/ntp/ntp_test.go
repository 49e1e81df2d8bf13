package ntp_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/ntp"
)

// FuzzParsePacket checks that what parses becomes the same octets again.
func FuzzParsePacket(f *testing.F) {
	for _, seed := range []string{
		"240206e80000001a00000c5bc0a80101ecbb0e9a00000000aaaaaaaaaaaaaaaaecbb0e9a12345678ecbb0e9a12345679",
		"e40006e80000000000000000524154450000000000000000aaaaaaaaaaaaaaaa00000000000000000000000000000000",
	} {
		b, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, make([]byte, 24)...))
	}
	f.Add(make([]byte, 47))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, mac, err := ntp.ParsePacket(in)
		if err != nil {
			return
		}
		if out := append(p.Marshal(), mac...); !bytes.Equal(out, in) {
			t.Errorf("%x became %x", in, out)
		}
	})
}

// The test vectors of RFC 4493, Section 4.
func TestCMAC(t *testing.T) {
	key := unhex(t, "2b7e151628aed2a6abf7158809cf4f3c")
	message := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{0: "bb1d6929e95937287fa37d129b756746", 16: "070a16b46b4d4144f79bdd9dd04a287c", 40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe"} {
		got, err := ntp.Key{ID: 1, Algorithm: "AES128", Secret: key}.Digest(message[:n])
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%d octets: %x, %v, want %s", n, got, err, want)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ntp.keys")
	write := func(text string, mode os.FileMode) {
		os.Remove(file)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("# ours\n1 sha1 secret-word\n2 SHA256 HEX:000102030405060708090A0B0C0D0E0F # theirs\n\n3 AES128 HEX:000102030405060708090A0B0C0D0E0F\n", 0o600)
	keys, err := ntp.ReadKeys(file)
	if err != nil || len(keys) != 3 || string(keys[1].Secret) != "secret-word" || keys[1].Algorithm != "SHA1" || len(keys[2].Secret) != 16 {
		t.Errorf("got %v, %v", keys, err)
	}
	for text, says := range map[string]string{
		"1 SHA1": ":1: a line has", "x SHA1 secret-word": "number", "\n1 MD5 secret-word": ":2: key 1: MD5 is none", "1 SHA1 HEX:xy": "hexadecimal",
		"0 SHA1 secret-word": "between 1", "1 SHA1 short": "octets", "1 AES128 not-sixteen": "octets", "1 SHA1 secret-word\n1 SHA1 secret-word": "twice",
	} {
		write(text, 0o600)
		if _, err := ntp.ReadKeys(file); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%q: %v", text, err)
		}
	}
	write("1 SHA1 secret-word", 0o644)
	if _, err := ntp.ReadKeys(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that all may read: %v", err)
	}
}

// server answers each request with what answer makes of it.
func server(t *testing.T, answer func(request ntp.Packet, raw []byte) [][]byte) string {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			p, _, err := ntp.ParsePacket(buffer[:n])
			if err != nil {
				continue
			}
			for _, out := range answer(p, bytes.Clone(buffer[:n])) {
				socket.WriteTo(out, from)
			}
		}
	}()
	return socket.LocalAddr().String()
}

// right is a right answer, an hour ahead of the machine.
func right(request ntp.Packet) ntp.Packet {
	now := ntp.StampOf(time.Now().Add(time.Hour))
	return ntp.Packet{Version: 4, Mode: 4, Stratum: 2, Precision: -20, RootDelay: 20 * time.Millisecond, RootDispersion: 3 * time.Millisecond,
		ReferenceID: [4]byte{192, 0, 2, 1}, Reference: now, Origin: request.Transmit, Receive: now, Transmit: now + 1}
}

func TestQuery(t *testing.T) {
	key := ntp.Key{ID: 7, Algorithm: "SHA256", Secret: []byte("0123456789abcdef")}
	other := ntp.Key{ID: 7, Algorithm: "SHA256", Secret: []byte("another sixteen!")}
	signed := func(k ntp.Key, p ntp.Packet) []byte {
		out, err := k.AppendMAC(p.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	changed := func(change func(*ntp.Packet)) func(ntp.Packet, []byte) [][]byte {
		return func(request ntp.Packet, _ []byte) [][]byte {
			p := right(request)
			change(&p)
			return [][]byte{p.Marshal()}
		}
	}
	for name, row := range map[string]struct {
		answer func(ntp.Packet, []byte) [][]byte
		key    *ntp.Key
		says   string // "" when the answer is good
	}{
		"right":         {changed(func(*ntp.Packet) {}), nil, ""},
		"authenticated": {func(r ntp.Packet, _ []byte) [][]byte { return [][]byte{signed(key, right(r))} }, &key, ""},
		"behind others": {func(r ntp.Packet, raw []byte) [][]byte {
			return [][]byte{raw, {1}, signed(other, right(r)), signed(key, right(r))}
		}, &key, ""},
		"not authenticated":  {changed(func(*ntp.Packet) {}), &key, "not authenticated"},
		"with another key":   {func(r ntp.Packet, _ []byte) [][]byte { return [][]byte{signed(other, right(r))} }, &key, "not authenticated"},
		"a crypto-NAK":       {func(r ntp.Packet, _ []byte) [][]byte { return [][]byte{append(right(r).Marshal(), 0, 0, 0, 0)} }, &key, "not authenticated"},
		"of another request": {changed(func(p *ntp.Packet) { p.Origin++ }), nil, "another request"},
		"our own request":    {func(_ ntp.Packet, raw []byte) [][]byte { return [][]byte{raw} }, nil, "another request"},
		"too short":          {func(r ntp.Packet, _ []byte) [][]byte { return [][]byte{right(r).Marshal()[:47]} }, nil, "48 octets"},
		"with an extension": {func(r ntp.Packet, _ []byte) [][]byte {
			return [][]byte{append(right(r).Marshal(), make([]byte, 28)...)}
		}, nil, "authentication code"},
		"not synchronised":         {changed(func(p *ntp.Packet) { p.Leap = ntp.LeapUnknown }), nil, "not synchronised"},
		"of stratum 16":            {changed(func(p *ntp.Packet) { p.Stratum = 16 }), nil, "not synchronised"},
		"without a time":           {changed(func(p *ntp.Packet) { p.Transmit = 0 }), nil, "no time"},
		"sent before received":     {changed(func(p *ntp.Packet) { p.Transmit = p.Receive - 1<<32 }), nil, "contradict"},
		"held longer than it took": {changed(func(p *ntp.Packet) { p.Receive = p.Transmit - 5<<32 }), nil, "contradict"},
		"far from its reference":   {changed(func(p *ntp.Packet) { p.RootDispersion = 2 * time.Second }), nil, "from UTC"},
		"a kiss code":              {changed(func(p *ntp.Packet) { p.Stratum, p.ReferenceID = 0, [4]byte{'R', 'A', 'T', 'E'} }), nil, `"RATE"`},
		"without a time yet":       {changed(func(p *ntp.Packet) { p.Leap, p.Stratum, p.ReferenceID = ntp.LeapUnknown, 0, [4]byte{} }), nil, "not synchronised"},
		"at its start":             {changed(func(p *ntp.Packet) { p.Stratum, p.ReferenceID = 0, [4]byte{'I', 'N', 'I', 'T'} }), nil, "not synchronised"},
		"nothing":                  {func(ntp.Packet, []byte) [][]byte { return nil }, nil, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &ntp.Server{Address: server(t, row.answer), Key: row.key}
			ctx, stop := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer stop()
			a, err := s.Query(ctx)
			if row.says != "" {
				if err == nil || !strings.Contains(err.Error(), row.says) {
					t.Fatalf("got %+v, %v, want an error that says %q", a, err, row.says)
				}
				_, err := s.Query(ctx)
				if alone := err != nil && strings.Contains(err.Error(), "left alone"); alone != (row.says == `"RATE"`) {
					t.Errorf("asked again at once: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			ahead := a.UTC.Sub(a.Taken.Round(0)) - time.Hour
			if ahead.Abs() > a.Distance || a.Distance < 13*time.Millisecond || a.Distance > 500*time.Millisecond || a.Stratum != 2 ||
				a.Reference != "192.0.2.1" || a.Authenticated != (row.key != nil) {
				t.Errorf("%v ahead of the truth: %+v", ahead, a)
			}
		})
	}
}

// Timestamps of any era are read near the machine's time.
func TestEras(t *testing.T) {
	for _, at := range []time.Time{time.Unix(0, 0), time.Date(2026, 11, 22, 12, 0, 0, 5e8, time.UTC), time.Date(2036, 2, 7, 6, 28, 15, 0, time.UTC), time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC), time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC)} {
		for _, off := range []time.Duration{0, -time.Hour, 24 * 365 * 50 * time.Hour, -24 * 365 * 50 * time.Hour} {
			if got := ntp.TimeOf(ntp.StampOf(at), at.Add(off)); got.Sub(at).Abs() > time.Microsecond {
				t.Errorf("%v seen from %v off became %v", at, off, got)
			}
		}
	}
}

// The count goes on as the clocks do, apart from their being slewed.
func TestElapsed(t *testing.T) {
	count := ntp.Elapsed()
	if count == nil {
		t.Skip("this system has no clock that nobody slews")
	}
	began, start := count(), time.Now()
	time.Sleep(20 * time.Millisecond)
	least := time.Since(start)
	elapsed := count() - began
	if most := time.Since(start); elapsed < least*8/10 || elapsed > most*12/10+time.Millisecond {
		t.Errorf("counted %v of %v to %v", elapsed, least, most)
	}
}
