package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/problem"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/postgrestest"
)

// TestCentreOnPostgres moves a new centre to PostgreSQL, walks the tour on it,
// adds a second process of the certification authority, and takes the database
// away and gives it back while both run (design rule G9).
func TestCentreOnPostgres(t *testing.T) {
	t.Parallel()
	database := postgrestest.Start(t)
	address := database.Address(t)
	dir, servers := foundServing(t)
	ctx := within(t, 3*time.Minute)
	moveToPostgres(t, ctx, dir, address)
	file := filepath.Join(dir, configFile)

	up := startCommand(t, "up", "-c", file)
	waitReady(t, ctx, "http://"+string(servers.Admin.Listen)+"/readyz")
	second, other := splitAuthority(t, dir, 1)
	var whole suiteConfig
	if err := config.Load(second, &whole); err != nil {
		t.Fatal(err)
	}
	secondAdmin := whole.Admin.Listen
	startServer(t, "ca", second)
	waitReady(t, ctx, "http://"+string(secondAdmin)+"/readyz")

	loaded, err := loadConfigFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &demonstration{dir: dir, out: io.Discard}
	tour, err := d.tour(&process{config: loaded, dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := tour.run(ctx); err != nil {
		t.Fatal(err)
	}
	first := newDirect(t, dir, "https://"+string(servers.CA.Listen))
	beside := newDirect(t, dir, "https://"+string(other))

	t.Run("both authorities issue into one journal", func(t *testing.T) {
		a, b := first.issue(t, ctx, http.StatusCreated), beside.issue(t, ctx, http.StatusCreated)
		if a.Position >= b.Position || a.Serial == b.Serial {
			t.Errorf("got positions %d and %d, serials %s and %s", a.Position, b.Position, a.Serial, b.Serial)
		}
		if _, err := first.client.Certificate(ctx, b.Serial); err != nil {
			t.Errorf("what the second issued, the first does not know: %v", err)
		}
	})
	for _, end := range []struct {
		what string
		do   func(testing.TB)
	}{{"stopped", database.Stop}, {"killed", database.Kill}} {
		t.Run("database is "+end.what, func(t *testing.T) {
			if status, err := tour.party.status(ctx, tour.citizen.signature); err != nil || status != "good" {
				t.Fatalf("OCSP says %q, %v", status, err)
			}
			end.do(t)
			for _, authority := range []*direct{first, beside} {
				authority.issue(t, ctx, http.StatusServiceUnavailable)
			}
			for _, admin := range []config.Address{servers.Admin.Listen, secondAdmin} {
				status, body := get(t, "http://"+string(admin)+"/readyz")
				if status != http.StatusServiceUnavailable || !strings.Contains(body, "database is not available") {
					t.Errorf("readyz says %d %q", status, body)
				}
				if status, _ := get(t, "http://"+string(admin)+"/healthz"); status != http.StatusOK {
					t.Errorf("healthz says %d: the process would be restarted for nothing", status)
				}
				if strings.Contains(body, postgrestest.Password) {
					t.Error("readyz shows the password")
				}
			}
			if status, err := tour.party.status(ctx, tour.citizen.signature); err != nil || status != "good" {
				t.Errorf("a status that was answered before: OCSP says %q, %v", status, err)
			}
			if _, reason, err := tour.party.list(ctx, tour.citizen.signature); err != nil || reason != -1 {
				t.Errorf("the CRL says %d, %v", reason, err)
			}
			database.Resume(t)
			for _, authority := range []*direct{first, beside} {
				answer := authority.issue(t, ctx, http.StatusCreated)
				if _, err := first.client.Certificate(ctx, answer.Serial); err != nil {
					t.Error(err)
				}
			}
			for _, admin := range []config.Address{servers.Admin.Listen, secondAdmin} {
				waitReady(t, ctx, "http://"+string(admin)+"/readyz")
			}
		})
	}
	if err := up.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := up.Wait(); err != nil {
		t.Errorf("altamga up: %v", err)
	}
	opened, err := register.OpenExisting(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := opened.Check(ctx); err != nil {
		t.Error(err)
	}
}

// moveToPostgres copies the register as an operator does, and changes the
// configuration as the command says.
func moveToPostgres(t *testing.T, ctx context.Context, dir, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(u.User.Username())
	password := filepath.Join(dir, "register.password")
	if err := os.WriteFile(password, []byte(postgrestest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"register", "copy", "--from", filepath.Join(dir, "register.db"), "--to", u.String(), "--password-file", password}
	var out, faults bytes.Buffer
	if code := run(ctx, args, streams{out: &out, err: &faults}); code != 0 {
		t.Fatalf("altamga register copy: exit code %d\n%s", code, faults.String())
	}
	if !strings.Contains(out.String(), "copied and compared: ") || strings.Contains(out.String(), postgrestest.Password) || faults.Len() > 0 {
		t.Errorf("altamga register copy prints %q and %q", out.String(), faults.String())
	}
	// Once more is once too much.
	if code := run(ctx, args, streams{out: io.Discard, err: &faults}); code != 1 || !strings.Contains(faults.String(), "holds a register already") ||
		!strings.Contains(faults.String(), "\nhint: ") {
		t.Errorf("a second copy: exit code %d, %q", code, faults.String())
	}
	keys := fmt.Sprintf("url = %q\npassword_file = %q", u.String(), password)
	if !strings.Contains(out.String(), strings.ReplaceAll(keys, "\n", "\n    ")) {
		t.Errorf("the command does not say what to write into the configuration, %s, but %s", keys, out.String())
	}
	file := filepath.Join(dir, configFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte(`path = "register.db"`), []byte(keys), 1), 0o644); err != nil {
		t.Fatal(err)
	}
}

// registerKeys returns the lines of section [register] of a centre.
func registerKeys(t *testing.T, dir string) string {
	t.Helper()
	c, err := loadConfigFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("url = %q\npassword_file = %q", c.Register.URL, c.Register.PasswordFile)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// direct is a client of an authority that looks at the HTTP answers.
type direct struct {
	base   string
	http   *http.Client
	client *ca.Client
}

func newDirect(t *testing.T, dir, base string) *direct {
	t.Helper()
	p := &process{dir: dir}
	identity, peers, err := p.tls(tlsConfig{
		Certificate: config.Path(filepath.Join(dir, "tls", "operator.pem")), Key: "file:keys/tls-operator.key", Peers: config.Path(filepath.Join(dir, "tls", "root.pem")),
	})
	if err != nil {
		t.Fatal(err)
	}
	mutual, err := identity.ClientTLS(peers...)
	if err != nil {
		t.Fatal(err)
	}
	d := &direct{base: base, http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: mutual}}}
	if d.client, err = ca.NewClient(base, d.http); err != nil {
		t.Fatal(err)
	}
	return d
}

// issue asks for a certificate and holds the answer to a status. An answer that
// the service is unavailable must say when to come again.
func (d *direct) issue(t *testing.T, ctx context.Context, want int) ca.IssueAnswer {
	t.Helper()
	_, csr, err := request()
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(ca.IssueRequest{
		Issuer: "ehm", Profile: "citizen-signature", CSR: csr,
		Subject: map[string]string{"givenName": "Sınaq", "surname": "Nümunəyev", "fin": "D000001"},
	})
	if err != nil {
		t.Fatal(err)
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, d.base+"/v1/certificates", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	post.Header.Set("Content-Type", "application/json")
	start := time.Now()
	response, err := d.http.Do(post)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer ca.IssueAnswer
	if response.StatusCode != want {
		t.Fatalf("%s answers %d %s, want %d", d.base, response.StatusCode, text, want)
	}
	if want != http.StatusServiceUnavailable {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var details problem.Details
	if err := json.Unmarshal(text, &details); err != nil || details.Code != "register_unavailable" {
		t.Errorf("%s answers %s, error %v", d.base, text, err)
	}
	if after := response.Header.Get("Retry-After"); after == "" {
		t.Errorf("%s does not say when to come again", d.base)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%s answers after %v", d.base, took)
	}
	return answer
}

func TestRegisterConfig(t *testing.T) {
	for _, row := range []struct{ keys, want string }{
		{`path = "register.db"`, ""},
		{`url = "postgres://altamga@/altamga?host=/run/postgresql"`, ""},
		{`url = "postgresql://altamga@localhost/altamga"`, ""},
		{`url = "postgres://altamga@127.0.0.1:5433/altamga"`, ""},
		{`url = "postgres://altamga@db.example/altamga?sslmode=verify-full&sslrootcert=/etc/db.pem"`, ""},
		{`url = "postgres://altamga@/altamga?host=a.example,b.example&sslmode=verify-full&target_session_attrs=read-write"`, ""},
		{``, "register.path is missing"},
		{"path = \"register.db\"\nurl = \"postgres:///x\"", "stands beside path"},
		{"path = \"register.db\"\npassword_file = \"x\"", "register.password_file is for a url"},
		{`url = "mysql://db.example/altamga"`, "is not of the form postgres://"},
		{`url = "register.db"`, "is not of the form postgres://"},
		{`url = "postgres://altamga:secret@localhost/altamga"`, "holds a password"},
		{`url = "postgres://altamga@localhost/altamga?password=secret"`, "holds a password"},
		{`url = "postgres://altamga@db.example/altamga"`, "says nothing of sslmode for host db.example"},
		{`url = "postgres://altamga@/altamga?host=localhost,b.example"`, "says nothing of sslmode for host b.example"},
		{`url = "postgres://altamga@db.example/altamga?sslmode=verify-ca&sslrootcert=/etc/db.pem"`, ""},
		{`url = "postgres://altamga@localhost/altamga?sslmode=disable"`, ""},
		{`url = "postgres://altamga@db.example/altamga?sslmode=prefer"`, "says sslmode=prefer for host db.example"},
		{`url = "postgres://altamga@db.example/altamga?sslmode=require"`, "says sslmode=require for host db.example"},
		{`url = "postgres://altamga@db.example/altamga?sslmode=disable"`, "says sslmode=disable for host db.example"},
		{"url = \"postgres://localhost/altamga\"\npassword_file = \"x\"", "names no user"},
	} {
		file := filepath.Join(t.TempDir(), "altamga.toml")
		if err := os.WriteFile(file, []byte("[register]\n"+row.keys+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		var c suiteConfig
		err := config.Load(file, &c)
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", row.keys, err)
		case row.want != "" && (err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), ": ", " "), row.want)):
			t.Errorf("%s: got error %v, want one that says %q", row.keys, err, row.want)
		}
	}
}

func TestReadPassword(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		text string
		mode os.FileMode
		want string
		err  string
	}{
		{"secret\n", 0o600, "secret", ""},
		{"secret", 0o400, "secret", ""},
		{" two words \r\nmore", 0o600, " two words ", ""},
		{"secret\n", 0o640, "", "others than its owner"},
		{"\nsecret", 0o600, "", "first line"},
	} {
		path := filepath.Join(dir, "password")
		os.Remove(path)
		if err := os.WriteFile(path, []byte(row.text), row.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, row.mode); err != nil {
			t.Fatal(err)
		}
		got, err := readPassword(path)
		if got != row.want || (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%q of mode %04o: got %q, error %v", row.text, row.mode, got, err)
		}
	}
	if _, err := readPassword(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a file that is not there: no error")
	}
}
