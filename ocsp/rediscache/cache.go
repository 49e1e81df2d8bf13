package rediscache

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
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
	config  Config
	client  redis.UniversalClient
	put     *redis.Script
	breaker breaker
	writes  chan write
	// questions wait in it for no longer than it takes to gather them.
	questions chan question
}

var _ ocsp.Cache = (*Cache)(nil)

type write struct {
	key    ocsp.Key
	answer *ocsp.Answer
}

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
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
	quietOnce.Do(func() { redis.SetLogger(quiet{}) })
	return &Cache{
		config: c, put: redis.NewScript(putScript), breaker: breaker{limit: c.Failures, pause: c.Pause}, writes: make(chan write, c.Writes),
		questions: make(chan question, mostQuestions),
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

// question is a look-up that waits for the next MGET.
type question struct {
	key    string
	answer chan answered // holds one
}

// answered is what came of it: an empty value when there is none.
type answered struct {
	value string
	err   error
}

// errUnasked is the end of a question that nobody has put to Redis in time.
var errUnasked = errors.New("no answer within the budget")

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

// ask puts a question and waits for its answer.
func (c *Cache) ask(ctx context.Context, key string) answered {
	q := question{key, make(chan answered, 1)}
	timer := time.NewTimer(c.config.Budget)
	defer timer.Stop()
	select {
	case c.questions <- q:
	case <-timer.C:
		c.judge(errUnasked)
		return answered{err: errUnasked}
	case <-ctx.Done():
		return answered{err: ctx.Err()}
	}
	select {
	case got := <-q.answer:
		return got
	case <-timer.C:
		// Whoever asks Redis tells the breaker; this question may only have
		// waited for it.
		return answered{err: errUnasked}
	case <-ctx.Done():
		return answered{err: ctx.Err()}
	}
}

// mostQuestions bounds those of one MGET.
const mostQuestions = 256

// askers is how many MGETs may be under way at once.
const askers = 2

// answerQuestions puts questions to Redis, as many at a time as there are.
func (c *Cache) answerQuestions(ctx context.Context) {
	batch := make([]question, 0, mostQuestions)
	keys := make([]string, 0, mostQuestions)
	for {
		batch, keys = batch[:0], keys[:0]
		select {
		case <-ctx.Done():
			return
		case q := <-c.questions:
			batch = append(batch, q)
		}
		// Whoever came first has woken this. Those who came at the same time
		// put their questions now.
		runtime.Gosched()
	gather:
		for len(batch) < mostQuestions {
			select {
			case q := <-c.questions:
				batch = append(batch, q)
			default:
				break gather
			}
		}
		for _, q := range batch {
			keys = append(keys, q.key)
		}
		values, err := c.values(ctx, keys)
		if ctx.Err() == nil {
			c.judge(err)
		}
		for i, q := range batch {
			got := answered{err: err}
			if err == nil {
				got.value, _ = values[i].(string)
			}
			q.answer <- got
		}
	}
}

// values reads the values of keys, nil for those that have none.
func (c *Cache) values(ctx context.Context, keys []string) ([]any, error) {
	// A little less, so that those who wait hear of it.
	ctx, cancel := context.WithTimeout(ctx, c.config.Budget*4/5)
	defer cancel()
	if _, cluster := c.client.(*redis.ClusterClient); !cluster {
		return c.client.MGet(ctx, keys...).Result()
	}
	// In a Cluster the keys lie on several servers, each of which is asked for
	// its own.
	asked, err := c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Get(ctx, key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	values := make([]any, len(asked))
	for i, one := range asked {
		if value, err := one.(*redis.StringCmd).Result(); err == nil {
			values[i] = value
		} else if !errors.Is(err, redis.Nil) {
			return nil, err
		}
	}
	return values, nil
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
	defer asking.Wait()
	for range askers {
		asking.Go(func() { c.answerQuestions(ctx) })
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-c.writes:
			_ = c.write(ctx, w) // observed
		}
	}
}

// Keep is Put that waits until the answer is in Redis, or says why it is not.
func (c *Cache) Keep(ctx context.Context, key ocsp.Key, answer *ocsp.Answer) error {
	return c.write(ctx, write{key, answer})
}

// errAlone is the end of a write while Redis is left alone.
var errAlone = errors.New("redis does not answer and is left alone for a while")

func (c *Cache) write(ctx context.Context, w write) error {
	began := time.Now()
	if !c.breaker.allow(began) {
		c.config.Observe("skipped", 0)
		return errAlone
	}
	// Nobody waits for a write, so it may take longer than a look-up.
	ctx, cancel := context.WithTimeout(ctx, 4*c.config.Budget)
	defer cancel()
	ends := strconv.FormatInt(w.answer.NextUpdate.UnixMilli(), 10)
	kept, err := c.put.Run(ctx, c.client, []string{prefix + string(w.key)}, encode(w.answer), ends).Int()
	reason := "written"
	switch c.judge(err); {
	case err != nil:
		reason = "failed"
	case kept == 0:
		reason = "older"
	}
	c.config.Observe(reason, time.Since(began))
	return err
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
