package conformance_test

import (
	"testing"

	"github.com/altamga/altamga/conformance"
)

// What stands in a certificate under test leads to no address inside of the
// tester's network, however the address is written.
func TestOnlyPublicAddresses(t *testing.T) {
	for _, address := range []string{"8.8.8.8:80", "[2606:4700::1111]:80", "[::ffff:8.8.8.8]:80"} {
		if err := conformance.OnlyPublic(address); err != nil {
			t.Error(err)
		}
	}
	for _, address := range []string{
		"127.0.0.1:80", "10.0.0.1:80", "0.0.0.1:80", "169.254.169.254:80", "100.64.0.1:80", "[::1]:80", "[::1%lo]:80", "[fe80::1%eth0]:80", "[fd00::1]:80",
		"[fec0::1]:80", "[::10.0.0.1]:80", "[::ffff:10.0.0.1]:80", "[::ffff:0:10.0.0.1]:80", "[64:ff9b::10.0.0.1]:80", "[64:ff9b::10.0.0.1%eth0]:80",
		"[2002:a00:1::1]:80", "[2001:db8::1%eth0]:80", "[3fff::1]:80", "[4000::1]:80",
	} {
		if conformance.OnlyPublic(address) == nil {
			t.Errorf("%s counts as public", address)
		}
	}
}
