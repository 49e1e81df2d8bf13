package gost

import "math/big"

// VerifyOn verifies on a curve that tests bring along.
func VerifyOn(p, a, b, q, x, y, keyX, keyY, e, r, s *big.Int) bool {
	c := &curve{name: "test", p: p, a: a, b: b, q: q, x: x, y: y}
	return c.verify(point{keyX, keyY}, e, r, s)
}

// CheckCurves reports the curves whose base point is not on them or has another
// order.
func CheckCurves() (wrong []string) {
	for _, c := range curves {
		base := point{c.x, c.y}
		if !c.on(base) || c.multiply(c.q, base).x != nil || !c.q.ProbablyPrime(20) || !c.p.ProbablyPrime(20) {
			wrong = append(wrong, c.name)
		}
	}
	return wrong
}
