package keepwell

import (
	"context"
	"math"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

const cachedSQL = "SELECT x FROM t ORDER BY x"

// cacheStore is a store with three rows in t, and the same store whose queries ask for the cache.
func cacheStore(t *testing.T, settings ...string) (store, cached *Store) {
	store = openTest(t, settings...)
	mustScript(t, store, "CREATE TABLE t(x); CREATE TABLE other(x); INSERT INTO t VALUES (1), (2), (3)")
	return store, store.With(Cache(CacheUse, 0))
}

func isHit(t *testing.T, q Querier, sql string, args ...any) bool {
	t.Helper()
	rows, err := q.Query(bg, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	hit := rows.FromCache()
	for rows.Next() {
		if rows.FromCache() != hit {
			t.Error("FromCache changes while rows are read")
		}
	}
	if rows.Err() != nil || rows.FromCache() != hit {
		t.Error("FromCache at the end:", rows.FromCache(), rows.Err())
	}
	return hit
}

// wantHits runs the query on each target and compares.
func wantHit(t *testing.T, want bool, q Querier, sql string, args ...any) {
	t.Helper()
	if got := isHit(t, q, sql, args...); got != want {
		t.Errorf("%s %v: from the cache: %v", sql, args, got)
	}
}

func cacheStats(t *testing.T, store *Store) CacheStats {
	t.Helper()
	stats, err := store.CacheStats()
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func TestARepeatIsAHitUntilItsTableChanges(t *testing.T) {
	store, cached := cacheStore(t)
	wantHit(t, false, cached, cachedSQL)
	wantHit(t, true, cached, cachedSQL)
	mustExec(t, store, "INSERT INTO other VALUES (1)")
	wantHit(t, true, cached, cachedSQL)
	mustExec(t, store, "INSERT INTO t VALUES (4)")
	wantHit(t, false, cached, cachedSQL)
	wantHit(t, true, cached, cachedSQL)
	wantHit(t, false, store, cachedSQL)

	for range 2 {
		if got, err := All[int](bg, cached, cachedSQL); err != nil || len(got) != 4 || got[3] != 4 {
			t.Error(got, err)
		}
		if got := one[int](t, cached, "SELECT max(x) FROM t"); got != 4 {
			t.Error(got)
		}
	}
	stmt, err := store.Prepare(bg, cachedSQL)
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	rows, err := stmt.On(cached).Query(bg)
	if err != nil || !rows.FromCache() {
		t.Error("a statement does not find what its text has left:", err)
	}
	rows.Close()
	wantHit(t, false, cached, "SELECT x FROM t WHERE x > :x", Named("x", 9))
	wantHit(t, true, cached, "SELECT x FROM t WHERE x > :x", Named("x", 9))
	wantHit(t, false, cached, "SELECT x FROM t WHERE x > :x", Named("x", 9.0))
}

func TestTheWaysToUseTheCache(t *testing.T) {
	store, cached := cacheStore(t)
	wantHit(t, false, store.With(Cache(CacheRefresh, 0)), cachedSQL)
	wantHit(t, true, cached, cachedSQL)
	wantHit(t, false, store.With(Cache(CacheSkip, 0)), cachedSQL)
	wantHit(t, false, store.With(Cache(CacheRefresh, 0)), cachedSQL)
	wantHit(t, true, store.With(Cache(CacheUse, time.Hour)), cachedSQL)
	time.Sleep(30 * time.Millisecond)
	wantHit(t, false, store.With(Cache(CacheUse, time.Microsecond)), cachedSQL)
	wantHit(t, true, store.With(Cache(CacheUse, math.MaxInt64)), cachedSQL)
	wantHit(t, true, store.With(Cache(CacheUse, -1)), cachedSQL)
}

func TestACacheIsConfigured(t *testing.T) {
	open := func(options CacheOptions) *Store {
		store, err := OpenConfig(Config{DataSource: filepath.Join(t.TempDir(), "a.db"), Cache: options})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		mustScript(t, store, "CREATE TABLE t(x)")
		return store
	}
	for _, always := range []*Store{open(CacheOptions{Enabled: true}), open(CacheOptions{Policy: CacheAlways})} {
		wantHit(t, false, always, cachedSQL)
		wantHit(t, true, always, cachedSQL)
		wantHit(t, false, always.With(Cache(CacheSkip, 0)), cachedSQL)
	}
	for _, request := range []*Store{open(CacheOptions{}), open(CacheOptions{Enabled: true, Policy: CacheOnRequest})} {
		wantHit(t, false, request, cachedSQL)
		wantHit(t, false, request, cachedSQL)
		wantHit(t, false, request.With(Cache(CacheUse, 0)), cachedSQL)
		wantHit(t, true, request.With(Cache(CacheUse, 0)), cachedSQL)
	}
	never := open(CacheOptions{Policy: CacheNever}).With(Cache(CacheUse, 0))
	wantHit(t, false, never, cachedSQL)
	wantHit(t, false, never, cachedSQL)
	if stats := cacheStats(t, never); stats.Enabled || stats.Bypasses.Disabled != 2 {
		t.Errorf("%+v", stats)
	}
	sized := cacheStats(t, open(CacheOptions{Size: 10, MaxBytes: 1 << 20}))
	if !sized.Enabled || sized.MaxEntries != 10 || sized.MaxBytes != 1<<20 {
		t.Errorf("%+v", sized)
	}
	_, err := OpenConfig(Config{DataSource: ":memory:", Cache: CacheOptions{Policy: "maybe"}})
	wantError(t, err, ErrConfig, "cache.enabled")
}

func TestTransactionsGoPastTheCache(t *testing.T) {
	store, cached := cacheStore(t)
	wantHit(t, false, cached, cachedSQL)
	tx, err := cached.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, tx, "INSERT INTO t VALUES (4)")
	wantHit(t, false, tx, cachedSQL)
	wantHit(t, true, cached, cachedSQL)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	wantHit(t, true, cached, cachedSQL)
	wantHit(t, false, cached, "INSERT INTO t VALUES (9) RETURNING x")
	wantHit(t, false, cached, "INSERT INTO t VALUES (9) RETURNING x")
	if got := one[int](t, store, "SELECT count(*) FROM t WHERE x = 9"); got != 2 {
		t.Errorf("%d rows of two inserts", got)
	}
	if stats := cacheStats(t, store); stats.Bypasses.Transaction != 1 || stats.Bypasses.Statement != 2 {
		t.Errorf("%+v", stats)
	}
}

func TestTheCacheIsCountedAndCleared(t *testing.T) {
	store, cached := cacheStore(t)
	if ratio := cacheStats(t, store).HitRatio(); ratio != 0 {
		t.Error(ratio)
	}
	wantHit(t, false, cached, cachedSQL)
	wantHit(t, true, cached, cachedSQL)
	wantHit(t, true, cached, cachedSQL)
	wantHit(t, false, cached, "SELECT random()")
	stats := cacheStats(t, store)
	if stats.Hits != 2 || stats.Misses != 1 || stats.Bypasses != (CacheBypasses{Function: 1}) || stats.HitRatio() != 0.5 {
		t.Errorf("%+v", stats)
	}
	if stats.Entries != 1 || stats.Bytes == 0 || stats.MaxEntries != 1000 || stats.MaxBytes != 64<<20 {
		t.Errorf("%+v", stats)
	}
	if err := store.CacheClear(); err != nil {
		t.Fatal(err)
	}
	if stats := cacheStats(t, store); stats.Entries != 0 {
		t.Errorf("%+v", stats)
	}
	wantHit(t, false, cached, cachedSQL)
	store.Close()
	_, err := store.CacheStats()
	wantError(t, err, ErrClosed)
	wantError(t, store.CacheClear(), ErrClosed)
}

const manyRows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT i, 'some text' FROM n"

// A result that does not fit into a frame's buffer comes in pieces from the cache too, and holds no connection then.
func TestALargeResultFromTheCacheHoldsNoConnection(t *testing.T) {
	store, cached := cacheStore(t, "pool.max_open", "2")
	wantHit(t, false, cached, manyRows)
	wantHit(t, true, cached, manyRows)
	first, err := cached.Query(bg, manyRows)
	if err != nil || !first.FromCache() || !first.Next() {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, 5*time.Second)
	defer cancel()
	if _, err := One[int](ctx, store, "SELECT count(*) FROM t"); err != nil {
		t.Error("an open result from the cache holds the reader:", err)
	}
	if err := store.CacheClear(); err != nil {
		t.Fatal(err)
	}
	n := 1
	for first.Next() {
		n++
	}
	if n != 20000 || first.Err() != nil {
		t.Error(n, first.Err())
	}
}

// While all readers are lent, what is in the cache is found nevertheless, and what is not waits for its turn.
func TestAHitWaitsForNoConnection(t *testing.T) {
	store, cached := cacheStore(t, "pool.max_open", "2", "pool.wait_timeout", "0.05")
	wantHit(t, false, cached, cachedSQL)
	wantHit(t, false, cached, manyRows)
	wantHit(t, false, cached, "SELECT x FROM t WHERE x > :x", Named("x", 1))
	stmt, err := store.Prepare(bg, cachedSQL)
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	reader, err := store.With(ReadOnly()).Conn(bg)
	if err != nil {
		t.Fatal(err)
	}
	wantHit(t, true, cached, cachedSQL)
	ctx, cancel := context.WithTimeout(bg, time.Minute)
	defer cancel()
	for range 100 {
		rows, err := stmt.On(cached).Query(ctx)
		if err != nil || !rows.FromCache() {
			t.Fatal(err)
		}
		rows.Close()
	}
	wantHit(t, true, cached, manyRows)
	wantHit(t, true, cached, "SELECT x FROM t WHERE x > :x", Named("x", 1))
	var x int
	if err := cached.QueryRow(bg, cachedSQL).Scan(&x); err != nil || x != 1 {
		t.Error(x, err)
	}
	if err := cached.QueryRow(bg, manyRows).Scan(&x, new(string)); err != nil || x != 1 {
		t.Error(x, err)
	}
	_, err = cached.Query(bg, "SELECT count(*) FROM t")
	wantError(t, err, ErrExhausted)
	_, err = store.Query(bg, cachedSQL)
	wantError(t, err, ErrExhausted)
	_, err = store.With(Cache(CacheRefresh, 0)).Query(bg, cachedSQL)
	wantError(t, err, ErrExhausted)

	mustExec(t, store, "INSERT INTO t VALUES (0)")
	_, err = cached.Query(bg, cachedSQL)
	wantError(t, err, ErrExhausted)
	stop, ended := context.WithCancel(bg)
	ended()
	_, err = cached.Query(stop, cachedSQL)
	wantError(t, err, ErrCancelled)
	reader.Close()
	wantHit(t, false, cached, cachedSQL)
	if taken, waiting := store.pool.readers.load(); taken != 0 || waiting != 0 {
		t.Errorf("%d taken, %d waiting", taken, waiting)
	}
	store.Close()
	_, err = cached.Query(bg, cachedSQL)
	wantError(t, err, ErrClosed)
}

// Nobody sees less than what was committed before it asked, with more goroutines than readers.
func TestTheCacheIsNeverStale(t *testing.T) {
	store, cached := cacheStore(t, "pool.max_open", "3")
	var committed atomic.Int64
	var done atomic.Bool
	committed.Store(3)
	together(9, func(worker int) {
		if worker == 0 {
			defer done.Store(true)
			for i := int64(4); i < 300; i++ {
				mustExec(t, store, "INSERT INTO t VALUES (?)", i)
				committed.Store(i)
			}
			return
		}
		for !done.Load() {
			before := committed.Load()
			if seen := one[int64](t, cached, "SELECT max(x) FROM t"); seen < before {
				t.Errorf("%d seen after %d was committed", seen, before)
			}
		}
	})
	if stats := cacheStats(t, store); stats.Hits == 0 || stats.Invalidated == 0 {
		t.Errorf("%+v", stats)
	}
}

// What is in memory already needs no store any more.
func TestAnOpenResultFromTheCacheOutlivesItsStore(t *testing.T) {
	store, cached := cacheStore(t)
	wantHit(t, false, cached, manyRows)
	rows, err := cached.Query(bg, manyRows)
	if err != nil || !rows.FromCache() {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, 5*time.Second)
	defer cancel()
	if err := store.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if n != 20000 || rows.Err() != nil {
		t.Error(n, rows.Err())
	}
}
