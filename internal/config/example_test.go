package config_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/config"
)

// server is a section as a command declares it: types that read themselves,
// and Validate for the rest.
type server struct {
	Listen   config.Address `toml:"listen"`
	Validity time.Duration  `toml:"validity"`
}

func (s server) Validate() error {
	if s.Listen == "" {
		return config.Missing("listen")
	}
	return nil
}

func ExampleParse() {
	var c struct {
		OCSP server `toml:"ocsp"`
	}
	err := config.Parse("ocsp.toml", []byte(`
[ocsp]
lisen    = "127.0.0.1:8442"
validity = "1 hour"
`), &c)
	fmt.Println(err)
	if e, ok := errors.AsType[*config.Error](err); ok {
		fmt.Println("hint:", e.Hint())
	}
	// Output:
	// ocsp.toml:2: ocsp.listen is missing
	// ocsp.toml:3: unknown key ocsp.lisen (did you mean listen?)
	//     3 | lisen    = "127.0.0.1:8442"
	//       | ^^^^^
	// ocsp.toml:4: ocsp.validity is not a duration ("1 hour")
	//     4 | validity = "1 hour"
	//       |            ^^^^^^^^
	// hint: the keys in [ocsp] are listen, validity
}
