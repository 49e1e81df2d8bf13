//go:build !linux

package main

import (
	"errors"
	"time"
)

// Only Linux is asked to keep processes apart and to tell their time.

func pin(pid, cpu int) error { return errors.ErrUnsupported }

func pinAll(pid, n int) error { return errors.ErrUnsupported }

func cpuOf(pid int) time.Duration { return -1 }
