package main

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is the server of /metrics, and of profiles for who looks for what is slow.
func (s *server) metrics() *http.Server {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), connMetrics{s})
	if s.out != nil {
		r.MustRegister(queueMetrics{s.out.queue})
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}

// connMetrics are the counters of the line protocols' connections.
type connMetrics struct{ s *server }

var (
	connOpen     = prometheus.NewDesc("atrium_connections", "Connections that are open.", []string{"protocol"}, nil)
	connAccepted = prometheus.NewDesc("atrium_connections_accepted_total", "Connections since the start.", []string{"protocol"}, nil)
	connRefused  = prometheus.NewDesc("atrium_connections_refused_total", "Connections over a limit.", []string{"protocol"}, nil)
	connPanics   = prometheus.NewDesc("atrium_panics_total", "Connections that ended by a mistake in the program.", []string{"protocol"}, nil)
	connBytes    = prometheus.NewDesc("atrium_bytes_total", "Bytes, as seen above TLS.", []string{"protocol", "direction"}, nil)
)

// Describe implements prometheus.Collector.
func (m connMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connOpen, connAccepted, connRefused, connPanics, connBytes} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m connMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, l := range m.s.lines {
		st := l.Stats()
		ch <- prometheus.MustNewConstMetric(connOpen, prometheus.GaugeValue, float64(st.Open), l.name)
		for d, n := range map[*prometheus.Desc]int64{connAccepted: st.Accepted, connRefused: st.Refused, connPanics: st.Panics} {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), l.name)
		}
		ch <- prometheus.MustNewConstMetric(connBytes, prometheus.CounterValue, float64(st.In), l.name, "in")
		ch <- prometheus.MustNewConstMetric(connBytes, prometheus.CounterValue, float64(st.Out), l.name, "out")
	}
}
