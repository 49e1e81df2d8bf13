package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/config"
)

// The examples that `altamga init` writes as remarks are configuration, too:
// without the mark of a remark they must be read.
func TestConfigurationExamples(t *testing.T) {
	centre := foundCentre(t)
	path := filepath.Join(centre, configFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile(`(?m)^# (\[|[a-z_]+ = )`).ReplaceAllString(string(text), "$1")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(example, "ISSUER", "devices")), 0o600); err != nil {
		t.Fatal(err)
	}
	var c suiteConfig
	if err := config.Load(path, &c); err != nil {
		t.Fatal(err)
	}
	if c.CA.CFSSL == nil || c.CA.EST == nil || len(c.CA.CFSSL.Clients) != 1 || len(c.CA.EST.Accounts) != 1 ||
		c.CA.EST.Accounts[0].Terms[0].Choose["CN"] != `device-[0-9]+` || c.CA.CFSSL.Profiles[0].DNS[0] != "*.example" {
		t.Errorf("got %+v, %+v", c.CA.CFSSL, c.CA.EST)
	}
}
