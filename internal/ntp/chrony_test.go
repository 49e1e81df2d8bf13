package ntp_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/ntp"
	"github.com/altamga/altamga/internal/ntp/ntptest"
)

func TestChrony(t *testing.T) {
	const secret = "HEX:00112233445566778899aabbccddeeff"
	text := ""
	algorithms := []string{"SHA1", "SHA256", "SHA512", "AES128", "AES256"}
	for i, algorithm := range algorithms {
		text += fmt.Sprintf("%d %s %s", i+1, algorithm, secret)
		if algorithm == "AES256" {
			text += strings.TrimPrefix(secret, "HEX:")
		}
		text += "\n"
	}
	address := ntptest.Start(t, ntptest.Config{Keys: text}).Address
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ntp.ReadKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(key *ntp.Key) (ntp.Answer, error) {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		return (&ntp.Server{Address: address, Key: key}).Query(ctx)
	}
	good := func(a ntp.Answer, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		} else if away := a.UTC.Sub(a.Taken.Round(0)).Abs(); away > a.Distance || a.Stratum != 5 {
			t.Errorf("%v away: %+v", away, a)
		}
	}
	good(ask(nil))
	for i, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			key := keys[uint32(i+1)]
			good(ask(&key))
			key.Secret = append([]byte(nil), key.Secret...)
			key.Secret[0] ^= 1
			if a, err := ask(&key); err == nil {
				t.Errorf("a wrong key gets %+v", a)
			}
		})
	}
}
