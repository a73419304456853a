// Package keepwellprom gives the metrics of keepwell's stores to a registry of Prometheus.
//
//	collector := keepwellprom.NewCollector(store)
//	prometheus.MustRegister(collector)
//	http.Handle("GET /metrics", promhttp.Handler())
//
// It is a module of its own, so that client_golang and what it needs are compiled, downloaded and listed in go.sum for those programs alone
// that use it. A program without a registry needs none of it: [keepwell.MetricsHandler] serves the same series.
package keepwellprom

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/keepwell/keepwell/bindings/go"
)

// Collector gives all series of its stores, each with the label store, under the names and with the types that the library itself gives
// them: counters stay counters, histograms keep their buckets. It is for any number of goroutines at once.
//
// It is what client_golang calls unchecked: it describes no metrics beforehand. Which there are is known to the library alone, and some come
// with time only, such as a code of keepwell_errors_total. A registry checks each collection instead, and cannot unregister the collector:
// [Collector.Remove] does what is wanted of that. Stores may be spread over any number of collectors.
//
// A closed store yields no series, and is forgotten. Two stores with the same label at once are an error of the collection that names
// them: give one another metrics.label.
type Collector struct {
	mu     sync.Mutex
	stores []*keepwell.Store
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector makes a collector of stores; [Collector.Add] adds more.
func NewCollector(stores ...*keepwell.Store) *Collector {
	return &Collector{stores: slices.Clone(stores)}
}

// Add adds a store.
func (c *Collector) Add(store *keepwell.Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stores = append(c.stores, store)
}

// Remove takes a store out again. A store that is to be closed need not be.
func (c *Collector) Remove(store *keepwell.Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stores = slices.DeleteFunc(c.stores, func(other *keepwell.Store) bool { return other == store })
}

// Describe describes nothing; see [Collector].
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the stores. It blocks for a look at a database file where the last one is older than metrics.collect_interval.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	c.mu.Lock()
	stores := slices.Clone(c.stores)
	c.mu.Unlock()
	for _, store := range stores {
		err := collect(store, metrics)
		switch {
		case errors.Is(err, keepwell.ErrClosed):
			c.Remove(store)
		case err != nil:
			metrics <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
		}
	}
}

// collect gives the series of one store.
func collect(store *keepwell.Store, metrics chan<- prometheus.Metric) error {
	text, err := store.MetricsText(keepwell.MetricsPrometheus)
	if err != nil {
		return err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("keepwellprom: the text of the library cannot be read: %w", err)
	}
	for _, family := range families {
		for _, sample := range family.GetMetric() {
			metric, err := metricOf(family, sample)
			if err != nil {
				return err
			}
			metrics <- metric
		}
	}
	return nil
}

// metricOf makes a metric of one sample of the text.
func metricOf(family *dto.MetricFamily, sample *dto.Metric) (prometheus.Metric, error) {
	var names, values []string
	for _, pair := range sample.GetLabel() {
		names, values = append(names, pair.GetName()), append(values, pair.GetValue())
	}
	desc := prometheus.NewDesc(family.GetName(), family.GetHelp(), names, nil)
	switch family.GetType() {
	case dto.MetricType_COUNTER:
		return prometheus.NewConstMetric(desc, prometheus.CounterValue, sample.GetCounter().GetValue(), values...)
	case dto.MetricType_GAUGE:
		return prometheus.NewConstMetric(desc, prometheus.GaugeValue, sample.GetGauge().GetValue(), values...)
	case dto.MetricType_HISTOGRAM:
		histogram := sample.GetHistogram()
		return prometheus.NewConstHistogram(desc, histogram.GetSampleCount(), histogram.GetSampleSum(), bucketsOf(histogram), values...)
	}
	return nil, fmt.Errorf("keepwellprom: %s has the type %s, which this version does not know", family.GetName(), family.GetType())
}

// bucketsOf are the counts by their bounds, without the one of +Inf, which is the count of all.
func bucketsOf(histogram *dto.Histogram) map[float64]uint64 {
	buckets := map[float64]uint64{}
	for _, bucket := range histogram.GetBucket() {
		if bound := bucket.GetUpperBound(); !math.IsInf(bound, 1) {
			buckets[bound] = bucket.GetCumulativeCount()
		}
	}
	return buckets
}
