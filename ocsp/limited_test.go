package ocsp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// A limited context is one like others, whoever waits for its end and however.
func TestLimitedContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		parent, cut := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		began := time.Now()
		ctx, release := ocsp.NewLimited(parent, began.Add(5*time.Second))
		if at, ok := ctx.Deadline(); !ok || at != began.Add(5*time.Second) {
			t.Errorf("it ends at %v, %v", at, ok)
		}
		if got := ctx.Value(key{}); got != "value" {
			t.Errorf("it holds %v", got)
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		<-child.Done()
		if took := time.Since(began); took != 5*time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) || child.Value(key{}) != "value" {
			t.Errorf("it ended after %v with %v", took, ctx.Err())
		}
		release()

		soon, release := ocsp.NewLimited(parent, time.Now().Add(time.Hour))
		defer release()
		cut()
		if <-soon.Done(); !errors.Is(soon.Err(), context.Canceled) {
			t.Errorf("cut off, it ended with %v", soon.Err())
		}

		earlier, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		later, release := ocsp.NewLimited(earlier, time.Now().Add(time.Hour))
		defer release()
		if at, _ := later.Deadline(); at != time.Now().Add(time.Second) {
			t.Errorf("it ends at %v, after what it is made of", at)
		}
	})
}
