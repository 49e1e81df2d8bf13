package gost

import "math/big"

// verify verifies a signature (r, s) over the hash e by the key (RFC 7091,
// Section 6.2).
func (c *curve) verify(key point, e, r, s *big.Int) bool {
	if !c.on(key) || r.Sign() <= 0 || s.Sign() <= 0 || r.Cmp(c.q) >= 0 || s.Cmp(c.q) >= 0 {
		return false
	}
	e = new(big.Int).Mod(e, c.q)
	if e.Sign() == 0 {
		e.SetInt64(1)
	}
	v := new(big.Int).ModInverse(e, c.q)
	z1 := new(big.Int).Mul(s, v)
	z2 := new(big.Int).Mul(r, v)
	z2.Neg(z2)
	sum := c.add(c.multiply(z1.Mod(z1, c.q), point{c.x, c.y}), c.multiply(z2.Mod(z2, c.q), key))
	if sum.x == nil {
		return false
	}
	return new(big.Int).Mod(sum.x, c.q).Cmp(r) == 0
}

// littleEndian reads octets, the least significant first.
func littleEndian(octets []byte) *big.Int {
	reversed := make([]byte, len(octets))
	for i, c := range octets {
		reversed[len(octets)-1-i] = c
	}
	return new(big.Int).SetBytes(reversed)
}
