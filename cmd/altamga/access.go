package main

import (
	"github.com/altamga/altamga/ca"
)

const (
	// defaultRate and defaultBurst bound the requests of a client that the
	// configuration sets no rate for: about what one core can issue, so that a
	// client gone wild leaves the others something.
	defaultRate  = 500
	defaultBurst = 1000
)

// access translates what the configuration says of the clients of all doors.
func access(pending ca.PendingStore, c *caConfig) ca.Access {
	// The names are those in journal and audit log.
	clients := map[string]caClientConfig{"": {rateConfig: c.Strangers}}
	if c.CFSSL != nil {
		for _, client := range c.CFSSL.Clients {
			clients["cfssl:"+client.Name] = caClientConfig{rateConfig: client.rateConfig}
		}
	}
	if c.EST != nil {
		for _, account := range c.EST.Accounts {
			clients["est:"+account.Name] = caClientConfig{rateConfig: account.rateConfig}
		}
	}
	for _, client := range c.Clients {
		clients[client.Name] = client
	}
	find := func(name string) caClientConfig { return clients[name] }
	return ca.Access{
		Pending: pending, PendingFor: c.PendingFor,
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
