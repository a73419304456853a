package keepwell

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var bg = context.Background()

// openTest opens a store on a fresh file. Settings are key, value, key, value.
func openTest(t testing.TB, settings ...string) *Store {
	t.Helper()
	config := Config{DataSource: filepath.Join(t.TempDir(), "test.db"), Options: map[string]any{}}
	for i := 0; i < len(settings); i += 2 {
		config.Options[settings[i]] = settings[i+1]
	}
	store, err := OpenConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func mustExec(t testing.TB, q Querier, sql string, args ...any) Result {
	t.Helper()
	result, err := q.Exec(bg, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return result
}

func mustScript(t testing.TB, q Querier, sql string) {
	t.Helper()
	if _, err := q.ExecScript(bg, sql); err != nil {
		t.Fatal(err)
	}
}

// one returns the only value of a query.
func one[T any](t testing.TB, q Querier, sql string, args ...any) T {
	t.Helper()
	value, err := One[T](bg, q, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// wantError checks the class of an error, and that its message has all of the words.
func wantError(t testing.TB, err error, class error, words ...string) *Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; wanted %v", class)
	}
	if !errors.Is(err, class) {
		t.Fatalf("got %v (%T), wanted %v", err, err, class)
	}
	for _, word := range words {
		if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(word)) {
			t.Errorf("the message %q does not mention %q", err, word)
		}
	}
	var own *Error
	errors.As(err, &own)
	return own
}

func TestASourceIsAPathAURIMemoryOrAConfigurationFile(t *testing.T) {
	dir := t.TempDir()
	yaml := filepath.Join(dir, "database.yaml")
	text := "database:\n  datasource: file:" + filepath.Join(dir, "y.db") + "?cache=shared&mode=rwc\n  pool:\n    max_open: 3\n"
	if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{filepath.Join(dir, "a.db"), "file:" + filepath.Join(dir, "b.db") + "?mode=rwc", ":memory:", yaml} {
		store, err := Open(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		mustScript(t, store, "CREATE TABLE t(v); INSERT INTO t VALUES (41)")
		if got := one[int](t, store, "SELECT v + 1 FROM t"); got != 42 {
			t.Errorf("%s: got %d", source, got)
		}
		if source == yaml {
			if stats, _ := store.Stats(); stats.MaxOpen != 3 {
				t.Errorf("max_open of the file is not used: %+v", stats)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFieldsOfConfigAreSettings(t *testing.T) {
	store, err := OpenConfig(Config{
		YAML:         "pool:\n  max_open: 9\n",
		Driver:       "sqlite3",
		DataSource:   filepath.Join(t.TempDir(), "a.db"),
		MaxOpenConns: 4,
		MaxIdleConns: 2,
		Cache:        CacheOptions{Size: 10},
		Options:      map[string]any{"options.foreign_keys": false, "close_timeout": 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if stats, _ := store.Stats(); stats.MaxOpen != 4 {
		t.Errorf("MaxOpenConns does not override the YAML text: %+v", stats)
	}
	if on := one[bool](t, store, "SELECT foreign_keys FROM pragma_foreign_keys"); on {
		t.Error("foreign keys are on")
	}
}

func TestAWrongConfigurationSaysWhatIsWrong(t *testing.T) {
	_, err := OpenConfig(Config{DataSource: ":memory:", Options: map[string]any{"pool.max_opne": 3}})
	wantError(t, err, ErrConfig, "pool.max_opne", "pool.max_open")
	_, err = OpenConfig(Config{DataSource: ":memory:", MaxOpenConns: 100_000})
	wantError(t, err, ErrConfig, "pool.max_open", "100000", "1024")
	_, err = OpenConfig(Config{})
	wantError(t, err, ErrConfig, "datasource")
	_, err = Open(filepath.Join(t.TempDir(), "missing.yaml"))
	wantError(t, err, ErrIO, "missing.yaml")
}

func TestTheInstanceIsOneForTheProcess(t *testing.T) {
	_, err := Instance()
	wantError(t, err, ErrNotInitialized)
	if err := Initialize(Config{DataSource: ":memory:"}); err != nil {
		t.Fatal(err)
	}
	wantError(t, Initialize(Config{DataSource: ":memory:"}), ErrAlreadyInitialized)
	first, err := Instance()
	if err != nil {
		t.Fatal(err)
	}
	second, _ := Instance()
	mustScript(t, first, "CREATE TABLE t(v)")
	mustExec(t, second, "INSERT INTO t VALUES (7)")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = Instance(); err == nil {
		t.Fatal("the closed instance is still handed out")
	}
	if err := Initialize(Config{DataSource: ":memory:"}); err != nil {
		t.Fatal(err)
	}
	third, err := Instance()
	if err != nil {
		t.Fatal(err)
	}
	third.Close()
}

func TestALibraryOfAnotherShapeIsRefused(t *testing.T) {
	if err := checkABI(); err != nil {
		t.Fatal(err)
	}
	wantError(t, compareABI("no JSON"), ErrABI)
	wantError(t, compareABI(`{"structs": {"kw_error": {"size": 8}}}`), ErrABI, "kw_error", "8 there")
}

func TestHealthAndStats(t *testing.T) {
	store := openTest(t)
	health, err := store.Health(bg)
	if err != nil || !health.CanRead || !health.CanWrite || health.Message != "" {
		t.Fatalf("%+v, %v", health, err)
	}
	stats, err := store.Stats()
	if err != nil || stats.MaxOpen != 25 || stats.Open == 0 || stats.InUse != 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
	if Version() == "" {
		t.Error("no version")
	}
}

func TestTheConfiguredLimitsHoldWhileACallWaitsInGo(t *testing.T) {
	limits := []struct {
		key, value string
		code       Code
	}{{"pool.wait_timeout", "0.05", ErrExhausted}, {"query.timeout", "50ms", ErrTimeout}}
	for _, limit := range limits {
		store := openTest(t, limit.key, limit.value)
		tx, err := store.With(Timeout(-1)).Begin(bg, nil)
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		_, err = store.Exec(bg, "CREATE TABLE t(v)")
		within(t, started, 5*time.Second)
		wantError(t, err, limit.code, "held by a transaction")
		tx.Rollback()
	}
}
