package crl

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// whole reads a list from a file, and has its octets in one piece for a
// signature that is over the list itself and not over a hash (Ed25519): mapped,
// so that they take none of the process's memory.
type whole struct {
	io.Reader
	// file may be nil for a list that is in memory anyway.
	file *os.File
	// offset is by how much the list begins later in the file than in the reader.
	offset int64
	mapped []byte
}

// whole reads the list. The reader must be closed when it was verified.
func (l *List) whole() *whole { return &whole{Reader: l.open(), file: l.file} }

// octets returns those between two places in the reader, until close.
func (w *whole) octets(from, to int64) (octets []byte, err error) {
	if w.mapped == nil {
		if w.mapped, err = mapFile(w.file, w.offset+to); err != nil {
			return nil, fmt.Errorf("mapping %s: %w", w.file.Name(), err)
		}
	}
	return w.mapped[w.offset+from : w.offset+to], nil
}

func (w *whole) close() {
	if w.mapped != nil {
		unmapFile(w.mapped)
		w.mapped = nil
	}
}

// onFault makes an error of a mapped page that the disk does not give, which
// would end the process otherwise. It is deferred, with
// debug.SetPanicOnFault(true) as its argument.
func onFault(before bool, err *error) {
	debug.SetPanicOnFault(before)
	switch fault := recover().(type) {
	case nil:
	case interface {
		error
		Addr() uintptr
	}:
		*err = because("store", fmt.Errorf("%w: %w", errDamaged, fault))
	default:
		panic(fault)
	}
}
