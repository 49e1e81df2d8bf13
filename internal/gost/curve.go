package gost

import (
	"encoding/asn1"
	"math/big"

	"github.com/altamga/altamga/internal/weierstrass"
)

func number(digits string) *big.Int { return weierstrass.Number(digits) }

// The parameters of RFC 7836, Appendix A.
var (
	tc512A = &weierstrass.Curve{
		Name: "id-tc26-gost-3410-12-512-paramSetA",
		P: number("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffdc7"),
		A: number("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffdc4"),
		B: number("e8c2505dedfc86ddc1bd0b2b6667f1da34b82574761cb0e879bd081cfd0b6265" +
			"ee3cb090f30d27614cb4574010da90dd862ef9d4ebee4761503190785a71c760"),
		N: number("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"27e69532f48d89116ff22b8d4e0560609b4b38abfad2b85dcacdb1411f10b275"),
		X: number("3"),
		Y: number("7503cfe87a836ae3a61b8816e25450e6ce5e1c93acf1abc1778064fdcbefa921" +
			"df1626be4fd036e93d75e6a50e3a41e98028fe5fc235f5b889a589cb5215f2a4"),
	}
	tc512B = &weierstrass.Curve{
		Name: "id-tc26-gost-3410-12-512-paramSetB",
		P: number("8000000000000000000000000000000000000000000000000000000000000000" +
			"000000000000000000000000000000000000000000000000000000000000006f"),
		A: number("8000000000000000000000000000000000000000000000000000000000000000" +
			"000000000000000000000000000000000000000000000000000000000000006c"),
		B: number("687d1b459dc841457e3e06cf6f5e2517b97c7d614af138bcbf85dc806c4b289f" +
			"3e965d2db1416d217f8b276fad1ab69c50f78bee1fa3106efb8ccbc7c5140116"),
		N: number("8000000000000000000000000000000000000000000000000000000000000001" +
			"49a1ec142565a545acfdb77bd9d40cfa8b996712101bea0ec6346c54374f25bd"),
		X: number("2"),
		Y: number("1a8f7eda389b094c2c071e3647a8940f3c123b697578c213be6dd9e6c8ec7335" +
			"dcb228fd1edf4a39152cbcaaf8c0398828041055f94ceeec7e21340780fe41bd"),
	}
	tc256A = &weierstrass.Curve{
		Name: "id-tc26-gost-3410-2012-256-paramSetA",
		P:    number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffd97"),
		A:    number("c2173f1513981673af4892c23035a27ce25e2013bf95aa33b22c656f277e7335"),
		B:    number("295f9bae7428ed9ccc20e7c359a9d41a22fccd9108e17bf7ba9337a6f8ae9513"),
		N:    number("400000000000000000000000000000000fd8cddfc87b6635c115af556c360c67"),
		X:    number("91e38443a5e82c0d880923425712b2bb658b9196932e02c78b2582fe742daa28"),
		Y:    number("32879423ab1a0375895786c4bb46e9565fde0b5344766740af268adb32322e5c"),
	}
	tc512C = &weierstrass.Curve{
		Name: "id-tc26-gost-3410-2012-512-paramSetC",
		P: number("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffdc7"),
		A: number("dc9203e514a721875485a529d2c722fb187bc8980eb866644de41c68e1430645" +
			"46e861c0e2c9edd92ade71f46fcf50ff2ad97f951fda9f2a2eb6546f39689bd3"),
		B: number("b4c4ee28cebc6c2c8ac12952cf37f16ac7efb6a9f69f4b57ffda2e4f0de5ade0" +
			"38cbc2fff719d2c18de0284b8bfef3b52b8cc7a5f5bf0a3c8d2319a5312557e1"),
		N: number("3fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
			"c98cdba46506ab004c33a9ff5147502cc8eda9e7a769a12694623cef47f023ed"),
		X: number("e2e31edfc23de7bdebe241ce593ef5de2295b7a9cbaef021d385f7074cea043a" +
			"a27272a7ae602bf2a7b9033db9ed3610c6fb85487eae97aac5bc7928c1950148"),
		Y: number("f5ce40d95b5eb899abbccff5911cb8577939804d6527378b8c108c3d2090ff9b" +
			"e18e2d33e3021ed2ef32d85822423b6304f726aa854bae07d0396e9a9addc40f"),
	}
)

// curves by the identifiers of their parameters: those of RFC 7836, Section 5,
// and of Kazakhstan.
var curves = []struct {
	id asn1.ObjectIdentifier
	*weierstrass.Curve
}{
	{asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 2, 1}, tc512A},
	{asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 2, 2}, tc512B},
	{asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 1, 1}, tc256A},
	{asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 2, 3}, tc512C},
	{asn1.ObjectIdentifier{1, 2, 398, 3, 10, 1, 1, 2, 2, 1}, tc512A},
}
