// Package weierstrass computes on short Weierstrass curves over prime fields,
// y² = x³ + ax + b, for signatures on curves that the standard library does not
// have. Whoever uses it verifies and does nothing else: no number here is
// secret, so nothing needs to take the same time for all.
package weierstrass

import "math/big"

// Curve is a curve and a point (X, Y) of prime order N on it.
type Curve struct {
	Name             string
	P, A, B, X, Y, N *big.Int
}

// Point is a point of a curve; the zero value is the point at infinity.
type Point struct{ X, Y *big.Int }

// Number reads the constants of standards. It panics when there is something
// else than hexadecimal digits.
func Number(digits string) *big.Int {
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok {
		panic("weierstrass: " + digits + " is not a number")
	}
	return n
}

// Size is the length of a coordinate in octets.
func (c *Curve) Size() int { return (c.P.BitLen() + 7) / 8 }

// OrderSize is the length of a number below the order in octets.
func (c *Curve) OrderSize() int { return (c.N.BitLen() + 7) / 8 }

// Base is the point that the curve comes with.
func (c *Curve) Base() Point { return Point{c.X, c.Y} }

// Has reports whether the point is on the curve and is not the one at infinity;
// its coordinates are numbers of the field.
func (c *Curve) Has(p Point) bool {
	if p.X == nil || p.X.Sign() < 0 || p.Y.Sign() < 0 || p.X.Cmp(c.P) >= 0 || p.Y.Cmp(c.P) >= 0 {
		return false
	}
	left := new(big.Int).Mul(p.Y, p.Y)
	right := new(big.Int).Mul(p.X, p.X)
	right.Add(right, c.A).Mul(right, p.X).Add(right, c.B)
	return left.Sub(left, right).Mod(left, c.P).Sign() == 0
}

// Admits reports whether a number can be half of a signature: it is above zero
// and below the order.
func (c *Curve) Admits(n *big.Int) bool { return n.Sign() > 0 && n.Cmp(c.N) < 0 }

// add adds two points.
func (c *Curve) add(p, q Point) Point {
	switch {
	case p.X == nil:
		return q
	case q.X == nil:
		return p
	}
	var slope *big.Int
	if p.X.Cmp(q.X) == 0 {
		sum := new(big.Int).Add(p.Y, q.Y)
		if sum.Mod(sum, c.P).Sign() == 0 {
			return Point{}
		}
		slope = new(big.Int).Mul(p.X, p.X)
		slope.Mul(slope, big.NewInt(3)).Add(slope, c.A)
		slope.Mul(slope, new(big.Int).ModInverse(sum, c.P))
	} else {
		run := new(big.Int).Sub(q.X, p.X)
		slope = new(big.Int).Sub(q.Y, p.Y)
		slope.Mul(slope, new(big.Int).ModInverse(run.Mod(run, c.P), c.P))
	}
	slope.Mod(slope, c.P)
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, p.X).Sub(x, q.X).Mod(x, c.P)
	y := new(big.Int).Sub(p.X, x)
	y.Mul(y, slope).Sub(y, p.Y).Mod(y, c.P)
	return Point{x, y}
}

// Combine is m times p and n times q, added: what verifying a signature asks
// for. Both are doubled together, which halves the work.
func (c *Curve) Combine(m *big.Int, p Point, n *big.Int, q Point) (sum Point) {
	steps := [4]Point{1: p, 2: q, 3: c.add(p, q)}
	for i := max(m.BitLen(), n.BitLen()) - 1; i >= 0; i-- {
		sum = c.add(c.add(sum, sum), steps[m.Bit(i)|n.Bit(i)<<1])
	}
	return sum
}
