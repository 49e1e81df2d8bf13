package main

import (
	"slices"
	"time"

	"github.com/altamga/altamga/ca"
)

const (
	// defaultRate and defaultBurst bound the requests of a client that the
	// configuration sets no rate for: about what one core can issue, so that a
	// client gone wild leaves the others something.
	defaultRate  = 500
	defaultBurst = 1000
)

// access translates what the configuration says of the clients of the API.
func access(pending ca.PendingStore, pendingFor time.Duration, clients []caClientConfig) ca.Access {
	find := func(name string) caClientConfig {
		if i := slices.IndexFunc(clients, func(c caClientConfig) bool { return c.Name == name }); i >= 0 {
			return clients[i]
		}
		return caClientConfig{Name: name}
	}
	return ca.Access{
		Pending: pending, PendingFor: pendingFor,
		Person: func(client string) string {
			if person := find(client).Person; person != "" {
				return person
			}
			return client
		},
		Vouches: func(client string) bool { return find(client).Vouches },
		Rate: func(client string) (float64, int) {
			c := find(client)
			switch {
			case c.Rate == 0:
				return defaultRate, defaultBurst
			case c.Burst == 0:
				return c.Rate, int(max(1, c.Rate))
			}
			return c.Rate, c.Burst
		},
	}
}
