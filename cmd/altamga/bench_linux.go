package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// cpuMask is a set of up to 1024 processors.
type cpuMask [16]uint64

// pin keeps all threads of a process on one processor.
func pin(pid, cpu int) error {
	var mask cpuMask
	mask[cpu/64] |= 1 << (cpu % 64)
	return mask.apply(pid)
}

// pinAll lets the threads of a process run on the first n processors again.
func pinAll(pid, n int) error {
	var mask cpuMask
	for cpu := range n {
		mask[cpu/64] |= 1 << (cpu % 64)
	}
	return mask.apply(pid)
}

func (m *cpuMask) apply(pid int) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			return err
		}
		if _, _, code := syscall.Syscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(id), unsafe.Sizeof(*m), uintptr(unsafe.Pointer(m))); code != 0 && code != syscall.ESRCH {
			return code
		}
	}
	return nil
}

// cpuOf is the processor time that another process has used, in steps of ten
// milliseconds.
func cpuOf(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return -1
	}
	// The name, in brackets, may hold anything; user and system time are the
	// twelfth and thirteenth field after it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return -1
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return -1
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
