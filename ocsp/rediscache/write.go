package rediscache

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/altamga/altamga/ocsp"
)

// write is an answer that waits to be written.
type write struct {
	key    ocsp.Key
	answer *ocsp.Answer
}

// arguments are those of put.lua.
func (w write) arguments() (keys []string, arguments []any) {
	ends := strconv.FormatInt(w.answer.NextUpdate.UnixMilli(), 10)
	return []string{prefix + string(w.key)}, []any{encode(w.answer), ends}
}

// mostWrites bounds those of one trip.
const mostWrites = 128

// writePut writes what was put, as much at a time as there is: when all answers
// are new, as after a restart of Redis, those that come one by one would not be
// written as fast as they are signed.
func (c *Cache) writePut(ctx context.Context) {
	batch := make([]write, 0, mostWrites)
	for {
		batch = batch[:0]
		select {
		case <-ctx.Done():
			return
		case w := <-c.writes:
			batch = append(batch, w)
		}
	gather:
		for len(batch) < mostWrites {
			select {
			case w := <-c.writes:
				batch = append(batch, w)
			default:
				break gather
			}
		}
		_ = c.write(ctx, batch) // observed
		clear(batch)
	}
}

// Keep is Put that waits until the answer is in Redis, or says why it is not.
func (c *Cache) Keep(ctx context.Context, key ocsp.Key, answer *ocsp.Answer) error {
	return c.write(ctx, []write{{key, answer}})
}

// errAlone is the end of a write while Redis is left alone.
var errAlone = errors.New("redis does not answer and is left alone for a while")

// write writes the batch in one trip and returns what went wrong first.
func (c *Cache) write(ctx context.Context, batch []write) error {
	began := time.Now()
	if !c.breaker.allow(began) {
		for range batch {
			c.config.Observe("skipped", 0)
		}
		return errAlone
	}
	// Nobody waits for a write, so it may take longer than a look-up.
	ctx, cancel := context.WithTimeout(ctx, 4*c.config.Budget)
	defer cancel()
	results, _ := c.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each has its error
		for _, w := range batch {
			keys, arguments := w.arguments()
			p.EvalSha(ctx, c.put.Hash(), keys, arguments...)
		}
		return nil
	})
	var failed error
	for i, result := range results {
		kept, err := result.(*redis.Cmd).Int()
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			// The server has just started; the first of the batch tells it.
			keys, arguments := batch[i].arguments()
			kept, err = c.put.Run(ctx, c.client, keys, arguments...).Int()
		}
		reason := "written"
		switch {
		case err != nil:
			reason = "failed"
			failed = cmp.Or(failed, err)
		case kept == 0:
			reason = "older"
		}
		c.config.Observe(reason, time.Since(began))
	}
	c.judge(failed)
	return failed
}
