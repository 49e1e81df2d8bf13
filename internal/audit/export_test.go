package audit

import "bytes"

// BreakDisk makes every write of the log go through write, which gets the
// real one to call or not.
func (l *Log) BreakDisk(write func(lines []byte, real func([]byte) error) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write = func(lines []byte) error { return write(lines, l.flush) }
}

// ReadTail reads a log as opening it does, and returns the number of its last
// entry and how many octets of it are whole lines.
func ReadTail(contents []byte, key Verifier) (entries, whole int, err error) {
	s, n, err := readTail(bytes.NewReader(contents), int64(len(contents)), key)
	if err != nil {
		return 0, 0, err
	}
	return int(s.at.seq), int(n), nil
}

// WithDisk returns a configuration whose log writes through disk from the
// beginning.
func (c Config) WithDisk(disk func(lines []byte, real func([]byte) error) error) Config {
	c.disk = disk
	return c
}

// TailWindow is the part of a log that opening checks.
const TailWindow = tailWindow
