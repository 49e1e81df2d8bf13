package brainpool

import (
	"math/big"

	"github.com/altamga/altamga/internal/weierstrass"
)

// Curves are the curves by name.
func Curves() map[string]*weierstrass.Curve {
	all := map[string]*weierstrass.Curve{}
	for _, c := range curves {
		all[c.Name] = c
	}
	return all
}

// Times multiplies a point.
func Times(c *weierstrass.Curve, n *big.Int, p weierstrass.Point) weierstrass.Point {
	return c.Combine(n, p, new(big.Int), p)
}
