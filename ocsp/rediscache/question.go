package rediscache

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// question is a look-up that waits for the next MGET. It is used again, unless
// whoever put it has given up on its answer.
type question struct {
	key    string
	answer chan answered // holds one
	timer  *time.Timer
}

// answered is what came of it: an empty value when there is none.
type answered struct {
	value string
	err   error
}

// idle are the questions that nobody asks.
var idle = sync.Pool{New: func() any {
	return &question{answer: make(chan answered, 1), timer: time.NewTimer(time.Hour)}
}}

// questions are those that wait.
type questions struct {
	mu      sync.Mutex
	waiting []*question
	// more is told that there are some.
	more chan struct{}
}

// errUnasked is the end of a question that nobody has put to Redis in time.
var errUnasked = errors.New("no answer within the budget")

// ask puts a question and waits for its answer.
func (c *Cache) ask(ctx context.Context, key string) answered {
	q := idle.Get().(*question)
	q.key = key
	q.timer.Reset(c.config.Budget)
	if !c.questions.put(q) {
		c.judge(errUnasked)
		return answered{err: errUnasked}
	}
	select {
	case got := <-q.answer:
		q.timer.Stop()
		idle.Put(q)
		return got
	case <-q.timer.C:
		// It is put to Redis all the same, and whoever does so tells the
		// breaker; this question may only have waited for others.
		return answered{err: errUnasked}
	case <-ctx.Done():
		return answered{err: ctx.Err()}
	}
}

// put reports whether there was room.
func (w *questions) put(q *question) bool {
	w.mu.Lock()
	room := len(w.waiting) < mostQuestions
	if room {
		w.waiting = append(w.waiting, q)
	}
	w.mu.Unlock()
	w.tell()
	return room
}

func (w *questions) tell() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// take moves the questions that wait into batch.
func (w *questions) take(batch []*question) []*question {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch = append(batch, w.waiting...)
	clear(w.waiting)
	w.waiting = w.waiting[:0]
	return batch
}

// mostQuestions bounds those that wait, and so those of one MGET.
const mostQuestions = 256

// askers is how many MGETs may be under way at once.
const askers = 2

// answerQuestions puts questions to Redis, as many at a time as there are.
func (c *Cache) answerQuestions(ctx context.Context) {
	batch := make([]*question, 0, mostQuestions)
	keys := make([]string, 0, mostQuestions)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.questions.more:
		}
		// Whoever came first has woken this. Those who came at the same time
		// put their questions now.
		runtime.Gosched()
		if batch = c.questions.take(batch[:0]); len(batch) == 0 {
			continue
		}
		keys = keys[:0]
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
		clear(batch)
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
