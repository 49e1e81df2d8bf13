package brainpool_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/brainpool"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/weierstrass"
)

func number(t *testing.T, digits string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok {
		t.Fatal(digits)
	}
	return n
}

// The curves are of prime order, and each twisted one is what RFC 5639, Section
// 2.2 makes of the random one with the Z of Section 3.
func TestCurves(t *testing.T) {
	z := map[string]string{
		"256": "3e2d4bd9597b58639ae7aa669cab9837cf5cf20a2c852d10f655668dfc150ef0",
		"384": "41dfe8dd399331f7166a66076734a89cd0d2bcdb7d068e44e1f378f41ecbae97d2d63dbc87bccddccc5da39e8589291c",
		"512": "12ee58e6764838b69782136f0f2d3ba06e27695716054092e60a80bedb212b64e585d90bce13761f85c3f1d2a64e3be8fea2220f01eba5eeb0f35dbd29d922ab",
	}
	all := brainpool.Curves()
	for name, c := range all {
		if !c.Has(c.Base()) || brainpool.Times(c, c.N, c.Base()).X != nil || !c.N.ProbablyPrime(20) || !c.P.ProbablyPrime(20) {
			t.Errorf("%s is not what it is said to be", name)
		}
	}
	for size, digits := range z {
		random, twisted, u := all["brainpoolP"+size+"r1"], all["brainpoolP"+size+"t1"], number(t, digits)
		power := func(n int64, by *big.Int) *big.Int {
			v := new(big.Int).Exp(u, big.NewInt(n), random.P)
			return v.Mul(v, by).Mod(v, random.P)
		}
		for name, pair := range map[string][2]*big.Int{
			"p": {random.P, twisted.P}, "q": {random.N, twisted.N}, "A": {power(4, random.A), twisted.A}, "B": {power(6, random.B), twisted.B},
			"x": {power(2, random.X), twisted.X}, "y": {power(3, random.Y), twisted.Y},
		} {
			if pair[0].Cmp(pair[1]) != 0 {
				t.Errorf("%s of the twisted curve of %s bits is %x, not %x", name, size, pair[1], pair[0])
			}
		}
	}
}

// The examples of RFC 7027, Appendix A: two keys, and what both have in common.
func TestExamples(t *testing.T) {
	for name, row := range map[string][6]string{
		"brainpoolP256r1": {
			"81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D",
			"44106E913F92BC02A1705D9953A8414DB95E1AAA49E81D9E85F929A8E3100BE5",
			"8AB4846F11CACCB73CE49CBDD120F5A900A69FD32C272223F789EF10EB089BDC",
			"55E40BC41E37E3E2AD25C3C6654511FFA8474A91A0032087593852D3E7D76BD3",
			"89AFC39D41D3B327814B80940B042590F96556EC91E6AE7939BCE31F3A18BF2B",
			"49C27868F4ECA2179BFD7D59B1E3BF34C1DBDE61AE12931648F43E59632504DE",
		},
		"brainpoolP384r1": {
			"1E20F5E048A5886F1F157C74E91BDE2B98C8B52D58E5003D57053FC4B0BD65D6F15EB5D1EE1610DF870795143627D042",
			"68B665DD91C195800650CDD363C625F4E742E8134667B767B1B476793588F885AB698C852D4A6E77A252D6380FCAF068",
			"55BC91A39C9EC01DEE36017B7D673A931236D2F1F5C83942D049E3FA20607493E0D038FF2FD30C2AB67D15C85F7FAA59",
			"032640BC6003C59260F7250C3DB58CE647F98E1260ACCE4ACDA3DD869F74E01F8BA5E0324309DB6A9831497ABAC96670",
			"0BD9D3A7EA0B3D519D09D8E48D0785FB744A6B355E6304BC51C229FBBCE239BBADF6403715C35D4FB2A5444F575D4F42",
			"0DF213417EBE4D8E40A5F76F66C56470C489A3478D146DECF6DF0D94BAE9E598157290F8756066975F1DB34B2324B7BD",
		},
		"brainpoolP512r1": {
			"16302FF0DBBB5A8D733DAB7141C1B45ACBC8715939677F6A56850A38BD87BD59B09E80279609FF333EB9D4C061231FB26F92EEB04982A5F1D1764CAD57665422",
			"0A420517E406AAC0ACDCE90FCD71487718D3B953EFD7FBEC5F7F27E28C6149999397E91E029E06457DB2D3E640668B392C2A7E737A7F0BF04436D11640FD09FD",
			"72E6882E8DB28AAD36237CD25D580DB23783961C8DC52DFA2EC138AD472A0FCEF3887CF62B623B2A87DE5C588301EA3E5FC269B373B60724F5E82A6AD147FDE7",
			"230E18E1BCC88A362FA54E4EA3902009292F7F8033624FD471B5D8ACE49D12CFABBC19963DAB8E2F1EBA00BFFB29E4D72D13F2224562F405CB80503666B25429",
			"A7927098655F1F9976FA50A9D566865DC530331846381C87256BAF3226244B76D36403C024D7BBF0AA0803EAFF405D3D24F11A9B5C0BEF679FE1454B21C4CD1F",
			"7DB71C3DEF63212841C463E881BDCF055523BD368240E6C3143BD8DEF8B3B3223B95E0F53082FF5E412F4222537A43DF1C6D25729DDB51620A832BE6A26680A2",
		},
	} {
		c := brainpool.Curves()[name]
		n := func(i int) *big.Int { return number(t, row[i]) }
		key := brainpool.Times(c, n(0), c.Base())
		if key.X.Cmp(n(1)) != 0 || key.Y.Cmp(n(2)) != 0 {
			t.Errorf("%s: the key is (%x, %x)", name, key.X, key.Y)
		}
		if shared := brainpool.Times(c, n(3), key); shared.X.Cmp(n(4)) != 0 || shared.Y.Cmp(n(5)) != 0 {
			t.Errorf("%s: what they share is (%x, %x)", name, shared.X, shared.Y)
		}
	}
}

// openssl runs it in a folder.
func openssl(t *testing.T, dir string, arguments ...string) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed (Debian: openssl)")
	}
	command := exec.Command(path, arguments...)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(data); block != nil {
		return block.Bytes
	}
	return data
}

// What openssl signs on each curve, over hashes shorter and longer than the
// order, verifies; and nothing that differs from it.
func TestSignaturesOfOpenSSL(t *testing.T) {
	dir := t.TempDir()
	message := []byte("a list of trusted services")
	if err := os.WriteFile(filepath.Join(dir, "message"), message, 0o600); err != nil {
		t.Fatal(err)
	}
	algorithms := map[string]pki.Algorithm{
		"sha256": {ID: pki.OIDECDSAWithSHA256}, "sha384": {ID: pki.OIDECDSAWithSHA384}, "sha512": {ID: pki.OIDECDSAWithSHA512},
	}
	for name, curve := range brainpool.Curves() {
		openssl(t, dir, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+name, "-out", "key.pem")
		openssl(t, dir, "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
		spki := read(t, dir, "public.pem")
		key := brainpool.ReadKey(spki)
		if key == nil || key.Curve() != name {
			t.Fatalf("%s: the key is not read", name)
		}
		for hash, algorithm := range algorithms {
			openssl(t, dir, "dgst", "-"+hash, "-sign", "key.pem", "-out", "signature", "message")
			signature := read(t, dir, "signature")
			if good, known := key.CheckSignature(algorithm, message, signature); !good || !known {
				t.Errorf("%s, %s: %v, %v", name, hash, good, known)
			}
			if good, _ := key.CheckSignature(algorithm, message[1:], signature); good {
				t.Errorf("%s, %s: another message verifies", name, hash)
			}
		}
		openssl(t, dir, "dgst", "-sha256", "-sign", "key.pem", "-out", "signature", "message")
		digest := sha256.Sum256(message)
		refuses(t, key, curve, digest[:], read(t, dir, "signature"))
		refusesKeys(t, dir, curve, spki)
	}
}

// refuses holds a key to every way in which a signature can be wrong.
func refuses(t *testing.T, key *brainpool.PublicKey, curve *weierstrass.Curve, digest, signature []byte) {
	t.Helper()
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &pair); err != nil {
		t.Fatal(err)
	}
	raw := func(r, s *big.Int) []byte {
		size := curve.OrderSize()
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	if !key.VerifyASN1(digest, signature) || !key.VerifyRaw(digest, raw(pair.R, pair.S)) {
		t.Fatalf("%s: the signature does not verify", curve.Name)
	}
	encode := func(r, s *big.Int) []byte {
		b, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	zero := new(big.Int)
	beyond := new(big.Int).Add(pair.R, curve.N)
	for what, wrong := range map[string][]byte{
		"swapped": encode(pair.S, pair.R), "r of zero": encode(zero, pair.S), "s of zero": encode(pair.R, zero), "both of zero": encode(zero, zero),
		"r beyond the order": encode(beyond, pair.S), "s of the order": encode(pair.R, curve.N), "s beyond the order": encode(pair.R, new(big.Int).Add(pair.S, curve.N)),
		"a negative r": encode(new(big.Int).Neg(pair.R), pair.S), "octets behind it": append(slices.Clone(signature), 0),
		"octets inside of it": {0x30, 3, 2, 1, 1}, "nothing": nil, "raw": raw(pair.R, pair.S),
	} {
		if key.VerifyASN1(digest, wrong) {
			t.Errorf("%s: %s verifies", curve.Name, what)
		}
	}
	for what, wrong := range map[string][]byte{
		"swapped": raw(pair.S, pair.R), "r of zero": raw(zero, pair.S), "s of zero": raw(pair.R, zero), "s of the order": raw(pair.R, curve.N),
		"shorter": raw(pair.R, pair.S)[1:], "longer": append([]byte{0}, raw(pair.R, pair.S)...), "nothing": nil, "encoded": signature,
	} {
		if key.VerifyRaw(digest, wrong) {
			t.Errorf("%s: raw, %s verifies", curve.Name, what)
		}
	}
}

// refusesKeys holds the reader of keys to one encoding of one point.
func refusesKeys(t *testing.T, dir string, curve *weierstrass.Curve, spki []byte) {
	t.Helper()
	size := curve.Size()
	at := len(spki) - 2*size - 1 // where the point begins
	change := func(edit func([]byte)) []byte {
		b := slices.Clone(spki)
		edit(b)
		return b
	}
	openssl(t, dir, "pkey", "-in", "key.pem", "-pubout", "-ec_conv_form", "compressed", "-out", "compressed.pem")
	openssl(t, dir, "pkey", "-in", "key.pem", "-pubout", "-ec_param_enc", "explicit", "-out", "explicit.pem")
	for what, wrong := range map[string][]byte{
		"a point beside the curve": change(func(b []byte) { b[len(b)-1] ^= 1 }),
		"x beyond the field":       change(func(b []byte) { copy(b[at+1:], bytes.Repeat([]byte{0xff}, size)) }),
		"the point (0, 0)":         change(func(b []byte) { clear(b[at+1:]) }),
		"a hybrid point":           change(func(b []byte) { b[at] = 6 }),
		"another curve":            change(func(b []byte) { b[bytes.Index(b, []byte{0x2b, 0x24, 3, 3, 2, 8, 1, 1})+8] ^= 2 }),
		"octets behind it":         append(slices.Clone(spki), 0),
		"a compressed point":       read(t, dir, "compressed.pem"), "a curve spelled out": read(t, dir, "explicit.pem"), "nothing": nil,
	} {
		if brainpool.ReadKey(wrong) != nil {
			t.Errorf("%s: a key with %s is read", curve.Name, what)
		}
	}
}

// Algorithms that are not ECDSA, or rest on SHA-1, are not known.
func TestUnknownAlgorithms(t *testing.T) {
	c := brainpool.Curves()["brainpoolP256r1"]
	id, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7})
	if err != nil {
		t.Fatal(err)
	}
	point := append([]byte{4}, append(c.X.FillBytes(make([]byte, 32)), c.Y.FillBytes(make([]byte, 32))...)...)
	type algorithm struct {
		ID    asn1.ObjectIdentifier
		Curve asn1.RawValue
	}
	spki, err := asn1.Marshal(struct {
		Algorithm algorithm
		Key       asn1.BitString
	}{algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.RawValue{FullBytes: id}}, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	if err != nil {
		t.Fatal(err)
	}
	key := brainpool.ReadKey(spki)
	if key == nil {
		t.Fatal("the key is not read")
	}
	for _, unknown := range []pki.Algorithm{
		{ID: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}}, {ID: pki.OIDSHA256WithRSA}, {ID: pki.OIDECDSAWithSHA256, Parameters: []byte{5, 0}},
	} {
		if good, known := key.CheckSignature(unknown, nil, nil); good || known {
			t.Errorf("%v: %v, %v", unknown, good, known)
		}
	}
}

// FuzzKey: no key and no signature makes it fail.
func FuzzKey(f *testing.F) {
	f.Add([]byte{0x30, 0}, []byte{0x30, 0})
	digest := sha512.Sum512(nil)
	f.Fuzz(func(t *testing.T, spki, signature []byte) {
		if key := brainpool.ReadKey(spki); key != nil && (key.VerifyASN1(digest[:], signature) || key.VerifyRaw(digest[:], signature)) {
			t.Skipf("a signature on %s verifies", key.Curve())
		}
	})
}
