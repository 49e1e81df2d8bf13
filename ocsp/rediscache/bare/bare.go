// Package bare asks Redis as plainly as go-redis can: one GET for each question.
// It is what a measurement holds the cache of responders against.
package bare

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Client asks one server.
type Client struct{ client *redis.Client }

// New returns a client of the server at address. It connects when first asked.
func New(address string) *Client {
	return &Client{redis.NewClient(&redis.Options{Addr: address, DisableIdentity: true})}
}

// Set keeps value under key for good.
func (c *Client) Set(ctx context.Context, key string, value []byte) error {
	return c.client.Set(ctx, key, value, 0).Err()
}

// Get returns the value kept under key.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	return c.client.Get(ctx, key).Bytes()
}
