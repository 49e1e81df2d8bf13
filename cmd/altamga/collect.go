package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// collectStep is by how much the heap of a server grows between collections.
const collectStep = 16 << 20

// collectByStep lets the heap grow by the same step between collections,
// whatever lives in it, until ctx ends. Go's default is as much again as lives:
// a responder with few answers would collect all the time what signing
// allocates, and one that keeps half a gigabyte of them would take a whole one,
// though octets without pointers cost a collection next to nothing. Whoever
// sets GOGC knows better.
func collectByStep(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		<-ctx.Done()
		return nil
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for set := 0; ; {
		metrics.Read(live)
		if percent := collectPercent(live[0].Value.Uint64()); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// collectPercent is what the step is of the octets that live, in percent, as
// far as that makes sense.
func collectPercent(live uint64) int {
	const few, least, most = 4 << 20, 3, 400
	return int(min(most, max(least, 100*collectStep/max(live, few))))
}
