package rediscache_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/altamga/altamga/internal/loopback"
	"github.com/altamga/altamga/ocsp"
	"github.com/altamga/altamga/ocsp/rediscache"
)

// freePort is one that has a free one ten thousand above, for the bus of a
// Cluster.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		below, err := loopback.Listen()
		if err != nil {
			t.Fatal(err)
		}
		port := below.Addr().(*net.TCPAddr).Port
		above, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+10_000))
		below.Close()
		if err == nil {
			above.Close()
			return port
		}
	}
}

// launch starts a redis-server of any kind and waits until it answers client.
func launch(t *testing.T, client *redis.Client, arguments ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed (Debian: redis-server)")
	}
	process := exec.Command("redis-server", arguments...)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Process.Kill()
		process.Wait()
	})
	eventually(t, "redis-server answers", func() bool { return client.Ping(t.Context()).Err() == nil })
	return process
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func clientOf(t *testing.T, port int) *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + strconv.Itoa(port)})
	t.Cleanup(func() { client.Close() })
	return client
}

// keeps puts an answer until it is found again.
func keeps(t *testing.T, cache *rediscache.Cache, name string) {
	t.Helper()
	eventually(t, name+" is kept", func() bool {
		cache.Put(t.Context(), ocsp.Key(name), answer(1, time.Now()))
		_, ok := cache.Get(t.Context(), ocsp.Key(name))
		return ok
	})
}

// TestCluster: several servers that share the keys.
func TestCluster(t *testing.T) {
	ports := []int{freePort(t), freePort(t), freePort(t)}
	var addresses []string
	for i, port := range ports {
		client := clientOf(t, port)
		launch(t, client, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", t.TempDir(), "--save", "", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		addresses = append(addresses, client.Options().Addr)
		first, last := i*16384/3, (i+1)*16384/3-1
		for _, command := range [][]any{{"CLUSTER", "ADDSLOTSRANGE", first, last}, {"CLUSTER", "MEET", "127.0.0.1", ports[0]}} {
			if err := client.Do(t.Context(), command...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "the Cluster is complete", func() bool {
		for _, port := range ports {
			info, err := clientOf(t, port).ClusterInfo(t.Context()).Result()
			if err != nil || info[:16] != "cluster_state:ok" {
				return false
			}
		}
		return true
	})
	cache, _ := openAt(t, addresses, nil)
	for i := range 20 {
		keeps(t, cache, fmt.Sprint("answer ", i))
	}
	for _, port := range ports {
		if n := clientOf(t, port).DBSize(t.Context()).Val(); n == 0 || n == 20 {
			t.Errorf("the server at %d has %d of 20 answers", port, n)
		}
	}
	// Questions that go together lie on several servers.
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if _, ok := cache.Get(t.Context(), ocsp.Key(fmt.Sprint("answer ", i))); !ok {
				t.Errorf("answer %d is not found", i)
			}
		})
	}
	group.Wait()
}

// TestSentinel: the primary dies, and its replica takes over with what it has.
func TestSentinel(t *testing.T) {
	primary, replica, watcher := freePort(t), freePort(t), freePort(t)
	process := launch(t, clientOf(t, primary), "--bind", "127.0.0.1", "--port", strconv.Itoa(primary), "--dir", t.TempDir(), "--save", "")
	launch(t, clientOf(t, replica), "--bind", "127.0.0.1", "--port", strconv.Itoa(replica), "--dir", t.TempDir(), "--save", "",
		"--replicaof", "127.0.0.1 "+strconv.Itoa(primary), "--repl-diskless-sync-delay", "0")
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	configuration := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor centre 127.0.0.1 %d 1\nsentinel down-after-milliseconds centre 300\nsentinel failover-timeout centre 2000\n", watcher, dir, primary)
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	launch(t, clientOf(t, watcher), file, "--sentinel")
	cache, _ := openAt(t, []string{"127.0.0.1:" + strconv.Itoa(watcher)}, func(c *rediscache.Config) { c.Master = "centre" })
	keeps(t, cache, "before")
	eventually(t, "the replica has it", func() bool { return clientOf(t, replica).DBSize(t.Context()).Val() == 1 })
	eventually(t, "the sentinel knows the replica", func() bool {
		found, err := clientOf(t, watcher).Do(t.Context(), "SENTINEL", "REPLICAS", "centre").Slice()
		return err == nil && len(found) == 1
	})
	process.Process.Kill()
	process.Wait()
	eventually(t, "the replica has taken over", func() bool {
		_, ok := cache.Get(t.Context(), "before")
		return ok
	})
	keeps(t, cache, "after")
}

// TestTLS: a server that speaks nothing else, and asks for a client's
// certificate.
func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Demonstration Redis"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: raw}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	with := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
	address := "127.0.0.1:" + strconv.Itoa(freePort(t))
	_, port, _ := net.SplitHostPort(address)
	client := redis.NewClient(&redis.Options{Addr: address, TLSConfig: with})
	t.Cleanup(func() { client.Close() })
	launch(t, client, "--bind", "127.0.0.1", "--port", "0", "--tls-port", port, "--dir", dir, "--save", "",
		"--tls-cert-file", filepath.Join(dir, "cert.pem"), "--tls-key-file", filepath.Join(dir, "key.pem"), "--tls-ca-cert-file", filepath.Join(dir, "cert.pem"))
	cache, _ := openAt(t, []string{address}, func(c *rediscache.Config) { c.TLS = with })
	keeps(t, cache, "a")
	for name, config := range map[string]*tls.Config{"no TLS": nil, "a server of another root": {RootCAs: x509.NewCertPool()}, "no certificate": {RootCAs: roots}} {
		without, seen := openAt(t, []string{address}, func(c *rediscache.Config) { c.TLS = config })
		if _, ok := without.Get(t.Context(), "a"); ok || seen.of("failed") != 1 {
			t.Errorf("%s: it was read", name)
		}
	}
}

// TestTogether: many questions at once take few trips.
func TestTogether(t *testing.T) {
	s := startServer(t)
	cache, seen := open(t, s, nil)
	const n = 200
	for i := range n {
		cache.Put(t.Context(), ocsp.Key(fmt.Sprint(i)), answer(1, time.Now()))
	}
	seen.wait(t, "written", n)
	client := s.client()
	defer client.Close()
	if err := client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			if _, ok := cache.Get(context.Background(), ocsp.Key(fmt.Sprint(i))); !ok {
				t.Errorf("answer %d is not found", i)
			}
		})
	}
	close(start)
	group.Wait()
	var calls int
	stats := client.Info(t.Context(), "commandstats").Val()
	if _, err := fmt.Sscanf(stats[len("# Commandstats\r\n"):], "cmdstat_mget:calls=%d", &calls); err != nil {
		for _, line := range []string{stats} {
			t.Log(line)
		}
	}
	if calls > n/2 {
		t.Errorf("%d questions took %d trips", n, calls)
	}
}
