package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/altamga/altamga/internal/config"
)

// TestResponderApart runs responders that share nothing with a ca but its API,
// or the lists that it publishes. Each story finds a centre in its folder, and
// free ports.
func TestResponderApart(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/apart",
		Setup: func(env *testscript.Env) error {
			p, err := loadPlan("")
			if err != nil {
				return err
			}
			p.Issuing = append(p.Issuing, planAuthority{ID: "devices", Name: "Cihazlar Mərkəzi (Nümayiş)", Key: "p256", Profiles: []string{"suite-server", "suite-client"}})
			for name, server := range map[string]*planServer{"CA": &p.Servers.CA, "ADMIN": &p.Servers.Admin, "OCSP": &p.Servers.OCSP, "CRL": &p.Servers.CRL} {
				port := freePort(t)
				scheme := "http"
				if name == "CA" {
					scheme = "https"
				}
				server.Listen, server.URL = config.Address("127.0.0.1:"+port), config.URL(scheme+"://127.0.0.1:"+port+"/")
				env.Setenv(name, string(server.URL))
			}
			env.Setenv("PORT", freePort(t))
			env.Setenv("RADMIN", freePort(t))
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
