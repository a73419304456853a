package keepwell

import (
	"io"
	"runtime"
)

// MetricsFormat is a form of the text of metrics.
type MetricsFormat uint32

// The forms of the text of metrics.
const (
	MetricsPrometheus  MetricsFormat = metricsPrometheus  // https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4
	MetricsOpenMetrics MetricsFormat = metricsOpenMetrics // https://prometheus.io/docs/specs/om/open_metrics_spec/, version 1.0.0
)

// ContentType returns what HTTP calls the form.
func (f MetricsFormat) ContentType() string {
	if f == MetricsOpenMetrics {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

// MetricsText returns all metrics of the store as text. Each series has the label store: metrics.label of the configuration, or the path
// of the database.
//
// It blocks for a look at the database file where the last one is older than metrics.collect_interval, but waits for nobody. Errors:
// [ErrClosed], [ErrMisuse] for a format that there is not.
func (s *Store) MetricsText(format MetricsFormat) (string, error) {
	if s.pool.closed.Load() {
		return "", newError(ErrClosed, "metrics: the store is closed")
	}
	text, err := nativeMetricsText(s.handle, uint32(format))
	runtime.KeepAlive(s.pool)
	if err != nil {
		return "", s.pool.orClosed(err, "metrics")
	}
	return text, nil
}

// WriteMetrics writes what [Store.MetricsText] returns. Errors: its own, before anything is written, and those of w.
func (s *Store) WriteMetrics(w io.Writer, format MetricsFormat) error {
	text, err := s.MetricsText(format)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

// MetricsAddress returns where the library itself serves metrics and health by HTTP (metrics.listen): "127.0.0.1:9187", with the port that
// was taken; "" where it does not. A Go program that has a server mounts [MetricsHandler] there instead. Errors: [ErrClosed].
func (s *Store) MetricsAddress() (string, error) {
	if s.pool.closed.Load() {
		return "", newError(ErrClosed, "metrics: the store is closed")
	}
	address, err := nativeMetricsAddress(s.handle)
	runtime.KeepAlive(s.pool)
	return address, s.pool.orClosed(err, "metrics")
}
