package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/ntp/ntptest"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/tsa"
)

// stampServer is a time-stamping authority in a process of its own.
type stampServer struct {
	t       *testing.T
	dir     string
	url     string
	client  *http.Client // nil for the default one
	process *exec.Cmd
	log     transcript
}

// foundStamps makes a centre whose configuration the test may change.
func foundStamps(t *testing.T, change func(text string) string) *stampServer {
	t.Helper()
	plan, err := benchPlan()
	if err != nil {
		t.Fatal(err)
	}
	s := &stampServer{t: t, dir: filepath.Join(t.TempDir(), "centre"), url: string(plan.Servers.TSA.URL)}
	if err := found(t.Context(), plan, s.dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.dir, configFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stampServer) start() {
	s.t.Helper()
	s.process = ownCommand(s.t, "tsa", "serve", "-c", filepath.Join(s.dir, configFile))
	s.process.Stderr = &s.log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.kill)
}

// kill ends the process as a power cut would.
func (s *stampServer) kill() {
	s.process.Process.Kill()
	s.process.Wait()
}

// ask asks for a token and returns it, or the refusal.
func (s *stampServer) ask() (*tsa.Token, error) {
	sum := sha256.Sum256([]byte("a document"))
	query, err := (&tsa.Request{Imprint: tsa.Imprint{HashAlgorithm: []int{2, 16, 840, 1, 101, 3, 4, 2, 1}, HashedMessage: sum[:]}, CertReq: true}).Marshal()
	if err != nil {
		return nil, err
	}
	client := s.client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Post(s.url, "application/timestamp-query", bytes.NewReader(query))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return tsa.ParseResponse(answer)
}

// await waits until the authority makes tokens, or refuses for want of time.
// Each token on the way must be within its accuracy.
func (s *stampServer) await(when string, tokens bool) {
	s.t.Helper()
	var last error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		token, err := s.ask()
		if err == nil {
			if away := time.Since(token.Info.GenTime); away.Abs() > token.Info.Accuracy {
				s.t.Fatalf("%s: the token is %v away, and says %v", when, away, token.Info.Accuracy)
			}
		}
		refused, ok := errors.AsType[*tsa.Rejection](err)
		if ok && refused.Failure != tsa.TimeNotAvailable {
			s.t.Fatalf("%s: %v", when, err)
		}
		if last = err; (err == nil) == tokens && (tokens || ok) {
			return
		}
	}
	s.t.Fatalf("%s: still %v\n%s", when, last, s.log.String())
}

// TestRealTimeServers has three real time servers prove the clock, one of which
// lies, and takes them away.
func TestRealTimeServers(t *testing.T) {
	const keys = "1 SHA256 HEX:00112233445566778899aabbccddeeff\n"
	right := ntptest.Start(t, ntptest.Config{Keys: keys})
	other := ntptest.Start(t, ntptest.Config{})
	liar := ntptest.Start(t, ntptest.Config{Offset: "+5s"})
	s := foundStamps(t, func(text string) string {
		clock := "[tsa.clock]\nkeys = \"ntp.keys\"\npoll = \"1s\"\nmax_age = \"2s\"\n"
		for _, source := range []struct {
			*ntptest.Server
			key int
		}{{right, 1}, {other, 0}, {liar, 0}} {
			clock += fmt.Sprintf("[[tsa.clock.source]]\naddress = %q\nkey = %d\n", source.Address, source.key)
		}
		return text + "\n" + strings.ReplaceAll(clock, "key = 0\n", "")
	})
	if err := os.WriteFile(filepath.Join(s.dir, "ntp.keys"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.await("TSA-41 two of three are right", true)
	other.Stop()
	s.await("TSA-41 one is right and one lies", false)
	// The liar tells the truth from now on.
	liar.Stop()
	s.await("TSA-41 one alone", false)
	ntptest.Start(t, ntptest.Config{Port: liar.Port})
	s.await("TSA-41 two are right again", true)
	right.Stop()
	s.await("TSA-41 cut off", false)
	// Who cannot authenticate is not believed, whatever he says.
	ntptest.Start(t, ntptest.Config{Port: right.Port, Keys: strings.Replace(keys, "00", "ff", 1)})
	time.Sleep(1500 * time.Millisecond)
	s.await("TSA-41 without the right key", false)
	ntptest.Start(t, ntptest.Config{Port: other.Port})
	s.await("TSA-41 two without it", true)

	evidence, err := os.ReadFile(filepath.Join(s.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{`"action":"tsa.clock"`, `"state":"proven"`, `"state":"unproven"`, "outvoted", "authenticated with key 1 (SHA256)", `"action":"tsa.clock_lost"`, `"action":"tsa.clock_found"`} {
		if !strings.Contains(string(evidence), word) {
			t.Errorf("the audit log does not hold %s", word)
		}
	}
}

// TestUnattested holds a policy that promises a proven clock to having one.
func TestUnattested(t *testing.T) {
	s := foundStamps(t, func(text string) string { return strings.Replace(text, `id = "2.999.1.3.1"`, `id = "1.2.3.4"`, 1) })
	var c suiteConfig
	if err := config.Load(filepath.Join(s.dir, configFile), &c); err == nil || !strings.Contains(err.Error(), "[tsa.clock]") {
		t.Errorf("a clock that nobody proves: %v", err)
	}
}

// TestClockContradictions has configurations refused where they contradict
// themselves.
func TestClockContradictions(t *testing.T) {
	const source = "[[tsa.clock.source]]\naddress = \"time.example\"\n"
	s := foundStamps(t, func(text string) string { return text })
	file := filepath.Join(s.dir, configFile)
	right, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ old, new, says string }{
		"right":                      {"", "[tsa.clock]\npoll = \"8s\"\nmax_age = \"8s\"\n" + source, ""},
		"one source, two spellings":  {"", "[tsa.clock]\n" + source + strings.Replace(source, "example", "example:123", 1), "tsa.clock.source[1].address"},
		"a proof shorter than polls": {"", "[tsa.clock]\nmax_age = \"10s\"\n" + source, "tsa.clock.max_age is less than poll"},
		"no source":                  {"", "[tsa.clock]\n", "tsa.clock.source is missing"},
		"a coarse policy":            {`accuracy = "1s"`, `accuracy = "2s"`, "tsa.policy[0].accuracy is not between"},
		"a policy too fine":          {`accuracy = "1s"`, "digits = 9", "tsa.policy[0].digits is not between"},
		"a policy without a number":  {`id = "2.999.1.3.1"`, `id = "2.999.x"`, "tsa.policy[0].id is wrong"},
	} {
		text := string(right)
		if row.old == "" {
			text += "\n" + row.new
		} else {
			text = strings.Replace(text, row.old, row.new, 1)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var c suiteConfig
		if err := config.Load(file, &c); (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want %q", name, err, row.says)
		}
	}
}

// TestStampsOverTLS knows a client by its certificate, and keeps out who shows
// none.
func TestStampsOverTLS(t *testing.T) {
	s := foundStamps(t, func(text string) string {
		text = strings.Replace(text, "[tsa]\n", "[tsa]\ntls = { certificate = \"tls/server.pem\", key = \"file:keys/tls-server.key\", peers = \"tls/root.pem\" }\n", 1)
		return text + "\n[[tsa.client]]\nname = \"agency\"\ncertificate = \"operator\"\n"
	})
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	s.start()
	in := func(name string) config.Path { return config.Path(filepath.Join(s.dir, name)) }
	p := &process{dir: s.dir}
	as := func(identity string) *http.Client {
		t.Helper()
		roots, err := readCertificates(in("tls/root.pem"))
		if err != nil {
			t.Fatal(err)
		}
		made, err := serve.ClientTLS(nil, nil, roots...)
		if identity != "" {
			known, _, fault := p.tls(tlsConfig{Certificate: in("tls/" + identity + ".pem"), Key: "file:keys/tls-" + identity + ".key", Peers: in("tls/root.pem")})
			if fault != nil {
				t.Fatal(fault)
			}
			made, err = known.ClientTLS(roots...)
		}
		if err != nil {
			t.Fatal(err)
		}
		return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: made}}
	}
	s.client = as("operator")
	s.await("the client's certificate", true)
	for _, other := range []string{"", "supervisor"} {
		s.client = as(other)
		_, err := s.ask()
		if refused, ok := errors.AsType[*tsa.Rejection](err); !ok || refused.Failure != tsa.BadRequest {
			t.Errorf("%q gets %v", other, err)
		}
	}
}
