package ca

import (
	"slices"

	"github.com/altamga/altamga/internal/der"
)

// ReadCSR is readCSR for the fuzz target.
func ReadCSR(raw []byte) ([]der.Extension, error) {
	request, err := readCSR(raw)
	if err != nil {
		return nil, err
	}
	return request.extensions, nil
}

// ReadSAN and AddSAN are readSAN and addSAN for the fuzz target.
var ReadSAN, AddSAN = readSAN, addSAN

// HasOther reports whether a name is of a kind that no profile knows.
func HasOther(names []generalName) bool {
	return slices.ContainsFunc(names, func(n generalName) bool { return n.kind == "other" })
}
