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
	return fmt.Sprintf("PNO%s-%s", country, fin), nil
}

// LegalPersonIdentifier returns the organizationIdentifier of an organisation:
// type, country and value by EN 319 412-1, Section 5.1.4, as in
// NTRAZ-1400057421.
func LegalPersonIdentifier(country, voen string) (string, error) {
	voen, err := ParseVOEN(voen)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("NTR%s-%s", country, voen), nil
}
