package audit

// BreakDisk makes every write of the log go through write, which gets the
// real one to call or not.
func (l *Log) BreakDisk(write func(lines []byte, real func([]byte) error) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write = func(lines []byte) error { return write(lines, l.flush) }
}

// TailWindow is the part of a log that opening checks.
const TailWindow = tailWindow
