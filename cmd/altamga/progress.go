package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// statusLine returns how to show on a terminal what long work has come to, in
// one line, and how to wipe that line away. On a pipe or a file both do nothing.
func statusLine(w io.Writer) (show func(string), wipe func()) {
	file, ok := w.(*os.File)
	if ok {
		info, err := file.Stat()
		ok = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if !ok {
		return func(string) {}, func() {}
	}
	const line = "\r\x1b[K"
	return func(text string) { fmt.Fprint(file, line+text) }, func() { fmt.Fprint(file, line) }
}

// progress counts steps on a status line, a few times a second.
type progress struct {
	what     string
	of, done int
	shown    time.Time
	show     func(string)
	wipe     func()
}

// newProgress begins to count; of is 0 when nobody knows how many there are.
func newProgress(w io.Writer, what string, of int) *progress {
	p := &progress{what: what, of: of}
	p.show, p.wipe = statusLine(w)
	return p
}

// step counts one.
func (p *progress) step() {
	p.done++
	if time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	text := fmt.Sprintf("%s %d", p.what, p.done)
	if p.of > 0 {
		text += fmt.Sprintf(" of %d", p.of)
	}
	p.show(text)
}

// end wipes the line.
func (p *progress) end() { p.wipe() }
