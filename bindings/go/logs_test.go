package keepwell

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// ear is a handler that keeps what it is told.
type ear struct {
	least slog.Level

	mu      sync.Mutex
	records []slog.Record
	held    chan struct{} // closed: Handle goes on; nil: it always does
	inside  chan struct{} // told when Handle has begun to wait
}

func (e *ear) Enabled(_ context.Context, level slog.Level) bool { return level >= e.least }
func (e *ear) WithAttrs([]slog.Attr) slog.Handler               { return e }
func (e *ear) WithGroup(string) slog.Handler                    { return e }

func (e *ear) Handle(_ context.Context, record slog.Record) error {
	if e.held != nil {
		select {
		case e.inside <- struct{}{}:
		default:
		}
		<-e.held
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.records = append(e.records, record.Clone())
	return nil
}

// about returns the attributes of the records whose target and attribute store these are.
func (e *ear) about(target, store string) (all []map[string]slog.Value) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, record := range e.records {
		attributes := attributesOf(record)
		if attributes["target"].String() == target && attributes["store"].String() == store {
			all = append(all, attributes)
		}
	}
	return all
}

func attributesOf(record slog.Record) map[string]slog.Value {
	attributes := map[string]slog.Value{}
	record.Attrs(func(a slog.Attr) bool {
		attributes[a.Key] = a.Value
		return true
	})
	return attributes
}

func forward(t *testing.T, handler slog.Handler, options LogOptions) (stop func()) {
	t.Helper()
	stop, err := ForwardLogs(handler, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return stop
}

// labelled opens a store whose records can be told from those of others.
func labelled(t *testing.T, settings ...string) (*Store, string) {
	t.Helper()
	label := strings.ReplaceAll(t.Name(), "/", " ")
	return openTest(t, append(settings, "metrics.label", label)...), label
}

func TestASlowCallIsARecordWithAttributes(t *testing.T) {
	for shown, want := range map[string]string{"false": "1: integer, 2: text of 6 bytes", "true": "secret"} {
		t.Run(shown, func(t *testing.T) {
			e := &ear{}
			stop := forward(t, e, LogOptions{Level: slog.LevelWarn})
			store, label := labelled(t, "metrics.slow_query", "1us", "metrics.slow_query_params", shown)
			before := time.Now().Add(-time.Millisecond)
			mustScript(t, store, "CREATE TABLE t(x, y)")
			mustExec(t, store, "INSERT INTO t VALUES (?, ?)", 7, "secret")
			All[string](bg, store, "SELECT y FROM t WHERE x = ? ORDER BY y", 7)
			stop()

			slow := e.about("keepwell::slow", label)
			if len(slow) != 3 {
				t.Fatalf("%d records: %v", len(slow), slow)
			}
			insert, query := slow[1], slow[2]
			if insert["sql"].String() != "INSERT INTO t VALUES (?, ?)" || !strings.Contains(insert["params"].String(), want) {
				t.Errorf("%v", insert)
			}
			if shown == "false" && strings.Contains(fmt.Sprint(slow), "secret") {
				t.Errorf("a parameter is shown: %v", slow)
			}
			for name, number := range map[string]int64{"rows_returned": 1, "rows_changed": 0} {
				if v := query[name]; v.Kind() != slog.KindInt64 || v.Int64() != number {
					t.Errorf("%s is %v (%v)", name, v, v.Kind())
				}
			}
			if v := query["duration_seconds"]; v.Kind() != slog.KindFloat64 || v.Float64() <= 0 || v.Float64() > 60 {
				t.Errorf("%v", query)
			}
			if v := query["sorted"]; v.Kind() != slog.KindBool || !v.Bool() {
				t.Errorf("%v", query)
			}
			if !strings.Contains(query["plan"].String(), "SCAN t") {
				t.Errorf("%v", query)
			}
			for _, record := range e.records {
				if record.Time.Before(before) || record.Time.After(time.Now()) || record.Level < slog.LevelWarn || record.Message == "" || record.PC != 0 {
					t.Errorf("%+v", record)
				}
			}
			if got := metrics(t, store)["keepwell_query_slow_total"]; got != 3 {
				t.Errorf("%v counted", got)
			}
		})
	}
}

func TestNothingIsSlowBelowTheThreshold(t *testing.T) {
	e := &ear{least: LevelTrace}
	stop := forward(t, e, LogOptions{Level: LevelTrace})
	store, label := labelled(t, "metrics.slow_query", "0")
	mustScript(t, store, "CREATE TABLE t(x, y)")
	stop()
	if slow := e.about("keepwell::slow", label); len(slow) != 0 {
		t.Errorf("%v", slow)
	}
}

func TestTheHandlersLevelCounts(t *testing.T) {
	all, some := &ear{least: LevelTrace}, &ear{least: slog.LevelWarn}
	stopAll := forward(t, all, LogOptions{Level: LevelTrace})
	stopSome := forward(t, some, LogOptions{Level: LevelTrace})
	store, label := labelled(t)
	_, err := store.Exec(bg, "INSERT INTO nowhere VALUES (1)")
	wantError(t, err, ErrSQL)
	stopAll()
	stopSome()
	errors := all.about("keepwell::error", label)
	if len(errors) != 1 || errors[0]["code"].String() != "KW_SQL" || errors[0]["sqlite_code"].Int64() != 1 || errors[0]["retryable"].Bool() {
		t.Errorf("%v", errors)
	}
	if got := some.about("keepwell::error", label); len(got) != 0 {
		t.Errorf("a handler for warnings is told of what a program can expect: %v", got)
	}
}

func TestLevelsAreThoseOfSlog(t *testing.T) {
	levels := []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug, LevelTrace}
	for i, level := range levels {
		if got := slogLevel(i + 1); got != level {
			t.Errorf("%d is %v", i+1, got)
		}
		if got := libraryLevel(level); got != uint32(i+1) {
			t.Errorf("%v is %d", level, got)
		}
	}
	if libraryLevel(math.MaxInt) != logError || libraryLevel(math.MinInt) != logTrace || libraryLevel(slog.LevelInfo+1) != logWarn {
		t.Error("a level in between is not the next less detailed one")
	}
}

func TestFieldsKeepTheirTypesAndOrder(t *testing.T) {
	event := logEvent{target: "t", fields: `{"b":-9007199254740993,"a":1.5,"c":"x","d":true,"e":18446744073709551615,"f":2.0,"g":[1]}`}
	want := []slog.Attr{
		slog.String("target", "t"), slog.Int64("b", -9007199254740993), slog.Float64("a", 1.5), slog.String("c", "x"), slog.Bool("d", true),
		slog.Float64("e", math.MaxUint64), slog.Float64("f", 2), slog.Any("g", []any{json.Number("1")}),
	}
	if got := event.attributes(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	event.fields = "no JSON"
	if got := event.attributes(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestWhatIsLostIsTold(t *testing.T) {
	e := &ear{held: make(chan struct{}), inside: make(chan struct{}, 1)}
	stop := forward(t, e, LogOptions{Level: slog.LevelWarn, Capacity: 4})
	store, label := labelled(t, "metrics.slow_query", "1us")
	mustScript(t, store, "CREATE TABLE t(x)")
	<-e.inside // the handler has the first one, and takes no other
	const more = 20
	for range more {
		mustExec(t, store, "INSERT INTO t VALUES (1)")
	}
	close(e.held)
	stop()
	var lost uint64
	for _, record := range e.records {
		if v, found := attributesOf(record)["dropped"]; found {
			lost += v.Uint64()
			if record.Level != slog.LevelWarn || !strings.Contains(record.Message, v.String()) {
				t.Errorf("%+v", record)
			}
		}
	}
	if got := len(e.about("keepwell::slow", label)); got != 5 || lost != more-4 {
		t.Errorf("%d records, %d lost", got, lost)
	}
}

func TestStoppingWaitsForWhatCameBefore(t *testing.T) {
	threads := runtime.NumGoroutine()
	for range 3 {
		e := &ear{}
		stop, err := ForwardLogs(e, LogOptions{Level: slog.LevelWarn})
		if err != nil {
			t.Fatal(err)
		}
		store, label := labelled(t, "metrics.slow_query", "1us")
		mustScript(t, store, "CREATE TABLE t(x)")
		for range 100 {
			mustExec(t, store, "INSERT INTO t VALUES (1)")
		}
		stop()
		if got := len(e.about("keepwell::slow", label)); got != 101 {
			t.Errorf("%d records", got)
		}
		mustExec(t, store, "INSERT INTO t VALUES (1)")
		stop()
		if got := len(e.about("keepwell::slow", label)); got != 101 {
			t.Error("a record came after the end")
		}
	}
	waitFor(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= threads })
}

func TestAForwarderThatIsStoppedHasClosedItsView(t *testing.T) {
	f, err := newForwarder(&ear{}, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	go f.run()
	f.stop()
	_, _, err = nativeLogNext(f.view, 0)
	wantError(t, err, ErrInvalidHandle)
}

// A view that somebody else closes ends the forwarder, which says so.
func TestAForwarderWithoutAViewEnds(t *testing.T) {
	e := &ear{}
	f, err := newForwarder(e, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nativeLogClose(f.view)
	go f.run()
	<-f.ended
	f.stop()
	if len(e.records) == 0 || e.records[0].Level != slog.LevelError || !strings.Contains(e.records[0].Message, "cannot be read") {
		t.Errorf("%v", e.records)
	}
}

func TestRecordsComeWhileNobodyStops(t *testing.T) {
	e := &ear{held: make(chan struct{}), inside: make(chan struct{}, 1)}
	close(e.held)
	forward(t, e, LogOptions{Level: slog.LevelWarn})
	store, _ := labelled(t, "metrics.slow_query", "1us")
	mustScript(t, store, "CREATE TABLE t(x)")
	<-e.inside
}

func TestForwardingWhileManyWorkAndStop(t *testing.T) {
	const workers, rounds = 8, 40
	all := &ear{}
	stop := forward(t, all, LogOptions{Level: slog.LevelWarn, Capacity: 10_000})
	store, label := labelled(t, "metrics.slow_query", "1us")
	mustScript(t, store, "CREATE TABLE t(x)")
	var busy sync.WaitGroup
	for range workers {
		busy.Add(1)
		go func() {
			defer busy.Done()
			var text bytes.Buffer
			stop, err := ForwardLogs(slog.NewJSONHandler(&text, nil), LogOptions{Capacity: 1})
			if err != nil {
				t.Error(err)
				return
			}
			for range rounds {
				if _, err := store.Exec(bg, "INSERT INTO t VALUES (1)"); err != nil {
					t.Error(err)
				}
				if _, err := All[int](bg, store, "SELECT x FROM t LIMIT 1"); err != nil {
					t.Error(err)
				}
			}
			stop()
			for line := range strings.Lines(text.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%s", line)
				}
			}
		}()
	}
	busy.Wait()
	slow := metrics(t, store)["keepwell_query_slow_total"]
	stop()
	if got := len(all.about("keepwell::slow", label)); float64(got) != slow || got < workers*rounds {
		t.Errorf("%d records of %v slow calls", got, slow)
	}
}

func TestAHandlerMayUseTheStore(t *testing.T) {
	store, label := labelled(t, "metrics.slow_query", "1us")
	mustScript(t, store, "CREATE TABLE log(message)")
	stop := forward(t, &writingHandler{ear: ear{}, store: store.With(Timeout(-1)), label: label}, LogOptions{Level: slog.LevelWarn})
	one[int](t, store, "SELECT 1 + 1")
	stop()
	if got := one[int](t, store, "SELECT count(*) FROM log WHERE message LIKE '%SELECT 1 + 1'"); got != 1 {
		t.Errorf("%d rows", got)
	}
}

// writingHandler writes each record of a query into its store.
type writingHandler struct {
	ear
	store *Store
	label string
}

func (w *writingHandler) Handle(ctx context.Context, record slog.Record) error {
	if a := attributesOf(record); a["store"].String() == w.label && strings.HasPrefix(a["sql"].String(), "SELECT 1") {
		_, err := w.store.Exec(ctx, "INSERT INTO log VALUES (?)", record.Message)
		return err
	}
	return nil
}

func TestWhatCannotBeForwardedIsAnError(t *testing.T) {
	_, err := ForwardLogs(nil, LogOptions{})
	wantError(t, err, ErrMisuse, "handler")
	_, err = ForwardLogs(&ear{}, LogOptions{Capacity: -1})
	wantError(t, err, ErrParameter, "-1")
}
