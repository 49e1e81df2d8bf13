package rediscache

import (
	"cmp"
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/altamga/altamga/ocsp"
)

// prefix of every key; its number changes with the value's format, so that
// responders of two releases share a Redis without reading each other's values.
// Behind it stands the encoded CertID, which names issuer, hash function and
// serial number.
const prefix = "ocsp:2:"

//go:embed put.lua
var putScript string

// Config says where Redis is and how long it may take.
type Config struct {
	// Addresses of the servers, host:port. One is a single server; with Master
	// set they are Sentinels; several without it are a Cluster.
	Addresses []string
	// Master is the name that the Sentinels know the primary by.
	Master string
	// User and Password are those of the access control list; empty for none.
	User, Password string
	// TLS of the connections; nil for none.
	TLS *tls.Config

	// Budget is how long one look-up may take. Default 25 ms.
	Budget time.Duration
	// Failures in a row that open the breaker, default 5, and how long Redis is
	// then left alone, default 1 s.
	Failures int
	Pause    time.Duration
	// Writes bounds the answers that wait to be written. Default 1024; those
	// beyond it are dropped.
	Writes int
	// Log is told when Redis is lost and found again; nil discards.
	Log *slog.Logger
	// Observe is told of each question: hit, miss, corrupt, failed,
	// skipped (the breaker is open), written, older (a newer one was there),
	// dropped. nil tells nobody.
	Observe func(reason string, took time.Duration)
}

// Cache is an [ocsp.Cache] in Redis.
type Cache struct {
	config    Config
	client    redis.UniversalClient
	put       *redis.Script
	breaker   breaker
	writes    chan write
	questions questions
}

var _ ocsp.Cache = (*Cache)(nil)

// New checks the configuration. It does not connect: Redis may come later. The
// caller runs [Cache.Run] and ends with [Cache.Close].
func New(c Config) (*Cache, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("rediscache: no address is given")
	}
	if c.Budget < 0 || c.Pause < 0 || c.Failures < 0 || c.Writes < 0 {
		return nil, errors.New("rediscache: a bound is negative")
	}
	orDefault(&c.Budget, 25*time.Millisecond)
	orDefault(&c.Pause, time.Second)
	orDefault(&c.Failures, 5)
	orDefault(&c.Writes, 1024)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
	quietOnce.Do(func() { redis.SetLogger(quiet{}) })
	return &Cache{
		config: c, put: redis.NewScript(putScript), breaker: breaker{limit: c.Failures, pause: c.Pause}, writes: make(chan write, c.Writes),
		questions: questions{more: make(chan struct{}, 1)},
		client: redis.NewUniversalClient(&redis.UniversalOptions{
			Addrs: c.Addresses, MasterName: c.Master, Username: c.User, Password: c.Password, TLSConfig: c.TLS,
			// A question is asked once: the next one is to sign, not to ask again.
			MaxRetries: -1, DialerRetries: 1, DialTimeout: c.Budget * 4, ReadTimeout: c.Budget * 4, WriteTimeout: c.Budget * 4,
			ContextTimeoutEnabled: true, PoolTimeout: c.Budget,
			// What the server does not need to know stays unsaid.
			DisableIdentity: true,
		}),
	}, nil
}

// quietOnce keeps go-redis from writing to standard error, past the process's
// log; what matters of it is in what the cache logs and observes. The library
// has one logger for the whole process, and this package is its only importer.
var quietOnce sync.Once

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func orDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// Get implements [ocsp.Cache], within the budget.
//
// A round trip to Redis costs this process more than signing an answer does.
// So questions that come while one is under way go together in the next.
func (c *Cache) Get(ctx context.Context, key ocsp.Key) (*ocsp.Answer, bool) {
	began := time.Now()
	if !c.breaker.allow(began) {
		c.config.Observe("skipped", 0)
		return nil, false
	}
	got := c.ask(ctx, prefix+string(key))
	if got.err != nil {
		c.config.Observe("failed", time.Since(began))
		return nil, false
	}
	if got.value == "" {
		c.config.Observe("miss", time.Since(began))
		return nil, false
	}
	answer, ok := decode([]byte(got.value), time.Now())
	if !ok {
		c.config.Observe("corrupt", time.Since(began))
		return nil, false
	}
	c.config.Observe("hit", time.Since(began))
	return answer, true
}

// Put implements [ocsp.Cache]. The answer is in Redis a moment later, if that
// can be had.
func (c *Cache) Put(ctx context.Context, key ocsp.Key, answer *ocsp.Answer) {
	select {
	case c.writes <- write{key, answer}:
	default:
		c.config.Observe("dropped", 0)
	}
}

// Run asks Redis and writes to it what was put, until ctx ends. Without it
// nothing is found.
func (c *Cache) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	for range askers {
		asking.Go(func() { c.answerQuestions(ctx) })
	}
	c.writePut(ctx)
	asking.Wait()
	return nil
}

// judge tells the breaker how a question ended, and the log when that opened or
// closed it.
func (c *Cache) judge(err error) {
	was := c.breaker.open()
	c.breaker.report(time.Now(), err)
	switch is := c.breaker.open(); {
	case is && !was:
		c.config.Log.Warn("redis does not answer; answers are signed", "error", err)
	case was && !is:
		c.config.Log.Info("redis answers again")
	}
}

// Ready reports whether Redis is used. The responder works without it, so this
// is for a metric and not for readiness.
func (c *Cache) Ready() error {
	if c.breaker.open() {
		return fmt.Errorf("redis at %v does not answer", c.config.Addresses)
	}
	return nil
}

// Close ends the connections.
func (c *Cache) Close() error { return c.client.Close() }
