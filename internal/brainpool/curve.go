package brainpool

import (
	"encoding/asn1"
	"math/big"

	"github.com/altamga/altamga/internal/weierstrass"
)

// arc is the arc of the curves' identifiers (RFC 5639, Section 4.1).
var arc = asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1}

// curves are those that signatures are made on today, by the last number of
// their identifiers (RFC 5639, Section 4.1). Of each pair, both have as many
// points, and the second, the twisted one, has -3 as its A.
var curves = map[int]*weierstrass.Curve{
	7: {
		Name: "brainpoolP256r1",
		P:    number("a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377"),
		A:    number("7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9"),
		B:    number("26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6"),
		X:    number("8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262"),
		Y:    number("547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997"),
		N:    number("a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7"),
	},
	8: {
		Name: "brainpoolP256t1",
		P:    number("a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377"),
		A:    number("a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5374"),
		B:    number("662c61c430d84ea4fe66a7733d0b76b7bf93ebc4af2f49256ae58101fee92b04"),
		X:    number("a3e8eb3cc1cfe7b7732213b23a656149afa142c47aafbc2b79a191562e1305f4"),
		Y:    number("2d996c823439c56d7f7b22e14644417e69bcb6de39d027001dabe8f35b25c9be"),
		N:    number("a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7"),
	},
	11: {
		Name: "brainpoolP384r1",
		P: number("8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b4" +
			"12b1da197fb71123acd3a729901d1a71874700133107ec53"),
		A: number("7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787" +
			"139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826"),
		B: number("04a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a6" +
			"2e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11"),
		X: number("1d1c64f068cf45ffa2a63a81b7c13f6b8847a3e77ef14fe3" +
			"db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af1e"),
		Y: number("8abe1d7520f9c2a45cb1eb8e95cfd55262b70b29feec5864" +
			"e19c054ff99129280e4646217791811142820341263c5315"),
		N: number("8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b3" +
			"1f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565"),
	},
	12: {
		Name: "brainpoolP384t1",
		P: number("8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b4" +
			"12b1da197fb71123acd3a729901d1a71874700133107ec53"),
		A: number("8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b4" +
			"12b1da197fb71123acd3a729901d1a71874700133107ec50"),
		B: number("7f519eada7bda81bd826dba647910f8c4b9346ed8ccdc64e" +
			"4b1abd11756dce1d2074aa263b88805ced70355a33b471ee"),
		X: number("18de98b02db9a306f2afcd7235f72a819b80ab12ebd65317" +
			"2476fecd462aabffc4ff191b946a5f54d8d0aa2f418808cc"),
		Y: number("25ab056962d30651a114afd2755ad336747f93475b7a1fca" +
			"3b88f2b6a208ccfe469408584dc2b2912675bf5b9e582928"),
		N: number("8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b3" +
			"1f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565"),
	},
	13: {
		Name: "brainpoolP512r1",
		P: number("aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330871" +
			"7d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3"),
		A: number("7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc" +
			"2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca"),
		B: number("3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a7" +
			"2bf2c7b9e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f723"),
		X: number("81aee4bdd82ed9645a21322e9c4c6a9385ed9f70b5d916c1b43b62eef4d0098e" +
			"ff3b1f78e2d0d48d50d1687b93b97d5f7c6d5047406a5e688b352209bcb9f822"),
		Y: number("7dde385d566332ecc0eabfa9cf7822fdf209f70024a57b1aa000c55b881f8111" +
			"b2dcde494a5f485e5bca4bd88a2763aed1ca2b2fa8f0540678cd1e0f3ad80892"),
		N: number("aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870" +
			"553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069"),
	},
	14: {
		Name: "brainpoolP512t1",
		P: number("aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330871" +
			"7d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3"),
		A: number("aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330871" +
			"7d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f0"),
		B: number("7cbbbcf9441cfab76e1890e46884eae321f70c0bcb4981527897504bec3e36a6" +
			"2bcdfa2304976540f6450085f2dae145c22553b465763689180ea2571867423e"),
		X: number("640ece5c12788717b9c1ba06cbc2a6feba85842458c56dde9db1758d39c0313d" +
			"82ba51735cdb3ea499aa77a7d6943a64f7a3f25fe26f06b51baa2696fa9035da"),
		Y: number("5b534bd595f5af0fa2c892376c84ace1bb4e3019b71634c01131159cae03cee9" +
			"d9932184beef216bd71df2dadf86a627306ecff96dbb8bace198b61e00f8b332"),
		N: number("aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870" +
			"553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069"),
	},
}

func number(digits string) *big.Int { return weierstrass.Number(digits) }
