package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
)

// TestEnrolmentStories runs the ca with real clients: people's commands,
// cfssl, curl and openssl. Each story finds a centre in its folder that has an
// issuing centre for devices beside the usual ones, and free ports.
func TestEnrolmentStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/enrol",
		Setup: func(env *testscript.Env) error {
			p := planWithDevices(t)
			for name, server := range map[string]*planServer{"CA": &p.Servers.CA, "ADMIN": &p.Servers.Admin} {
				port := freePort(t)
				server.Listen, server.URL = config.Address("127.0.0.1:"+port), config.URL("https://127.0.0.1:"+port+"/")
				env.Setenv(name, string(server.URL))
			}
			env.Setenv("PORT", freePort(t))
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

// planWithDevices is the built-in plan with an issuing centre for devices.
func planWithDevices(t *testing.T) *plan {
	t.Helper()
	p := builtIn(t)
	p.Issuing = append(p.Issuing, planAuthority{ID: "devices", Name: "Cihazlar Mərkəzi (Nümayiş)", Key: "p256", Profiles: []string{"suite-server", "suite-client"}})
	return p
}

// letOperator gives the operator and the supervisor of a centre every right over
// citizens' and devices' certificates, which `altamga init` does not.
func letOperator(dir string) error {
	file := filepath.Join(dir, configFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	person := regexp.MustCompile(`(name = "(?:operator|supervisor)")\nactions = .*\nprofiles = .*\n|(name = "operator")\n#.*\n#.*\nactions = .*\nprofiles = .*\n`)
	if n := len(person.FindAll(text, -1)); n != 2 {
		return fmt.Errorf("the configuration has %d persons, not two", n)
	}
	all := "$1$2\nactions = [\"issue\", \"hold\", \"release\", \"revoke\", \"read\", \"list\", \"journal\", \"approve\"]\n"
	return os.WriteFile(file, person.ReplaceAll(text, []byte(all)), 0o600)
}

// FuzzSerials reads hostile lists of serial numbers. What is read reads the
// same when it is written one to a line.
func FuzzSerials(f *testing.F) {
	f.Add("serial,issuer\n\"0a\",ehm # x\n\n# remark\nAB:CD\r\n")
	f.Add("0x00")
	f.Fuzz(func(t *testing.T, text string) {
		serials, err := readSerials(strings.NewReader(text))
		if err != nil {
			return
		}
		var lines strings.Builder
		for _, serial := range serials {
			lines.WriteString(string(serial) + "\n")
		}
		again, err := readSerials(strings.NewReader(lines.String()))
		if err != nil || len(again) != len(serials) {
			t.Fatalf("read %v, then %v, %v", serials, again, err)
		}
		for i := range serials {
			if again[i] != serials[i] || serials[i] == journal.Serial("") {
				t.Errorf("read %v, then %v", serials, again)
			}
		}
	})
}
