package keepwell

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// twoStores opens two stores on one file: the second is in the way of the first as another process would be.
func twoStores(t *testing.T) (store, other *Store) {
	path := filepath.Join(t.TempDir(), "two.db")
	for _, s := range []**Store{&store, &other} {
		opened, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { opened.Close() })
		*s = opened
	}
	mustScript(t, store, "CREATE TABLE t(v UNIQUE)")
	return store, other
}

func count(t *testing.T, q Querier) int { return one[int](t, q, "SELECT count(*) FROM t") }

// conflict is the error of a commit in the way.
func conflict() error {
	e := newError(ErrConflict, "made for this test")
	e.flags = flagRetryTransaction
	return e
}

// overtaken returns a function whose first run is overtaken by a commit of the other store.
func overtaken(t *testing.T, other *Store, runs *int) func(*Tx) error {
	return func(tx *Tx) error {
		seen := count(t, tx)
		if *runs++; *runs == 1 {
			mustExec(t, other, "INSERT INTO t VALUES ('other')")
		} else if seen != 1 {
			t.Errorf("%d rows in the second run", seen)
		}
		_, err := tx.Exec(bg, "INSERT INTO t VALUES ('own')")
		if *runs == 1 {
			wantError(t, err, ErrConflict)
		}
		return err
	}
}

func TestAConflictIsRunAgain(t *testing.T) {
	store, other := twoStores(t)
	runs := 0
	fn := overtaken(t, other, &runs)
	err := store.RunTx(bg, &TxOptions{Mode: TxDeferred}, func(tx *Tx) error {
		if runs == 1 { // the second one begins immediate
			_, err := other.With(Timeout(20*time.Millisecond)).Exec(bg, "DELETE FROM t")
			wantError(t, err, ErrTimeout)
		}
		return fn(tx)
	})
	if err != nil || runs != 2 || count(t, other) != 2 {
		t.Error(err, runs, count(t, other))
	}
}

func TestTheOutermostIsRunAgain(t *testing.T) {
	store, other := twoStores(t)
	outer, inner := 0, 0
	err := store.RunTx(bg, &TxOptions{Mode: TxDeferred}, func(tx *Tx) error {
		outer++
		if err := tx.RunTx(bg, nil, overtaken(t, other, &inner)); err != nil {
			return fmt.Errorf("wrapped: %w", err)
		}
		return nil
	})
	if err != nil || outer != 2 || inner != 2 || count(t, other) != 2 {
		t.Error(outer, inner, err)
	}
	inner = 0
	mustExec(t, store, "DELETE FROM t")
	conn, err := store.Conn(bg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.RunTx(bg, &TxOptions{Mode: TxDeferred}, overtaken(t, other, &inner)); err != nil || inner != 2 {
		t.Error("on a pinned connection:", inner, err)
	}
}

func TestOtherErrorsAndPanicsRollBackAndComeOut(t *testing.T) {
	store, other := twoStores(t)
	own := errors.New("own")
	runs := 0
	err := store.RunTx(bg, nil, func(tx *Tx) error {
		runs++
		mustExec(t, tx, "INSERT INTO t VALUES (1)")
		return own
	})
	if err != own || runs != 1 || count(t, other) != 0 {
		t.Error(err, runs)
	}
	func() {
		defer func() {
			if recover() != "boo" {
				t.Error("the panic was swallowed")
			}
		}()
		store.RunTx(bg, nil, func(tx *Tx) error {
			mustExec(t, tx, "INSERT INTO t VALUES (1)")
			panic("boo")
		})
	}()
	var wait sync.WaitGroup
	wait.Add(1)
	go func() { // as t.FailNow does
		defer wait.Done()
		store.RunTx(bg, nil, func(tx *Tx) error {
			mustExec(t, tx, "INSERT INTO t VALUES (1)")
			runtime.Goexit()
			return nil
		})
	}()
	wait.Wait()
	mustExec(t, other, "INSERT INTO t VALUES (2)")
	if n := count(t, store); n != 1 {
		t.Error(n)
	}
}

func TestAFunctionThatEndsItsTransactionHasDecided(t *testing.T) {
	store, other := twoStores(t)
	runs := 0
	for i, answer := range []error{nil, conflict()} {
		err := store.RunTx(bg, nil, func(tx *Tx) error {
			runs++
			mustExec(t, tx, "INSERT INTO t VALUES (?)", i)
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
			return answer
		})
		if err != answer {
			t.Error(err)
		}
		err = store.RunTx(bg, nil, func(tx *Tx) error {
			runs++
			mustExec(t, tx, "DELETE FROM t")
			tx.Rollback()
			return answer
		})
		if err != answer {
			t.Error(err)
		}
	}
	if runs != 4 || count(t, other) != 2 {
		t.Error(runs)
	}
	err := store.RunTx(bg, nil, func(tx *Tx) error {
		_, err := tx.Exec(bg, "INSERT OR ROLLBACK INTO t VALUES (0)")
		wantError(t, err, ErrConstraint)
		return nil
	})
	wantError(t, err, ErrTxEnded)
}

func TestTheContextBoundsAllRuns(t *testing.T) {
	store, _ := twoStores(t)
	for name, run := range map[string]func(func(*Tx) error) error{
		"context": func(fn func(*Tx) error) error {
			expiring, cancel := context.WithTimeout(bg, 60*time.Millisecond)
			defer cancel()
			return store.RunTx(expiring, nil, fn)
		},
		"timeout": func(fn func(*Tx) error) error {
			return store.With(Timeout(60*time.Millisecond)).RunTx(bg, nil, fn)
		},
	} {
		runs := 0
		err := run(func(*Tx) error { runs++; return conflict() })
		if runs < 2 || !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %d runs, %v", name, runs, err)
		}
	}
	for name, begin := range map[string]func(context.Context, func(*Tx) error) error{
		"own":   func(ctx context.Context, fn func(*Tx) error) error { return store.RunTx(ctx, nil, fn) },
		"bound": func(ctx context.Context, fn func(*Tx) error) error { return store.WithContext(ctx).RunTx(bg, nil, fn) },
	} {
		reason := errors.New("no longer wanted")
		ctx, cancel := context.WithCancelCause(bg)
		runs := 0
		err := begin(ctx, func(*Tx) error {
			if runs++; runs == 3 {
				cancel(reason)
			}
			return conflict()
		})
		if runs != 3 || !errors.Is(err, context.Canceled) || !errors.Is(err, ErrConflict) || !errors.Is(err, reason) {
			t.Errorf("%s: %d runs, %v", name, runs, err)
		}
	}
}

func TestTheContextBoundsTheCallsOfTheFunction(t *testing.T) {
	store, other := twoStores(t)
	for name, fn := range map[string]func(*Tx) error{
		"statement": func(tx *Tx) error { _, err := tx.Query(bg, endless); return err },
		"nested": func(tx *Tx) error {
			return tx.RunTx(bg, nil, func(inner *Tx) error { _, err := inner.Query(bg, endless); return err })
		},
	} {
		ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
		err := store.RunTx(ctx, nil, fn)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nothing ends a commit.
	ctx, cancel := context.WithCancel(bg)
	err := store.RunTx(ctx, nil, func(tx *Tx) error {
		mustExec(t, tx, "INSERT INTO t VALUES (1)")
		cancel()
		return nil
	})
	if err != nil || count(t, other) != 1 {
		t.Error(err)
	}
}

func TestTheFlagsOfTheErrorDecide(t *testing.T) {
	for flags, again := range map[uint32]bool{
		0:                                     false,
		flagRetryStatement:                    true,
		flagRetryTransaction:                  true,
		flagRetryTransaction | flagRolledBack: true,
		flagReconnect:                         false,
		flagRetryStatement | flagTimedOut:     false,
		flagRetryTransaction | flagCancelled:  false,
		flagRetryTransaction | flagCommitted:  false,
	} {
		var r replay
		if got := r.due(bg, fmt.Errorf("wrapped: %w", &Error{flags: flags})); got != again {
			t.Errorf("flags %d: %v", flags, got)
		}
	}
	late := replay{failures: 1, first: time.Now().Add(-patience)}
	if late.due(bg, conflict()) {
		t.Error("patience has no end")
	}
	ctx, cancel := context.WithTimeout(bg, time.Hour)
	defer cancel()
	if !late.due(ctx, conflict()) {
		t.Error("patience ends before the deadline")
	}
}

// What is left while another goroutine is in a call on it ends when that has returned, and does not keep the writer for ever.
func TestLeavingWaitsForTheCallOfAnotherGoroutine(t *testing.T) {
	store, err := Open(filepath.Join(t.TempDir(), "left.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	mustScript(t, store, "CREATE TABLE t(v)")
	const endless = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i FROM c) SELECT i FROM c WHERE i < 0"
	var calls sync.WaitGroup
	left := errors.New("left")
	err = store.Transaction(bg, func(tx *Tx) error {
		calls.Add(1)
		go func() {
			defer calls.Done()
			for {
				soon, cancel := context.WithTimeout(bg, 500*time.Millisecond)
				_, err := tx.Exec(soon, endless)
				cancel()
				if !errors.Is(err, ErrMisuse) {
					return
				}
			}
		}()
		for {
			if _, err := tx.Exec(bg, "SELECT 1"); errors.Is(err, ErrMisuse) {
				return left
			}
		}
	})
	if !errors.Is(err, left) {
		t.Fatal(err)
	}
	calls.Wait()
	ctx, cancel := context.WithTimeout(bg, 5*time.Second)
	defer cancel()
	if _, err := store.Exec(ctx, "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
}
