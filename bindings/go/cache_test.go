package keepwell

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const cachedSQL = "SELECT id, name FROM n WHERE id <= 3 ORDER BY id"

func cached(store *Store) *Store { return store.With(Cache(CacheUse, 0)) }

// fromCache runs a query, reads it to its end, and tells where it came from.
func fromCache(t testing.TB, q Querier, sql string, args ...any) bool {
	t.Helper()
	rows, err := q.Query(bg, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for rows.Next() {
	}
	if rows.Err() != nil {
		t.Fatalf("%s: %v", sql, rows.Err())
	}
	return rows.FromCache()
}

func cacheStats(t testing.TB, store *Store) CacheStats {
	t.Helper()
	stats, err := store.CacheStats()
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func TestAQueryThatRepeatsIsAnsweredFromTheCacheUntilItsTableIsWritten(t *testing.T) {
	plain := numbers(t, 100)
	store := cached(plain)
	mustExec(t, store, "CREATE TABLE other(x)")
	for i, want := range []bool{false, true, true} {
		if got := fromCache(t, store, cachedSQL); got != want {
			t.Errorf("run %d: from the cache %v", i, got)
		}
	}
	mustExec(t, store, "INSERT INTO other VALUES (1)")
	if !fromCache(t, store, cachedSQL) {
		t.Error("a write to another table is felt")
	}
	mustExec(t, plain, "UPDATE n SET name = 'new' WHERE id = 2")
	if got := one[string](t, store, "SELECT name FROM n WHERE id = 2"); got != "new" {
		t.Errorf("got %q", got)
	}
	if fromCache(t, store, cachedSQL) || !fromCache(t, store, cachedSQL) {
		t.Error("the result after the write is the one from before, or is not kept")
	}
	if fromCache(t, plain, cachedSQL) || fromCache(t, store.With(Cache(CacheSkip, 0)), cachedSQL) {
		t.Error("who does not ask gets a kept result")
	}
	if fromCache(t, store.With(Cache(CacheRefresh, 0)), cachedSQL) {
		t.Error("a refresh does not run the statement")
	}
}

func TestValuesOfAKeptResultAreThoseOfTheFirst(t *testing.T) {
	store := cached(openTest(t))
	for range 3 {
		rows, err := store.Query(bg, "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e", nil, 7, 1.5, "a\x00ä", []byte{0, 255})
		got, err := Collect[[]any](rows, err)
		if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", [][]any{{nil, int64(7), 1.5, "a\x00ä", []byte{0, 255}}}) {
			t.Errorf("%#v, %v", got, err)
		}
		if names := strings.Join(rows.Columns(), " "); names != "a b c d e" {
			t.Errorf("columns %s", names)
		}
	}
	if stats := cacheStats(t, store); stats.Hits != 2 {
		t.Errorf("%+v", stats)
	}
}

func TestALargeKeptResultIsReadOnWithoutAConnection(t *testing.T) {
	const n = 20_000
	store := cached(numbers(t, n))
	sql := "SELECT id, name, half FROM n ORDER BY id"
	for i, want := range []bool{false, true, true} {
		rows, err := store.Query(bg, sql)
		if err != nil {
			t.Fatal(err)
		}
		if rows.FromCache() != want {
			t.Errorf("run %d: from the cache %v", i, rows.FromCache())
		}
		if stats, _ := store.Stats(); stats.InUse != 0 {
			t.Errorf("run %d: %d connections are in use", i, stats.InUse)
		}
		if err := store.CacheClear(); want && err != nil {
			t.Error(err)
		}
		id, name, half, count := 0, "", 0.0, 0
		for rows.Next() {
			if err := rows.Scan(&id, &name, &half); err != nil || id != count+1 || name != fmt.Sprint("row ", id) {
				t.Fatalf("row %d: %d %q %v", count, id, name, err)
			}
			count++
		}
		if count != n || rows.Err() != nil {
			t.Errorf("%d rows, %v", count, rows.Err())
		}
		if i == 0 || want {
			fromCache(t, store, sql) // kept again
		}
	}
}

func TestAKeptResultIsGivenWhileAllConnectionsAreTaken(t *testing.T) {
	plain := numbers(t, 20_000, "pool.max_open", "2", "pool.wait_timeout", "0.05")
	store := cached(plain)
	fromCache(t, store, cachedSQL)
	stream, err := plain.Query(bg, "SELECT * FROM n")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if !fromCache(t, store, cachedSQL) {
		t.Error("a kept result is not given while the only reader is taken")
	}
	var name string
	if err := store.QueryRow(bg, "SELECT name FROM n WHERE id = 9").Scan(&name); err == nil {
		t.Error("a query that has to be run got a connection from nowhere")
	}
	if err := store.QueryRow(bg, cachedSQL).Scan(new(int), &name); err != nil || name != "row 1" {
		t.Errorf("%q, %v", name, err)
	}
	if err := plain.QueryRow(bg, cachedSQL).Scan(new(int), &name); err == nil {
		t.Error("who does not ask for the cache gets a kept result")
	}
	stmt, err := plain.Prepare(bg, cachedSQL)
	if err == nil {
		t.Error("a statement is prepared without a connection")
		stmt.Close()
	}
}

func TestATransactionReadsItsOwnWrites(t *testing.T) {
	store := cached(numbers(t, 10))
	fromCache(t, store, cachedSQL)
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	tx = tx.With(Cache(CacheUse, 0))
	mustExec(t, tx, "UPDATE n SET name = 'mine'")
	if got := one[string](t, tx, "SELECT name FROM n WHERE id = 1"); got != "mine" || fromCache(t, tx, cachedSQL) {
		t.Errorf("got %q", got)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if !fromCache(t, store, cachedSQL) {
		t.Error("a rollback takes results away")
	}
	if stats := cacheStats(t, store); stats.Bypasses.Transaction != 2 {
		t.Errorf("%+v", stats)
	}
}

func TestTheNumbersOfTheCacheAddUp(t *testing.T) {
	store := cached(numbers(t, 10))
	runs := []string{cachedSQL, cachedSQL, cachedSQL, "SELECT random()", "INSERT INTO n(name) VALUES ('x') RETURNING id"}
	for i, sql := range runs {
		if fromCache(t, store, sql) != (i == 1 || i == 2) {
			t.Errorf("%s: wrong place", sql)
		}
	}
	stats := cacheStats(t, store)
	if !stats.Enabled || stats.Hits != 2 || stats.Misses != 1 || stats.Bypasses.Function != 1 || stats.Bypasses.Statement != 1 {
		t.Errorf("%+v", stats)
	}
	if stats.Bypasses.Total() != 2 || stats.HitRatio() != 0.4 || stats.Entries != 1 || stats.Bytes == 0 || stats.MaxEntries != 1000 {
		t.Errorf("%+v, ratio %v", stats, stats.HitRatio())
	}
	if err := store.CacheClear(); err != nil {
		t.Fatal(err)
	}
	if stats := cacheStats(t, store); stats.Entries != 0 || stats.Bytes != 0 || stats.Hits != 2 {
		t.Errorf("%+v", stats)
	}
	if (CacheStats{}).HitRatio() != 0 {
		t.Error("a ratio of nothing")
	}
}

func TestTheConfigurationSaysWhoUsesTheCache(t *testing.T) {
	for _, c := range []struct {
		options        CacheOptions
		asking, silent bool
	}{{CacheOptions{}, true, false}, {CacheOptions{Enabled: true, MaxBytes: 1 << 20, Size: 7, TTL: time.Hour}, true, true}, {CacheOptions{Disabled: true}, false, false}} {
		store, err := OpenConfig(Config{DataSource: ":memory:", Cache: c.options})
		if err != nil {
			t.Fatal(err)
		}
		fromCache(t, cached(store), "SELECT 1")
		fromCache(t, store, "SELECT 2")
		if fromCache(t, cached(store), "SELECT 1") != c.asking || fromCache(t, store, "SELECT 2") != c.silent {
			t.Errorf("%+v", c)
		}
		stats := cacheStats(t, store)
		if stats.Enabled == c.options.Disabled || c.options.Size == 7 && (stats.MaxEntries != 7 || stats.MaxBytes != 1<<20) {
			t.Errorf("%+v: %+v", c, stats)
		}
		store.Close()
		_, err = store.CacheStats()
		wantError(t, err, ErrClosed, "closed")
		wantError(t, store.CacheClear(), ErrClosed, "closed")
	}
}

func TestAnAgeBoundsWhatTheCacheGives(t *testing.T) {
	store := cached(numbers(t, 10))
	fromCache(t, store, cachedSQL)
	if !fromCache(t, store.With(Cache(CacheUse, time.Hour)), cachedSQL) {
		t.Error("an hour is over")
	}
	young := store.With(Cache(CacheUse, time.Microsecond))
	for end := time.Now().Add(10 * time.Second); fromCache(t, young, cachedSQL); {
		if time.Now().After(end) {
			t.Fatal("it never grows old")
		}
	}
}

func TestGoroutinesNeverReadWhatIsOver(t *testing.T) {
	store := cached(openTest(t))
	mustScript(t, store, "CREATE TABLE c(v INTEGER); INSERT INTO c VALUES (0)")
	const last = 500
	var written atomic.Int64
	var wait sync.WaitGroup
	for reader := range 8 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for seen := int64(0); seen < last; {
				least := written.Load()
				var v int64
				if err := store.QueryRow(bg, "SELECT v FROM c").Scan(&v); err != nil || v < least || v < seen {
					t.Errorf("read %d after %d was written and %d seen: %v", v, least, seen, err)
					return
				}
				if seen = v; reader == 0 {
					store.CacheClear()
				}
			}
		}()
	}
	for i := int64(1); i <= last; i++ {
		mustExec(t, store, "UPDATE c SET v = ?", i)
		written.Store(i)
	}
	wait.Wait()
}

// A hit needs no connection, but a store that is shutting down admits no new calls, hits included.
func TestAStoreThatShutsDownAdmitsNoHits(t *testing.T) {
	plain := numbers(t, 20_000)
	store := cached(plain)
	fromCache(t, store, cachedSQL)
	fromCache(t, store, "SELECT * FROM n")
	kept, err := store.Query(bg, "SELECT * FROM n")
	if err != nil || !kept.FromCache() {
		t.Fatal(err)
	}
	stream, err := plain.Query(bg, "SELECT * FROM n")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	ctx, cancel := context.WithTimeout(bg, 10*time.Second)
	defer cancel()
	go func() { ended <- plain.Shutdown(ctx) }()
	waitFor(t, "the shutdown to begin", func() bool { return !plain.pool.readers.open() })
	_, err = store.Query(bg, cachedSQL)
	wantError(t, err, ErrClosed)
	stream.Close()
	if err := <-ended; err != nil {
		t.Error("the shutdown:", err)
	}
	_, err = store.Query(bg, cachedSQL)
	wantError(t, err, ErrClosed)

	count := 0
	for kept.Next() {
		count++
	}
	if count != 20_000 || kept.Err() != nil {
		t.Errorf("a kept result that was open has %d rows after the end of its store: %v", count, kept.Err())
	}
}

// Whatever a query is given by, and whatever bounds it: what is kept of it is found while no connection is free.
func TestHitsOfAllFormsWaitForNoConnection(t *testing.T) {
	plain := numbers(t, 20_000, "pool.max_open", "2", "pool.wait_timeout", "0.05")
	store := cached(plain)
	const named, large = "SELECT name FROM n WHERE id = :id", "SELECT id FROM n"
	fromCache(t, store, named, Named("id", 5))
	fromCache(t, store, large)
	fromCache(t, store, cachedSQL)
	stmt, err := plain.Prepare(bg, cachedSQL)
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	reader, err := plain.With(ReadOnly()).Conn(bg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, time.Minute)
	defer cancel()
	if !fromCache(t, store, named, Named("id", 5)) || !fromCache(t, store, large) || !fromCache(t, store.WithContext(ctx), cachedSQL) {
		t.Error("a hit is no hit any more")
	}
	if rows, err := stmt.On(store).Query(ctx); err != nil || !rows.FromCache() {
		t.Error("a statement finds nothing:", err)
	}
	id := 0
	if err := store.QueryRow(ctx, large).Scan(&id); err != nil || id != 1 {
		t.Error(id, err)
	}
	_, err = store.With(Cache(CacheRefresh, 0)).Query(bg, cachedSQL)
	wantError(t, err, ErrExhausted)
	mustExec(t, plain, "UPDATE n SET name = 'new' WHERE id = 1")
	_, err = store.Query(bg, cachedSQL)
	wantError(t, err, ErrExhausted)
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if fromCache(t, store, cachedSQL) {
		t.Error("it is old")
	}
	if taken, waiting := plain.pool.readers.load(); taken != 0 || waiting != 0 {
		t.Errorf("%d places taken, %d wait", taken, waiting)
	}
}
