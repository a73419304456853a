package keepwellprom

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/keepwell/keepwell/bindings/go"
)

var bg = context.Background()

// open opens a store on a fresh file with a label.
func open(t *testing.T, label string) *keepwell.Store {
	t.Helper()
	store, err := keepwell.OpenConfig(keepwell.Config{
		DataSource: filepath.Join(t.TempDir(), "test.db"), Options: map[string]any{"metrics.label": label},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func script(t *testing.T, store *keepwell.Store, sql string) {
	t.Helper()
	if _, err := store.ExecScript(bg, sql); err != nil {
		t.Fatal(err)
	}
}

// gather collects with all checks of the client library, and returns the families by name.
func gather(t *testing.T, collectors ...prometheus.Collector) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for _, collector := range collectors {
		if err := registry.Register(collector); err != nil {
			t.Fatal(err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, family := range families {
		byName[family.GetName()] = family
	}
	return byName
}

// sample returns the only series of a family that has these labels.
func sample(t *testing.T, families map[string]*dto.MetricFamily, name string, labels map[string]string) *dto.Metric {
	t.Helper()
	var found []*dto.Metric
	for _, metric := range families[name].GetMetric() {
		matching := 0
		for _, pair := range metric.GetLabel() {
			if labels[pair.GetName()] == pair.GetValue() {
				matching++
			}
		}
		if matching == len(labels) {
			found = append(found, metric)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s%v: %d series", name, labels, len(found))
	}
	return found[0]
}

func TestTheSeriesPassTheLinterAndKeepTheirTypes(t *testing.T) {
	store := open(t, "one")
	script(t, store, "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2), (3)")
	for range 5 {
		if _, err := keepwell.All[int](bg, store, "SELECT x FROM t"); err != nil {
			t.Fatal(err)
		}
	}
	collector := NewCollector(store)
	problems, err := testutil.CollectAndLint(collector)
	if err != nil || len(problems) != 0 {
		t.Errorf("%v, %v", problems, err)
	}

	families := gather(t, collector)
	if len(families) < 50 {
		t.Errorf("%d families", len(families))
	}
	label := map[string]string{"store": "one"}
	if family := families["keepwell_query_rows_returned_total"]; family.GetType() != dto.MetricType_COUNTER || family.GetHelp() == "" {
		t.Errorf("%v", family)
	}
	if got := sample(t, families, "keepwell_query_rows_returned_total", label).GetCounter().GetValue(); got != 15 {
		t.Errorf("%v rows returned", got)
	}
	if got := sample(t, families, "keepwell_pool_max_open_connections", label).GetGauge().GetValue(); got != 25 {
		t.Errorf("%v connections at most", got)
	}
	reads := sample(t, families, "keepwell_query_duration_seconds", map[string]string{"store": "one", "statement": "read"}).GetHistogram()
	buckets := reads.GetBucket()
	if reads.GetSampleCount() != 5 || reads.GetSampleSum() <= 0 || len(buckets) != 22 || buckets[0].GetUpperBound() != 1e-6 || buckets[21].GetUpperBound() != 10 {
		t.Errorf("%v", reads)
	}
	if buckets[21].GetCumulativeCount() != 5 {
		t.Errorf("the buckets are not cumulative, or a read took 10 seconds: %v", reads)
	}
}

func TestTheTextIsThatOfTheLibrary(t *testing.T) {
	store := open(t, `with "quotes", \ and ü`)
	script(t, store, "CREATE TABLE t(x)")
	text, err := store.MetricsText(keepwell.MetricsPrometheus)
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	theirs, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	ours := gather(t, NewCollector(store))
	if len(ours) != len(theirs) {
		t.Errorf("%d families, not %d", len(ours), len(theirs))
	}
	for name, family := range theirs {
		// Ages, and pages that a look at the file has touched, are another moment's.
		if strings.Contains(name, "_age_") || strings.Contains(name, "page_cache") {
			continue
		}
		if got, want := textOf(t, ours[name]), textOf(t, family); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// textOf is a family as text, its series and their labels in order.
func textOf(t *testing.T, family *dto.MetricFamily) string {
	t.Helper()
	for _, metric := range family.GetMetric() {
		slices.SortFunc(metric.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	}
	var b strings.Builder
	if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestTwoStoresHaveSeriesOfTheirOwn(t *testing.T) {
	one, two := open(t, "one"), open(t, "two")
	script(t, one, "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2), (3)")
	script(t, two, "CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	together := NewCollector(one)
	together.Add(two)
	for name, collectors := range map[string][]prometheus.Collector{
		"in one collector": {together}, "in two": {NewCollector(one), NewCollector(two)},
	} {
		families := gather(t, collectors...)
		for label, want := range map[string]float64{"one": 3, "two": 1} {
			got := sample(t, families, "keepwell_query_rows_changed_total", map[string]string{"store": label}).GetCounter().GetValue()
			if got != want {
				t.Errorf("%s: %s changed %v rows, not %v", name, label, got, want)
			}
		}
	}
	together.Remove(one)
	if got := len(gather(t, together)["keepwell_build_info"].GetMetric()); got != 1 {
		t.Errorf("%d stores are left", got)
	}
}

func TestTheSameLabelTwiceIsAnErrorThatNamesIt(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(open(t, "same"), open(t, "same")))
	if _, err := registry.Gather(); err == nil || !strings.Contains(err.Error(), "same") {
		t.Errorf("%v", err)
	}
}

func TestAClosedStoreYieldsNoSeries(t *testing.T) {
	one, two := open(t, "one"), open(t, "two")
	collector := NewCollector(one, two)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	families := gather(t, collector)
	if len(families["keepwell_build_info"].GetMetric()) != 1 {
		t.Errorf("%v", families["keepwell_build_info"])
	}
	if len(collector.stores) != 1 {
		t.Error("the closed store is kept")
	}
	two.Close()
	if families := gather(t, collector); len(families) != 0 {
		t.Errorf("%v", families)
	}
}

func TestStoresMayBeClosedWhileTheyAreCollected(t *testing.T) {
	collector := NewCollector()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector)
	var users sync.WaitGroup
	for i := range 4 {
		users.Add(1)
		go func() {
			defer users.Done()
			for j := range 5 {
				store := open(t, fmt.Sprint(i, " ", j))
				collector.Add(store)
				if _, err := registry.Gather(); err != nil {
					t.Error(err)
				}
				store.Close()
			}
		}()
	}
	users.Wait()
	if families := gather(t, collector); len(families) != 0 {
		t.Errorf("%d families", len(families))
	}
}

func TestTheHandlerOfTheClientLibraryServesThem(t *testing.T) {
	store := open(t, "one")
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(store))
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.HTTPErrorOnError}))
	defer server.Close()
	for accept, want := range map[string]string{
		"":                             "keepwell_forks_total{store=\"one\"} 0\n",
		"application/openmetrics-text": "keepwell_forks_total{store=\"one\"} 0.0\n",
	} {
		request, _ := http.NewRequest("GET", server.URL, nil)
		request.Header.Set("Accept", accept)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%q: %v %v\n%s", accept, response.Status, err, body)
		}
	}
}
