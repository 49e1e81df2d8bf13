package gost

import (
	"encoding/asn1"
	"math/big"
)

// curve is a short Weierstrass curve over a prime field, and a point of prime
// order on it (RFC 7091, Section 5.2).
type curve struct {
	name       string
	p, a, b, q *big.Int
	x, y       *big.Int
}

// size is the length of a coordinate in octets.
func (c *curve) size() int { return (c.p.BitLen() + 7) / 8 }

func number(hex string) *big.Int {
	n, ok := new(big.Int).SetString(hex, 16)
	if !ok {
		panic("gost: " + hex + " is not a number")
	}
	return n
}

// The parameters of RFC 7836, Appendix A.
var (
	tc512A = &curve{
		name: "id-tc26-gost-3410-12-512-paramSetA",
		p: number("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffdc7"),
		a: number("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffdc4"),
		b: number("e8c2505dedfc86ddc1bd0b2b6667f1da34b82574761cb0e879bd081cfd0b6265" +
			"ee3cb090f30d27614cb4574010da90dd862ef9d4ebee4761503190785a71c760"),
		q: number("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"27e69532f48d89116ff22b8d4e0560609b4b38abfad2b85dcacdb1411f10b275"),
		x: number("3"),
		y: number("7503cfe87a836ae3a61b8816e25450e6ce5e1c93acf1abc1778064fdcbefa921" +
			"df1626be4fd036e93d75e6a50e3a41e98028fe5fc235f5b889a589cb5215f2a4"),
	}
	tc512B = &curve{
		name: "id-tc26-gost-3410-12-512-paramSetB",
		p: number("8000000000000000000000000000000000000000000000000000000000000000" +
			"000000000000000000000000000000000000000000000000000000000000006f"),
		a: number("8000000000000000000000000000000000000000000000000000000000000000" +
			"000000000000000000000000000000000000000000000000000000000000006c"),
		b: number("687d1b459dc841457e3e06cf6f5e2517b97c7d614af138bcbf85dc806c4b289f" +
			"3e965d2db1416d217f8b276fad1ab69c50f78bee1fa3106efb8ccbc7c5140116"),
		q: number("8000000000000000000000000000000000000000000000000000000000000001" +
			"49a1ec142565a545acfdb77bd9d40cfa8b996712101bea0ec6346c54374f25bd"),
		x: number("2"),
		y: number("1a8f7eda389b094c2c071e3647a8940f3c123b697578c213be6dd9e6c8ec7335" +
			"dcb228fd1edf4a39152cbcaaf8c0398828041055f94ceeec7e21340780fe41bd"),
	}
	tc256A = &curve{
		name: "id-tc26-gost-3410-2012-256-paramSetA",
		p:    number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffd97"),
		a:    number("c2173f1513981673af4892c23035a27ce25e2013bf95aa33b22c656f277e7335"),
		b:    number("295f9bae7428ed9ccc20e7c359a9d41a22fccd9108e17bf7ba9337a6f8ae9513"),
		q:    number("400000000000000000000000000000000fd8cddfc87b6635c115af556c360c67"),
		x:    number("91e38443a5e82c0d880923425712b2bb658b9196932e02c78b2582fe742daa28"),
		y:    number("32879423ab1a0375895786c4bb46e9565fde0b5344766740af268adb32322e5c"),
	}
	tc512C = &curve{
		name: "id-tc26-gost-3410-2012-512-paramSetC",
		p: number("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffdc7"),
		a: number("dc9203e514a721875485a529d2c722fb187bc8980eb866644de41c68e1430645" +
			"46e861c0e2c9edd92ade71f46fcf50ff2ad97f951fda9f2a2eb6546f39689bd3"),
		b: number("b4c4ee28cebc6c2c8ac12952cf37f16ac7efb6a9f69f4b57ffda2e4f0de5ade0" +
			"38cbc2fff719d2c18de0284b8bfef3b52b8cc7a5f5bf0a3c8d2319a5312557e1"),
		q: number("3fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"c98cdba46506ab004c33a9ff5147502cc8eda9e7a769a12694623cef47f023ed"),
		x: number("e2e31edfc23de7bdebe241ce593ef5de2295b7a9cbaef021d385f7074cea043a" +
			"a27272a7ae602bf2a7b9033db9ed3610c6fb85487eae97aac5bc7928c1950148"),
		y: number("f5ce40d95b5eb899abbccff5911cb8577939804d6527378b8c108c3d2090ff9b" +
			"e18e2d33e3021ed2ef32d85822423b6304f726aa854bae07d0396e9a9addc40f"),
	}
)

// curves by the identifiers of their parameters: those of RFC 7836, Section 5,
// and of Kazakhstan.
var curves = []struct {
	id asn1.ObjectIdentifier
	*curve
}{
	{asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 2, 1}, tc512A},
	{asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 2, 2}, tc512B},
	{asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 1, 1}, tc256A},
	{asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 2, 3}, tc512C},
	{asn1.ObjectIdentifier{1, 2, 398, 3, 10, 1, 1, 2, 2, 1}, tc512A},
}

// point is a point of a curve; the zero value is the point at infinity.
type point struct{ x, y *big.Int }

// on reports whether the point is on the curve and is not the one at infinity.
func (c *curve) on(p point) bool {
	if p.x == nil || p.x.Sign() < 0 || p.y.Sign() < 0 || p.x.Cmp(c.p) >= 0 || p.y.Cmp(c.p) >= 0 {
		return false
	}
	left := new(big.Int).Mul(p.y, p.y)
	right := new(big.Int).Mul(p.x, p.x)
	right.Add(right, c.a).Mul(right, p.x).Add(right, c.b)
	return left.Sub(left, right).Mod(left, c.p).Sign() == 0
}

// add adds two points. Nothing here is secret, so it need not take the same time
// for all.
func (c *curve) add(p, q point) point {
	switch {
	case p.x == nil:
		return q
	case q.x == nil:
		return p
	}
	var slope *big.Int
	if p.x.Cmp(q.x) == 0 {
		sum := new(big.Int).Add(p.y, q.y)
		if sum.Mod(sum, c.p).Sign() == 0 {
			return point{}
		}
		slope = new(big.Int).Mul(p.x, p.x)
		slope.Mul(slope, big.NewInt(3)).Add(slope, c.a)
		slope.Mul(slope, new(big.Int).ModInverse(sum, c.p))
	} else {
		run := new(big.Int).Sub(q.x, p.x)
		slope = new(big.Int).Sub(q.y, p.y)
		slope.Mul(slope, new(big.Int).ModInverse(run.Mod(run, c.p), c.p))
	}
	slope.Mod(slope, c.p)
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, p.x).Sub(x, q.x).Mod(x, c.p)
	y := new(big.Int).Sub(p.x, x)
	y.Mul(y, slope).Sub(y, p.y).Mod(y, c.p)
	return point{x, y}
}

// multiply adds p to itself k times.
func (c *curve) multiply(k *big.Int, p point) (r point) {
	for i := k.BitLen() - 1; i >= 0; i-- {
		r = c.add(r, r)
		if k.Bit(i) == 1 {
			r = c.add(r, p)
		}
	}
	return r
}
