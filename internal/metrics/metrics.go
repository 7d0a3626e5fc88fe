// Package metrics is what a server tells Prometheus (docs/metrics.md). What is there now is
// collected when it asks; only what happens is counted.
//
// Labels are bounded: what devices and strangers say becomes a label only if it is a device
// type or version that was published here, and else "unknown".
package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/rollout"
)

// Path is where Prometheus finds them.
const Path = "/metrics"

// unknown is the label of what nobody has published.
const unknown = "unknown"

// Sources is where what is there now comes from. All are called at each scrape.
type Sources struct {
	Published func() *repository.Published
	Devices   func() []fleet.Device
	Malformed func() int64 // messages of devices that could not be read
	Rollouts  func() []rollout.State
	// Connected says whether there is a broker; Broker returns the counts of the embedded
	// one, and false if it is another.
	Connected func() bool
	Broker    func() (broker.Stats, bool)
}

// Metrics are those of one server.
type Metrics struct {
	sources  Sources
	registry *prometheus.Registry

	firmware, sent, requests *prometheus.CounterVec
	took                     prometheus.Histogram
	batches                  *prometheus.HistogramVec
	changes                  prometheus.Counter
}

// New returns metrics that count from 0.
func New(s Sources) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		sources: s, registry: prometheus.NewRegistry(),
		firmware: counter("esper_firmware_requests_total", "Requests for firmware.", "type", "file", "status"),
		sent:     counter("esper_firmware_sent_bytes_total", "Bytes of firmware that were sent.", "type", "file"),
		requests: counter("esper_api_requests_total", "Requests to the operator's API.", "method", "status"),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "esper_api_request_duration_seconds", Help: "How long the operator's API took to answer.", Buckets: prometheus.DefBuckets,
		}),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "esper_database_batch_duration_seconds", Help: "How long it took to store a batch of reports.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"result"}),
		changes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "esper_database_changes_total", Help: "Changed devices that were stored.",
		}),
	}
	m.batches.WithLabelValues("ok")
	m.batches.WithLabelValues("failed")
	m.registry.MustRegister(m.firmware, m.sent, m.requests, m.took, m.batches, m.changes, state{&m.sources},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 30 * time.Second})
}

// Gatherer returns all metrics, for tests.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Firmware counts a request for firmware. Known says whether its type was published here.
func (m *Metrics) Firmware(q repository.Request, known bool) {
	deviceType := q.Type
	if !known {
		deviceType = unknown
	}
	m.firmware.WithLabelValues(deviceType, q.File, strconv.Itoa(q.Status)).Inc()
	m.sent.WithLabelValues(deviceType, q.File).Add(float64(q.Sent))
}

// Stored counts a batch that was stored, or not.
func (m *Metrics) Stored(changes int, took time.Duration, err error) {
	if err != nil {
		m.batches.WithLabelValues("failed").Observe(took.Seconds())
		return
	}
	m.batches.WithLabelValues("ok").Observe(took.Seconds())
	m.changes.Add(float64(changes))
}

// methods are those that the API knows; clients can make up others.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

// API counts the requests that a handler answers. One that ends by events that go on
// (server-sent events) does not count as slow.
func (m *Metrics) API(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if !slices.Contains(methods, method) {
			method = "other"
		}
		began := time.Now()
		a := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			m.requests.WithLabelValues(method, strconv.Itoa(a.status)).Inc()
			if a.Header().Get("Content-Type") != "text/event-stream" {
				m.took.Observe(time.Since(began).Seconds())
			}
		}()
		next.ServeHTTP(a, r)
	})
}

// answer keeps the status of an answer.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Flush sends what was written so far.
func (a *answer) Flush() { http.NewResponseController(a.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
