package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestResponderApart runs responders that share nothing with a ca but its API,
// or the lists that it publishes. Each story finds a centre in its folder, and
// free ports.
func TestResponderApart(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/apart",
		Setup: func(env *testscript.Env) error {
			p := planWithDevices(t)
			freePorts(t, p)
			env.Setenv("CA", string(p.Servers.CA.URL))
			env.Setenv("CRL", string(p.Servers.CRL.URL))
			for _, name := range []string{"PORT", "RADMIN", "OTHER", "OTHERADMIN"} {
				env.Setenv(name, freePort(t))
			}
			dir := filepath.Join(env.WorkDir, "centre")
			if err := found(t.Context(), p, dir); err != nil {
				return err
			}
			return letOperator(dir)
		},
		Condition: func(name string) (bool, error) {
			_, err := exec.LookPath(name)
			return err == nil, nil
		},
	})
}
