package pki

import (
	"errors"
	"fmt"
	"strings"
)

// ParseFIN checks a FİN (Fərdi İdentifikasiya Nömrəsi), the personal number of
// a citizen or resident of Azerbaijan, and returns it in upper case: seven
// English letters and digits, without I and O. It has no public check digit.
//
// Upper-casing is by ASCII alone: in Azerbaijani the capital of i is İ, which
// no FİN holds.
func ParseFIN(s string) (string, error) {
	if len(s) != 7 {
		return "", errors.New("a FİN has 7 characters")
	}
	fin := []byte(s)
	for i, c := range fin {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
			fin[i] = c
		}
		switch {
		case c == 'O':
			return "", errors.New("a FİN has no letter O (did you mean the digit 0?)")
		case c == 'I':
			return "", errors.New("a FİN has no letter I (did you mean the digit 1?)")
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z':
		default:
			return "", errors.New("a FİN has only the letters A-Z without I and O, and digits")
		}
	}
	return string(fin), nil
}

// ParseVOEN checks a VÖEN (Vergi Ödəyicisinin Eyniləşdirmə Nömrəsi), the
// taxpayer number of Azerbaijan, and returns its 10 digits; the 9-digit form
// is completed with a leading zero. The ninth digit is a check digit over the
// first eight; the tenth tells legal (1) from natural (2) persons.
func ParseVOEN(s string) (string, error) {
	if len(s) == 9 {
		s = "0" + s
	}
	if len(s) != 10 || strings.Trim(s, "0123456789") != "" {
		return "", errors.New("a VÖEN has 10 digits")
	}
	sum := 0
	for i, weight := range [8]int{4, 1, 8, 6, 2, 7, 5, 3} {
		sum += weight * int(s[i]-'0')
	}
	// A remainder of 10 has no digit: such numbers are not given out.
	if sum%11 != int(s[8]-'0') {
		return "", errors.New("the check digit of the VÖEN is wrong")
	}
	if s[9] != '1' && s[9] != '2' {
		return "", errors.New("a VÖEN ends in 1 (legal person) or 2 (natural person)")
	}
	return s, nil
}

// NaturalPersonIdentifier returns the serialNumber of a citizen's name: type,
// country and value by EN 319 412-1, Section 5.1.3, as in PNOAZ-1ABC2D3.
func NaturalPersonIdentifier(country, fin string) (string, error) {
	fin, err := ParseFIN(fin)
	if err != nil {
		return "", err
	}
	return "PNO" + country + "-" + fin, nil
}

// PassportIdentifier returns the serialNumber of somebody who shows a passport
// of the given country (ISO 3166-1 alpha-2), as in PASTR-U12345678 (EN 319
// 412-1, Section 5.1.3). Lower-case letters become capitals; spaces and hyphens
// are no part of a number.
func PassportIdentifier(country, number string) (string, error) {
	if !IsCountry(country) {
		return "", errors.New("the country of the passport is not an ISO 3166-1 alpha-2 code")
	}
	number, ok := capitals(number)
	if !ok || len(number) < 5 || len(number) > 20 {
		return "", errors.New("a passport number has 5 to 20 letters A-Z and digits")
	}
	return fmt.Sprintf("PAS%s-%s", country, number), nil
}

// VirtualPINIdentifier returns the serialNumber of a non-resident who was given
// a virtual PIN. It is no personal number of the state until the centre says so,
// hence the national type VP: of EN 319 412-1, Section 5.1.3. The form of the
// number is not published; letters A-Z and digits are known.
func VirtualPINIdentifier(country, pin string) (string, error) {
	pin, ok := capitals(pin)
	if !ok || len(pin) < 4 || len(pin) > 20 {
		return "", errors.New("a virtual PIN has 4 to 20 letters A-Z and digits")
	}
	return fmt.Sprintf("VP:%s-%s", country, pin), nil
}

// capitals returns s with the letters a-z in upper case, and whether it holds
// letters A-Z and digits alone.
func capitals(s string) (string, bool) {
	upper := []byte(s)
	for i, c := range upper {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
			upper[i] = c
		}
		if !('A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return s, false
		}
	}
	return string(upper), true
}

// LegalPersonIdentifier returns the organizationIdentifier of an organisation:
// type, country and value by EN 319 412-1, Section 5.1.4, as in
// NTRAZ-1400057421. The number is that of the state register of legal persons,
// so a natural person's VÖEN is refused.
func LegalPersonIdentifier(country, voen string) (string, error) {
	voen, err := parseVOENOf(voen, '1', "the VÖEN is that of a natural person, not of a legal one")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("NTR%s-%s", country, voen), nil
}

// TaxpayerIdentifier returns the organizationIdentifier of a taxpayer, legal
// person or entrepreneur, as in VATAZ-1400057421 (EN 319 412-1, Section 5.1.4).
func TaxpayerIdentifier(country, voen string) (string, error) {
	voen, err := ParseVOEN(voen)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("VAT%s-%s", country, voen), nil
}

// PersonalTaxIdentifier returns the serialNumber of a natural person known by
// the VÖEN, as in TINAZ-1400057422 (EN 319 412-1, Section 5.1.3).
func PersonalTaxIdentifier(country, voen string) (string, error) {
	voen, err := parseVOENOf(voen, '2', "the VÖEN is that of a legal person, not of a natural one")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("TIN%s-%s", country, voen), nil
}

func parseVOENOf(s string, kind byte, otherwise string) (string, error) {
	voen, err := ParseVOEN(s)
	if err == nil && voen[9] != kind {
		err = errors.New(otherwise)
	}
	return voen, err
}
