package keepwell

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// together runs fn in so many goroutines and waits for them.
func together(n int, fn func(worker int)) {
	var all sync.WaitGroup
	for worker := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			fn(worker)
		}()
	}
	all.Wait()
}

func TestTransfersNeverLoseMoney(t *testing.T) {
	store := openTest(t, "pool.max_open", "4")
	mustScript(t, store, `CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));
		WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 10) INSERT INTO account SELECT i, 100 FROM s`)
	var done atomic.Bool
	var checks sync.WaitGroup
	checks.Add(2)
	for range 2 {
		go func() {
			defer checks.Done()
			for !done.Load() {
				if sum := one[int](t, store, "SELECT sum(balance) FROM account"); sum != 1000 {
					t.Errorf("the sum is %d", sum)
				}
			}
		}()
	}
	together(8, func(int) {
		for range 50 {
			err := store.Transaction(bg, func(tx *Tx) error {
				amount := rand.N(50)
				if _, err := tx.Exec(bg, "UPDATE account SET balance = balance - ? WHERE id = ?", amount, 1+rand.N(10)); err != nil {
					return err
				}
				_, err := tx.Exec(bg, "UPDATE account SET balance = balance + ? WHERE id = ?", amount, 1+rand.N(10))
				return err
			})
			if err != nil && err.(*Error).Code != ErrConstraint {
				t.Error(err)
			}
		}
	})
	done.Store(true)
	checks.Wait()
}

func TestManyGoroutinesShareFewConnectionsAndFewThreads(t *testing.T) {
	store := numbers(t, 1000, "pool.max_open", "3")
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	threads := pprof.Lookup("threadcreate").Count()
	const writers = 500
	var all sync.WaitGroup
	all.Add(writers)
	for range writers {
		go func() {
			defer all.Done()
			if _, err := store.Exec(bg, "UPDATE n SET half = half + 1 WHERE id = 1"); err != nil {
				t.Error(err)
			}
		}()
	}
	waitFor(t, "the writers to stand in line", func() bool { return waiting(store.pool.writer) == writers })
	together(50, func(worker int) {
		for i := range 20 {
			id := 1 + (worker*20+i)%1000
			if got := one[string](t, store, "SELECT name FROM n WHERE id = ?", id); got != fmt.Sprintf("row %d", id) {
				t.Errorf("%d: %s", id, got)
			}
		}
	})
	if more := pprof.Lookup("threadcreate").Count() - threads; more > 3+runtime.GOMAXPROCS(0)+8 {
		t.Errorf("%d more threads while %d goroutines waited", more, writers)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if got := one[float64](t, store, "SELECT half FROM n WHERE id = 1"); got != 0.5+writers {
		t.Errorf("%v", got)
	}
}

func TestCancellationsInAllPlacesLeaveNothingBehind(t *testing.T) {
	store := numbers(t, 5000, "pool.max_open", "3")
	together(16, func(worker int) {
		for range 40 {
			ctx, cancel := context.WithTimeout(bg, time.Duration(rand.N(3000))*time.Microsecond)
			switch rand.N(4) {
			case 0:
				All[int](ctx, store, "SELECT id FROM n")
			case 1:
				store.Exec(ctx, "UPDATE n SET half = half + 1 WHERE id % 7 = ?", worker)
			case 2:
				store.Query(ctx, endless)
			case 3:
				store.Transaction(ctx, func(tx *Tx) error {
					rows, err := tx.Query(ctx, "SELECT id, name FROM n")
					if err == nil {
						rows.Next()
						err = rows.Close()
					}
					return err
				})
			}
			cancel()
		}
	})
	for _, s := range []*slots{store.pool.writer, store.pool.readers} {
		if taken, waiting := s.load(); taken != 0 || waiting != 0 {
			t.Errorf("%d places taken, %d waiting", taken, waiting)
		}
	}
	stats, err := store.Stats()
	if err != nil || stats.InUse != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
	if got := one[int](t, store, "SELECT count(*) FROM n"); got != 5000 {
		t.Error(got)
	}
}

func TestShutdownLetsWorkFinishAndEndsTheRest(t *testing.T) {
	store := accounts(t)
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- store.Shutdown(bg) }()
	waitFor(t, "the shutdown to begin", func() bool { return store.pool.writer.word.Load()&slotsClosed != 0 })
	_, err = store.Exec(bg, "SELECT 1")
	wantError(t, err, ErrClosed)
	mustExec(t, tx, "DELETE FROM account WHERE id = 2")
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}

	store = accounts(t)
	tx, err = store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, tx, "DELETE FROM account")
	ctx, cancel := context.WithTimeout(bg, 20*time.Millisecond)
	defer cancel()
	wantError(t, store.Shutdown(ctx), ErrTimeout)
	if err := tx.Commit(); err == nil {
		t.Error("committed after the shutdown")
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
}

// forgotten makes something that holds a connection and forgets it.
func TestWhatIsForgottenGivesItsConnectionBack(t *testing.T) {
	for name, forget := range map[string]func(store *Store) error{
		"transaction": func(store *Store) error { _, err := store.Begin(bg, nil); return err },
		"nested": func(store *Store) error {
			tx, err := store.Begin(bg, nil)
			if err == nil {
				_, err = tx.With(Timeout(time.Second)).Begin(bg, nil)
			}
			return err
		},
		"connection": func(store *Store) error { _, err := store.Conn(bg); return err },
		"stream": func(store *Store) error {
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			rows, err := store.Query(ctx, "SELECT id, name FROM n")
			if err == nil {
				rows.Next()
			}
			return err
		},
		"stream of a transaction": func(store *Store) error {
			tx, err := store.Begin(bg, nil)
			if err == nil {
				_, err = tx.Query(bg, "SELECT id, name FROM n")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := numbers(t, 10_000, "pool.max_open", "2")
			if err := forget(store); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the collector", func() bool {
				runtime.GC()
				stats, _ := store.Stats()
				taken, _ := store.pool.writer.load()
				return stats.InUse == 0 && taken == 0
			})
			mustExec(t, store, "DELETE FROM n")
		})
	}
}

func TestAForgottenStoreIsClosed(t *testing.T) {
	handle := func() uint64 {
		store, err := Open(":memory:")
		if err != nil {
			t.Fatal(err)
		}
		return store.handle
	}()
	waitFor(t, "the collector", func() bool {
		runtime.GC()
		_, err := nativeStats(handle)
		return err != nil
	})
}

func TestATransactionIsForOneGoroutineAtATime(t *testing.T) {
	store := numbers(t, 10)
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
	defer cancel()
	done := make(chan error)
	go func() { _, err := tx.Query(ctx, endless); done <- err }()
	for ctx.Err() == nil && err == nil {
		_, err = tx.Exec(bg, "SELECT 1")
	}
	if other := <-done; err == nil {
		err = other // whoever came second got it
	}
	wantError(t, err, ErrMisuse)
}
