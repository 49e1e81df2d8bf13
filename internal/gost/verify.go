package gost

import (
	"math/big"

	"github.com/altamga/altamga/internal/weierstrass"
)

// verify verifies a signature (r, s) over the hash e by the key (RFC 7091,
// Section 6.2).
func verify(c *weierstrass.Curve, key weierstrass.Point, e, r, s *big.Int) bool {
	if !c.Has(key) || !c.Admits(r) || !c.Admits(s) {
		return false
	}
	e = new(big.Int).Mod(e, c.N)
	if e.Sign() == 0 {
		e.SetInt64(1)
	}
	v := new(big.Int).ModInverse(e, c.N)
	z1 := new(big.Int).Mul(s, v)
	z2 := new(big.Int).Mul(r, v)
	z2.Neg(z2)
	sum := c.Combine(z1.Mod(z1, c.N), c.Base(), z2.Mod(z2, c.N), key)
	return sum.X != nil && new(big.Int).Mod(sum.X, c.N).Cmp(r) == 0
}

// littleEndian reads octets, the least significant first.
func littleEndian(octets []byte) *big.Int {
	reversed := make([]byte, len(octets))
	for i, c := range octets {
		reversed[len(octets)-1-i] = c
	}
	return new(big.Int).SetBytes(reversed)
}
