//go:build !linux

package main

import (
	"context"
	"errors"
)

// overHTTP says that the load needs Linux.
func (b *tokenBench) overHTTP(context.Context, int, string, []int, int) error {
	return withHint(errors.New("the load of this measurement waits with epoll"), "run it on Linux")
}
