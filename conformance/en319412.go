package conformance

import (
	"strings"

	"github.com/altamga/altamga/internal/pki/lint"
)

// en319412 is what ETSI EN 319 412-1 to -5 and TS 119 312 say of the
// certificates of persons, of their issuers and of keys: the lints of the ground
// floor.
var en319412 = linting(func(l lint.Lint) bool { return strings.HasPrefix(l.Clause, "ETSI") })
