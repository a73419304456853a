package keepwell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// seriesOf reads a text of metrics: values by name and labels, without the label store, which has to be there.
func seriesOf(t testing.TB, text string) map[string]float64 {
	t.Helper()
	series := map[string]float64{}
	for line := range strings.Lines(text) {
		name, labels, value := splitSample(line)
		if name == "" {
			continue
		}
		if !strings.HasPrefix(labels, `store="`) {
			t.Fatalf("no label store: %s", line)
		}
		if _, others, found := strings.Cut(labels, `",`); found {
			name += "{" + others + "}"
		}
		number, err := strconv.ParseFloat(value, 64)
		if _, twice := series[name]; twice || err != nil {
			t.Fatalf("%s: twice, or no number", line)
		}
		series[name] = number
	}
	return series
}

func metrics(t testing.TB, store *Store) map[string]float64 {
	t.Helper()
	text, err := store.MetricsText(MetricsPrometheus)
	if err != nil {
		t.Fatal(err)
	}
	return seriesOf(t, text)
}

// wantGrowth does work, and compares what it has added to the series of these names.
func wantGrowth(t *testing.T, store *Store, want map[string]float64, work func()) {
	t.Helper()
	before := metrics(t, store)
	work()
	after := metrics(t, store)
	got := map[string]float64{}
	for name := range want {
		got[name] = after[name] - before[name]
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("grown by\n%v, not\n%v", got, want)
	}
}

const (
	readsCounted    = `keepwell_query_duration_seconds_count{statement="read"}`
	writesCounted   = `keepwell_query_duration_seconds_count{statement="write"}`
	returnedCounted = "keepwell_query_rows_returned_total"
	changedCounted  = "keepwell_query_rows_changed_total"
)

func errorsCounted(code Code) string {
	return fmt.Sprintf("keepwell_errors_total{code=%q}", code.String())
}

func TestReadsWritesAndRowsAreCounted(t *testing.T) {
	store := numbers(t, 1000)
	wantGrowth(t, store, map[string]float64{readsCounted: 4, writesCounted: 5, returnedCounted: 1000 + 1 + 1 + 0 + 2, changedCounted: 2 + 3 + 10 + 1000}, func() {
		if all, err := All[string](bg, store, "SELECT name FROM n"); err != nil || len(all) != 1000 {
			t.Error(len(all), err)
		}
		one[string](t, store, "SELECT name FROM n WHERE id = 7")
		if err := store.QueryRow(bg, "SELECT name FROM n WHERE id = 7").Scan(new(string)); err != nil {
			t.Error(err)
		}
		if _, err := One[string](bg, store, "SELECT name FROM n WHERE id = -1"); !errors.Is(err, ErrNoRows) {
			t.Error(err)
		}
		if changed, err := All[int](bg, store, "UPDATE n SET half = 0 WHERE id < 3 RETURNING id"); err != nil || len(changed) != 2 {
			t.Error(changed, err)
		}
		mustExec(t, store, "UPDATE n SET half = 1 WHERE id <= 3")
		many := make([][]any, 10)
		for i := range many {
			many[i] = []any{2000 + i, "many"}
		}
		if _, err := store.ExecMany(bg, "INSERT INTO n(id, name) VALUES (?, ?)", many); err != nil {
			t.Error(err)
		}
		mustScript(t, store, "CREATE TABLE other(x); DELETE FROM n WHERE id <= 1000")
	})
}

func TestTransactionsAreCountedByTheirEnd(t *testing.T) {
	store := accounts(t)
	outcome := func(name string) string { return fmt.Sprintf("keepwell_tx_total{outcome=%q}", name) }
	wantGrowth(t, store, map[string]float64{outcome("committed"): 3, outcome("rolled_back"): 2, outcome("ended_by_engine"): 1}, func() {
		for range 3 {
			if err := store.Transaction(bg, func(tx *Tx) error { return tx.Transaction(bg, func(*Tx) error { return nil }) }); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			wanted := errors.New("no")
			if err := store.Transaction(bg, func(*Tx) error { return wanted }); err != wanted {
				t.Error(err)
			}
		}
		err := store.Transaction(bg, func(tx *Tx) error {
			_, err := tx.Exec(bg, "INSERT OR ROLLBACK INTO account VALUES (1, 0)")
			return err
		})
		wantError(t, err, ErrConstraint)
	})
}

func TestErrorsAreCountedByTheirCode(t *testing.T) {
	store := accounts(t)
	want := map[string]float64{errorsCounted(ErrSQL): 3, errorsCounted(ErrConstraint): 2, errorsCounted(ErrReadOnly): 1, errorsCounted(ErrNeedsWriter): 0}
	wantGrowth(t, store, want, func() {
		for _, sql := range []string{"SELECT", "SELECT nothing FROM account", "DELETE FROM nowhere"} {
			_, err := store.Query(bg, sql)
			wantError(t, err, ErrSQL)
		}
		for range 2 {
			_, err := store.Exec(bg, "UPDATE account SET balance = -1")
			wantError(t, err, ErrConstraint)
		}
		_, err := store.With(ReadOnly()).Exec(bg, "DELETE FROM account")
		wantError(t, err, ErrReadOnly)
		if deleted, err := All[int](bg, store, "DELETE FROM account RETURNING id"); err != nil || len(deleted) != 2 {
			t.Error(deleted, err)
		}
	})
}

func TestTheCacheIsCounted(t *testing.T) {
	store := cached(numbers(t, 10))
	want := map[string]float64{
		"keepwell_cache_hits_total": 4, "keepwell_cache_misses_total": 2, `keepwell_cache_bypasses_total{reason="function"}`: 1,
		"keepwell_cache_invalidated_total": 1, readsCounted: 3,
	}
	wantGrowth(t, store, want, func() {
		for range 3 {
			fromCache(t, store, cachedSQL)
		}
		mustExec(t, store, "UPDATE n SET name = 'new' WHERE id = 1")
		for range 3 {
			fromCache(t, store, cachedSQL)
		}
		fromCache(t, store, "SELECT random()")
	})
	stats := cacheStats(t, store)
	after := metrics(t, store)
	if after["keepwell_cache_entries"] != float64(stats.Entries) || after["keepwell_cache_bytes"] != float64(stats.Bytes) {
		t.Errorf("%+v", stats)
	}
}

// What waits does so in Go, and the library is told of it.
func TestGoroutinesThatWaitAreCounted(t *testing.T) {
	store := accounts(t, "pool.wait_timeout", "0.05")
	const waits, times, stops = "keepwell_pool_wait_count_total", "keepwell_pool_wait_duration_seconds", "keepwell_stopped_total"
	want := map[string]float64{
		waits: 4, times + `_count{role="writer"}`: 4, times + `_bucket{role="writer",le="+Inf"}`: 4, times + `_bucket{role="writer",le="10"}`: 4,
		times + `_bucket{role="writer",le="0.000001"}`: 0, times + `_count{role="reader"}`: 0,
		"keepwell_pool_exhausted_total": 1, "keepwell_pool_self_deadlocks_total": 1,
		stops + `{stage="queue",reason="timeout"}`: 1, stops + `{stage="queue",reason="cancelled"}`: 1,
		errorsCounted(ErrExhausted): 1, errorsCounted(ErrSelfDeadlock): 1, errorsCounted(ErrTimeout): 1, errorsCounted(ErrCancelled): 1,
	}
	wantGrowth(t, store, want, func() {
		tx, err := store.Begin(bg, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Exec(bg, "DELETE FROM account")
		wantError(t, err, ErrExhausted)
		_, err = store.Exec(NewContext(bg, tx), "DELETE FROM account")
		wantError(t, err, ErrSelfDeadlock)
		_, err = store.With(Timeout(time.Millisecond)).Exec(bg, "DELETE FROM account")
		wantError(t, err, ErrTimeout)

		ctx, cancel := context.WithCancel(bg)
		two := make(chan error)
		go func() { _, err := store.Exec(ctx, "DELETE FROM account"); two <- err }()
		waitFor(t, "the goroutine to wait", func() bool { return metrics(t, store)["keepwell_writer_queue_depth"] == 1 })
		cancel()
		wantError(t, <-two, ErrCancelled)
		go func() {
			_, err := store.With(Timeout(time.Minute)).Exec(bg, "UPDATE account SET balance = 1")
			two <- err
		}()
		waitFor(t, "the goroutine to wait", func() bool { return metrics(t, store)["keepwell_writer_queue_depth"] == 1 })
		tx.Rollback()
		if err := <-two; err != nil {
			t.Error(err)
		}
	})
	if after := metrics(t, store); after["keepwell_writer_queue_depth"] != 0 || after[times+`_sum{role="writer"}`] < 0.05 {
		t.Error(after)
	}
}

func TestAStoreWithOneConnectionHasWaitsOfTheWriterAlone(t *testing.T) {
	store := accounts(t, "pool.max_open", "1", "pool.wait_timeout", "0.001")
	want := map[string]float64{
		"keepwell_pool_wait_count_total": 1, `keepwell_pool_wait_duration_seconds_count{role="writer"}`: 1,
		`keepwell_pool_wait_duration_seconds_count{role="reader"}`: 0,
	}
	wantGrowth(t, store, want, func() {
		tx, err := store.Begin(bg, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		_, err = store.Query(bg, "SELECT 1")
		wantError(t, err, ErrExhausted)
	})
}

func TestNumbersAgreeWhenManyGoroutinesWork(t *testing.T) {
	store := numbers(t, 10)
	const workers, rounds = 8, 50
	want := map[string]float64{readsCounted: workers * rounds, returnedCounted: workers * rounds * 10, changedCounted: workers * rounds}
	wantGrowth(t, store, want, func() {
		var busy sync.WaitGroup
		for worker := range workers {
			busy.Add(1)
			go func() {
				defer busy.Done()
				for i := range rounds {
					if _, err := All[int](bg, store, "SELECT id FROM n WHERE id <= 10"); err != nil {
						t.Error(err)
					}
					if _, err := store.Exec(bg, "INSERT INTO n(id, name) VALUES (?, 'x')", 100+worker*rounds+i); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		busy.Wait()
	})
	if got := metrics(t, store)["keepwell_writer_queue_depth"]; got != 0 {
		t.Errorf("%v wait", got)
	}
}

// broken is a writer that takes nothing.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestMetricsAreWrittenAndTheirErrorsTold(t *testing.T) {
	store := openTest(t, "metrics.label", "a \"b\"\\c")
	var b bytes.Buffer
	if err := store.WriteMetrics(&b, MetricsOpenMetrics); err != nil || !strings.HasSuffix(b.String(), "# EOF\n") {
		t.Error(b.String(), err)
	}
	if !strings.Contains(b.String(), `keepwell_forks_total{store="a \"b\"\\c"} 0`) {
		t.Error("the label is not escaped")
	}
	if err := store.WriteMetrics(broken{}, MetricsPrometheus); err != io.ErrClosedPipe {
		t.Error(err)
	}
	_, err := store.MetricsText(7)
	wantError(t, err, ErrMisuse, "7")
	store.Close()
	_, err = store.MetricsText(MetricsPrometheus)
	wantError(t, err, ErrClosed)
	_, err = store.MetricsAddress()
	wantError(t, err, ErrClosed)
}

func TestTheLibraryItselfServesMetrics(t *testing.T) {
	if address, err := openTest(t).MetricsAddress(); err != nil || address != "" {
		t.Errorf("%q, %v", address, err)
	}
	store := openTest(t, "metrics.listen", "127.0.0.1:0")
	address, err := store.MetricsAddress()
	if err != nil || !strings.HasPrefix(address, "127.0.0.1:") {
		t.Fatal(address, err)
	}
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || seriesOf(t, string(body))["keepwell_pool_max_open_connections"] != 25 {
		t.Error(string(body), err)
	}
}

// errorsSeries are those of errors by their code.
const errorsSeries = "keepwell_errors_total"

// splitSample takes a line of a text of metrics apart; all is empty for a comment. The library gives every series labels, and no times.
func splitSample(line string) (name, labels, value string) {
	open, end := strings.IndexByte(line, '{'), strings.LastIndex(line, "} ")
	if open < 0 || end < open || line[0] == '#' {
		return "", "", ""
	}
	return line[:open], line[open+1 : end], strings.TrimSuffix(line[end+2:], "\n")
}
