//go:build !unix || aix || solaris || illumos

package keys

import (
	"errors"
	"os"
)

// lock refuses where there is no flock: two processes could take the same
// uses, and the count would be too low.
func lock(*os.File) error { return errors.New("this system cannot lock files, which counting needs") }
