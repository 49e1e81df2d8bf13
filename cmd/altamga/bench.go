package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"
)

// benchCommands measure a server of this program beside the limits of the
// machine, in one run and as ratios, since machines are shared and figures of
// two runs say nothing about each other. Each command is bounded and stops by
// itself.
type benchCommands struct {
	CA   benchCA   `cmd:"" name:"ca" help:"Durable issuance over HTTP beside signing, linting and flushing."`
	OCSP benchOCSP `cmd:"" name:"ocsp" help:"Answers over HTTP from memory, from Redis and signed, beside nginx, cfssl and signing alone."`
	CRL  benchCRL  `cmd:"" name:"crl" help:"Making and reading revocation lists beside the standard library and openssl."`
	TSA  benchTSA  `cmd:"" name:"tsa" help:"Time-stamp tokens beside signing, openssl ts and another token maker."`
	// Target is one of the servers that are measured.
	Target benchTarget `cmd:"" name:"ocsp-target" hidden:""`
}

// measured is one figure.
type measured struct {
	// n operations were done in took, with cpu of processor time by whoever was
	// measured; cpu is negative where the system does not tell.
	n         int
	took, cpu time.Duration
	// latencies of each operation, sorted; nil where they were not taken.
	latencies []time.Duration
}

func (m measured) perSecond() float64 { return float64(m.n) / m.took.Seconds() }

// add puts another measurement of the same thing to it.
func (m *measured) add(other measured) {
	m.n, m.took, m.cpu = m.n+other.n, m.took+other.took, m.cpu+other.cpu
	m.latencies = append(m.latencies, other.latencies...)
	slices.Sort(m.latencies)
}

// each is the processor time for one operation.
func (m measured) each() time.Duration {
	if m.cpu < 0 || m.n == 0 {
		return -1
	}
	return m.cpu / time.Duration(m.n)
}

// percentile is the latency that p of a hundred operations stayed below.
func (m measured) percentile(p int) time.Duration {
	if len(m.latencies) == 0 {
		return 0
	}
	return m.latencies[min(len(m.latencies)-1, len(m.latencies)*p/100)]
}

// errNothing is the outcome of a measurement in which nothing was.
var errNothing = errors.New("nothing was done in the time given")

// repeat does op by a number of workers at once until the time is over, and
// returns the first error.
func repeat(ctx context.Context, workers int, length time.Duration, cpu func() time.Duration, op func(context.Context, int) error) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var (
		mu     sync.Mutex
		failed error
		next   atomic.Int64
		wg     sync.WaitGroup
		m      measured
	)
	before, start := cpu(), time.Now()
	for range workers {
		wg.Go(func() {
			var took []time.Duration
			for ctx.Err() == nil {
				began := time.Now()
				if err := op(ctx, int(next.Add(1)-1)); err != nil {
					mu.Lock()
					// What the end of the time has cut short is no failure.
					if failed == nil && ctx.Err() == nil {
						failed = err
					}
					mu.Unlock()
					cancel()
					break
				}
				took = append(took, time.Since(began))
			}
			mu.Lock()
			m.latencies = append(m.latencies, took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	m.n, m.took, m.cpu = len(m.latencies), time.Since(start), cpu()-before
	if before < 0 {
		m.cpu = -1
	}
	slices.Sort(m.latencies)
	if failed == nil && m.n == 0 {
		failed = errNothing
	}
	return m, failed
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return -1
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchReport is the table that a measurement prints, one line to a figure, with
// its ratios to base: of the rate by the clock, and of the processor time, which
// other work on the machine disturbs less.
type benchReport struct {
	out  *tabwriter.Writer
	base measured
}

func newBenchReport(w io.Writer) *benchReport {
	return &benchReport{out: tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
}

// heading begins a table; more names further columns.
func (r *benchReport) heading(name, ratio string, more ...string) {
	fmt.Fprintf(r.out, "\n%s\tper s\tCPU µs\tp50 ms\tp99 ms\t%s\tby CPU\t", name, ratio)
	r.more(more)
}

func (r *benchReport) more(columns []string) {
	for _, column := range columns {
		fmt.Fprintf(r.out, "%s\t", column)
	}
	fmt.Fprintln(r.out)
}

func (r *benchReport) line(name string, m measured, more ...string) {
	cpu, p50, p99, ratio, byCPU := "-", "-", "-", "-", "-"
	if each := m.each(); each > 0 {
		cpu = fmt.Sprintf("%.0f", float64(each)/float64(time.Microsecond))
		if base := r.base.each(); base > 0 {
			byCPU = fmt.Sprintf("%.3f", float64(base)/float64(each))
		}
	}
	if len(m.latencies) > 0 && m.percentile(50) >= 100*time.Microsecond {
		p50, p99 = milliseconds(m.percentile(50)), milliseconds(m.percentile(99))
	}
	if r.base.n > 0 {
		ratio = fmt.Sprintf("%.3f", m.perSecond()/r.base.perSecond())
	}
	fmt.Fprintf(r.out, "%s\t%.0f\t%s\t%s\t%s\t%s\t%s\t", name, m.perSecond(), cpu, p50, p99, ratio, byCPU)
	r.more(more)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}

// apart gives the load one processor and returns the one for servers, or -1
// for both when there is only one or the system cannot tell them apart.
func apart() (server int, restore func()) {
	if runtime.NumCPU() < 2 {
		return -1, func() {}
	}
	if err := pin(os.Getpid(), 1); err != nil {
		return -1, func() {}
	}
	return 0, func() { pinAll(os.Getpid(), runtime.NumCPU()) }
}
