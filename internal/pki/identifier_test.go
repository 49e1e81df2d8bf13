package pki_test

import (
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/pki"
)

func TestParseFIN(t *testing.T) {
	for _, row := range []struct{ name, in, want, fault string }{
		{"upper case", "1ABC2D3", "1ABC2D3", ""},
		{"lower case becomes upper", "1abc2d3", "1ABC2D3", ""},
		{"digits only", "1234567", "1234567", ""},
		{"letters only", "ABCDEFG", "ABCDEFG", ""},
		{"the letter O", "1ABCO23", "", "digit 0"},
		{"the letter o", "1abco23", "", "digit 0"},
		{"the letter I", "1ABCI23", "", "digit 1"},
		{"the letter i", "1abci23", "", "digit 1"},
		{"too short", "1ABC23", "", "7 characters"},
		{"too long", "1ABC2345", "", "7 characters"},
		{"empty", "", "", "7 characters"},
		{"the Azerbaijani İ", "1ABCİ2", "", "only the letters"},
		{"the dotless ı", "1abcı2", "", "only the letters"},
		{"ə", "1abcə2", "", "only the letters"},
		{"a space", "1ABC 23", "", "only the letters"},
		{"a hyphen", "1ABC-23", "", "only the letters"},
	} {
		t.Run(row.name, func(t *testing.T) { parsed(t, pki.ParseFIN, row.in, row.want, row.fault) })
	}
	t.Run("errors do not repeat the number", func(t *testing.T) {
		if _, err := pki.ParseFIN("1ABCO23"); strings.Contains(err.Error(), "1ABCO23") {
			t.Error(err)
		}
	})
}

func TestParseVOEN(t *testing.T) {
	for _, row := range []struct{ name, in, want, fault string }{
		// Two numbers that their holders publish.
		{"published", "1400057421", "1400057421", ""},
		{"published", "1401555071", "1401555071", ""},
		{"nine digits get a zero in front", "000000001", "0000000001", ""},
		{"wrong check digit", "1400057431", "", "check digit"},
		{"two digits exchanged", "1400075421", "", "check digit"},
		{"neither 1 nor 2 at the end", "1400057423", "", "ends in 1"},
		{"the same number of a natural person", "1400057422", "1400057422", ""},
		{"too short", "14000574", "", "10 digits"},
		{"too long", "14000574211", "", "10 digits"},
		{"letters", "14000574A1", "", "10 digits"},
		{"digits of another script", "١٤٠٠٠", "", "10 digits"},
		{"empty", "", "", "10 digits"},
	} {
		t.Run(row.name, func(t *testing.T) { parsed(t, pki.ParseVOEN, row.in, row.want, row.fault) })
	}
	t.Run("a single wrong digit among the first nine is found", func(t *testing.T) {
		const good = "1400057421"
		for i := range 9 {
			for digit := byte('0'); digit <= '9'; digit++ {
				spoiled := []byte(good)
				spoiled[i] = digit
				if _, err := pki.ParseVOEN(string(spoiled)); (err == nil) != (string(spoiled) == good) {
					t.Errorf("%s: %v", spoiled, err)
				}
			}
		}
	})
}

func parsed(t *testing.T, parse func(string) (string, error), in, want, fault string) {
	t.Helper()
	got, err := parse(in)
	if got != want || (fault == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), fault) {
		t.Errorf("%q gave %q, %v; want %q, error with %q", in, got, err, want, fault)
	}
}

func TestSemanticsIdentifiers(t *testing.T) {
	t.Run("CERT-34 natural and legal person", func(t *testing.T) {
		if got, err := pki.NaturalPersonIdentifier("AZ", "1abc2d3"); err != nil || got != "PNOAZ-1ABC2D3" {
			t.Errorf("got %q, %v", got, err)
		}
		if got, err := pki.LegalPersonIdentifier("AZ", "1400057421"); err != nil || got != "NTRAZ-1400057421" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := pki.NaturalPersonIdentifier("AZ", "O"); err == nil {
			t.Error("a wrong FİN is taken")
		}
		if _, err := pki.LegalPersonIdentifier("AZ", "1"); err == nil {
			t.Error("a wrong VÖEN is taken")
		}
	})
}

func FuzzIdentifiers(f *testing.F) {
	for _, seed := range []string{"1ABC2D3", "1400057421", "1401555071", "140005742", "İİİ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (string, error){pki.ParseFIN, pki.ParseVOEN} {
			if once, err := parse(s); err == nil {
				if twice, err := parse(once); err != nil || twice != once {
					t.Errorf("%q became %q, then %q, %v", s, once, twice, err)
				}
			}
		}
	})
}

func TestOtherIdentifiers(t *testing.T) {
	in := func(make func(country, value string) (string, error), country string) func(string) (string, error) {
		return func(value string) (string, error) { return make(country, value) }
	}
	for _, row := range []struct {
		name            string
		make            func(string) (string, error)
		in, want, fault string
	}{
		{"CERT-34 passport", in(pki.PassportIdentifier, "TR"), "u12345678", "PASTR-U12345678", ""},
		{"CERT-34 passport of no country", in(pki.PassportIdentifier, "XX"), "U12345678", "", "ISO 3166"},
		{"CERT-34 passport country in small letters", in(pki.PassportIdentifier, "tr"), "U12345678", "", "ISO 3166"},
		{"CERT-34 passport too short", in(pki.PassportIdentifier, "TR"), "U123", "", "5 to 20"},
		{"CERT-34 passport too long", in(pki.PassportIdentifier, "TR"), "U12345678901234567890", "", "5 to 20"},
		{"CERT-34 passport with a hyphen", in(pki.PassportIdentifier, "TR"), "U-12345678", "", "5 to 20"},
		{"CERT-34 virtual PIN", in(pki.VirtualPINIdentifier, "AZ"), "a1b2", "VP:AZ-A1B2", ""},
		{"CERT-34 virtual PIN with another letter", in(pki.VirtualPINIdentifier, "AZ"), "ABCÇ", "", "4 to 20"},
		{"CERT-34 legal person", in(pki.LegalPersonIdentifier, "AZ"), "1400057421", "NTRAZ-1400057421", ""},
		{"CERT-34 legal person with a natural one's number", in(pki.LegalPersonIdentifier, "AZ"), "1400057422", "", "natural person"},
		{"CERT-34 taxpayer, legal", in(pki.TaxpayerIdentifier, "AZ"), "1400057421", "VATAZ-1400057421", ""},
		{"CERT-34 taxpayer, natural", in(pki.TaxpayerIdentifier, "AZ"), "1400057422", "VATAZ-1400057422", ""},
		{"CERT-34 taxpayer with a wrong check digit", in(pki.TaxpayerIdentifier, "AZ"), "1400057432", "", "check digit"},
		{"CERT-34 natural person by VÖEN", in(pki.PersonalTaxIdentifier, "AZ"), "1400057422", "TINAZ-1400057422", ""},
		{"CERT-34 natural person with a legal one's number", in(pki.PersonalTaxIdentifier, "AZ"), "1400057421", "", "legal person"},
	} {
		t.Run(row.name, func(t *testing.T) { parsed(t, row.make, row.in, row.want, row.fault) })
	}
}

func TestCodes(t *testing.T) {
	for _, row := range []struct {
		name      string
		is        func(string) bool
		good, bad []string
	}{
		{"ISO 3166 countries", pki.IsCountry, []string{"AZ", "AD", "ZW", "TR", "KZ", "KG", "UZ", "TM"}, []string{"", "A", "AZE", "az", "XX", "EL", "UK", "D ", " D", "ZD", "Z W"}},
		{"CERT-43 members of the European Union", pki.IsEUMember, []string{"AT", "SK", "GR", "EE"}, []string{"AZ", "GB", "NO", "TR", "EL", ""}},
		{"CERT-44 ISO 4217 currencies", pki.IsCurrency, []string{"AZN", "AED", "ZMW", "TRY", "EUR", "KZT"}, []string{"", "944", "AZM", "azn", "999", "AZ", "AZN "}},
		{"CERT-44 ISO 639-1 languages", pki.IsLanguage, []string{"az", "aa", "zu", "tr", "en", "ru", "kk"}, []string{"", "AZ", "aze", "xx", "a ", "z"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, code := range row.good {
				if !row.is(code) {
					t.Errorf("%q is none", code)
				}
			}
			for _, code := range row.bad {
				if row.is(code) {
					t.Errorf("%q is one", code)
				}
			}
		})
	}
	// The search is for codes in order: one out of place would not be found.
	count := func(is func(string) bool, first byte) (n int) {
		for i := range 26 * 26 * 26 {
			code := string([]byte{first + byte(i/676), first + byte(i/26%26), first + byte(i%26)})
			if is(code) || i < 676 && is(code[1:]) {
				n++
			}
		}
		return n
	}
	for _, row := range []struct {
		name  string
		is    func(string) bool
		first byte
		want  int
	}{{"countries", pki.IsCountry, 'A', 249}, {"members", pki.IsEUMember, 'A', 27}, {"currencies", pki.IsCurrency, 'A', 153}, {"languages", pki.IsLanguage, 'a', 184}} {
		if got := count(row.is, row.first); got != row.want {
			t.Errorf("%d %s are found, want %d", got, row.name, row.want)
		}
	}
}
