package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress counts on a terminal; on a pipe or in a file it prints nothing.
type progress struct {
	w         io.Writer // nil when there is no terminal
	what      string
	n, of     int
	lastShown time.Time
}

// newProgress begins counting; of is how many there will be, 0 when nobody
// knows.
func newProgress(w io.Writer, what string, of int) *progress {
	p := &progress{what: what, of: of}
	if file, ok := w.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = w
		}
	}
	return p
}

func (p *progress) step() {
	p.n++
	if p.w == nil || time.Since(p.lastShown) < 100*time.Millisecond {
		return
	}
	p.lastShown = time.Now()
	p.show()
}

func (p *progress) show() {
	if p.of > 0 {
		fmt.Fprintf(p.w, "\r%s %d of %d", p.what, p.n, p.of)
		return
	}
	fmt.Fprintf(p.w, "\r%s %d", p.what, p.n)
}

// end leaves the last count on the terminal.
func (p *progress) end() {
	if p.w != nil && p.n > 0 {
		p.show()
		fmt.Fprintln(p.w)
	}
}
