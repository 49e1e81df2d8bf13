package ocsp

import "time"

// outage returns for how long the journal has been out of reach; 0 when it is
// not.
func (f *follower) outage(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == nil {
		return 0
	}
	return now.Sub(f.since)
}
