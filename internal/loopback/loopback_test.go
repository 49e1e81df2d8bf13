package loopback_test

import (
	"net"
	"sync"
	"testing"

	"github.com/altamga/altamga/internal/loopback"
)

// TestAddresses asks for addresses from several goroutines: no two are alike,
// each can be listened on, and none is of the range that connections get.
func TestAddresses(t *testing.T) {
	var (
		mu    sync.Mutex
		seen  = make(map[string]bool)
		group sync.WaitGroup
	)
	for range 8 {
		group.Go(func() {
			for range 50 {
				address, err := loopback.Address()
				if err != nil {
					t.Error(err)
					return
				}
				listener, err := net.Listen("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				if port := listener.Addr().(*net.TCPAddr).Port; port < 10240 || port > 32767 {
					t.Errorf("port %d", port)
				}
				listener.Close()
				mu.Lock()
				if seen[address] {
					t.Errorf("%s was returned before", address)
				}
				seen[address] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

// TestPassesOverTakenPorts holds what is found: the next one is another.
func TestPassesOverTakenPorts(t *testing.T) {
	for range 20 {
		listener, err := loopback.Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
	}
}
