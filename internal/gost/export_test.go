package gost

import (
	"math/big"

	"github.com/altamga/altamga/internal/weierstrass"
)

// VerifyOn verifies on a curve that tests bring along.
func VerifyOn(p, a, b, q, x, y, keyX, keyY, e, r, s *big.Int) bool {
	c := &weierstrass.Curve{Name: "test", P: p, A: a, B: b, N: q, X: x, Y: y}
	return verify(c, weierstrass.Point{X: keyX, Y: keyY}, e, r, s)
}

// CheckCurves reports the curves whose base point is not on them or has another
// order.
func CheckCurves() (wrong []string) {
	for _, c := range curves {
		nothing := c.Combine(c.N, c.Base(), new(big.Int), c.Base())
		if !c.Has(c.Base()) || nothing.X != nil || !c.N.ProbablyPrime(20) || !c.P.ProbablyPrime(20) {
			wrong = append(wrong, c.Name)
		}
	}
	return wrong
}
