package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/ntp"
)

// trustedClock is the time that all named servers agree on; nil when none is
// named.
func trustedClock(addresses []string) func(context.Context) (conformance.Reading, error) {
	if len(addresses) == 0 {
		return nil
	}
	return func(ctx context.Context) (conformance.Reading, error) {
		answers, errs := askTime(ctx, addresses)
		if len(answers) == 0 {
			return conformance.Reading{}, errors.Join(errs...)
		}
		return agreed(answers)
	}
}

// timeAnswer is what one server says of this machine's clock.
type timeAnswer struct {
	from            string
	ahead, distance time.Duration
}

func askTime(ctx context.Context, addresses []string) (answers []timeAnswer, errs []error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, address := range addresses {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			a, err := (&ntp.Server{Address: address}).Query(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			// Without the monotonic reading it is what this machine's clock says.
			answers = append(answers, timeAnswer{address, a.UTC.Sub(a.Taken.Round(0)), a.Distance})
		})
	}
	group.Wait()
	return answers, errs
}

// agreed is the span of time that lies within the distances of all servers.
func agreed(answers []timeAnswer) (conformance.Reading, error) {
	least, most := answers[0].ahead-answers[0].distance, answers[0].ahead+answers[0].distance
	var from []string
	for _, a := range answers {
		least, most = max(least, a.ahead-a.distance), min(most, a.ahead+a.distance)
		from = append(from, a.from)
	}
	if least > most {
		return conformance.Reading{}, fmt.Errorf("the time servers contradict each other by %v: %s", least-most, strings.Join(from, ", "))
	}
	within := (most - least) / 2
	return conformance.Reading{Ahead: least + within, Within: within,
		By: fmt.Sprintf("time servers (%s), which know it within %v", strings.Join(from, ", "), within.Round(time.Microsecond))}, nil
}
