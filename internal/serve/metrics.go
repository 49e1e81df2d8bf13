package serve

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxReasons bounds the reasons that one component may have. Those beyond it
// are counted as "other": a reason made from what a client sent would
// otherwise fill the memory, and could carry personal data.
const maxReasons = 64

// buckets are the upper bounds of the histogram in seconds: from an answer out
// of memory to a request that is about to run into its timeout.
var buckets = []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

type metrics struct {
	registry *prometheus.Registry
	results  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "altamga_results_total",
			Help: "Work done, by component and reason of its result.",
		}, []string{"component", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "altamga_result_seconds",
			Help:    "Time that the work took, by component and reason of its result.",
			Buckets: buckets,
		}, []string{"component", "reason"}),
	}
	m.registry.MustRegister(m.results, m.seconds, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// series are the metrics of one component and reason.
type series struct {
	count   prometheus.Counter
	seconds prometheus.Observer
}

// Observer returns the function that component calls for each piece of work it
// has done, with the reason of its result, a fixed short word in lower case
// ("good", "malformed_request"), and the time that it took. They become the
// counter altamga_results_total and the histogram altamga_result_seconds. A
// reason of another form, or beyond the first 64, is counted as "other".
func (a *Admin) Observer(component string) func(reason string, took time.Duration) {
	o := &observer{metrics: a.metrics, component: component, known: make(map[string]series)}
	return o.observe
}

type observer struct {
	metrics   *metrics
	component string

	mu    sync.RWMutex
	known map[string]series
}

func (o *observer) observe(reason string, took time.Duration) {
	s := o.series(reason)
	s.count.Inc()
	s.seconds.Observe(took.Seconds())
}

func (o *observer) series(reason string) series {
	o.mu.RLock()
	s, ok := o.known[reason]
	o.mu.RUnlock()
	if ok {
		return s
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !goodReason(reason) || len(o.known) >= maxReasons {
		reason = "other"
	}
	if s, ok := o.known[reason]; ok {
		return s
	}
	s = series{
		count:   o.metrics.results.WithLabelValues(o.component, reason),
		seconds: o.metrics.seconds.WithLabelValues(o.component, reason),
	}
	o.known[reason] = s
	return s
}

func goodReason(reason string) bool {
	if len(reason) == 0 || len(reason) > 40 {
		return false
	}
	for _, c := range []byte(reason) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// Gauge publishes what value returns at each scrape as altamga_<name>, with
// the labels component and the given pairs of name and value (issuer, "ehm").
// One name has one help text and one set of label names wherever it is used.
// Like the registration of any metric it panics when the names are wrong or
// taken, which is a mistake in the program and not in its input.
func (a *Admin) Gauge(component, name, help string, value func() float64, labels ...string) {
	if len(labels)%2 != 0 {
		panic(fmt.Sprintf("serve: gauge %s has a label without a value", name))
	}
	constant := prometheus.Labels{"component": component}
	for i := 0; i < len(labels); i += 2 {
		constant[labels[i]] = labels[i+1]
	}
	a.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "altamga_" + name, Help: help, ConstLabels: constant,
	}, value))
}
