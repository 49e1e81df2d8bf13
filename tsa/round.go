package tsa

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// heard is what a source said in a round, or why it said nothing.
type heard struct {
	Measurement
	// at is when it said so, of what has elapsed.
	at     time.Duration
	err    error
	member bool
}

// interval is what the rounds since the last record proved: how many there were,
// and between which distances from the wall clock UTC was in all of them.
type interval struct {
	rounds   int
	min, max time.Duration
}

func (i *interval) add(p proof) {
	low, high := p.low-p.wall, p.high-p.wall
	if i.rounds++; i.rounds > 1 {
		low, high = min(i.min, low), max(i.max, high)
	}
	i.min, i.max = low, high
}

const (
	// patience is how long a source may take to answer.
	patience = 2 * time.Second
	// eager is how long after a round that proved nothing the next one begins.
	eager = 2 * time.Second
)

// Run asks the sources until ctx ends.
func (c *ProvenClock) Run(ctx context.Context) error {
	for {
		c.round(ctx)
		wait := c.config.Poll
		if _, _, err := c.Now(); err != nil {
			wait = min(eager, wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-c.wake:
			timer.Stop()
			// Not at once: whatever voided the proof may go on, and sources do
			// not like to be asked without end.
			if !sleep(ctx, min(eager, c.config.Poll)/4) {
				return nil
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// round asks all sources once and takes what they prove.
func (c *ProvenClock) round(ctx context.Context) {
	all := c.hear(ctx)
	if ctx.Err() != nil {
		return
	}
	found, err := c.weigh(all)
	c.mu.Lock()
	if err == nil {
		err = c.believe(found)
	}
	changed := (err == nil) != c.proving || c.lost != ""
	if c.proving = err == nil; c.proving {
		c.interval.add(found)
	}
	due := changed || time.Since(c.recorded) >= c.config.Record
	c.mu.Unlock()
	if err != nil {
		c.log.WarnContext(ctx, "no proof of the time", "error", err)
		c.fail(err)
		if due {
			if err := c.record(ctx, all, proof{}, err); err != nil {
				c.log.ErrorContext(ctx, "recording the clock's evidence", "error", err)
			}
		}
		return
	}
	if due {
		if err := c.record(ctx, all, found, nil); err != nil {
			c.log.ErrorContext(ctx, "recording the clock's evidence", "error", err)
			c.mu.Lock()
			c.void("its evidence cannot be recorded: %v", err)
			c.mu.Unlock()
			return
		}
	}
	c.mu.Lock()
	if !c.valid {
		c.log.InfoContext(ctx, "time proven", "utc_min", found.low-found.wall, "utc_max", found.high-found.wall)
	}
	c.proof, c.valid = found, true
	c.mu.Unlock()
}

// fail remembers why a round proved nothing. A proof that holds goes on until
// it is too old.
func (c *ProvenClock) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.valid {
		c.why = err.Error()
	}
}

// hear asks all sources at once.
func (c *ProvenClock) hear(ctx context.Context) []heard {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all := make([]heard, len(c.config.Sources))
	var asking sync.WaitGroup
	for i, s := range c.config.Sources {
		asking.Go(func() {
			all[i] = c.ask(ctx, s)
		})
	}
	asking.Wait()
	return all
}

// ask asks a source and finds out when, of what has elapsed, it was right.
func (c *ProvenClock) ask(ctx context.Context, s Source) (h heard) {
	if h.Measurement, h.err = s.Measure(ctx); h.err != nil {
		return h
	}
	if h.Distance < 0 {
		h.err = fmt.Errorf("a distance of %v", h.Distance)
		return h
	}
	before := c.config.Elapsed()
	since := time.Since(h.Taken)
	h.at = before - since
	// The two clocks were not read at once, and the one that counted since may be
	// being slewed.
	h.Distance += c.config.Elapsed() - before + since.Abs()/10
	return h
}

// weigh makes a proof of what the sources said.
func (c *ProvenClock) weigh(all []heard) (proof, error) {
	wall, elapsed, _ := c.read()
	var spans []span
	var from []int
	for i, h := range all {
		if h.err != nil {
			continue
		}
		mid := h.UTC.Round(0).Sub(c.start.Round(0)) - h.at
		distance := h.Distance + c.drift(elapsed-h.at)
		spans, from = append(spans, span{mid - distance, mid + distance}), append(from, i)
	}
	if len(spans) < c.need {
		return proof{}, fmt.Errorf("%d of %d sources answer, %d must agree", len(spans), len(all), c.need)
	}
	low, high, ok := agree(spans, c.need)
	if !ok {
		return proof{}, fmt.Errorf("no %d of %d sources agree", c.need, len(all))
	}
	found := proof{at: elapsed, low: low, high: high, wall: wall}
	warned := 0
	for k, i := range from {
		all[i].member = spans[k].member(low, high)
		if all[i].member && all[i].Leap != NoLeap {
			warned++
		}
	}
	utc := c.start.Round(0).Add(elapsed + (low+high)/2).UTC()
	if warned >= c.need {
		// Leap seconds come at the end of a month.
		found.leapAt = time.Date(utc.Year(), utc.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	}
	if !found.leapAt.IsZero() && !utc.Add(2*time.Second).Before(found.leapAt) {
		return proof{}, fmt.Errorf("a leap second is on at %v", found.leapAt)
	}
	return found, nil
}

// believe compares a proof with the one before, by what has elapsed. The caller
// holds mu.
func (c *ProvenClock) believe(found proof) error {
	first := c.proof == proof{}
	if first || c.overlap(c.proof, found) || c.leapt(found) {
		c.repeated = 0
		return nil
	}
	if c.repeated > 0 && c.overlap(c.doubted, found) {
		c.repeated++
	} else {
		c.repeated = 1
	}
	c.doubted = found
	if c.repeated >= settled {
		c.repeated = 0
		return nil
	}
	why := fmt.Sprintf("the sources moved by %v against the monotonic clock", (found.low+found.high-c.proof.low-c.proof.high)/2)
	if c.valid {
		c.void("%s", why)
	}
	return fmt.Errorf("%s; they have said so %d times of %d", why, c.repeated, settled)
}

// overlap reports whether two proofs can both be right.
func (c *ProvenClock) overlap(old, found proof) bool {
	drift := c.drift(found.at - old.at)
	return old.low-drift <= found.high && found.low <= old.high+drift
}

// leapt reports whether a leap second lies between the last proof and this one,
// so that they differ by one.
func (c *ProvenClock) leapt(found proof) bool {
	utc := c.start.Round(0).Add(found.at + (found.low+found.high)/2)
	for _, second := range []time.Duration{-time.Second, time.Second} {
		moved := c.proof
		moved.low, moved.high = moved.low+second, moved.high+second
		if !c.proof.leapAt.IsZero() && utc.After(c.proof.leapAt.Add(-2*time.Second)) && c.overlap(moved, found) {
			return true
		}
	}
	return false
}

// record writes the evidence of a round and of the interval that it ends: what was
// found, why a proof ended, between which distances from the wall clock UTC was
// in all proofs since the last record, and what each source said. Years later it
// shows how the times of tokens can be traced to UTC (ETSI EN 319 421, Section
// 7.7).
func (c *ProvenClock) record(ctx context.Context, all []heard, found proof, fault error) error {
	if c.config.Audit == nil {
		return nil
	}
	c.mu.Lock()
	lost, past := c.lost, c.interval
	c.mu.Unlock()
	var attrs []slog.Attr
	if fault != nil {
		attrs = append(attrs, slog.String("state", "unproven"), slog.String("reason", fault.Error()))
	} else {
		attrs = append(attrs, slog.String("state", "proven"),
			slog.Duration("utc_min", found.low-found.wall), slog.Duration("utc_max", found.high-found.wall))
		if !found.leapAt.IsZero() {
			attrs = append(attrs, slog.Time("leap", found.leapAt))
		}
	}
	if lost != "" {
		attrs = append(attrs, slog.String("lost", lost))
	}
	attrs = append(attrs, slog.Group("interval", slog.Int("proofs", past.rounds), slog.Duration("utc_min", past.min), slog.Duration("utc_max", past.max)))
	for i, h := range all {
		word := "silent: "
		switch {
		case h.err != nil:
			word += h.err.Error()
		case h.member:
			word = "agrees: "
		default:
			word = "outvoted: "
		}
		if h.err == nil {
			word += fmt.Sprintf("utc %s, distance %v, %s", h.UTC.UTC().Format("2006-01-02T15:04:05.000000Z"), h.Distance, h.Evidence)
		}
		attrs = append(attrs, slog.String("source."+c.config.Sources[i].Name, word))
	}
	err := c.config.Audit(ctx, "tsa.clock", attrs...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.recorded = time.Time{} // due again with the next round
		return err
	}
	c.recorded, c.interval = time.Now(), interval{}
	if c.lost == lost {
		c.lost = ""
	}
	return nil
}
