package register

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// ear hears of entries that other processes wrote to a PostgreSQL database.
type ear struct {
	config *pgx.ConnConfig
	wake   func()
	// hears is set while the server is connected to.
	hears  atomic.Bool
	cancel context.CancelFunc
	ended  chan struct{}
}

const (
	// earRest is how long the ear waits before it connects again.
	earRest = 250 * time.Millisecond
	// earCheck is how often it makes sure that a silent server is still there.
	earCheck = 30 * time.Second
)

func listen(config *pgx.ConnConfig, wake func()) *ear {
	ctx, cancel := context.WithCancel(context.Background())
	e := &ear{config: config, wake: wake, cancel: cancel, ended: make(chan struct{})}
	go e.run(ctx)
	return e
}

func (e *ear) run(ctx context.Context) {
	defer close(e.ended)
	for ctx.Err() == nil {
		// How it ended does not matter: followers look by themselves until the
		// ear hears again, and their reads tell of the loss.
		_ = e.hear(ctx)
		e.hears.Store(false)
		select {
		case <-ctx.Done():
		case <-time.After(earRest):
		}
	}
}

// hear listens until the connection is lost.
func (e *ear) hear(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, e.config)
	if err != nil {
		return err
	}
	defer func() {
		within, cancel := context.WithTimeout(context.Background(), earRest)
		defer cancel()
		_ = conn.Close(within)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	e.hears.Store(true)
	for {
		// First of all for what was said while nobody listened.
		e.wake()
		for {
			waiting, cancel := context.WithTimeout(ctx, earCheck)
			_, err := conn.WaitForNotification(waiting)
			silent := waiting.Err() != nil
			cancel()
			if err == nil {
				break
			}
			if !silent || ctx.Err() != nil {
				return err
			}
			asking, cancel := context.WithTimeout(ctx, connectWithin)
			err = conn.Ping(asking)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}

func (e *ear) close() {
	e.cancel()
	<-e.ended
}
